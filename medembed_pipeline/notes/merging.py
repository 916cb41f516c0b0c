"""Landed rows to notes: the work that each text needs once, and the merge of rows that hold the same note."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.fields import described
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.notes import REVISION
from medembed_pipeline.notes.cleaning import clean_text, note_id_of_words
from medembed_pipeline.notes.duplicates import (
    DEFAULT_PERMUTATIONS,
    Bands,
    named_groups,
    near_pairs,
    signatures_of_sets,
)
from medembed_pipeline.notes.identifiers import (
    IDENTIFIER_KINDS,
    count_identifiers,
    find_in_texts,
    mask_texts,
)
from medembed_pipeline.notes.labels import canonical_labels, labels_of_cell, split_labels
from medembed_pipeline.notes.settings import DOCUMENT_TYPES
from medembed_pipeline.notes.shingles import (
    IntArray,
    UInt32Array,
    hashed_words,
    packed,
    shingle_sets,
    unpacked,
)
from medembed_pipeline.notes.sketches import sketches
from medembed_pipeline.notes.values_of_groups import (
    bounds_of_groups,
    different_pairs,
    earliest,
    ranked,
    sorted_values,
)

IDENTIFIER_COLUMNS: tuple[str, ...] = tuple(f"identifiers_{kind}" for kind in IDENTIFIER_KINDS)


class MergingError(MedembedError):
    """Tables of rows and prepared texts that do not fit together."""


def _identifier_fields() -> list[pa.Field]:
    return [
        described(
            column, pa.int32(), f"Identifiers of the kind {kind} found in the text (before masking). Count."
        )
        for column, kind in zip(IDENTIFIER_COLUMNS, IDENTIFIER_KINDS, strict=True)
    ]


CLEANED_NOTES_SCHEMA = pa.schema(
    [
        described(
            "note_id",
            pa.string(),
            "32 hexadecimal digits: SHA-256 of the normalised text before masking. Unique; the sort key.",
        ),
        described("text", pa.large_string(), "The cleaned text; identifiers masked if redaction was on."),
        described(
            "specialties", pa.list_(pa.string()), "Canonical specialties of all rows of the note, sorted."
        ),
        described(
            "document_types",
            pa.list_(pa.string()),
            "Canonical document types of all rows of the note, sorted.",
        ),
        described("source_rows", pa.list_(pa.string()), "Distinct row ids that hold the note, sorted."),
        described("duplicate_group", pa.string(), "Smallest note_id among the note and its near-duplicates."),
        described(
            "patients", pa.list_(pa.string()), "Patients named by its rows, sorted; none where none is named."
        ),
        described(
            "note_keys", pa.list_(pa.string()), "The hospital's own ids of the note, of all its rows, sorted."
        ),
        described(
            "note_date",
            pa.date32(),
            "Earliest day of its rows; null where none can be read.",
            nullable=True,
        ),
        described("characters", pa.int32(), "Length of the text. Unicode code points."),
        described("words", pa.int32(), "Length of the text. Words between white space."),
        *_identifier_fields(),
        described(
            "signature",
            pa.binary(),
            f"MinHash signature of the text before masking: {DEFAULT_PERMUTATIONS} little-endian uint32.",
        ),
        described(
            "sketch",
            pa.binary(),
            "Some of its word shingles, hashed, before masking: by them it is known again when it was edited.",
        ),
    ]
)


@dataclass(frozen=True)
class MergedNotes:
    """The notes of a set of rows.

    Attributes
    ----------
    notes:
        A row per note, with ``CLEANED_NOTES_SCHEMA``, sorted by ``note_id``.
    rows, rows_empty, rows_merged:
        Rows given; rows dropped since nothing was left of their text; rows that hold a note which another
        row holds too (``rows - rows_empty - notes``).
    """

    notes: pa.Table
    rows: int
    rows_empty: int
    rows_merged: int


def prepared_schema(permutations: int) -> pa.Schema:
    """The schema of :func:`prepare_texts`."""
    signature = f"MinHash signature: {permutations} little-endian uint32."
    return pa.schema(
        [
            described(
                "note_id",
                pa.string(),
                "32 hexadecimal digits: SHA-256 of the normalised text before masking; empty if no text.",
            ),
            described("text", pa.large_string(), "The cleaned text; identifiers masked if redaction was on."),
            described("characters", pa.int32(), "Length of the text. Unicode code points."),
            described("words", pa.int32(), "Length of the text. Words between white space."),
            *_identifier_fields(),
            described("signature", pa.binary(), f"Of the text before masking. {signature}"),
            described("shingles", pa.binary(), "Its word shingles: sorted hashes, little-endian uint32."),
            described("sketch", pa.binary(), "Some of them, see notes/sketches.py."),
            described(
                "masked_signature",
                pa.binary(),
                f"Of the masked text; null where masking changes nothing. {signature}",
                nullable=True,
            ),
            described("masked_shingles", pa.binary(), "Of the masked text, likewise.", nullable=True),
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

    Cleans each text, takes its id, counts its identifiers, and signs it for the search for near-duplicates, as it
    is and as it is when identifiers are masked. `redact` decides which of the two texts is kept, and nothing else.

    Returns
    -------
    A row per text, in order, with ``prepared_schema(permutations)``. A text of which cleaning leaves nothing
    has an empty ``note_id``; :func:`merge_notes` drops and counts it.
    """
    cleaned = [clean_text(text) for text in texts]
    words = [text.split() for text in cleaned]
    found = find_in_texts(cleaned)
    masked = mask_texts(cleaned, found)
    changed = [one != other for one, other in zip(cleaned, masked, strict=True)]
    shown = masked if redact else cleaned
    schema = prepared_schema(permutations)
    columns: dict[str, pa.Array] = {
        "note_id": pa.array([note_id_of_words(own) if own else "" for own in words], type=pa.string()),
        "text": pa.array(shown, type=pa.large_string()),
        "characters": pa.array([len(text) for text in shown], type=pa.int32()),
        "words": pa.array(
            [
                len(text.split() if redact and other else own)
                for text, own, other in zip(shown, words, changed, strict=True)
            ],
            type=pa.int32(),
        ),
    }
    counts = [count_identifiers(own) for own in found]
    for column, kind in zip(IDENTIFIER_COLUMNS, IDENTIFIER_KINDS, strict=True):
        columns[column] = pa.array([count[kind] for count in counts], type=pa.int32())
    signed = _signed(cleaned, permutations)
    columns |= {name: pa.array(cells, pa.binary()) for name, cells in signed.items()}
    others = _signed([text for text, other in zip(masked, changed, strict=True) if other], permutations)
    for name in ("signature", "shingles"):
        cells = iter(others[name])
        columns[f"masked_{name}"] = pa.array(
            [next(cells) if other else None for other in changed], pa.binary()
        )
    return pa.table(columns, schema=schema)


def _signed(texts: Sequence[str], permutations: int) -> dict[str, list[bytes]]:
    """The cells of the columns signature, shingles and sketch."""
    columns: dict[str, list[bytes]] = {"signature": [], "shingles": [], "sketch": []}
    for words in hashed_words(texts):
        sets = shingle_sets(words)
        columns["signature"] += packed(signatures_of_sets(sets, permutations))
        columns["shingles"] += packed(sets.divided())
        columns["sketch"] += [sketch.packed() for sketch in sketches(words, sets)]
    return columns


def signatures_of(cells: pa.ChunkedArray) -> npt.NDArray[np.uint32]:
    """A column of signatures as ``[rows, permutations]`` uint32; all of one length, none null."""
    values: list[bytes] = cells.to_pylist()
    width = len(values[0]) // 4 if values else DEFAULT_PERMUTATIONS
    return (
        np.frombuffer(b"".join(values), dtype="<u4").reshape(len(values), width).astype(np.uint32, copy=False)
    )


def merge_notes(
    rows: pa.Table,
    prepared: pa.Table,
    *,
    prepared_index: npt.NDArray[np.int64] | None = None,
    aliases: Mapping[str, str] | None = None,
    document_types: Sequence[str] = DOCUMENT_TYPES,
    label_separator: str = "",
    near_duplicate_threshold: float = 0.8,
    bands: Bands | None = None,
) -> MergedNotes:
    """Make one note of all rows with the same normalised text.

    Parameters
    ----------
    rows:
        Columns ``row_id`` (string) and ``label`` (string, null where there is none); where they are there,
        ``patient`` and ``note_key`` (string) and ``note_date`` (date32), null where there is none. A row that
        landed twice has the same ``row_id`` twice, and counts as one source.
    prepared:
        What :func:`prepare_texts` made of the texts, with the same ``permutations`` throughout.
    prepared_index:
        For each row the row of ``prepared`` that holds its text; None: the two tables run in parallel.
    aliases, document_types, label_separator:
        See :mod:`medembed_pipeline.notes.labels`.
    near_duplicate_threshold, bands:
        See :func:`medembed_pipeline.notes.duplicates.near_pairs`.

    Near-duplicates are found twice, in the texts as they are and in the texts as they are masked, whichever is
    shown: so masking changes no group, and two notes that masking makes alike are two notes of one group.

    The text of a note of which variants differ in case or spaces is a variant with mixed case before one in
    capitals, then the one with the most lines, then the first in code point order. The result does not depend
    on the order of the rows.

    Raises
    ------
    MergingError
        If the tables lack a column, or ``prepared_index`` does not point from every row into ``prepared``.
    """
    index = _validated_index(rows, prepared, prepared_index)
    different, notes_of = ranked(prepared.column("note_id").take(pa.array(index)))
    # The empty id, which sorts first, is of rows of which nothing is left.
    empty = int(len(different) > 0 and different[0].as_py() == "")
    filled = np.flatnonzero(notes_of >= empty)
    rows_empty = rows.num_rows - len(filled)
    rows, index, notes_of = rows.take(pa.array(filled)), index[filled], notes_of[filled] - empty
    note_ids: list[str] = different[empty:].to_pylist()
    count = len(note_ids)

    chosen = prepared.take(pa.array(_chosen_variants(count, notes_of, index, prepared), type=pa.int64()))
    columns = {
        name: chosen.column(name)
        for name in ("note_id", "text", "characters", "words", *IDENTIFIER_COLUMNS, "signature", "sketch")
    }
    specialties, types, of_note = _labels(
        notes_of, count, rows.column("label"), aliases, document_types, label_separator
    )
    columns["specialties"], columns["document_types"] = specialties.take(of_note), types.take(of_note)
    columns["source_rows"] = sorted_values(notes_of, count, rows.column("row_id"))
    groups = _near_duplicate_groups(note_ids, chosen, near_duplicate_threshold, bands)
    columns["duplicate_group"] = pa.array(groups, type=pa.string())
    for name, own in (("patients", "patient"), ("note_keys", "note_key")):
        columns[name] = sorted_values(notes_of, count, _optional_column(rows, own, pa.string()))
    columns["note_date"] = earliest(notes_of, count, _optional_column(rows, "note_date", pa.date32()))
    notes = pa.table([columns[name] for name in CLEANED_NOTES_SCHEMA.names], schema=CLEANED_NOTES_SCHEMA)
    return MergedNotes(
        notes=notes,
        rows=len(filled) + rows_empty,
        rows_empty=rows_empty,
        rows_merged=len(filled) - count,
    )


def _optional_column(rows: pa.Table, name: str, kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    return rows.column(name) if name in rows.column_names else pa.nulls(rows.num_rows, kind)


def _labels(
    notes_of: IntArray,
    count: int,
    labels: pa.ChunkedArray,
    aliases: Mapping[str, str] | None,
    document_types: Sequence[str],
    label_separator: str,
) -> tuple[pa.ListArray, pa.ListArray, pa.Array]:
    """Specialties and document types of the different sets of label cells, and which set each note has."""
    whole = {*document_types, *(aliases or {}), *(aliases or {}).values()}
    cells, places = ranked(labels)
    labels_of = [
        labels_of_cell(cell, label_separator=label_separator, whole=whole) for cell in cells.to_pylist()
    ]
    canonical = canonical_labels((label for own in labels_of for label in own), aliases)
    filled = places >= 0
    own, places = different_pairs(notes_of[filled], places[filled])
    filed = [tuple(places[start:end].tolist()) for start, end in pairwise(bounds_of_groups(own, count))]
    # There are far fewer different sets of cells than notes.
    number_of = {cells: number for number, cells in enumerate(dict.fromkeys(filed))}
    divided = [
        split_labels((canonical[label] for cell in cells for label in labels_of[cell]), document_types)
        for cells in number_of
    ]
    specialties, types = (
        pa.array([lists[side] for lists in divided], pa.list_(pa.string())) for side in (0, 1)
    )
    return specialties, types, pa.array([number_of[cells] for cells in filed], pa.int64())


def _near_duplicate_groups(
    note_ids: Sequence[str], chosen: pa.Table, threshold: float, bands: Bands | None
) -> list[str]:
    """The near-duplicate group of each note, of sorted ids, by the texts as they are and as they are masked."""
    if not note_ids:
        return []
    signed = signatures_of(chosen.column("signature"))
    shingles = unpacked(chosen.column("shingles").to_pylist())
    left, right = near_pairs(signed, shingles=shingles, threshold=threshold, bands=bands)
    masked: list[UInt32Array] = unpacked(chosen.column("masked_shingles").to_pylist())
    changed = np.flatnonzero(chosen.column("masked_signature").is_valid().to_numpy())
    if len(changed):
        signed = signed.copy()
        signed[changed] = signatures_of(chosen.column("masked_signature").drop_null())
        for row in changed.tolist():
            shingles[row] = masked[row]
        more_left, more_right = near_pairs(signed, shingles=shingles, threshold=threshold, bands=bands)
        left, right = np.concatenate((left, more_left)), np.concatenate((right, more_right))
    return named_groups(note_ids, left, right)


def _chosen_variants(count: int, notes_of: IntArray, index: IntArray, prepared: pa.Table) -> list[int]:
    """Of each note the row of `prepared` that is shown."""
    texts = prepared.column("text")

    def rank(position: int) -> tuple[bool, int, str]:
        text = texts[position].as_py()
        return (text.isupper() or text.islower(), -text.count("\n"), text)

    notes, positions = different_pairs(notes_of, index)
    bounds = bounds_of_groups(notes, count)
    chosen = positions[bounds[:-1]].tolist()
    for note in np.flatnonzero(np.diff(bounds) > 1).tolist():
        chosen[note] = min(positions[bounds[note] : bounds[note + 1]].tolist(), key=rank)
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
