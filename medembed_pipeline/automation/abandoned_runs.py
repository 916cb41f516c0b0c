"""Runs whose worker died together with everything else: the plug was pulled.

While the UI runs, it notices a worker that dies. When all of it dies at once, nobody does, and Dagster would take such
a run for running for ever. So they are looked for before the UI starts; Dagster's daemon then starts them again.
"""

from __future__ import annotations

import dagster as dg
import psutil

from medembed_pipeline.automation.state import UNFINISHED

MESSAGE = "its worker is dead (the machine or the UI was stopped); it is started again"
_CLOCK_SECONDS = 2.0


def fail_abandoned_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark as failed the unfinished runs whose worker on this machine is dead; returns their ids."""
    abandoned = []
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        worker = _worker(instance, run.run_id)
        if worker is None or _is_running(*worker):
            continue
        if run.status == dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run)
        else:
            instance.report_run_failed(run, MESSAGE)
        abandoned.append(run.run_id)
    return abandoned


def _worker(instance: dg.DagsterInstance, run_id: str) -> tuple[int, float] | None:
    """Process id of the run's worker, and a time at which it ran; None where none has begun yet."""
    events = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT, ascending=True)
    for record in events.records:
        event = record.event_log_entry.dagster_event
        pid = event.engine_event_data.metadata.get("pid") if event else None
        if pid is not None:
            return int(str(pid.value)), record.event_log_entry.timestamp
    return None


def _is_running(pid: int, ran_at: float) -> bool:
    """Whether that process still runs, and is not another one that was given its number since."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= ran_at + _CLOCK_SECONDS
    except psutil.NoSuchProcess:
        return False
