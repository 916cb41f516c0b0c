"""Pictures to vectors, against the network that the weights' authors publish."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medembed_pipeline_tests.bench.comparison import OURS, BenchError, Measurement, Options, Row, Work
from medembed_pipeline_tests.bench.measuring import InWorkers

AUTHORS = "efficientnet-lite-pytorch"
SIDE, BATCH = 160, 32
MOST_APART = 1e-4
_PICTURES, _VECTORS = "pictures.npy", "vectors-{}.npy"


class PictureEncoding(InWorkers):
    """EfficientNet-Lite0 with the same weights; pictures are scaled before, on both sides."""

    name = "encode-pictures"
    title = "Encode pictures"
    peers = (AUTHORS,)

    def rows(self, options: Options) -> list[Row]:
        pictures = 8 if options.quick else 128
        what = f"{pictures} pictures of {SIDE} by {SIDE}, {BATCH} a batch, float32"
        return [Row("pictures", what, 5, {"pictures": pictures})]

    def prepare(self, row: Row, folder: Path) -> None:
        import numpy as np

        drawn = np.random.default_rng(4).normal(size=(row.values["pictures"], 3, SIDE, SIDE))
        np.save(folder / _PICTURES, drawn.astype(np.float32))

    def work(self, side: str, row: Row, folder: Path) -> Work:
        import numpy as np
        import torch

        pictures = torch.from_numpy(np.load(folder / _PICTURES))
        features = _ours() if side == OURS else _theirs()

        def run() -> Any:
            with torch.inference_mode():
                return torch.cat([features(batch) for batch in pictures.split(BATCH)]).numpy()

        def facts(found: Any) -> dict[str, Any]:
            np.save(folder / _VECTORS.format(side), found)
            return {} if side == OURS else {"words": AUTHORS}

        return Work(run, facts)

    def agreement(self, row: Row, folder: Path, ours: Measurement, side: str, theirs: Measurement) -> str:
        import numpy as np

        own, other = (np.load(folder / _VECTORS.format(one)) for one in (OURS, side))
        apart = float(np.abs(own - other).max())
        if apart > MOST_APART:
            raise BenchError(f"{row.what}: features differ by {apart:g} from those of {side}")
        return f"{len(own)} features within {apart:.0e}"


def _ours() -> Any:
    from medembed_pipeline.encoder.image_model import load_image_encoder
    from medembed_pipeline.encoder.image_spec import ImageEncoderSpec

    return load_image_encoder(ImageEncoderSpec(size=SIDE), device="cpu").network


def _theirs() -> Any:
    from efficientnet_lite_pytorch import EfficientNet

    from medembed_pipeline.encoder.image_spec import bundled_image_weights

    path = str(bundled_image_weights())
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    return lambda batch: network.extract_features(batch).mean(dim=(2, 3))
