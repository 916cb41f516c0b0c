"""What is looked at all the time: the landing folder, and the conditions of the assets."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

from medembed_pipeline.automation.settings import AutomationSettings
from medembed_pipeline.automation.state import UNFINISHED
from medembed_pipeline.images.landing import FOLDER as PICTURES_FOLDER
from medembed_pipeline.images.landing import TABLE_NAMES as PICTURE_TABLES
from medembed_pipeline.images.landing import unsupported_name
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.notes.landing_files import list_landing_files, unknown_format

CHECK_SECONDS = 10
RUN_TAGS = {"medembed/started_by": "automation"}
LANDING_TAG = {"medembed/started_by": "landing_sensor"}
LANDED = [dg.AssetKey("raw_transcriptions"), dg.AssetKey("rejected_rows")]
LANDED_PICTURES = [dg.AssetKey(name) for name in PICTURE_TABLES]


def landing_digest(
    lake: Lake, folder: str = "landing", unsupported: Callable[[str], str] = unknown_format
) -> str | None:
    """64 hex over name, size and time of every file of a landing folder; None where it holds none."""
    files = list_landing_files(lake.filesystem, lake.path(folder), unsupported=unsupported)
    return digest([[file.source_file, file.size, file.modified_ns] for file in files]) if files else None


def landing_decision(
    cursor: str | None, found: str | None, *, now: float, settle_seconds: float, busy: bool
) -> tuple[bool, str | None, str]:
    """Whether to read the landing folder now.

    The cursor holds what was last read (`taken`), and what has been seen since which time. No clock of a file is
    compared with ours, so late files, old times and A -> B -> A are all seen: every listing but the last one taken
    is new.

    Parameters
    ----------
    cursor
        of the last tick.
    found
        `landing_digest` now.
    now
        seconds since 1970.
    settle_seconds
        how long the listing must have stood still.
    busy
        whether a run that reads the folder is queued or under way.

    Returns
    -------
    tuple[bool, str | None, str]
        Whether to request a run, the next cursor, and why not.
    """
    state: dict[str, Any] = json.loads(cursor) if cursor else {"taken": None, "seen": None, "since": now}
    if found is None:
        return False, cursor, "the landing folder holds no file; the tables stand as they are"
    if found == state["taken"]:
        return (
            False,
            json.dumps({"taken": found, "seen": found, "since": now}),
            "nothing new in the landing folder",
        )
    if found != state["seen"]:
        state = {**state, "seen": found, "since": now}
    if now - state["since"] < settle_seconds:
        return (
            False,
            json.dumps(state),
            f"the landing folder changed; waiting until it stands still for {settle_seconds:g} s",
        )
    if busy:
        return (
            False,
            json.dumps(state),
            "the landing folder changed; a run is still reading what was there before",
        )
    return True, json.dumps({"taken": found, "seen": found, "since": now}), ""


def _is_being_read(instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey] = LANDED) -> bool:
    """Whether a queued or running run is to read a landing folder, whose tables are `keys`."""
    planned = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        for record in instance.get_records_for_run(run.run_id, of_type=planned).records:
            event = record.event_log_entry.dagster_event
            if event is not None and event.asset_key in keys:
                return True
    return False


def landing_sensor(settings: AutomationSettings, lake_url: str) -> dg.SensorDefinition:
    """Watches the landing folder, and has it read when it has changed and stands still."""
    return _folder_sensor(
        "landing_folder",
        settings,
        LANDED,
        lambda: landing_digest(Lake(lake_url)),
        "Reads the landing folder when a file came, changed or went, once all stand still.",
    )


def pictures_sensor(settings: AutomationSettings, lake_url: str) -> dg.SensorDefinition:
    """Watches the folder of pictures in the same way."""
    return _folder_sensor(
        "landing_images_folder",
        settings,
        LANDED_PICTURES,
        lambda: landing_digest(Lake(lake_url), PICTURES_FOLDER, unsupported_name),
        "Reads the folder landing_images when a file came, changed or went, once all stand still.",
    )


def _folder_sensor(
    name: str,
    settings: AutomationSettings,
    keys: list[dg.AssetKey],
    look: Callable[[], str | None],
    description: str,
) -> dg.SensorDefinition:
    @dg.sensor(
        name=name,
        target=dg.AssetSelection.assets(*keys),
        minimum_interval_seconds=settings.landing_interval_seconds,
        default_status=_status(settings.enabled),
        description=description,
    )
    def folder(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        wanted, cursor, why_not = landing_decision(
            context.cursor,
            look(),
            now=time.time(),
            settle_seconds=settings.landing_settle_seconds,
            busy=_is_being_read(context.instance, keys),
        )
        if cursor is not None:
            context.update_cursor(cursor)
        return dg.RunRequest(asset_selection=keys, tags=LANDING_TAG) if wanted else dg.SkipReason(why_not)

    return folder


def condition_sensor(settings: AutomationSettings) -> dg.SensorDefinition:
    """Evaluates every asset's condition; in the code server, because the conditions are this project's own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.AutomationConditionSensorDefinition(
            "keep_up_to_date",
            target=dg.AssetSelection.all(),
            use_user_code_server=True,
            minimum_interval_seconds=CHECK_SECONDS,
            default_status=_status(settings.enabled),
            run_tags=RUN_TAGS,
            description="Makes every asset whose inputs, settings or code changed, and nothing else.",
        )


def _status(running: bool) -> dg.DefaultSensorStatus:
    return dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED
