"""Cases whose level hides behind louder things: tiny encoders see it in their first components once they are tuned."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from medembed_pipeline.encoder.image_spec import ImageEncoderSpec
from medembed_pipeline.encoder.settings import EncoderSettings, ImageEncoderSettings
from medembed_pipeline.images.pairing import PAIRED_CASES_SCHEMA
from medembed_pipeline.images.pixels import png_bytes
from medembed_pipeline.images.vectors import image_embeddings_schema
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import LakeTable, Recipe, vector_column
from medembed_pipeline.triage.cases import TriageCases, triage_cases
from medembed_pipeline.triage.settings import TriageSettings
from medembed_pipeline.triage.tuning import Encoders
from medembed_pipeline_tests.encoder.small_image_models import make_vit
from medembed_pipeline_tests.encoder.small_models import WORDS, make_bert
from medembed_pipeline_tests.triage.small_cases import split_rows

TUNED = TriageSettings(
    tuned="adapters",
    adapter_epochs=12,
    adapter_patience=12,
    adapter_learning_rates=[0.01],
    adapter_rank=4,
    tries=2,
    folds=2,
    components=2,
    deals=2,
    shuffles=2,
)
MARKS = ("fever", "stable")
"""The word of a note that tells its level."""


@dataclass(frozen=True)
class Hidden:
    """Cases with what their encoders need.

    Attributes
    ----------
    lake
        with the tables that the assets read.
    cases
        that take part.
    images
        `raw_images`.
    encoder, image_encoder
        tiny ones.
    """

    lake: Lake
    cases: TriageCases
    images: LakeTable
    encoder: EncoderSettings
    image_encoder: ImageEncoderSettings

    def encoders(self) -> Encoders:
        """Of all cases."""
        return Encoders(self.lake, self.cases, self.images, self.encoder, self.image_encoder)


def hidden(folder: Path, *, patients: int = 120, shuffled: bool = False, seed: int = 0) -> Hidden:
    """Two levels: one word of a note tells them, and in a picture how its left and right half differ.

    Parameters
    ----------
    folder
        the lake and the models go there.
    patients
        with a case each.
    shuffled
        whether the levels are dealt at random instead.
    seed
        of all that is drawn.
    """
    random = np.random.default_rng(seed)
    others = [word for word in WORDS if word not in MARKS]
    level = random.integers(0, 2, patients)
    shown = random.permutation(level) if shuffled else level
    rows: list[dict[str, Any]] = []
    pictures = []
    for place in range(patients):
        words = random.choice(others, 12).tolist()
        words[int(random.integers(0, 12))] = MARKS[shown[place]]
        pixels = random.integers(0, 60, (32, 32)) + random.integers(0, 110)
        pixels[:, 16:] += 60 * shown[place]
        pictures.append(png_bytes(pixels.astype(np.uint8)))
        rows.append(
            {
                "case_id": f"{place:05}",
                "image_id": f"image-{place:05}",
                "note": " ".join(words),
                "patient": f"patient-{place}",
                "label": ("routine", "urgent")[level[place]],
                "findings": [],
                "reading": None,
                "view": "AP",
                "source": f"ward {place % 2}",
                "age": float(20 + place % 60),
                "sex": "F",
                "drawn": True,
                "more": [],
                "source_file": "cases.csv",
                "source_row": place + 1,
            }
        )
    lake = Lake(str(folder / "lake"))
    paired = pa.Table.from_pylist(rows, schema=PAIRED_CASES_SCHEMA)
    splits = pa.Table.from_pylist(split_rows(rows))
    ids = pa.array([row["image_id"] for row in rows], pa.string())
    encoder = EncoderSettings(
        base=str(make_bert(folder / "note")), max_tokens=32, precision="float32", device="cpu"
    )
    image_encoder = ImageEncoderSettings(base=str(make_vit(folder / "picture")), device="cpu")
    tables = {
        "paired_cases": paired,
        "case_splits": splits,
        "raw_images": pa.table({"image_id": ids, "picture": pa.array(pictures, pa.binary())}),
        "image_embeddings": _embedded(ids, pictures, image_encoder),
    }
    for name, table in tables.items():
        lake.write_table(Recipe(name, "1", {}, {}), table)
    return Hidden(lake, triage_cases(paired, splits, TUNED), lake.table("raw_images"), encoder, image_encoder)


def _embedded(ids: pa.Array, pictures: list[bytes], settings: ImageEncoderSettings) -> pa.Table:
    from medembed_pipeline.encoder.image_model import load_image_encoder
    from medembed_pipeline.images.pixels import pixels_of

    encoder = load_image_encoder(ImageEncoderSpec(settings.base), device="cpu")
    matrix = encoder.encode([pixels_of(one) for one in pictures])
    return pa.table([ids, vector_column(matrix)], schema=image_embeddings_schema(matrix.shape[1]))


def write_folder(found: Hidden, folder: Path) -> None:
    """The same cases as a person would hand them in: pictures, and a CSV."""
    folder.mkdir()
    packed = found.images.read().to_pydict()
    for name, png in zip(packed["image_id"], packed["picture"], strict=True):
        (folder / f"{name}.png").write_bytes(png)
    names = ("image_id", "patient", "source", "view", "age", "sex", "note", "label")
    with (folder / "cases.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "patient_id", "source", "view", "age", "sex", "note", "triage_level"])
        for row in found.lake.table("paired_cases").read().to_pylist():
            writer.writerow([f"{row[name]}.png" if name == "image_id" else row[name] for name in names])
