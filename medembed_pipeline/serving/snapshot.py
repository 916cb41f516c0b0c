"""A snapshot: everything that an answer needs, of one checkpoint, in memory, and never changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa

from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.lake.verification import altered
from medembed_pipeline.serving.classifier import NoteClassifier, load_classifier
from medembed_pipeline.serving.encoders import SharedEncoder, shared_encoder
from medembed_pipeline.serving.encoding import note_vectors
from medembed_pipeline.serving.errors import ServingError
from medembed_pipeline.serving.filters import (
    BoolArray,
    Filters,
    ValueColumn,
    allowed_notes,
    landing_columns,
)
from medembed_pipeline.serving.image_text import PicturesAndTexts, load_image_text
from medembed_pipeline.serving.parts import SnapshotParts
from medembed_pipeline.serving.places import Places, map_places
from medembed_pipeline.serving.search import Query, SearchIndex
from medembed_pipeline.serving.triage import CaseTriage, load_triage
from medembed_pipeline.training.verification import verify_checkpoint


@dataclass(frozen=True)
class Snapshot:
    """What answers are made from; a request keeps the one that it began with.

    Attributes
    ----------
    parts
        what it is made of, by hash; `id` names it.
    made_at
        when, in UTC.
    encoder
        of the released checkpoint.
    note_ids
        n ids, sorted.
    row_of
        the row of each.
    texts
        the notes' cleaned texts.
    index
        their vectors.
    labels, splits
        what each note is, as filters.
    columns
        what the landing files say of it, as filters.
    places
        the map.
    redact
        whether the lake's notes are masked, and so new ones are.
    classifier
        of this checkpoint; None where there is none.
    triage, image_text
        answer cases, and pictures against texts; None where the parts say why not.
    encoded
        notes whose vectors had to be computed for it.
    """

    parts: SnapshotParts
    made_at: datetime
    encoder: SharedEncoder
    note_ids: list[str]
    row_of: Mapping[str, int]
    texts: pa.ChunkedArray
    index: SearchIndex
    labels: ValueColumn
    splits: ValueColumn
    columns: Mapping[str, ValueColumn]
    places: Places
    redact: bool
    classifier: NoteClassifier | None
    triage: CaseTriage | None
    image_text: PicturesAndTexts | None
    encoded: int
    id: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", self.parts.id)

    def text(self, row: int) -> str:
        """A note's cleaned text."""
        found: str = self.texts[row].as_py()
        return found

    def allowed(self, filters: Filters) -> BoolArray | None:
        """Which notes pass; see `allowed_notes`."""
        return allowed_notes(filters, len(self.note_ids), self.labels, self.splits, self.columns)


def build_snapshot(
    lake: Lake,
    parts: SnapshotParts,
    settings: EncoderSettings,
    *,
    say: Callable[[str], None] = lambda _: None,
) -> Snapshot:
    """Build a whole snapshot: checked by hash, loaded and warmed.

    Parameters
    ----------
    lake
        read, and not written.
    parts
        see `read_parts`.
    settings
        of the encoder; its device.
    say
        told what takes long, in words without text of notes.

    Raises
    ------
    ServingError
        a file is not what was written, or the parts do not fit one another.
    MedembedError
        the checkpoint cannot be loaded.
    """
    started = time.monotonic()
    _refuse_altered(parts)
    encoder = shared_encoder(parts.spec, parts.precision, parts.fingerprint, settings.device, lake=lake)
    notes = parts.notes.read(["note_id", "text", "specialties", "source_rows"]).sort_by("note_id")
    note_ids: list[str] = notes["note_id"].to_pylist()
    if parts.vectors is None:
        say(
            "no table holds this checkpoint's vectors of these notes: they are gathered, and the rest is encoded"
        )
    matrix, encoded = note_vectors(lake, parts, note_ids, notes["text"], encoder)
    index = SearchIndex(matrix)
    if note_ids:
        index.search([Query(index.vectors[0], 10)])
    cleaning: dict[str, Any] = parts.notes.footer.recipe.settings.get("CleaningSettings", {})
    made = Snapshot(
        parts=parts,
        made_at=datetime.now(timezone.utc),
        encoder=encoder,
        note_ids=note_ids,
        row_of={note_id: row for row, note_id in enumerate(note_ids)},
        texts=notes["text"].combine_chunks() if notes.num_rows else notes["text"],
        index=index,
        labels=ValueColumn.of_lists(notes["specialties"].to_pylist()),
        splits=_splits(parts.splits, note_ids),
        columns={} if parts.rows is None else landing_columns(parts.rows, notes["source_rows"].to_pylist()),
        places=map_places(parts.map, note_ids, index.vectors),
        redact=bool(cleaning.get("redact", False)),
        classifier=load_classifier(lake, parts.checkpoint, parts.classifier),
        triage=load_triage(lake, parts.triage_verdict, parts.triage, settings.device),
        image_text=load_image_text(lake, parts.seen, parts.prompts, parts.image_text, settings.device),
        encoded=encoded,
    )
    for other in (parts.triage, parts.image_text):
        if other.problem:
            say(other.problem)
    say(
        f"snapshot {made.id}: checkpoint {parts.checkpoint.version}, {len(note_ids)} notes, {encoded} encoded for it, "
        f"{time.monotonic() - started:.1f} s"
    )
    return made


def _splits(table: LakeTable | None, note_ids: list[str]) -> ValueColumn:
    if table is None:
        return ValueColumn.of_lists([[] for _ in note_ids])
    rows = table.read(["note_id", "split"]).to_pydict()
    split_of = dict(zip(rows["note_id"], rows["split"], strict=True))
    if set(split_of) != set(note_ids):
        raise ServingError("note_splits and cleaned_notes hold different notes; materialize note_splits.")
    return ValueColumn.of_lists([[split_of[note_id]] for note_id in note_ids])


def _refuse_altered(parts: SnapshotParts) -> None:
    """Hash the checkpoint and every table again."""
    problems = verify_checkpoint(parts.checkpoint.folder)
    if problems:
        raise ServingError(
            f"the released checkpoint {parts.checkpoint.version} is not what was written: {'; '.join(problems[:5])}. "
            "`medembed rollback` puts another one back."
        )
    others = (
        parts.triage_verdict if parts.triage.version else None,
        parts.prompts if parts.image_text.version else None,
    )
    for table in (parts.notes, parts.splits, parts.rows, parts.vectors, parts.map, *others):
        problem = altered(table) if table is not None else ""
        if table is not None and problem:
            raise ServingError(f"{table.name}: {problem}")
