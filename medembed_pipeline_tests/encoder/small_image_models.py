"""Tiny image models of real architectures with random weights, written as model folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch


def _saved(folder: Path, model: Any, processor: Any) -> Path:
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = [
        "[PAD]",
        "[UNK]",
        "[BOS]",
        "[EOS]",
        *["a", "chest", "film", "with", "clear", "lungs", "large", "heart", "opacity", "."],
    ]
    backend = Tokenizer(
        models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="[UNK]")
    )
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="[BOS] $A [EOS]", special_tokens=[("[BOS]", 2), ("[EOS]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]", bos_token="[BOS]", eos_token="[EOS]"
    ).save_pretrained(folder)


def make_clip(folder: Path) -> Path:
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    torch.manual_seed(0)
    part = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config={
            **part,
            "vocab_size": 14,
            "max_position_embeddings": 16,
            "eos_token_id": 3,
            "pad_token_id": 0,
        },
        vision_config={**part, "image_size": 32, "patch_size": 8},
        projection_dim=12,
    )
    _tokenizer(folder)
    size = {"height": 32, "width": 32}
    return _saved(folder, CLIPModel(config), CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=size))


def make_siglip(folder: Path) -> Path:
    from transformers import SiglipConfig, SiglipImageProcessor, SiglipModel

    torch.manual_seed(1)
    part = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = SiglipConfig(
        text_config={**part, "vocab_size": 14, "max_position_embeddings": 16, "projection_size": 16},
        vision_config={**part, "image_size": 32, "patch_size": 8},
    )
    _tokenizer(folder)
    return _saved(folder, SiglipModel(config), SiglipImageProcessor(size={"height": 32, "width": 32}))


def make_resnet(folder: Path) -> Path:
    from transformers import ConvNextImageProcessor, ResNetConfig, ResNetModel

    torch.manual_seed(2)
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="bottleneck")
    return _saved(folder, ResNetModel(config), ConvNextImageProcessor(size={"shortest_edge": 32}))


def make_dinov2(folder: Path) -> Path:
    from transformers import BitImageProcessor, Dinov2Config, Dinov2Model

    torch.manual_seed(3)
    config = Dinov2Config(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14
    )
    size = {"height": 28, "width": 28}
    return _saved(folder, Dinov2Model(config), BitImageProcessor(size={"shortest_edge": 28}, crop_size=size))


def make_vit(folder: Path) -> Path:
    from transformers import ViTConfig, ViTImageProcessor, ViTModel

    torch.manual_seed(4)
    config = ViTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=32,
        patch_size=8,
    )
    model = ViTModel(config, add_pooling_layer=False)
    return _saved(folder, model, ViTImageProcessor(size={"height": 32, "width": 32}))
