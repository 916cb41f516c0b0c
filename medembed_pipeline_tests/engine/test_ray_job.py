"""A step as a Ray job: the same table, its log in Dagster, and an error that arrives."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from medembed_pipeline.console import plain_message
from medembed_pipeline.engine import ray_job
from medembed_pipeline.engine.ray_job import errors_in_log
from medembed_pipeline.engine.work import EngineError
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.settings import load_settings
from medembed_pipeline_tests.graph.forking import ROOT
from medembed_pipeline_tests.graph.project import PCA_ALONE, Project, materializing

pytest.importorskip("dagster_ray", reason="dagster-ray is not installed: pip install '.[ray]'")

TOKEN = 64 * "a"


@pytest.fixture(scope="module")
def dashboard() -> Iterator[str]:
    """A cluster of this machine, as `ray start --head` makes it; the address of its jobs."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        port, jobs = one.getsockname()[1], other.getsockname()[1]
    binaries = Path(sys.executable).parent
    environ = {
        **os.environ,
        # The job's `python` is the first of the path.
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": TOKEN,
        "RAY_USAGE_STATS_ENABLED": "0",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    # Names of sockets are short.
    folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")
    head = subprocess.Popen(
        [
            *(str(binaries / "ray"), "start", "--head", "--block", "--num-cpus=2"),
            *(
                "--temp-dir",
                folder,
                f"--port={port}",
                f"--dashboard-port={jobs}",
                "--object-store-memory=100000000",
            ),
        ],
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(jobs, head)
    yield f"http://127.0.0.1:{jobs}"
    head.terminate()
    head.wait()
    shutil.rmtree(folder, ignore_errors=True)


def wait_for(port: int, head: subprocess.Popen[bytes]) -> None:
    """Until the dashboard answers."""
    deadline = time.monotonic() + 120
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/").close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            assert head.poll() is None and time.monotonic() < deadline
            time.sleep(0.2)


def materialized(project: Project, asset: str) -> tuple[bool, str]:
    """Whether the asset was made, and what the log of its run says."""
    project.python(materializing(asset).replace(").success", ", raise_on_error=False)"))
    with dg.DagsterInstance.from_config(str(project.dagster_home)) as instance:
        (run,) = instance.get_runs(limit=1)
        events = instance.all_logs(run.run_id)
    lines = [one.user_message for one in events]
    failures = [
        one.dagster_event for one in events if one.dagster_event and one.dagster_event.is_step_failure
    ]
    lines += [plain_message(one.step_failure_data.error) for one in failures]
    return run.status == dg.DagsterRunStatus.SUCCESS, "\n".join(lines)


def test_what_a_job_said_of_errors_is_found_in_its_log() -> None:
    log = (
        "2026 INFO something\n"
        '{"__dagster_pipes_version": "0.1", "method": "log", "params": {"message": "ten shards", "level": "INFO"}}\n'
        '{"method": "log", "params": {"message": "this cluster is too small", "level": "ERROR"}}\n'
        '{"half a line'
    )
    assert errors_in_log(log) == ["this cluster is too small"]


@pytest.mark.parametrize("how", ["soon", "never", "broken"])
def test_a_cluster_that_has_just_begun_is_asked_again(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    class Client:
        def __init__(self, **_: Any) -> None:
            self.client = self

        def run(self, *, submit_job_params: dict[str, Any], **_: Any) -> None:
            asked.append(submit_job_params["submission_id"])
            if how == "broken":
                raise RuntimeError("Request failed with status code 500: something else")
            if how == "never" or len(asked) < 3:
                raise RuntimeError("Request failed with status code 500: No available agent to submit job.")

        def get_job_logs(self, job: str) -> str:
            raise RuntimeError(f"Job {job} does not exist")

    monkeypatch.setattr("dagster_ray.PipesRayJobClient", Client)
    monkeypatch.setattr(ray_job, "AGENT_SECONDS", 0.2 if how == "never" else 60.0)
    context: Any = SimpleNamespace(
        asset_key=dg.AssetKey("x"),
        run=SimpleNamespace(run_config={}),
        log=SimpleNamespace(info=lambda _: time.sleep(0.1)),
    )
    if how == "soon":
        ray_job.submit(context, load_settings(), Lake(str(tmp_path)))
        assert len(set(asked)) == 3
        return
    with pytest.raises(EngineError, match="did not come to say why"):
        ray_job.submit(context, load_settings(), Lake(str(tmp_path)))
    assert (len(asked) == 1) == (how == "broken")


@pytest.mark.live
def test_a_step_is_a_job_that_makes_the_same_table_and_whose_errors_arrive(
    dashboard: str, tmp_path: Path, small_model: Path
) -> None:
    project = Project(tmp_path / "project", small_model)
    project.land_samples(30)
    project.python(materializing("raw_transcriptions", "rejected_rows", "cleaned_notes"))
    here = project.copy(tmp_path / "here")
    assert materialized(here, "baseline_embeddings")[0]
    expected = Lake(here.lake_url).table("baseline_embeddings")

    on_jobs = f'{PCA_ALONE}[engine]\nkind = "ray"\naddress = "{dashboard}"\nthreads = '
    project.configure(more=f"{on_jobs}64\n")
    is_made, log = materialized(project, "baseline_embeddings")
    assert not is_made and "Authent" in log and "no Ray takes jobs there" in log
    project.environment["RAY_AUTH_TOKEN"] = TOKEN
    is_made, log = materialized(project, "baseline_embeddings")
    assert not is_made and "largest machine of the Ray cluster has 2" in log and "Traceback" not in log
    assert Lake(project.lake_url).find_table("baseline_embeddings") is None

    project.configure(more=f"{on_jobs}1\n")
    is_made, log = materialized(project, "baseline_embeddings")
    assert is_made and "Starting Ray job" in log and "on Ray auto: 2 processors" in log
    found = Lake(project.lake_url).table("baseline_embeddings")
    assert found.data_version == expected.data_version
    assert found.footer.recipe.digest == expected.footer.recipe.digest
    made = project.materializations("baseline_embeddings")[0].asset_materialization
    assert made is not None and made.metadata["kept"].value is False
    is_made, log = materialized(project, "baseline_embeddings")
    assert is_made and "Ray" not in log
