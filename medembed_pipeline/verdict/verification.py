"""Whether what is remembered of the checkpoints that were taken back is whole, and agrees with what is released."""

from __future__ import annotations

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.verification import Finding
from medembed_pipeline.verdict.errors import VerdictError
from medembed_pipeline.verdict.released import (
    NAME_OF_WITHDRAWN,
    WITHDRAWN,
    released_version,
    withdrawn_versions,
)


def verify_withdrawn(lake: Lake) -> list[Finding]:
    """Check `withdrawn.json`.

    Returns
    -------
    list[Finding]
        One finding; none where no checkpoint was ever taken back.
    """
    try:
        withdrawn = withdrawn_versions(lake)
    except VerdictError as error:
        return [Finding(WITHDRAWN, "altered", str(error))]
    if not lake.exists(WITHDRAWN):
        if NAME_OF_WITHDRAWN not in lake.published_names():
            return []
        detail = (
            "a verdict may release again what was taken back; restore it, or take the checkpoint back again with "
            "`medembed rollback`"
        )
        return [Finding(WITHDRAWN, "missing", detail)]
    try:
        released = released_version(lake)
    except VerdictError:
        released = None  # the pointer has a finding of its own
    if released in withdrawn:
        detail = f"names {released}, which is the released one: a rollback ended half-way; run it again"
        return [Finding(WITHDRAWN, "stale", detail)]
    return [Finding(WITHDRAWN, "ok", f"checkpoints that no verdict releases again: {len(withdrawn)}")]
