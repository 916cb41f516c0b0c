"""What identifies the vectors of an encoder, so that they can be kept and found again. Loads no torch."""

from medembed_pipeline.encoder.spec import EncoderSpec, read_dense_folder, resolve_base
from medembed_pipeline.lake.fingerprint import digest, file_sha256

# Raised by hand when a change of code changes the vectors.
ENCODER_REVISION = 1
# The files of a model folder that decide its vectors: weights, architecture, tokenizer.
_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "spiece.model",
    "tokenizer.model",
)


def encoder_fingerprint(spec: EncoderSpec, *, precision: str = "float32", seed: int = 0) -> str:
    """The sha256 that identifies the vectors an encoder gives: equal exactly where these are equal.

    It covers the content of the weights, configuration and tokenizer files of the base model, the pooling,
    window, handling of long notes, projection and precision; not the folder's name or its other files.

    Args:
        spec: the encoder; a hub id is fetched.
        precision: the one the vectors are computed in, "float32" or "bfloat16" (`Encoder.precision`).
        seed: as given to `load_encoder`; counts only where a new projection is drawn from it.

    Raises:
        MedembedError: as `resolve_base`.
    """
    folder = resolve_base(spec.base)
    weights = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin"))
    files = [*weights, folder / "config.json", *(folder / name for name in _TOKENIZER_FILES)]
    dense = read_dense_folder(folder) if spec.projection_dimensions else None
    if dense is not None:
        files += sorted(path for path in dense.iterdir() if path.suffix in (".safetensors", ".bin", ".json"))
    described = {
        "revision": ENCODER_REVISION,
        "pooling": spec.pooling,
        "max_tokens": spec.max_tokens,
        "long_notes": spec.long_notes,
        "projection_dimensions": spec.projection_dimensions,
        "projection_seed": seed if spec.projection_dimensions and dense is None else None,
        "precision": precision,
        "files": {str(path.relative_to(folder)): file_sha256(path) for path in files if path.is_file()},
    }
    return digest(described)
