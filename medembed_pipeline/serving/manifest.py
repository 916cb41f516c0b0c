"""The parts of a snapshot as a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.lake.fields import described
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.serving.errors import NothingReleasedError
from medembed_pipeline.serving.parts import read_parts

SERVED_SNAPSHOT_SCHEMA = pa.schema(
    [
        described(
            "part",
            pa.string(),
            "checkpoint, checkpoint_files, encoder, a table, specialty_classifier, triage_model or "
            "image_text",
        ),
        described(
            "version",
            pa.string(),
            "version or hash; empty where it is of another checkpoint, of other notes, or not there",
        ),
    ]
)


def manifest(
    lake: Lake, settings: EncoderSettings, find: Callable[[str], LakeTable | None]
) -> tuple[pa.Table, dict[str, Any]]:
    """What the service would answer from.

    Parameters
    ----------
    lake, settings, find
        see `read_parts`.

    Returns
    -------
    tuple[pa.Table, dict[str, Any]]
        SERVED_SNAPSHOT_SCHEMA, a row per part; and the facts `snapshot` (its id, as answers name it), `checkpoint`
        and `notes`. Without rows before the first release.
    """
    try:
        parts = read_parts(lake, settings, find)
    except NothingReleasedError:
        return SERVED_SNAPSHOT_SCHEMA.empty_table(), {"snapshot": "none", "checkpoint": "none", "notes": 0}
    versions = parts.versions()
    table = pa.table({"part": list(versions), "version": list(versions.values())}, SERVED_SNAPSHOT_SCHEMA)
    facts = {"snapshot": parts.id, "checkpoint": parts.checkpoint.version, "notes": parts.notes.rows}
    return table, facts
