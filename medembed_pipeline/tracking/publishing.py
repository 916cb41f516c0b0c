"""Telling a tracker, such that a tracker that fails never fails a run."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.tracking.settings import TrackingSettings
from medembed_pipeline.tracking.tracked import TrackedRun

FOLDER = "tracking"
TOLD = ("store", "tracked")
_ACCOUNT = re.compile(r"//[^/@\s]+@")


class Tracker(Protocol):
    """Whoever is told."""

    def tell(self, run: TrackedRun) -> None:
        """Tell one run; any exception means that it was not told."""
        ...


def track(
    lake: Lake,
    settings: TrackingSettings,
    describe: Callable[[], TrackedRun],
    warn: Callable[[str], object],
) -> dict[str, Any]:
    """Tell a run to the tracker of the settings, once; with `kind = "none"` nothing is done or imported.

    A run that could not be told is told when its asset is made the next time.

    Parameters
    ----------
    lake
        which remembers what was told, and holds the tracker's files.
    settings
        which tracker.
    describe
        what to tell.
    warn
        called with a sentence when it could not be told.

    Returns
    -------
    dict[str, Any]
        Metadata: `tracked_by` and `tracking_failures` (0 or 1); nothing where tracking is off.
    """
    if settings.kind == "none":
        return {}
    try:
        run = describe()
        place = (*TOLD, f"{digest([settings.kind, settings.uri, settings.project, run.key])[:32]}.json")
        # Steps that run beside each other make the tracker's database once.
        with lake.machine_lock(FOLDER):
            if not lake.exists(*place):
                open_tracker(lake, settings).tell(run)
                lake.write_json({"kind": run.kind, "name": run.name, "by": settings.kind}, *place)
    # Whatever a server, a database or a package does, the result stands in the lake.
    except Exception as error:
        warn(f"tracking: {settings.kind} was not told, and the run goes on ({_reason(error)})")
        return {"tracked_by": settings.kind, "tracking_failures": 1}
    return {"tracked_by": settings.kind, "tracking_failures": 0}


def open_tracker(lake: Lake, settings: TrackingSettings) -> Tracker:
    """The tracker of the settings; imports its package."""
    folder = lake.local_work_folder(FOLDER)
    if settings.kind == "mlflow":
        from medembed_pipeline.tracking.mlflow_tracker import MlflowTracker

        return MlflowTracker(settings.uri, settings.project, folder, timeout_seconds=settings.timeout_seconds)
    from medembed_pipeline.tracking.wandb_tracker import WandbTracker

    return WandbTracker(settings.project, folder)


def _reason(error: Exception) -> str:
    if isinstance(error, ImportError):
        return f"the package {error.name} is not installed: pip install '.[tracking]'"
    # An address may hold a password.
    return f"{type(error).__name__}: {_ACCOUNT.sub('//', str(error))[:200]}"
