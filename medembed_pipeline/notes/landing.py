"""The landing folder as a whole: every file parsed once for its content, and the two tables put together."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake import compute as pc
from medembed_pipeline.lake.fingerprint import digest, file_sha256
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import Recipe, open_for_arrow
from medembed_pipeline.notes.identity_columns import IDENTITY_COLUMNS
from medembed_pipeline.notes.landing_files import LandingFile, landing_file_opener, list_landing_files
from medembed_pipeline.notes.reader import ReaderOptions, read_landing_file, rejected_file_chunk
from medembed_pipeline.notes.row_chunks import (
    KEPT_SCHEMA,
    REJECTED_SCHEMA,
    RowChunk,
    flat_column_names,
    flatten_other_columns,
)

PARSED = "parsed"
FILES_SHOWN = 100

RAW_DESCRIPTIONS = {
    "source_file": "path of the file under landing/",
    "source_row": "record in the file, counted from 1",
    "row_id": "32 hex of sha256 over the row's cells: the same wherever the row lands",
    "text": "the note as it landed",
    "label": "the label as it landed; several are joined by U+001F",
    "encoding": "utf-8, utf-8-bom or windows-1252",
}
REJECTED_DESCRIPTIONS = {
    "source_file": "path of the file under landing/",
    "source_row": "record in the file, counted from 1; 0 is the file as a whole",
    "reason": "why it cannot be used, from the fixed list in docs/tables.md",
    "detail": "what was expected and what was found, without the text",
    "row_bytes": "the row's bytes as they were",
}


class EmptyLandingError(MedembedError):
    """There is no file to read."""


class ChangingFileError(MedembedError):
    """A file is still being written."""


@dataclass(frozen=True)
class HashedFile:
    """A landing file and the sha256 of its bytes ("" where it may not or cannot be opened)."""

    file: LandingFile
    sha256: str


def described(schema: pa.Schema, descriptions: dict[str, str]) -> pa.Schema:
    """The schema with a description on every column that has one."""
    return pa.schema(
        [
            field.with_metadata({"description": descriptions[field.name]})
            if field.name in descriptions
            else field
            for field in schema
        ]
    )


def landed_files(lake: Lake) -> list[HashedFile]:
    """Every file of the landing folder with its hash.

    Raises
    ------
    EmptyLandingError
        there is none.
    """
    folder = lake.path("landing")
    files = list_landing_files(lake.filesystem, folder)
    if not files:
        raise EmptyLandingError(
            f"the landing folder {folder} holds no file. Put CSV, TSV, JSON Lines or Parquet files there (also .gz), "
            "or run `medembed samples` to write the built-in sample corpus into it."
        )
    return [HashedFile(file, _sha256(lake, file)) for file in files]


def _sha256(lake: Lake, file: LandingFile) -> str:
    if file.rejection:
        return ""
    try:
        with landing_file_opener(lake.filesystem, file)() as opened:
            return file_sha256(opened)
    except OSError:
        return ""


def landing_version(files: Sequence[HashedFile]) -> str:
    """64 hex over names and contents."""
    return digest([[item.file.source_file, item.file.rejection, item.sha256] for item in files])


class ParsedFiles:
    """Files already parsed, kept under `<lake>/store/parsed/` by content, format and options.

    Parameters
    ----------
    lake
        where they are kept.
    options
        how files are read.
    revision
        of the reader's code.
    """

    def __init__(self, lake: Lake, options: ReaderOptions, revision: str) -> None:
        self._lake = lake
        self._options = options
        self._version = digest([revision, vars(options)])[:16]
        self.parsed_now = 0

    def chunks(self, item: HashedFile) -> Iterator[RowChunk]:
        """The rows of one file, parsed now or before."""
        if item.file.rejection:
            yield rejected_file_chunk(item.file)
        elif not item.sha256:
            yield from self._read(item)
        else:
            yield from self._stored(item.file.source_file, *self._parts(item))

    def other_names(self, item: HashedFile) -> list[str]:
        """Names of the file's other columns."""
        if item.file.rejection or not item.sha256:
            return []
        kept, _ = self._parts(item)
        with open_for_arrow(self._lake.filesystem, self._lake.path(*kept)) as file:
            return _names(pq.read_metadata(file).metadata)

    def places(self, item: HashedFile) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Where the file's kept and rejected rows lie in the lake once it was parsed."""
        suffix = item.file.source_file.rpartition("/")[2].partition(".")[2].lower()
        name = f"{item.sha256}-{digest(suffix)[:8]}"
        folder = ("store", PARSED, self._version)
        return (*folder, f"{name}.kept.parquet"), (*folder, f"{name}.rejected.parquet")

    def _parts(self, item: HashedFile) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Where the file's kept and rejected rows lie; parses it first where that was not done yet."""
        kept, rejected = self.places(item)
        if not self._lake.exists(*kept):
            self._parse(item, kept, rejected)
        return kept, rejected

    def _read(self, item: HashedFile) -> Iterator[RowChunk]:
        opener = landing_file_opener(self._lake.filesystem, item.file)
        yield from read_landing_file(opener, item.file.source_file, self._options)

    def _parse(self, item: HashedFile, kept: tuple[str, ...], rejected: tuple[str, ...]) -> None:
        """Parse a file into two stored parts; the kept rows are written last and mark the pair as whole."""
        self.parsed_now += 1
        rows_read = 0
        names: dict[str, None] = {}
        with (
            self._lake.staged_file(*kept) as kept_path,
            self._lake.staged_file(*rejected) as rejected_path,
            pq.ParquetWriter(rejected_path, REJECTED_SCHEMA) as rejected_writer,
            pq.ParquetWriter(kept_path, KEPT_SCHEMA, compression="zstd") as kept_writer,
        ):
            for chunk in self._read(item):
                rows_read += chunk.rows_read
                names.update(dict.fromkeys(chunk.other_names))
                if chunk.kept.num_rows:
                    kept_writer.write_batch(chunk.kept)
                if chunk.rejected.num_rows:
                    rejected_writer.write_batch(chunk.rejected)
            kept_writer.add_key_value_metadata(
                {"rows_read": str(rows_read), "names": json.dumps(list(names))}
            )
            if _sha256(self._lake, item.file) != item.sha256:
                raise ChangingFileError(
                    f"landing/{item.file.source_file} changed while it was read. Run again when it is written "
                    "whole; until then the tables stand as they are."
                )

    def _stored(
        self, source_file: str, kept: tuple[str, ...], rejected: tuple[str, ...]
    ) -> Iterator[RowChunk]:
        with (
            open_for_arrow(self._lake.filesystem, self._lake.path(*kept)) as kept_file,
            open_for_arrow(self._lake.filesystem, self._lake.path(*rejected)) as rejected_file,
        ):
            kept_parquet, rejected_parquet = pq.ParquetFile(kept_file), pq.ParquetFile(rejected_file)
            metadata = kept_parquet.metadata.metadata
            names = tuple(_names(metadata))
            no_rows = pa.RecordBatch.from_pylist([], KEPT_SCHEMA)
            for batch in rejected_parquet.iter_batches(batch_size=self._options.chunk_rows):
                yield RowChunk(source_file, no_rows, _renamed(batch, source_file), 0, ())
            no_rejects = pa.RecordBatch.from_pylist([], REJECTED_SCHEMA)
            for batch in kept_parquet.iter_batches(batch_size=self._options.chunk_rows):
                yield RowChunk(source_file, _renamed(batch, source_file), no_rejects, 0, names)
            yield RowChunk(source_file, no_rows, no_rejects, int(metadata[b"rows_read"]), names)


def _names(metadata: dict[bytes, bytes]) -> list[str]:
    names: list[str] = json.loads(metadata[b"names"])
    return names


def _renamed(batch: pa.RecordBatch, source_file: str) -> pa.RecordBatch:
    """The batch under the name that its content has now."""
    names = pa.array([source_file], pa.string()).take(pa.array([0] * batch.num_rows, pa.int64()))
    position = batch.schema.get_field_index("source_file")
    return batch.set_column(position, batch.schema.field(position), names)


def write_landing_tables(
    lake: Lake,
    files: Sequence[HashedFile],
    parsed: ParsedFiles,
    recipe: Callable[[str], Recipe],
) -> None:
    """Write and publish `raw_transcriptions` and `rejected_rows`, in one pass and in bounded memory.

    Parameters
    ----------
    lake
        where they go.
    files
        what to read.
    parsed
        how to read it.
    recipe
        gives the recipe of each of the two tables.
    """
    other_names: dict[str, None] = {}
    counts: dict[str, Counter[str]] = {}
    for item in files:
        counts[item.file.source_file] = Counter()
        other_names.update(dict.fromkeys(parsed.other_names(item)))
    schema = raw_schema(other_names)
    rejected_schema = described(REJECTED_SCHEMA, REJECTED_DESCRIPTIONS)
    row_ids: list[pa.Array] = []
    encodings: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    with (
        lake.table_writer("raw_transcriptions", schema) as raw,
        lake.table_writer("rejected_rows", rejected_schema) as rejected,
    ):
        for item in files:
            count = counts[item.file.source_file]
            for chunk in parsed.chunks(item):
                count.update(read=chunk.rows_read, kept=chunk.kept.num_rows, rejected=chunk.rejected.num_rows)
                if chunk.kept.num_rows:
                    raw.write(flatten_other_columns(chunk.kept, other_names))
                    row_ids.append(chunk.kept.column("row_id"))
                    encodings.update(chunk.kept.column("encoding").to_pylist())
                if chunk.rejected.num_rows:
                    rejected.write(chunk.rejected)
                    reasons.update(chunk.rejected.column("reason").to_pylist())
        facts = {
            "files": len(files),
            "rows_read": sum(count["read"] for count in counts.values()),
            "encodings": [{"encoding": name, "rows": rows} for name, rows in sorted(encodings.items())],
            "per_file": [
                {"source_file": name, **{key: count[key] for key in ("read", "kept", "rejected")}}
                for name, count in sorted(counts.items())[:FILES_SHOWN]
            ],
        }
        by_reason = [{"reason": name, "rows": rows} for name, rows in sorted(reasons.items())]
        rejected.finish(recipe("rejected_rows"), {"reasons": by_reason}, None)
        made_from = recipe("raw_transcriptions")
        raw.finish(made_from, facts, rows_version(row_ids, named_columns(made_from)))


def raw_schema(other_names: dict[str, None]) -> pa.Schema:
    """Columns of `raw_transcriptions`: ours, and every other column of the files as a string."""
    own = [field for field in KEPT_SCHEMA if field.name != "other"]
    others = [pa.field(name, pa.string()) for name in flat_column_names(other_names).values()]
    return described(pa.schema([*own, *others]), RAW_DESCRIPTIONS)


def named_columns(made_from: Recipe) -> dict[str, str]:
    """The columns of patients, dates and note ids that the settings of `raw_transcriptions` name."""
    settings = made_from.settings.get("LandingSettings", {})
    return {name: settings[name] for name in IDENTITY_COLUMNS if settings.get(name)}


def rows_version(row_ids: list[pa.Array], named: dict[str, str]) -> str:
    """64 hex over the set of different rows: neither file names nor repeats nor order are part of it.

    So a file that is renamed, or lands twice, reaches nothing below `raw_transcriptions`. The columns that settings
    name are part of it, since the same rows are read in another way then.
    """
    different = pc.unique(pa.chunked_array(row_ids)) if row_ids else pa.array([], pa.string())
    rows = different.take(pc.sort_indices(different)).to_pylist()
    return digest([rows, named] if named else rows)
