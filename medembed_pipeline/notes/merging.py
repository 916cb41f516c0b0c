"""Landed rows to notes: the work that each text needs once, and the merge of rows that hold the same note."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.notes import REVISION
from medembed_pipeline.notes.cleaning import clean_text, note_id
from medembed_pipeline.notes.duplicates import DEFAULT_PERMUTATIONS, duplicate_groups, signatures
from medembed_pipeline.notes.identifiers import IDENTIFIER_KINDS, count_identifiers, mask_identifiers
from medembed_pipeline.notes.labels import DOCUMENT_TYPES, canonical_labels, labels_of_cell, split_labels

IDENTIFIER_COLUMNS: tuple[str, ...] = tuple(f"identifiers_{kind}" for kind in IDENTIFIER_KINDS)


class MergingError(MedembedError):
    """Tables of rows and prepared texts that do not fit together."""


def _field(name: str, kind: pa.DataType, description: str) -> pa.Field:
    return pa.field(name, kind, nullable=False, metadata={"description": description})


def _identifier_fields() -> list[pa.Field]:
    return [
        _field(
            column, pa.int32(), f"Identifiers of the kind {kind} found in the text (before masking). Count."
        )
        for column, kind in zip(IDENTIFIER_COLUMNS, IDENTIFIER_KINDS, strict=True)
    ]


CLEANED_NOTES_SCHEMA = pa.schema(
    [
        _field(
            "note_id",
            pa.string(),
            "32 hexadecimal digits: SHA-256 of the normalised text. Unique; the sort key.",
        ),
        _field("text", pa.large_string(), "The cleaned text; identifiers masked if redaction was on."),
        _field(
            "specialties", pa.list_(pa.string()), "Canonical specialties of all rows of the note, sorted."
        ),
        _field(
            "document_types",
            pa.list_(pa.string()),
            "Canonical document types of all rows of the note, sorted.",
        ),
        _field("source_rows", pa.list_(pa.string()), "Distinct row ids that hold the note, sorted."),
        _field("duplicate_group", pa.string(), "Smallest note_id among the note and its near-duplicates."),
        _field("characters", pa.int32(), "Length of the text. Unicode code points."),
        _field("words", pa.int32(), "Length of the text. Words between white space."),
        *_identifier_fields(),
    ]
)


@dataclass(frozen=True)
class MergedNotes:
    """The notes of a set of rows.

    Attributes
    ----------
    notes:
        A row per note, with ``CLEANED_NOTES_SCHEMA``, sorted by ``note_id``.
    signatures:
        ``[notes, permutations]`` uint32, the MinHash signatures of the notes, in the same order.
    rows, rows_empty, rows_merged:
        Rows given; rows dropped since nothing was left of their text; rows that hold a note which another
        row holds too (``rows - rows_empty - notes``).
    """

    notes: pa.Table
    signatures: npt.NDArray[np.uint32]
    rows: int
    rows_empty: int
    rows_merged: int


def prepared_schema(permutations: int) -> pa.Schema:
    """The schema of :func:`prepare_texts`."""
    signature = pa.binary(permutations * 4)
    return pa.schema(
        [
            _field(
                "note_id",
                pa.string(),
                "32 hexadecimal digits: SHA-256 of the normalised text; empty if no text.",
            ),
            _field("text", pa.large_string(), "The cleaned text; identifiers masked if redaction was on."),
            _field("characters", pa.int32(), "Length of the text. Unicode code points."),
            _field("words", pa.int32(), "Length of the text. Words between white space."),
            *_identifier_fields(),
            _field("signature", signature, f"MinHash signature: {permutations} little-endian uint32."),
        ]
    )


def prepared_version(*, redact: bool) -> str:
    """What :func:`prepare_texts` depends on besides the text: 16 hexadecimal digits."""
    return digest([REVISION, redact])[:16]


def text_keys(texts: Iterable[str]) -> list[str]:
    """Keys for what :func:`prepare_texts` makes of texts: 32 hexadecimal digits of their SHA-256."""
    return [hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32] for text in texts]


def prepare_texts(
    texts: Sequence[str], *, redact: bool = False, permutations: int = DEFAULT_PERMUTATIONS
) -> pa.Table:
    """Everything about a note that follows from its raw text alone, to be kept by that text's key.

    Cleans each text, counts its identifiers, masks them if ``redact``, then takes the id of what is left and
    signs it for the search for near-duplicates: two notes that masking makes alike are one note, so that the
    same text never lies in two splits.

    Returns
    -------
    A row per text, in order, with ``prepared_schema(permutations)``. A text of which cleaning leaves nothing
    has an empty ``note_id``; :func:`merge_notes` drops and counts it.
    """
    cleaned = [clean_text(text) for text in texts]
    counts = [count_identifiers(text) for text in cleaned]
    shown = [mask_identifiers(text) for text in cleaned] if redact else cleaned
    signed = np.ascontiguousarray(signatures(shown, permutations=permutations), dtype="<u4")
    schema = prepared_schema(permutations)
    columns: dict[str, pa.Array] = {
        "note_id": pa.array([note_id(text) if text else "" for text in shown], type=pa.string()),
        "text": pa.array(shown, type=pa.large_string()),
        "characters": pa.array([len(text) for text in shown], type=pa.int32()),
        "words": pa.array([len(text.split()) for text in shown], type=pa.int32()),
    }
    for column, kind in zip(IDENTIFIER_COLUMNS, IDENTIFIER_KINDS, strict=True):
        columns[column] = pa.array([count[kind] for count in counts], type=pa.int32())
    columns["signature"] = pa.FixedSizeBinaryArray.from_buffers(
        schema.field("signature").type, len(texts), [None, pa.py_buffer(signed)]
    )
    return pa.table(columns, schema=schema)


def signatures_of(prepared: pa.Table) -> npt.NDArray[np.uint32]:
    """The signatures of a prepared table as ``[rows, permutations]`` uint32."""
    column = prepared.column("signature").combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], type=column.type)
    width = column.type.byte_width
    data = np.frombuffer(
        column.buffers()[1] or b"", dtype="<u4", count=len(column) * width // 4, offset=column.offset * width
    )
    return data.reshape(len(column), width // 4).astype(np.uint32, copy=False)


def merge_notes(
    rows: pa.Table,
    prepared: pa.Table,
    *,
    prepared_index: npt.NDArray[np.int64] | None = None,
    aliases: Mapping[str, str] | None = None,
    document_types: Sequence[str] = DOCUMENT_TYPES,
    label_separator: str = "",
    near_duplicate_threshold: float = 0.8,
) -> MergedNotes:
    """Make one note of all rows with the same normalised text.

    Parameters
    ----------
    rows:
        Columns ``row_id`` (string) and ``label`` (string, null where there is none); others are not looked
        at. A row that landed twice has the same ``row_id`` twice, and counts as one source.
    prepared:
        What :func:`prepare_texts` made of the texts, with the same ``permutations`` throughout.
    prepared_index:
        For each row the row of ``prepared`` that holds its text; None: the two tables run in parallel.
    aliases, document_types, label_separator:
        See :mod:`medembed_pipeline.notes.labels`.
    near_duplicate_threshold:
        See :func:`medembed_pipeline.notes.duplicates.duplicate_groups`.

    The text of a note of which variants differ in case or spaces is a variant with mixed case before one in
    capitals, then the one with the most lines, then the first in code point order. The result does not depend
    on the order of the rows.

    Raises
    ------
    MergingError
        If the tables lack a column, or ``prepared_index`` does not point from every row into ``prepared``.
    """
    index = _validated_index(rows, prepared, prepared_index)
    ids = np.asarray(prepared.column("note_id").to_pylist(), dtype=object)
    cells = rows.column("label").to_pylist()
    whole = {*document_types, *(aliases or {}), *(aliases or {}).values()}
    labels_of = {
        cell: labels_of_cell(cell, label_separator=label_separator, whole=whole) for cell in set(cells)
    }
    canonical = canonical_labels((label for labels in labels_of.values() for label in labels), aliases)

    cells_of_note: defaultdict[str, set[str | None]] = defaultdict(set)
    sources: defaultdict[str, set[str]] = defaultdict(set)
    variants: defaultdict[str, set[int]] = defaultdict(set)
    empty = 0
    for row_id, cell, position in zip(rows.column("row_id").to_pylist(), cells, index.tolist(), strict=True):
        identifier = ids[position]
        if not identifier:
            empty += 1
            continue
        cells_of_note[identifier].add(cell)
        sources[identifier].add(row_id)
        variants[identifier].add(position)

    note_ids = sorted(variants)
    chosen = prepared.take(pa.array(_chosen_variants(note_ids, variants, prepared), type=pa.int64()))
    signed = signatures_of(chosen)
    # There are far fewer different sets of cells than notes.
    filed = [frozenset(cells_of_note[key]) for key in note_ids]
    divided_of = {
        cells: split_labels((canonical[label] for cell in cells for label in labels_of[cell]), document_types)
        for cells in set(filed)
    }
    divided = [divided_of[cells] for cells in filed]
    columns = {
        name: chosen.column(name) for name in ("note_id", "text", "characters", "words", *IDENTIFIER_COLUMNS)
    }
    columns["specialties"] = pa.array([specialties for specialties, _ in divided], type=pa.list_(pa.string()))
    columns["document_types"] = pa.array([types for _, types in divided], type=pa.list_(pa.string()))
    columns["source_rows"] = pa.array([sorted(sources[key]) for key in note_ids], type=pa.list_(pa.string()))
    groups = duplicate_groups(note_ids, signed, threshold=near_duplicate_threshold)
    columns["duplicate_group"] = pa.array(groups, type=pa.string())
    notes = pa.table([columns[name] for name in CLEANED_NOTES_SCHEMA.names], schema=CLEANED_NOTES_SCHEMA)
    return MergedNotes(
        notes=notes,
        signatures=signed,
        rows=rows.num_rows,
        rows_empty=empty,
        rows_merged=rows.num_rows - empty - len(note_ids),
    )


def _chosen_variants(
    note_ids: Sequence[str], variants: Mapping[str, set[int]], prepared: pa.Table
) -> list[int]:
    texts = prepared.column("text")

    def rank(position: int) -> tuple[bool, int, str]:
        text = texts[position].as_py()
        return (text.isupper() or text.islower(), -text.count("\n"), text)

    chosen: list[int] = []
    for key in note_ids:
        positions = variants[key]
        chosen.append(next(iter(positions)) if len(positions) == 1 else min(positions, key=rank))
    return chosen


def _validated_index(
    rows: pa.Table, prepared: pa.Table, prepared_index: npt.NDArray[np.int64] | None
) -> npt.NDArray[np.int64]:
    missing = [name for name in ("row_id", "label") if name not in rows.column_names]
    missing += [
        name
        for name in ("note_id", "text", "signature", *IDENTIFIER_COLUMNS)
        if name not in prepared.column_names
    ]
    if missing:
        raise MergingError(f"The tables of rows and prepared texts lack the columns {', '.join(missing)}.")
    if prepared_index is None:
        prepared_index = np.arange(prepared.num_rows, dtype=np.int64)
    if len(prepared_index) != rows.num_rows:
        raise MergingError(
            f"There are {rows.num_rows} rows and {len(prepared_index)} prepared texts for them; each row "
            "needs one (prepared_index says which, where rows share a text)."
        )
    if len(prepared_index) and not 0 <= prepared_index.min() <= prepared_index.max() < prepared.num_rows:
        raise MergingError(f"prepared_index points outside the {prepared.num_rows} prepared texts.")
    return np.asarray(prepared_index, dtype=np.int64)
