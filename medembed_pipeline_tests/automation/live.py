"""A live `medembed ui` (webserver, daemon, code server) on a project of its own, driven through GraphQL."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from medembed_pipeline_tests.graph.project import Project

UNFINISHED = {"QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING"}
RUNS = """{ runsOrError(limit: 200) { ... on Runs { results {
  runId status assetSelection { path } startTime endTime creationTime tags { key value } } } } }"""
MADE = """{ assetNodes { assetKey { path } staleStatus
  assetMaterializations(limit: 200) {
    runId timestamp metadataEntries { label ... on IntMetadataEntry { intValue } } } } }"""
LAUNCH = """mutation Launch($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
QUIET_SECONDS = 26.0


@dataclass
class LiveProject:
    """A project whose UI and daemon are running.

    Attributes:
        project: its folder, settings and lake.
        url: of the webserver.
    """

    project: Project
    url: str

    def ask(self, query: str, variables: dict[str, Any] | None = None) -> Any:
        """Answer of the GraphQL API."""
        body = json.dumps({"query": query, "variables": variables or {}}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            reply = json.loads(answer.read())
        assert "errors" not in reply, reply
        return reply["data"]

    def runs(self) -> list[dict[str, Any]]:
        """All runs, newest first."""
        found: list[dict[str, Any]] = self.ask(RUNS)["runsOrError"]["results"]
        return found

    def nodes(self) -> dict[str, dict[str, Any]]:
        """Every asset with its stale status and materializations, newest first."""
        return {node["assetKey"]["path"][-1]: node for node in self.ask(MADE)["assetNodes"]}

    def made(self) -> Counter[str]:
        """How often each asset was made so far."""
        return Counter({name: len(node["assetMaterializations"]) for name, node in self.nodes().items()})

    def launch(self, job: str) -> str:
        """Launch a job; returns its run id."""
        selector = {
            "repositoryLocationName": self.ask(
                "{ workspaceOrError { ... on Workspace { locationEntries { name } } } }"
            )["workspaceOrError"]["locationEntries"][0]["name"],
            "repositoryName": "__repository__",
            "pipelineName": job,
        }
        params = {"selector": selector, "mode": "default", "runConfigData": "{}"}
        launched = self.ask(LAUNCH, {"params": params})["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return str(launched["run"]["runId"])

    def wait(self, until: Callable[[], Any], seconds: float = 600) -> float:
        """Wait until something holds; returns how long it took."""
        began = time.monotonic()
        while not until():
            assert time.monotonic() - began < seconds, self.log()
            time.sleep(0.5)
        return time.monotonic() - began

    def wait_until_quiet(self, seconds: float = 600) -> None:
        """Wait until no run is under way, and none has been for longer than two ticks of every sensor."""
        began = last_busy = time.monotonic()
        while time.monotonic() - last_busy < QUIET_SECONDS:
            assert time.monotonic() - began < seconds, self.log()
            if any(run["status"] in UNFINISHED for run in self.runs()):
                last_busy = time.monotonic()
            time.sleep(1)

    def log(self) -> str:
        """The end of what the processes printed."""
        runs = [
            (run["status"], [one["path"][-1] for one in run["assetSelection"] or []]) for run in self.runs()
        ]
        return f"{runs}\n" + (self.project.folder / "ui.log").read_text()[-6000:]


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def live(project: Project) -> Iterator[LiveProject]:
    """Start `medembed ui`, and stop all of its processes at the end."""
    port = free_port()
    with (project.folder / "ui.log").open("ab") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "medembed_pipeline.cli", "ui", "--port", str(port)],
            cwd=project.folder,
            env=project.environ(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    running = LiveProject(project, f"http://127.0.0.1:{port}")
    try:
        deadline = time.monotonic() + 180
        while True:
            try:
                if running.nodes():
                    break
            except (OSError, AssertionError):
                assert server.poll() is None and time.monotonic() < deadline, (
                    project.folder / "ui.log"
                ).read_text()
            time.sleep(0.5)
        yield running
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(45)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
