"""Write an encoder as a sentence-transformers model folder, the format that everybody can load.

Format: https://www.sbert.net/docs/sentence_transformer/usage/custom_models.html (the module names are those
that sentence-transformers 2 to 6 all read). The files are written here, without importing that library.
"""

import json
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save
from torch import nn

from medembed_pipeline.encoder.dense import Dense
from medembed_pipeline.encoder.model import Encoder
from medembed_pipeline.encoder.modules import POOLING_FLAGS, DenseLayer, PoolingName
from medembed_pipeline.encoder.spec import SPEC_FILE, EncoderSpec

# Where torch keeps its activations, as sentence-transformers writes it.
_ACTIVATIONS = "torch.nn.modules.activation"
_ACTIVATION_MODULES = {"Identity": "torch.nn.modules.linear"}


def save_encoder(encoder: Encoder, folder: Path) -> None:
    """Write the encoder as a folder that sentence-transformers and `load_encoder(read_spec(folder))` load.

    The same weights and spec give the same bytes. Prompts are written as `query` and `document`; the latter is also the
    one that `encode` takes by itself. sentence-transformers has no windows: it cuts a longer note off, whatever
    `long_notes` says (which is kept in `medembed_encoder.json`).

    Parameters
    ----------
    encoder
        on any device; its weights are written as float32.
    folder
        created where missing; files of the same names are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    spec = encoder.spec
    hidden = int(encoder.transformer.config.hidden_size)
    _save_transformer(encoder, folder)
    layers, head = _dense_modules(encoder), _matrices(encoder.head, spec.head)
    kinds = ["Transformer", "Pooling", *("Dense" for _ in layers), "Normalize"]
    if head:
        kinds += [*("Dense" for _ in head), "Normalize"]
    names = ["", *(f"{place}_{kind}" for place, kind in enumerate(kinds) if place)]
    for name in names:
        (folder / name).mkdir(exist_ok=True)
    _write_json(
        folder / "modules.json",
        [
            {"idx": place, "name": str(place), "path": name, "type": f"sentence_transformers.models.{kind}"}
            for place, (name, kind) in enumerate(zip(names, kinds, strict=True))
        ],
    )
    _write_json(folder / names[1] / "config.json", _pooling_config(spec, hidden))
    dense_names = [name for name, kind in zip(names, kinds, strict=True) if kind == "Dense"]
    for name, (linear, activation) in zip(dense_names, [*layers, *head], strict=True):
        _write_json(
            folder / name / "config.json",
            {
                "in_features": linear.in_features,
                "out_features": linear.out_features,
                "bias": linear.bias is not None,
                "activation_function": f"{_ACTIVATION_MODULES.get(activation, _ACTIVATIONS)}.{activation}",
            },
        )
        weights = {f"linear.{part}": _plain(value) for part, value in linear.state_dict().items()}
        # As bytes: a full disk is then an OSError, which says so, and no error of the library's own.
        (folder / name / "model.safetensors").write_bytes(save(weights, metadata={"format": "pt"}))
    _write_json(
        folder / "sentence_bert_config.json", {"max_seq_length": spec.max_tokens, "do_lower_case": False}
    )
    prompted = bool(spec.query_prompt or spec.document_prompt)
    _write_json(
        folder / "config_sentence_transformers.json",
        {
            "prompts": {"query": spec.query_prompt, "document": spec.document_prompt} if prompted else {},
            # A text of which nothing is said is a note: `encode` gives what this pipeline gave.
            "default_prompt_name": "document" if spec.document_prompt else None,
            "similarity_fn_name": "cosine",
        },
    )
    # The base is left out: the folder holds its own weights, and is found wherever it lies.
    _write_json(folder / SPEC_FILE, spec.description())


def _dense_modules(encoder: Encoder) -> list[tuple[nn.Linear, str]]:
    """Matrix and activation of every layer between pooling and unit length."""
    own = _matrices(encoder.dense, encoder.spec.dense)
    return [*own, (encoder.projection, "Identity")] if encoder.projection is not None else own


def _matrices(modules: nn.ModuleList, layers: tuple[DenseLayer, ...]) -> list[tuple[nn.Linear, str]]:
    return [
        (cast(Dense, module).linear, layer.activation) for module, layer in zip(modules, layers, strict=True)
    ]


def _pooling_config(spec: EncoderSpec, hidden: int) -> dict[str, Any]:
    # The flags of versions before 6, which all versions read; those of rarer poolings only where they are set.
    always: tuple[PoolingName, ...] = ("cls", "mean", "max", "mean_sqrt_len_tokens")
    config: dict[str, Any] = {POOLING_FLAGS[name]: False for name in always}
    config |= {"word_embedding_dimension": hidden, POOLING_FLAGS[spec.pooling]: True}
    if not spec.include_prompt:
        config["include_prompt"] = False
    return config


def _save_transformer(encoder: Encoder, folder: Path) -> None:
    from transformers.utils import logging as transformers_logging

    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        encoder.transformer.save_pretrained(folder)
        backend = encoder.tokenizer.backend_tokenizer
        # The tokenizer remembers how it was last called; the file must not.
        backend.no_truncation()
        backend.no_padding()
        encoder.tokenizer.model_max_length = encoder.spec.max_tokens
        encoder.tokenizer.save_pretrained(folder)
    finally:
        if bars:
            transformers_logging.enable_progress_bar()
    for name in ("config.json", "tokenizer_config.json"):
        # Where the base lay on this machine is no part of the model.
        path = folder / name
        content = json.loads(path.read_text(encoding="utf-8"))
        for private in ("_name_or_path", "name_or_path", "is_local", "local_files_only"):
            content.pop(private, None)
        _write_json(path, content)


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().to("cpu", torch.float32).contiguous()


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
