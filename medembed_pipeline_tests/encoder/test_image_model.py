"""One way from picture to vector: the bundled model, and tiny models of the architectures that people name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from medembed_pipeline.encoder.image_model import load_image_encoder
from medembed_pipeline.encoder.image_spec import ImageEncoderSpec, image_encoder_fingerprint
from medembed_pipeline.errors import MedembedError
from medembed_pipeline_tests.encoder.small_image_models import (
    make_clip,
    make_dinov2,
    make_resnet,
    make_siglip,
    make_vit,
)

RANDOM = np.random.default_rng(0)
PICTURES = [
    RANDOM.integers(0, 255, (40, 60), dtype=np.uint8),
    RANDOM.integers(0, 255, (64, 48, 3), dtype=np.uint8),
    RANDOM.integers(0, 255, (50, 50), dtype=np.uint8),
]
TEXTS = ["clear lungs", "a chest film with large heart .", "opacity"]
ONE_SIDED = [make_resnet, make_dinov2, make_vit]
BOTH = [make_clip, make_siglip]


@pytest.mark.parametrize("make", [None, *ONE_SIDED, *BOTH])
def test_unit_vectors_that_depend_on_no_other_picture(
    make: Callable[[Path], Path] | None, tmp_path: Path
) -> None:
    spec = ImageEncoderSpec(size=96) if make is None else ImageEncoderSpec(str(make(tmp_path)))
    encoder = load_image_encoder(spec, device="cpu")
    together = encoder.encode(PICTURES)
    assert together.shape == (3, encoder.dimensions) and together.dtype == np.float32
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    alone = np.concatenate([encoder.encode([one]) for one in PICTURES])
    assert np.abs(together - alone).max() < 1e-5
    assert (encoder.encode(PICTURES, batch_size=2) - together).max() < 1e-5
    assert np.abs(together[0] - together[2]).max() > 1e-4
    again = load_image_encoder(spec, device="cpu").encode(PICTURES)
    assert (again == together).all()


@pytest.mark.parametrize("make", BOTH)
def test_pictures_and_texts_are_what_the_model_itself_gives(
    make: Callable[[Path], Path], tmp_path: Path
) -> None:
    from PIL import Image
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    folder = make(tmp_path)
    encoder = load_image_encoder(ImageEncoderSpec(str(folder)), device="cpu")
    assert encoder.reads_texts
    model = AutoModel.from_pretrained(folder).eval()
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    pixels = processor(images=[Image.fromarray(PICTURES[1])], return_tensors="pt")["pixel_values"]
    siglip = "siglip" in model.config.model_type
    tokens = AutoTokenizer.from_pretrained(folder)(
        TEXTS, padding="max_length" if siglip else True, max_length=16, return_tensors="pt"
    )
    if siglip:
        tokens.pop("attention_mask", None)
    tokens.pop("token_type_ids", None)
    with torch.inference_mode():
        out = model(pixel_values=pixels, **tokens)
    assert np.allclose(encoder.encode([PICTURES[1]]), out.image_embeds.numpy(), atol=1e-5)
    assert np.allclose(encoder.encode_texts(TEXTS), out.text_embeds.numpy(), atol=1e-5)


def test_a_model_without_texts_says_so(tmp_path: Path) -> None:
    encoder = load_image_encoder(ImageEncoderSpec(str(make_resnet(tmp_path))), device="cpu")
    assert not encoder.reads_texts
    with pytest.raises(MedembedError, match="reads no texts"):
        encoder.encode_texts(TEXTS)


def test_a_vit_without_a_pooler_is_not_read_through_a_random_one(tmp_path: Path) -> None:
    folder = make_vit(tmp_path)
    with torch.random.fork_rng():
        vectors = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            vectors.append(load_image_encoder(ImageEncoderSpec(str(folder)), device="cpu").encode(PICTURES))
    assert (vectors[0] == vectors[1]).all()


def test_the_fingerprint_follows_what_decides_the_vectors(tmp_path: Path) -> None:
    folder = make_resnet(tmp_path)
    one = image_encoder_fingerprint(ImageEncoderSpec(str(folder)))
    (folder / "README.md").write_text("about it")
    assert image_encoder_fingerprint(ImageEncoderSpec(str(folder))) == one
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps({**settings, "image_mean": [0.1, 0.1, 0.1]}))
    assert image_encoder_fingerprint(ImageEncoderSpec(str(folder))) != one
    assert image_encoder_fingerprint(ImageEncoderSpec(size=96)) != image_encoder_fingerprint(
        ImageEncoderSpec()
    )


def test_code_that_comes_with_a_model_is_refused_unless_allowed(tmp_path: Path) -> None:
    folder = make_resnet(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "own.Model"}}))
    with pytest.raises(MedembedError, match="allow_remote_code"):
        load_image_encoder(ImageEncoderSpec(str(folder)), device="cpu")


def test_what_is_no_image_model_is_refused(tmp_path: Path) -> None:
    folder = make_resnet(tmp_path)
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(MedembedError, match="can't be loaded"):
        load_image_encoder(ImageEncoderSpec(str(folder)), device="cpu")
    with pytest.raises(MedembedError, match="no folder"):
        load_image_encoder(ImageEncoderSpec(str(tmp_path / "nowhere")), device="cpu")
