"""The UI as a person uses it, in a real browser: find the graph, materialize everything, see it finish."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from medembed_pipeline_tests.graph.names import GROUPS
from medembed_pipeline_tests.graph.project import Project

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(url: str, query: str) -> Any:
    body = json.dumps({"query": query}).encode()
    request = urllib.request.Request(f"{url}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())["data"]


@contextmanager
def served(project: Project) -> Iterator[str]:
    """The address of `medembed ui` on a project, for as long as the block lasts."""
    port = free_port()
    with (project.folder / "ui.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "medembed_pipeline.cli", "ui", "--port", str(port)],
            cwd=project.folder,
            env=project.environ(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 240
        while True:
            try:
                if ask(url, "{ version }"):
                    break
            except OSError:
                assert time.monotonic() < deadline, (project.folder / "ui.log").read_text()
                time.sleep(1)
        yield url
    finally:
        server.terminate()
        try:
            server.wait(120)
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGKILL)


REMADE = {
    "raw_transcriptions": "landing files are read",
    "rejected_rows": "by the same step",
    "baseline_embeddings": "torch encodes",
    "finetuned_checkpoint": "torch trains",
    "embedding_metrics": "a table is computed, its figures drawn",
    "projections": "maps are made, and drawn by matplotlib",
    "model_card": "it lies in the checkpoint's folder",
    "report": "the page is written",
}
"""What is gone from the lake, and so is made in the UI's processes. The rest stands, and is only looked at there: what
making it gives is seen in a process without a UI."""


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory, finished_project: Project) -> Iterator[tuple[Project, str]]:
    """`medembed ui` on a lake that has lost its metrics; its address."""
    project = finished_project.copy(tmp_path_factory.mktemp("ui") / "project")
    remove(project, "embedding_metrics")
    with served(project) as url:
        yield project, url


def remove(project: Project, *assets: str) -> None:
    """Take tables and pictures out of the lake."""
    lake = Path(project.lake_url)
    for name in assets:
        for path in (*lake.glob(f"{name}.*"), lake / "pictures" / name):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def test_the_server_listens_on_this_machine_alone_and_sends_nothing_home(ui: tuple[Project, str]) -> None:
    project, url = ui
    assert "telemetry" not in (project.folder / "ui.log").read_text().lower()
    info = ask(url, "{ instance { info } }")["instance"]["info"]
    assert "enabled: false" in info[info.index("telemetry") :]
    port = int(url.rpartition(":")[2])
    listening = subprocess.run(["ss", "-ltn"], capture_output=True, text=True, check=False).stdout
    if listening:
        assert f"127.0.0.1:{port}" in listening and f"0.0.0.0:{port}" not in listening


@pytest.fixture
def page() -> Iterator[Any]:
    """A page of a browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser.new_page(viewport={"width": 1600, "height": 900})
        browser.close()


def test_an_asset_is_found_materialized_and_looked_at_in_the_browser(
    ui: tuple[Project, str], page: Any, tmp_path: Path
) -> None:
    project, url = ui
    page.goto(f"{url}/asset-groups")
    page.get_by_text("Materialize all").first.wait_for(timeout=120_000)
    close_welcome(page)
    for group in sorted(set(GROUPS.values())):
        assert page.get_by_text(group, exact=True).count(), group
    page.goto(f"{url}/assets/embedding_metrics")
    page.get_by_text("Materialize", exact=True).first.click(timeout=120_000)
    wait_for_run(url, 300, before=1)
    page.get_by_text("before_and_after").first.wait_for(timeout=120_000)
    page.screenshot(path=str(tmp_path / "embedding_metrics.png"))
    found, _ = project.materializations("embedding_metrics")
    assert found.asset_materialization is not None
    assert found.asset_materialization.metadata["kept"].value is False
    assert "before_and_after" in found.asset_materialization.metadata
    assert (tmp_path / "embedding_metrics.png").stat().st_size > 20_000


@pytest.mark.live
def test_everything_materializes_with_its_defaults_from_the_browser(
    finished_project: Project, page: Any, tmp_path: Path
) -> None:
    project = finished_project.copy(tmp_path / "project")
    shutil.rmtree(project.dagster_home)
    remove(project, *REMADE)
    shutil.rmtree(Path(project.lake_url) / "checkpoints")
    shutil.rmtree(Path(project.lake_url) / "store" / "vectors")
    with served(project) as url:
        page.goto(f"{url}/asset-groups")
        page.get_by_text("Materialize all").first.wait_for(timeout=120_000)
        close_welcome(page)
        page.get_by_text("Materialize all").first.click()
        wait_for_run(url, 500)
    for asset in GROUPS:
        (found,) = project.materializations(asset)
        assert found.asset_materialization is not None
        assert found.asset_materialization.metadata["kept"].value is (asset not in REMADE), asset


def close_welcome(page: Any) -> None:
    """A first visit to Dagster's UI is greeted by a window, some seconds late, that covers the rest."""
    from playwright.sync_api import TimeoutError as NotThere

    try:
        page.get_by_text("Skip", exact=True).first.click(timeout=20_000)
    except NotThere:
        return


def wait_for_run(url: str, seconds: float, before: int = 0) -> None:
    """Wait until a run after those that were there before has succeeded."""
    deadline = time.monotonic() + seconds
    while True:
        runs = ask(url, "{ runsOrError { ... on Runs { results { runId status } } } }")["runsOrError"][
            "results"
        ]
        if len(runs) > before:
            if runs[0]["status"] == "SUCCESS":
                return
            assert runs[0]["status"] not in ("FAILURE", "CANCELED"), runs
        assert time.monotonic() < deadline, runs
        time.sleep(2)
