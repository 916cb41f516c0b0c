"""Triplets to a fine-tuned checkpoint.

Light to import: `TrainingData` and `verify_checkpoint` need no torch. The training itself
is `medembed_pipeline.training.loop.train`, the result's folder `medembed_pipeline.training.checkpoint`:
these load torch, so import them inside functions.
"""

from medembed_pipeline.training.data import TrainingData
from medembed_pipeline.training.verification import verify_checkpoint

REVISION = "7"

__all__ = ["TrainingData", "verify_checkpoint"]
