"""`medembed export-atlas`: one map as a Parquet file that Apple's embedding-atlas opens.

https://apple.github.io/embedding-atlas/tool.html; the form of the neighbours was read from its release 0.26.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from medembed_pipeline.lake import compute as pc
from medembed_pipeline.lake.fields import described
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.maps.tables import neighbor_arrays
from medembed_pipeline.report.arrays_part import METHODS, MODELS, first_neighbors
from medembed_pipeline.report.errors import ReportError
from medembed_pipeline.report.notes_part import NoteText, shown_texts
from medembed_pipeline.settings import data_lake_url, load_settings

NEIGHBORS = 15
FOLDER, FILE = "exports", "atlas.parquet"

ATLAS_SCHEMA = pa.schema(
    [
        described("id", pa.string(), "note_id"),
        described("x", pa.float32(), "first coordinate on the map"),
        described("y", pa.float32(), "second coordinate"),
        described("text", pa.large_string(), "the note; left out where report.note_text is none"),
        described("specialty", pa.string(), "the first of the specialties, to colour by", nullable=True),
        described("specialties", pa.list_(pa.string()), "all of them"),
        described("split", pa.string(), "train, validation or test"),
        described(
            "neighbors",
            pa.struct([("ids", pa.list_(pa.int64())), ("distances", pa.list_(pa.float32()))]),
            "nearest of all notes: row positions counted from 0, and 1 - cosine similarity",
        ),
    ]
)


def atlas_table(
    notes: pa.Table,
    splits: pa.Table,
    places: pa.Table,
    neighbors: pa.Table,
    *,
    method: str = "umap",
    model: str = "tuned",
    note_text: NoteText = "full",
) -> pa.Table:
    """One map as a table with ATLAS_SCHEMA, a row per note, sorted by note id.

    Parameters
    ----------
    notes
        columns note_id, text, specialties.
    splits
        columns note_id, split.
    places
        with the columns of `projections`; rows of other maps are passed over.
    neighbors
        with the columns of `neighbors`, up to any rank.
    method
        which map.
    model
        baseline or tuned.
    note_text
        full, masked or none (then there is no column `text`).

    Raises
    ------
    ReportError
        there is no such 2-D map, or a note is not on it or has no split.
    MapError
        the neighbours are not those of the same notes.
    """
    flat = places.filter(pc.and_(pc.equal(places["dimensions"], 2), pc.equal(places["model"], model)))
    chosen = flat.filter(pc.equal(flat["method"], method)).sort_by("note_id")
    if not len(chosen):
        there = ", ".join(sorted(set(flat["method"].to_pylist()))) or "none"
        raise ReportError(
            f"there is no 2-D map '{method}' of the model '{model}'; there are: {there}. Choose one with --map, or "
            "add it to projections.methods in medembed.toml and materialize projections."
        )
    notes, splits = notes.sort_by("note_id"), splits.sort_by("note_id")
    ids = notes["note_id"].to_pylist()
    for name, table in (("projections", chosen), ("note_splits", splits)):
        if table["note_id"].to_pylist() != ids:
            raise ReportError(
                f"{name} holds other notes than cleaned_notes. Materialize {name} again, then export."
            )
    indices, similarities = _nearest(neighbors, model, ids)
    distances = np.maximum(0.0, 1.0 - similarities.astype(np.float64)).astype(np.float32)
    specialties: list[list[str]] = notes["specialties"].to_pylist()
    columns = {
        "id": notes["note_id"],
        "x": chosen["x"],
        "y": chosen["y"],
        "specialty": pa.array([names[0] if names else None for names in specialties], pa.string()),
        "specialties": notes["specialties"],
        "split": splits["split"],
        "neighbors": pa.StructArray.from_arrays(
            [_lists(indices, pa.int64()), _lists(distances, pa.float32())], ["ids", "distances"]
        ),
    }
    texts = shown_texts(notes["text"].to_pylist(), note_text)
    if texts is not None:
        columns["text"] = pa.array(texts, pa.large_string())
    schema = pa.schema([field for field in ATLAS_SCHEMA if field.name in columns])
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _nearest(neighbors: pa.Table, model: str, ids: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    if len(ids) == 1:
        return np.zeros((1, 0), dtype=np.int64), np.zeros((1, 0), dtype=np.float32)
    near = neighbors.filter(pc.less_equal(neighbors["rank"], NEIGHBORS))
    return neighbor_arrays(near, model=model, note_ids=ids)


def _lists(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    count, width = values.shape
    offsets = pa.array(np.arange(count + 1, dtype=np.int32) * width)
    return pa.ListArray.from_arrays(offsets, pa.array(values.reshape(-1), kind))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "--output", type=Path, help=f"Parquet file to write (default: {FOLDER}/{FILE} in the data lake)"
    )
    parser.add_argument("--map", choices=METHODS, default="umap", help="which map (default %(default)s)")
    parser.add_argument("--model", choices=MODELS, default="tuned", help="whose map (default %(default)s)")


def run(options: argparse.Namespace) -> int:
    """Write the file, and print the command that opens it.

    Raises
    ------
    TableError
        a table has not been made yet.
    ReportError
        see `atlas_table`; or the file cannot be written.
    """
    lake = Lake(data_lake_url())
    notes = lake.table("cleaned_notes").read(["note_id", "text", "specialties"])
    nearest = lake.table("neighbors")
    maps = [lake.table("projections"), lake.find_table("aligned_projections")]
    columns = ["note_id", "model", "method", "dimensions", "x", "y"]
    table = atlas_table(
        notes,
        lake.table("note_splits").read(),
        pa.concat_tables([one.read(columns) for one in maps if one is not None]),
        first_neighbors(nearest.batches(rows=131_072), nearest.schema, width=NEIGHBORS),
        method=options.map,
        model=options.model,
        note_text=load_settings().report.note_text,
    )
    path = _write(lake, table, options.output)
    text = ["--text", "text"] if "text" in table.column_names else []
    command = [
        "embedding-atlas",
        path,
        *text,
        *["--x", "x", "--y", "y", "--neighbors", "neighbors", "--disable-projection"],
    ]
    print(f"{table.num_rows:,} notes, {options.map} of the {options.model} model: {path}")
    print(f"open it with: {shlex.join(command)}")
    return 0


def _write(lake: Lake, table: pa.Table, output: Path | None) -> str:
    if output is None:
        with lake.staged_file(FOLDER, FILE) as staged:
            pq.write_table(table, staged, compression="zstd")
        return lake.path(FOLDER, FILE)
    if output.is_dir():
        raise ReportError(f"--output {output} is a folder; give the name of a file to write.")
    beside = output.with_name(f".{output.name}.part")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, beside, compression="zstd")
        beside.replace(output)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ReportError(f"--output {output} cannot be written ({error.strerror or error}).") from None
    return str(output)
