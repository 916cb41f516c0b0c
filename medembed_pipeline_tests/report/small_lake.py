"""A lake on disk that holds the tables of `small_tables` and a checkpoint, without the pipeline having run."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa

from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.training.checkpoints import FOLDER, MANIFEST, POINTER
from medembed_pipeline_tests.report import small_tables as small

VERSION = "a33c0123456789ab"
OPTIONAL = (
    "aligned_projections",
    "note_displacement",
    "similarity_evidence",
    "query_results",
    "label_confusions",
    "embedding_diagnostics",
    "label_review",
    "leakage_estimate",
    "release_verdict",
)


def make_lake(folder: Path, *, without: tuple[str, ...] = ()) -> Lake:
    """Write every table but those named, and the current checkpoint."""
    lake = Lake(str(folder))
    write_raw(lake, "notes.csv")
    for name, table in small.all_tables().items():
        if name not in without:
            write(lake, name, table.rows, facts=dict(table.facts))
    write_checkpoint(lake)
    return lake


def write(lake: Lake, name: str, rows: pa.Table, *, facts: dict[str, Any] | None = None) -> None:
    """Write one table, with the versions of what lies there as its inputs."""
    upstream = {
        other: table.data_version
        for other in ("cleaned_notes", "note_splits", "neighbors")
        if other != name and (table := lake.find_table(other)) is not None
    }
    inputs = {} if name in ("cleaned_notes", "note_splits") else upstream
    lake.write_table(Recipe(name, "1", {}, inputs), rows, facts=json.loads(json.dumps(facts or {})))


def write_raw(lake: Lake, file: str) -> None:
    """The landed rows behind the notes, all in one file."""
    rows = pa.table(
        {
            "row_id": [f"row-{row}" for row in range(small.NOTES)],
            "source_file": [file] * small.NOTES,
            "source_row": pa.array(range(1, small.NOTES + 1), pa.int64()),
        }
    )
    write(lake, "raw_transcriptions", rows)


def write_checkpoint(lake: Lake) -> None:
    """A checkpoint without weights: what the page reads of it."""
    files = {"model.safetensors": "ab"}
    manifest = {
        "base": "sentence-transformers/all-MiniLM-L6-v2",
        "settings": {"EncoderSettings": {"base": "/somewhere/private/model", "max_tokens": 128}},
        "files": files,
    }
    lake.write_json(
        [{"epoch": 0, "train_loss": None, "validation_map": 0.4}], FOLDER, VERSION, "history.json"
    )
    lake.write_json(manifest, FOLDER, VERSION, MANIFEST)
    lake.write_json({"version": VERSION, "data_version": digest(files), "recipe": {"inputs": {}}}, POINTER)
    vectors = Recipe("tuned_embeddings", "1", {}, {"finetuned_checkpoint": digest(files)})
    lake.write_table(vectors, pa.table({"note_id": ["the page reads no vector"]}))


def packed_parts(page: bytes) -> dict[str, str]:
    """The content of each packed block of a page, unpacked, by its id; empty where the block is."""
    found = re.findall(rb'<script type="application/octet-stream" id="(\w+)"[^>]*>([^<]*)</script>', page)
    return {
        name.decode(): gzip.decompress(base64.b64decode(content)).decode() if content.strip() else ""
        for name, content in found
    }


def everything_in(page: bytes) -> str:
    """The page and all that is packed in it, as one text to search."""
    return page.decode() + "\n".join(packed_parts(page).values())
