"""A folder of pictures and tables as cases, without Dagster."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from medembed_pipeline.images.landing import landed_images, write_image_tables
from medembed_pipeline.images.pairing import pair_cases
from medembed_pipeline.images.settings import ImagesSettings
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import LakeTable, Recipe


def cases_of_folder(lake: Lake, folder: Path, settings: ImagesSettings) -> tuple[LakeTable, pa.Table]:
    """`raw_images` and `paired_cases` of a folder.

    Parameters
    ----------
    lake
        keeps what is unpacked; of the same file system as the folder.
    folder
        of pictures, and a CSV or TSV that joins them with notes.
    settings
        names of columns, and what is refused.
    """
    files = landed_images(lake, str(folder.resolve()))
    write_image_tables(lake, files, settings, lambda name: Recipe(name, "command", {}, {}))
    images = lake.table("raw_images")
    cases, _ = pair_cases(lake.table("case_rows").read(), images.read(["source_file", "image_id", "view"]))
    return images, cases


def hashes_of(images: LakeTable) -> dict[str, bytes]:
    """The perceptual hash of every different picture of `raw_images`, by its id."""
    known = images.read(["image_id", "perceptual_hash"]).to_pydict()
    return dict(zip(known["image_id"], known["perceptual_hash"], strict=True))
