"""Clinical notes in; a fine-tuned embedding model and honest proof of whether it helped out."""

import os

# After a product of numpy's, threads of OpenBLAS wait for the next one by spinning, for a tenth of a second, on cores
# that torch is about to need: where both took turns, steps took 2.5 times as long. Heeded where numpy loads later.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
