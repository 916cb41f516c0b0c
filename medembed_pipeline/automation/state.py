"""What Dagster has recorded of the graph: which assets are out of date, under way, or failed on their inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import dagster as dg

if TYPE_CHECKING:
    from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

DATA_VERSION = "dagster/data_version"
CODE_VERSION = "dagster/code_version"
INPUT_VERSION = "dagster/input_data_version"
WILL_RETRY = "dagster/will_retry"
RETRY_RUN = "dagster/auto_retry_run_id"
RETRIED_WITHIN = timedelta(minutes=5)
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
GAVE_UP = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
STEP_BEGAN = {dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_FAILURE}


@dataclass(frozen=True)
class FailedAttempt:
    """The latest run that was to make an asset, and failed or was cancelled before it did.

    Attributes
    ----------
    run_id
        the run.
    inputs
        data version of each parent when the asset's step began, or the run ended without beginning any.
    """

    run_id: str
    inputs: dict[dg.AssetKey, str | None]


@dataclass(eq=False)
class GraphState:
    """One look at the history of a Dagster instance; everything asked of it answers for that moment.

    What is under way is read before the materializations: a step that ends in between is then taken for still
    under way, never for out of date, so nothing is requested twice.
    """

    graph: BaseAssetGraph
    instance: dg.DagsterInstance
    under_way: frozenset[dg.AssetKey] = field(init=False)

    def __post_init__(self) -> None:
        self._run_of_id: dict[str, dg.DagsterRun | None] = {}
        self._runs = _under_way(self.instance)
        self.under_way = frozenset(key for keys in self._runs for key in keys)
        records = self.instance.get_asset_records(list(self.graph.materializable_asset_keys))
        self._latest = {
            record.asset_entry.asset_key: record.asset_entry.last_materialization_record for record in records
        }

    @cached_property
    def keys(self) -> list[dg.AssetKey]:
        """Every asset, parents before children."""
        return [
            key for key in self.graph.toposorted_asset_keys if key in self.graph.materializable_asset_keys
        ]

    def parents(self, key: dg.AssetKey) -> list[dg.AssetKey]:
        """The assets that an asset reads, by declaration."""
        return sorted(self.graph.get(key).parent_keys)

    def being_read(self, key: dg.AssetKey, *, but_after: dg.AssetKey) -> bool:
        """Whether a run under way is still to make something below an asset.

        Parameters
        ----------
        key
            the asset.
        but_after
            runs that are still to make this one are not counted: they may take hours until they read.
        """
        below = self._below(key)
        return any(below & keys for keys in self._runs if but_after not in keys)

    def _below(self, key: dg.AssetKey) -> frozenset[dg.AssetKey]:
        found: set[dg.AssetKey] = set()
        for other in self.keys:
            if found & set(self.parents(other)) or key in self.parents(other):
                found.add(other)
        return frozenset(found)

    def data_version(self, key: dg.AssetKey) -> str | None:
        """Hash of what the asset's latest materialization holds; None where there is none."""
        return self._tags(key).get(DATA_VERSION)

    def never_made(self, key: dg.AssetKey) -> bool:
        """Whether the asset has never been materialized."""
        return self._latest.get(key) is None

    def made_at(self, key: dg.AssetKey) -> float:
        """When it was last materialized, in seconds since 1970; 0 for never."""
        latest = self._latest.get(key)
        return latest.timestamp if latest else 0.0

    def code_changed(self, key: dg.AssetKey) -> bool:
        """Whether its code or its settings are others than those of its latest materialization."""
        return (
            not self.never_made(key) and self._tags(key).get(CODE_VERSION) != self.graph.get(key).code_version
        )

    def changed_inputs(self, key: dg.AssetKey) -> list[dg.AssetKey]:
        """The parents whose content is another than the one that the latest materialization read."""
        if self.never_made(key):
            return []
        read = self._tags(key)
        return [
            parent
            for parent in self.parents(key)
            if read.get(f"{INPUT_VERSION}/{parent.to_user_string()}") != self.data_version(parent)
        ]

    def out_of_date(self, key: dg.AssetKey) -> bool:
        """Whether materializing it may give something else than what stands."""
        return self.never_made(key) or self.code_changed(key) or bool(self.changed_inputs(key))

    def inputs_now(self, key: dg.AssetKey) -> dict[dg.AssetKey, str | None]:
        """Data version of each parent."""
        return {parent: self.data_version(parent) for parent in self.parents(key)}

    def failed_attempt(self, key: dg.AssetKey) -> FailedAttempt | None:
        """The attempt that failed or was cancelled, when there has been nothing since."""
        planned = self.instance.get_latest_planned_materialization_info(key)
        run = self._run(planned.run_id) if planned else None
        latest = self._latest.get(key)
        if run is None or run.status not in GAVE_UP or (latest and latest.run_id == run.run_id):
            return None
        began = _began(self.instance, run.run_id, key)
        if began is None:
            return None
        return FailedAttempt(
            run.run_id, {parent: self._version_at(parent, began) for parent in self.parents(key)}
        )

    def _run(self, run_id: str) -> dg.DagsterRun | None:
        if run_id not in self._run_of_id:
            self._run_of_id[run_id] = self.instance.get_run_by_id(run_id)
        return self._run_of_id[run_id]

    def _tags(self, key: dg.AssetKey) -> dict[str, str]:
        return _tags(self._latest.get(key))

    def _version_at(self, key: dg.AssetKey, moment: float) -> str | None:
        records = dg.AssetRecordsFilter(asset_key=key, before_timestamp=moment)
        found = self.instance.fetch_materializations(records, limit=1).records
        return _tags(found[0]).get(DATA_VERSION) if found else None


def _tags(record: dg.EventLogRecord | None) -> dict[str, str]:
    materialization = record.asset_materialization if record else None
    return dict(materialization.tags or {}) if materialization else {}


def _under_way(instance: dg.DagsterInstance) -> list[set[dg.AssetKey]]:
    """For each run that is queued, running or about to be started again, the assets that it has still to make."""
    runs = []
    for run in [*instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)), *_awaiting_retry(instance)]:
        planned = _asset_keys(instance, run.run_id, dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
        runs.append(planned - _asset_keys(instance, run.run_id, dg.DagsterEventType.ASSET_MATERIALIZATION))
    return runs


def _awaiting_retry(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Failed runs that Dagster's daemon starts again within seconds, and has not yet.

    One that failed long ago waits for a daemon that is not there: it holds nothing up.
    """
    failed = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.FAILURE],
        tags={WILL_RETRY: "true"},
        updated_after=datetime.now(timezone.utc) - RETRIED_WITHIN,
    )
    return [run for run in instance.get_runs(failed) if RETRY_RUN not in run.tags]


def _asset_keys(instance: dg.DagsterInstance, run_id: str, kind: dg.DagsterEventType) -> set[dg.AssetKey]:
    records = instance.get_records_for_run(run_id, of_type=kind).records
    events = [record.event_log_entry.dagster_event for record in records]
    return {event.asset_key for event in events if event is not None and event.asset_key is not None}


def _began(instance: dg.DagsterInstance, run_id: str, key: dg.AssetKey) -> float | None:
    """When the run began to work on the asset; None where it failed at another asset before.

    A run that ended before any step began has tried all of its assets in vain.
    """
    planned = instance.get_records_for_run(
        run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
    ).records
    steps = {
        event.step_key
        for event in (record.event_log_entry.dagster_event for record in planned)
        if event is not None and event.asset_key == key
    }
    started = instance.get_records_for_run(run_id, of_type=STEP_BEGAN).records
    own = [record.event_log_entry.timestamp for record in started if record.event_log_entry.step_key in steps]
    if own:
        return min(own)
    if started:
        return None
    ended = instance.get_run_record_by_id(run_id)
    return (ended.end_time or ended.update_timestamp.timestamp()) if ended else None


_looks: WeakKeyDictionary[object, GraphState] = WeakKeyDictionary()


def state_of_tick(tick: object, look: Callable[[], GraphState]) -> GraphState:
    """The one look that all conditions of a tick share; `tick` is an object that lives as long as the tick."""
    if tick not in _looks:
        _looks[tick] = look()
    return _looks[tick]
