"""Write an encoder as a sentence-transformers model folder, the format that everybody can load.

Format: https://www.sbert.net/docs/sentence_transformer/usage/custom_models.html (the module names are those
that sentence-transformers 2 to 6 all read). The files are written here, without importing that library.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from medembed_pipeline.encoder.model import Encoder
from medembed_pipeline.encoder.spec import SPEC_FILE


def save_encoder(encoder: Encoder, folder: Path) -> None:
    """Write the encoder as a folder that sentence-transformers and `load_encoder(read_spec(folder))` load.

    The same weights and spec give the same bytes. sentence-transformers has no windows: it cuts a longer note
    off, whatever `long_notes` says (which is kept in `medembed_encoder.json`).

    Args:
        encoder: on any device; its weights are written as float32.
        folder: created where missing; files of the same names are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    spec = encoder.spec
    hidden = int(encoder.transformer.config.hidden_size)
    _save_transformer(encoder, folder)
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
    modules += (
        [("2_Dense", "Dense"), ("3_Normalize", "Normalize")]
        if encoder.projection
        else [("2_Normalize", "Normalize")]
    )
    for name, _ in modules:
        (folder / name).mkdir(exist_ok=True)
    _write_json(
        folder / "modules.json",
        [
            {"idx": place, "name": str(place), "path": name, "type": f"sentence_transformers.models.{kind}"}
            for place, (name, kind) in enumerate(modules)
        ],
    )
    _write_json(
        folder / "1_Pooling" / "config.json",
        {
            "word_embedding_dimension": hidden,
            "pooling_mode_cls_token": spec.pooling == "cls",
            "pooling_mode_mean_tokens": spec.pooling == "mean",
            "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False,
        },
    )
    if encoder.projection is not None:
        _write_json(
            folder / "2_Dense" / "config.json",
            {
                "in_features": hidden,
                "out_features": encoder.projection.out_features,
                "bias": encoder.projection.bias is not None,
                "activation_function": "torch.nn.modules.linear.Identity",
            },
        )
        weights = {f"linear.{name}": _plain(value) for name, value in encoder.projection.state_dict().items()}
        save_file(weights, folder / "2_Dense" / "model.safetensors", metadata={"format": "pt"})
    _write_json(
        folder / "sentence_bert_config.json", {"max_seq_length": spec.max_tokens, "do_lower_case": False}
    )
    _write_json(
        folder / "config_sentence_transformers.json",
        {"prompts": {}, "default_prompt_name": None, "similarity_fn_name": "cosine"},
    )
    # The base is left out: the folder holds its own weights, and is found wherever it lies.
    _write_json(folder / SPEC_FILE, {name: value for name, value in asdict(spec).items() if name != "base"})


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
