"""After the plug was pulled: runs that nobody works on any more are known as such before the UI starts."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._core.test_utils import create_run_for_test, instance_for_test

from medembed_pipeline.automation.abandoned_runs import fail_abandoned_runs
from medembed_pipeline.automation.state import RETRY_RUN, GraphState


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def started(instance: dg.DagsterInstance, pid: int | None, status: str = "STARTED") -> str:
    run = create_run_for_test(instance, job_name="everything", status=dg.DagsterRunStatus[status])
    if pid is not None:
        instance.report_engine_event("Started process for run", run, EngineEventData.in_process(pid))
    return run.run_id


def status(instance: dg.DagsterInstance, run_id: str) -> str:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return str(run.status.value)


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_run_of_a_dead_worker_has_failed(instance: dg.DagsterInstance) -> None:
    run_id = started(instance, dead_process())
    assert fail_abandoned_runs(instance) == [run_id]
    assert status(instance, run_id) == "FAILURE"


def test_a_run_that_was_being_cancelled_is_cancelled(instance: dg.DagsterInstance) -> None:
    run_id = started(instance, dead_process(), "CANCELING")
    assert fail_abandoned_runs(instance) == [run_id]
    assert status(instance, run_id) == "CANCELED"


def test_what_runs_or_waits_is_left_alone(instance: dg.DagsterInstance) -> None:
    running, waiting = started(instance, os.getpid()), started(instance, None, "NOT_STARTED")
    assert fail_abandoned_runs(instance) == []
    assert [status(instance, run_id) for run_id in (running, waiting)] == ["STARTED", "NOT_STARTED"]


def test_a_process_that_was_given_the_number_later_is_not_the_worker(instance: dg.DagsterInstance) -> None:
    time.sleep(0.1)
    newer = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        from medembed_pipeline.automation.abandoned_runs import _is_running

        assert _is_running(newer.pid, time.time()) and not _is_running(newer.pid, time.time() - 3600)
    finally:
        newer.kill()
        newer.wait()


def test_what_a_failed_run_is_about_to_make_again_is_under_way_until_its_retry_is_there() -> None:
    @dg.asset
    def some_notes() -> None: ...

    defs = dg.Definitions([some_notes])
    graph, job = defs.resolve_asset_graph(), defs.resolve_implicit_global_asset_job_def()
    with instance_for_test(overrides={"run_retries": {"enabled": True, "max_retries": 1}}) as instance:
        run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        instance.report_run_failed(run)
        assert some_notes.key in GraphState(graph, instance).under_way
        instance.add_run_tags(run.run_id, {RETRY_RUN: "the id of its retry"})
        assert not GraphState(graph, instance).under_way


def test_a_run_that_is_not_started_again_is_not_under_way() -> None:
    @dg.asset
    def some_notes() -> None: ...

    defs = dg.Definitions([some_notes])
    graph, job = defs.resolve_asset_graph(), defs.resolve_implicit_global_asset_job_def()
    with instance_for_test() as instance:
        run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        instance.report_run_failed(run)
        assert not GraphState(graph, instance).under_way
