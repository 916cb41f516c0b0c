"""Writes docs/tables.md from the schemas, so that the page and the tables cannot drift apart."""

from __future__ import annotations

import pyarrow as pa

from medembed_pipeline.embeddings.vectors import embeddings_schema
from medembed_pipeline.evaluation.metrics_table import METRICS_SCHEMA
from medembed_pipeline.evaluation.neighbors import NEIGHBORS_SCHEMA
from medembed_pipeline.evaluation.slices import SLICE_METRICS_SCHEMA
from medembed_pipeline.evidence.health.table import HEALTH_SCHEMA
from medembed_pipeline.evidence.labels.review import LABEL_REVIEW_SCHEMA
from medembed_pipeline.evidence.leakage.meter import LEAK_METER_SCHEMA
from medembed_pipeline.evidence.ledger.confusions import SPECIALTY_CONFUSIONS_SCHEMA
from medembed_pipeline.evidence.ledger.ledger import RETRIEVAL_LEDGER_SCHEMA
from medembed_pipeline.evidence.similarity.table import SIMILARITY_SCHEMA
from medembed_pipeline.history.table import CHECKPOINT_HISTORY_SCHEMA
from medembed_pipeline.maps.movement import NOTE_MOVEMENT_SCHEMA
from medembed_pipeline.maps.tables import ALIGNED_PROJECTIONS_SCHEMA, PROJECTIONS_SCHEMA
from medembed_pipeline.notes.landing import REJECTED_DESCRIPTIONS, described, raw_schema
from medembed_pipeline.notes.memory import MEMORY_SCHEMA
from medembed_pipeline.notes.merging import CLEANED_NOTES_SCHEMA
from medembed_pipeline.notes.rejections import REJECTION_REASONS
from medembed_pipeline.notes.row_chunks import REJECTED_SCHEMA
from medembed_pipeline.notes.splits import NOTE_SPLITS_SCHEMA
from medembed_pipeline.tasks.table import TASK_SCHEMA
from medembed_pipeline.triplets.table import TRIPLETS_SCHEMA
from medembed_pipeline.verdict.outcomes import VERDICT_SCHEMA

HEADING = """\
# Tables

Every table is one Parquet file, `<lake>/<name>.parquet`, that `pandas.read_parquet` reads whole. Ids join the tables,
not row positions. The footer of each file says what it was made from. This page is written by
`medembed tables > docs/tables.md`.
"""

TABLES: dict[str, tuple[str, pa.Schema]] = {
    "raw_transcriptions": (
        "a row as it landed; every further column of the landing files follows as a string column",
        raw_schema({}),
    ),
    "rejected_rows": (
        "a row, or a file, that could not be used",
        described(REJECTED_SCHEMA, REJECTED_DESCRIPTIONS),
    ),
    "cleaned_notes": ("a different note", CLEANED_NOTES_SCHEMA),
    "note_splits": ("a note's split and group", NOTE_SPLITS_SCHEMA),
    "note_memory": (
        "a note that was ever split, whether its text is still there or not (see docs/leakage.md). It cannot be made "
        "again: keep copies",
        MEMORY_SCHEMA,
    ),
    "triplets": ("one triplet", TRIPLETS_SCHEMA),
    "baseline_embeddings": (
        "a note's vector by the base model (384 numbers for the bundled one)",
        embeddings_schema(384),
    ),
    "tuned_embeddings": ("a note's vector by the fine-tuned checkpoint", embeddings_schema(384)),
    "neighbors": ("one neighbour of one note", NEIGHBORS_SCHEMA),
    "embedding_metrics": ("one figure", METRICS_SCHEMA),
    "slice_metrics": ("one figure of the notes of one value of a slice", SLICE_METRICS_SCHEMA),
    "projections": ("a note's place on one map", PROJECTIONS_SCHEMA),
    "aligned_projections": (
        "a note's place on a map on which baseline and tuned can be compared",
        ALIGNED_PROJECTIONS_SCHEMA,
    ),
    "note_movement": ("how far a note moved", NOTE_MOVEMENT_SCHEMA),
    "similarity_evidence": ("one number of one figure", SIMILARITY_SCHEMA),
    "retrieval_ledger": ("a held-out note, the worst regression first", RETRIEVAL_LEDGER_SCHEMA),
    "specialty_confusions": ("a specialty taken for another", SPECIALTY_CONFUSIONS_SCHEMA),
    "space_health": ("one figure of a space", HEALTH_SCHEMA),
    "task_metrics": ("one figure of one task", TASK_SCHEMA),
    "label_review": ("a labelled note, the most suspicious first", LABEL_REVIEW_SCHEMA),
    "leak_meter": ("one figure under one way to split", LEAK_METER_SCHEMA),
    "release_verdict": ("one rule and what came of it", VERDICT_SCHEMA),
    "checkpoint_history": (
        "one figure of one judgement of a checkpoint; rows are added and never removed",
        CHECKPOINT_HISTORY_SCHEMA,
    ),
}


def render_tables_page() -> str:
    """The text of docs/tables.md."""
    parts = [HEADING]
    for name, (row, schema) in TABLES.items():
        parts.append(f"\n## {name}\n\nOne row is {row}.\n\n| column | type | what it is |\n|---|---|---|\n")
        for field in schema:
            about = (field.metadata or {}).get(b"description", b"").decode().replace("|", "\\|")
            parts.append(f"| `{field.name}` | {_type(field.type)} | {about} |\n")
        if name == "rejected_rows":
            parts.append("\nReasons:\n\n| reason | when |\n|---|---|\n")
            parts.extend(f"| `{reason}` | {when} |\n" for reason, when in REJECTION_REASONS.items())
    return "".join(parts)


def _type(type_: pa.DataType) -> str:
    return str(type_).replace("item: ", "").replace("element: ", "")
