"""Notes whose vectors are known already are not read again."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from medembed_pipeline.encoder.model import Encoder
from medembed_pipeline.encoder.tokens import Windows


def read_whole(
    encoder: Encoder,
    ids: Sequence[str],
    texts: Sequence[str],
    known: Mapping[str, npt.NDArray[np.float32]],
    *,
    token_budget: int | None,
) -> Windows:
    """What `Encoder.read` makes of some notes with `reads_whole`, from known vectors where a note is one window.

    Parameters
    ----------
    encoder
        with `reads_whole`.
    ids, texts
        of the notes.
    known
        float32 [d] by id, as this very encoder gives them; the others are read.
    token_budget
        see `Encoder.encode`.
    """
    if encoder.spec.long_notes == "windows":
        return encoder.read(encoder.tokenize(texts), token_budget=token_budget)
    unknown = [place for place, note in enumerate(ids) if note not in known]
    vectors = np.empty((len(ids), encoder.dimensions), dtype=np.float32)
    vectors[unknown] = encoder.encode([texts[place] for place in unknown], token_budget=token_budget)
    for place, note in enumerate(ids):
        if note in known:
            vectors[place] = known[note]
    return Windows.of_vectors(vectors)
