"""`medembed rollback`: which checkpoints were released and are still there, and one of them put back."""

from __future__ import annotations

import pyarrow as pa

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.training.checkpoints import FOLDER, MANIFEST
from medembed_pipeline.verdict.errors import VerdictError
from medembed_pipeline.verdict.released import put_back, released_version, withdrawn_versions

HISTORY = "checkpoint_history"


def rollback(lake: Lake, wanted: str | None) -> list[str]:
    """Put a released checkpoint back, or say which there are.

    Parameters
    ----------
    lake
        of the checkpoints.
    wanted
        how the version begins; None to be told.

    Returns
    -------
    list[str]
        What a person reads.

    Raises
    ------
    VerdictError
        no checkpoint that was released begins so, or several do; or see `put_back`.
    """
    released = _once_released(lake)
    if wanted is None:
        return _lines(lake, released)
    found = [version for version in released if version.startswith(wanted)]
    if len(found) != 1:
        told = "no checkpoint in the lake that was released" if not found else f"{len(found)} checkpoints"
        raise VerdictError(f"'{wanted}': {told} begins so. `medembed rollback` shows which there are.")
    before = put_back(lake, found[0])
    taken = f"; {before} is taken back, and no verdict releases it again" if before else ""
    return [f"{found[0]} is the released checkpoint now{taken}."]


def _once_released(lake: Lake) -> dict[str, str]:
    """When each checkpoint that is still in the lake was last released, by version, the newest first."""
    table = lake.find_table(HISTORY)
    rows = (table.read() if table else pa.table({})).to_pylist()
    times = {row["checkpoint"]: row["released_at"] for row in rows if row["released"] and row["released_at"]}
    there = {version: time for version, time in times.items() if lake.exists(FOLDER, version, MANIFEST)}
    return {
        version: f"{time:%Y-%m-%d %H:%M}"
        for version, time in sorted(there.items(), key=lambda one: one[1])[::-1]
    }


def _lines(lake: Lake, released: dict[str, str]) -> list[str]:
    if not released:
        return ["No checkpoint was released yet."]
    now, withdrawn = released_version(lake), withdrawn_versions(lake)
    lines = []
    for version, time in released.items():
        mark = "  released now" if version == now else "  taken back" if version in withdrawn else ""
        lines.append(f"{version}  released {time}{mark}")
    return [
        *lines,
        "",
        "`medembed rollback VERSION` puts one back (UTC; the first letters of the version are enough).",
    ]
