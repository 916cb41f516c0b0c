"""What identifies the vectors of an encoder, so that they can be kept and found again. Loads no torch."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medembed_pipeline.encoder.modules import Modules, lower_cases, read_modules
from medembed_pipeline.encoder.spec import EncoderSpec, own_projection, resolve_base
from medembed_pipeline.lake.fingerprint import digest, file_sha256

# Raised by hand when a change of code changes the vectors.
ENCODER_REVISION = 1
# Raised by hand when a change of code changes what is exported for a backend.
EXPORT_REVISION = 1
EXPORTED = ("store", "exported_models")
"""Where models lie in the lake as a backend needs them, by `export_key`."""
CALIBRATION = {"notes": 200, "seed": 0, "max_tokens": 256, "batch_tokens": 2048}
"""What quantisation looks at: sample notes, cut at so many tokens, in batches of so many."""
# The files of a model folder that decide its vectors: weights, architecture, tokenizer.
TOKENIZER_FILES = (
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
    window, handling of long notes, prompts, Dense layers, projection, head and precision; not the folder's name or
    its other files.

    Parameters
    ----------
    spec
        the encoder; a hub id is fetched.
    precision
        what the vectors are computed in: "float32", "bfloat16", or a backend and one of these
        (`EncoderSettings.computed_in`).
    seed
        as given to `load_encoder`; counts only where a new projection is drawn from it.

    Raises
    ------
    MedembedError
        as `resolve_base`, and as `read_spec` where layers of the folder are taken.
    """
    return digest({**_described(spec, seed), "precision": precision})


def encoder_fingerprints(spec: EncoderSpec, computed_in: Iterable[str]) -> set[str]:
    """The fingerprints of an encoder for each of some precisions; its files are hashed once."""
    described = _described(spec, seed=0)
    return {digest({**described, "precision": precision}) for precision in computed_in}


def _described(spec: EncoderSpec, seed: int) -> dict[str, Any]:
    folder = resolve_base(spec.base)
    files = [*weight_files(folder), folder / "config.json", *(folder / name for name in TOKENIZER_FILES)]
    projection = own_projection(spec, folder)
    modules = read_modules(folder) if spec.dense or spec.head else Modules()
    layers = [*modules.dense_folders[: len(spec.dense)], *modules.head_folders[: len(spec.head)]]
    for layer in layers if projection is None else [*layers, projection]:
        files += sorted(path for path in layer.iterdir() if path.suffix in (".safetensors", ".bin", ".json"))
    return {
        "revision": ENCODER_REVISION,
        "pooling": spec.pooling,
        "max_tokens": spec.max_tokens,
        "long_notes": spec.long_notes,
        "projection_dimensions": spec.projection_dimensions,
        "projection_seed": seed if spec.projection_dimensions and projection is None else None,
        "files": {str(path.relative_to(folder)): file_sha256(path) for path in files if path.is_file()},
        **_described_where_used(spec, lower_cased=lower_cases(folder)),
    }


def export_key(folder: Path, *, quantised: bool) -> str:
    """What an exported model is kept by: 64 hex of the files that decide it.

    Parameters
    ----------
    folder
        a model folder.
    quantised
        whether its products are of 8 bits; then the tokenizer, which reads the calibration's texts, counts too.
    """
    files = [*weight_files(folder), folder / "config.json"]
    if quantised:
        files += [folder / name for name in TOKENIZER_FILES]
    described: dict[str, Any] = {
        "revision": EXPORT_REVISION,
        "quantised": CALIBRATION if quantised else None,
        "files": {path.name: file_sha256(path) for path in files if path.is_file()},
    }
    return digest(described)


def weight_files(folder: Path) -> list[Path]:
    """The files that hold a model folder's weights, but those of its Dense modules."""
    return sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin"))


def _described_where_used(spec: EncoderSpec, *, lower_cased: bool) -> dict[str, Any]:
    """What most models do without: left out there, so that the vectors they have are found again."""
    used: dict[str, Any] = {}
    if spec.query_prompt or spec.document_prompt:
        used["prompts"] = [spec.query_prompt, spec.document_prompt, spec.include_prompt]
    if spec.dense:
        used["dense"] = [asdict(layer) for layer in spec.dense]
    if spec.head:
        used["head"] = [asdict(layer) for layer in spec.head]
    if lower_cased:
        used["lower_cased"] = True
    return used
