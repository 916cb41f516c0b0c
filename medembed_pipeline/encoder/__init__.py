"""The text encoder: the only room that turns text into vectors.

Light to import: `EncoderSpec`, `spec_of_settings`, `resolve_base` and `encoder_fingerprint` need neither torch
nor transformers.
The model itself is in `medembed_pipeline.encoder.model` (`load_encoder`, `Encoder`) and
`medembed_pipeline.encoder.folder` (`save_encoder`), which load torch: import them inside functions.
"""

from medembed_pipeline.encoder.fingerprint import encoder_fingerprint, encoder_fingerprints
from medembed_pipeline.encoder.memory import keep_freed_memory
from medembed_pipeline.encoder.spec import (
    EncoderSpec,
    Role,
    read_spec,
    resolve_base,
    spec_of_base,
    spec_of_settings,
    vector_dimensions,
)

__all__ = [
    "EncoderSpec",
    "Role",
    "encoder_fingerprint",
    "encoder_fingerprints",
    "keep_freed_memory",
    "read_spec",
    "resolve_base",
    "spec_of_base",
    "spec_of_settings",
    "vector_dimensions",
]
