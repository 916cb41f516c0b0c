"""What a model folder's own files say of pooling, prompts and Dense layers. Loads neither torch nor transformers.

The format is that of sentence-transformers: `modules.json` names the modules in their order, each with a `config.json`
of its own, and `config_sentence_transformers.json` holds the prompts. Versions 2 to 6 of it are read. What stands there
and is not done here is refused: the vectors would be others than those the model was published for.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from medembed_pipeline.errors import MedembedError

PoolingName = Literal["mean", "cls", "lasttoken", "max", "weightedmean", "mean_sqrt_len_tokens"]
POOLINGS: tuple[PoolingName, ...] = (
    "mean",
    "cls",
    "lasttoken",
    "max",
    "weightedmean",
    "mean_sqrt_len_tokens",
)
POOLING_FLAGS: dict[PoolingName, str] = {
    "mean": "pooling_mode_mean_tokens",
    "cls": "pooling_mode_cls_token",
    "lasttoken": "pooling_mode_lasttoken",
    "max": "pooling_mode_max_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
}
"""The keys by which versions before 6 say how is pooled."""

ACTIVATIONS = ("Identity", "Tanh", "ReLU", "GELU", "SiLU", "Sigmoid")
"""Classes of torch.nn, without arguments."""

# sentence-transformers gives a text the first of these prompts that it knows.
_DOCUMENT_PROMPTS = ("document", "passage", "corpus")
_DENSE_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_CHOOSE = "Choose another base model"
# What may come after Transformer and Pooling, each kind with a blank before it.
_ORDER = re.compile("( Dense)*( Normalize(( Dense)+ Normalize)?)?")


@dataclass(frozen=True)
class DenseLayer:
    """A fully connected layer on the pooled vector, before or after it has unit length.

    Attributes
    ----------
    dimensions
        of what it gives.
    activation
        what follows the matrix, one of `ACTIVATIONS`.
    """

    dimensions: int
    activation: str = "Identity"


@dataclass(frozen=True)
class Modules:
    """What `modules.json` says, by default what a folder without it does.

    Attributes
    ----------
    pooling
        how token vectors become one; None where nothing is said.
    include_prompt
        whether a prompt's tokens are pooled, too.
    dense
        the Dense layers before unit length, in their order.
    dense_folders
        where each lies.
    head
        those after it, in their order; unit length follows again.
    head_folders
        where each lies.
    """

    pooling: PoolingName | None = None
    include_prompt: bool = True
    dense: tuple[DenseLayer, ...] = ()
    dense_folders: tuple[Path, ...] = ()
    head: tuple[DenseLayer, ...] = ()
    head_folders: tuple[Path, ...] = ()


def read_modules(folder: Path) -> Modules:
    """Read a model folder's `modules.json` and the settings of each module.

    Raises
    ------
    MedembedError
        a file is damaged, or a module is unknown, does something that is not done here, or stands in another order
        than Transformer, Pooling, Dense (any number), Normalize (or none), or, after that Normalize, Dense (one or
        more) and Normalize again.
    """
    file = folder / "modules.json"
    if not file.is_file():
        return Modules()
    stated = read_json(file)
    try:
        types, paths = zip(*((str(module["type"]), str(module["path"])) for module in stated), strict=True)
    except (KeyError, TypeError, ValueError) as error:
        raise MedembedError(
            f"{file}: expected a list of modules with 'type' and 'path'; the model folder is damaged."
        ) from error
    kinds = [_kind(folder, name) for name in types]
    _refuse_other_orders(folder, kinds)
    if paths[0]:
        raise MedembedError(
            f"{folder}: its transformer lies in the subfolder {paths[0]!r}; expected it in the model folder itself. "
            "Load it with sentence-transformers 5 or newer and save it anew."
        )
    _refuse_unusual_transformer(folder)
    found = _read_pooling(folder, folder / paths[1])
    dense: list[Path] = []
    head: list[Path] = []
    part = dense
    for kind, path in zip(kinds[2:], paths[2:], strict=True):
        if kind == "Dense":
            part.append(folder / path)
        else:
            _refuse_other_features(folder, folder / path)
            part = head
    return replace(
        found,
        dense=tuple(_read_dense(folder, place) for place in dense),
        dense_folders=tuple(dense),
        head=tuple(_read_dense(folder, place) for place in head),
        head_folders=tuple(head),
    )


def read_prompts(folder: Path) -> tuple[str, str]:
    """The prompts of queries and of documents that a model folder states; empty where it states none.

    They go by the names that sentence-transformers' `encode_query` and `encode_document` look for: `query`, and the
    first of `document`, `passage`, `corpus` that is not empty. A default prompt of another name is not taken, as
    these two do not take it either.

    Raises
    ------
    MedembedError
        the file is damaged, or is of a model that gives no single vector.
    """
    file = folder / "config_sentence_transformers.json"
    if not file.is_file():
        return "", ""
    config = read_json(file)
    kind = config.get("model_type") or "SentenceTransformer"
    if kind != "SentenceTransformer":
        raise MedembedError(
            f"{file}: the model is a {kind}; expected a SentenceTransformer, which gives one vector per text. "
            f"{_CHOOSE}."
        )
    prompts = config.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(isinstance(text, str | None) for text in prompts.values()):
        raise MedembedError(
            f"{file}: 'prompts' is no table of texts by name; the model folder is damaged: mend it, or "
            f"{_CHOOSE.lower()}."
        )
    document = next((prompts[name] for name in _DOCUMENT_PROMPTS if prompts.get(name)), "")
    return prompts.get("query") or "", document


def lower_cases(folder: Path) -> bool:
    """Whether a model folder has its texts lower-cased before its tokenizer reads them."""
    file = folder / "sentence_bert_config.json"
    return bool(file.is_file() and read_json(file).get("do_lower_case"))


def dense_weights(dense_folder: Path) -> Path:
    """The file with a Dense module's weights.

    Raises
    ------
    MedembedError
        there is none.
    """
    for name in _DENSE_WEIGHTS:
        if (dense_folder / name).is_file():
            return dense_folder / name
    raise MedembedError(
        f"{dense_folder}: holds no weights of the Dense module; expected {' or '.join(_DENSE_WEIGHTS)}. The model "
        "folder is damaged: fetch it anew."
    )


def read_json(path: Path) -> Any:
    """A JSON file's content; a MedembedError naming the file where it is missing or isn't JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MedembedError(
            f"{path}: can't be read as JSON ({type(error).__name__}); the model folder is damaged."
        ) from error


def _kind(folder: Path, name: str) -> str:
    """`Pooling` of `sentence_transformers.models.Pooling`; another package's module is code of the model's own."""
    kind = name.rpartition(".")[2]
    if not name.startswith("sentence_transformers.") or kind not in (
        *("Transformer", "Pooling", "Dense", "Normalize"),
    ):
        raise MedembedError(
            f"{folder}: has a module of type {name!r}; supported are sentence-transformers' Transformer, Pooling, "
            f"Dense and Normalize, and no code that comes with a model. {_CHOOSE}."
        )
    return kind


def _refuse_other_orders(folder: Path, kinds: Sequence[str]) -> None:
    rest = "".join(f" {kind}" for kind in kinds[2:])
    if list(kinds[:2]) == ["Transformer", "Pooling"] and _ORDER.fullmatch(rest):
        return
    raise MedembedError(
        f"{folder}: its modules are {', '.join(kinds)}; supported are Transformer, Pooling, any number of Dense, and "
        "Normalize or none, in this order, and after Normalize further Dense with a Normalize of their own (vectors "
        f"are always of unit length in the end). {_CHOOSE}."
    )


def _refuse_unusual_transformer(folder: Path) -> None:
    file = folder / "sentence_bert_config.json"
    if not file.is_file():
        return
    config = read_json(file)
    task = config.get("transformer_task", "feature-extraction")
    if task != "feature-extraction":
        raise MedembedError(
            f"{file}: transformer_task is {task!r}; supported is 'feature-extraction', vectors of tokens. {_CHOOSE}."
        )
    ways = sorted(config.get("modality_config") or {"text": {}})
    if ways != ["text"]:
        raise MedembedError(
            f"{file}: the model takes {' and '.join(ways)}; supported is text, without a chat template. {_CHOOSE}."
        )


def _read_pooling(folder: Path, place: Path) -> Modules:
    config = read_json(place / "config.json")
    # Format 6 names the mode; older ones have a flag for each, and none set means the mean.
    named = {flag: name for name, flag in POOLING_FLAGS.items()}
    flags = [key for key, chosen in config.items() if key.startswith("pooling_mode_") and chosen is True]
    stated = config.get("pooling_mode") or [named.get(flag, flag) for flag in flags] or "mean"
    names = [stated] if isinstance(stated, str) else list(stated)
    for known in POOLINGS:
        if names == [known]:
            return Modules(pooling=known, include_prompt=bool(config.get("include_prompt", True)))
    raise MedembedError(
        f"{folder}: pools by {' and '.join(map(str, names))}; supported is one of {', '.join(POOLINGS)}. {_CHOOSE}."
    )


def _read_dense(folder: Path, place: Path) -> DenseLayer:
    config = read_json(place / "config.json")
    _refuse_other_features(folder, place)
    if config.get("use_residual"):
        raise MedembedError(
            f"{place}: the Dense module adds its input to its output (use_residual); supported is a plain one. "
            f"{_CHOOSE}."
        )
    # sentence-transformers' own default where the file says nothing.
    stated = str(config.get("activation_function", "torch.nn.modules.activation.Tanh"))
    package, _, activation = stated.rpartition(".")
    if activation not in ACTIVATIONS or package.partition(".nn")[0] != "torch":
        raise MedembedError(
            f"{place}: the Dense module's activation function is {stated!r}; supported are torch.nn's "
            f"{', '.join(ACTIVATIONS)}. {_CHOOSE}."
        )
    try:
        return DenseLayer(int(config["out_features"]), activation)
    except (KeyError, TypeError, ValueError) as error:
        raise MedembedError(
            f"{place / 'config.json'}: states no number as out_features; the model folder is damaged."
        ) from error


def _refuse_other_features(folder: Path, place: Path) -> None:
    """Dense and Normalize must take and give the pooled vector, not those of tokens."""
    file = place / "config.json"
    config = read_json(file) if file.is_file() else {}
    for key in ("module_input_name", "module_output_name"):
        name = config.get(key) or "sentence_embedding"
        if name != "sentence_embedding":
            raise MedembedError(
                f"{file}: {key} is {name!r}; supported is 'sentence_embedding', the pooled vector. {_CHOOSE}."
            )
