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

import psutil

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


TERMINATE = """mutation Terminate($run: String!) { terminateRun(runId: $run) {
  __typename ... on TerminateRunSuccess { run { runId } } ... on PythonError { message } } }"""
LOGS = """query Logs($run: ID!, $after: String) { logsForRun(runId: $run, afterCursor: $after) {
  ... on EventConnection { cursor hasMore events { ... on MessageEvent { message timestamp } } } } }"""


@dataclass
class LiveProject:
    """A project whose UI and daemon are running.

    Attributes
    ----------
    project
        its folder, settings and lake.
    port
        of the webserver, on the loopback interface.
    """

    project: Project
    port: int
    _server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Of the webserver."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start `medembed ui`, and wait until it answers."""
        with (self.project.folder / "ui.log").open("ab") as log:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "medembed_pipeline.cli", "ui", "--port", str(self.port)],
                cwd=self.project.folder,
                env=self.project.environ(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 180
        while True:
            with contextlib.suppress(OSError, AssertionError):
                if self.nodes():
                    return
            ended = self._server.poll() is not None
            assert not ended and time.monotonic() < deadline, (self.project.folder / "ui.log").read_text()
            time.sleep(0.5)

    def stop(self) -> None:
        """End it as Ctrl-C does, and whatever is left of it after that."""
        assert self._server is not None
        self._server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._server.wait(45)
        self.kill()

    def kill(self) -> None:
        """End every one of its processes at once: daemon, webserver, code server, run workers, steps."""
        assert self._server is not None
        processes = [psutil.Process(self._server.pid)] if self._server.poll() is None else []
        for process in processes:
            processes = [*process.children(recursive=True), process]
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._server.pid, signal.SIGKILL)
        self._server.wait()

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

    def cancel(self, run_id: str) -> None:
        """Cancel a run, as the UI's button does."""
        ended = self.ask(TERMINATE, {"run": run_id})["terminateRun"]
        assert ended["__typename"] == "TerminateRunSuccess", ended

    def status(self, run_id: str) -> str:
        """A run's status."""
        return str(next(run["status"] for run in self.runs() if run["runId"] == run_id))

    def messages(self, run_id: str) -> list[str]:
        """Everything that a run has logged, in order."""
        found: list[str] = []
        cursor: str | None = None
        while True:
            page = self.ask(LOGS, {"run": run_id, "after": cursor})["logsForRun"]
            found += [event["message"] for event in page["events"]]
            cursor = page["cursor"]
            if not page["hasMore"]:
                return found

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
    running = LiveProject(project, free_port())
    try:
        running.start()
        yield running
    finally:
        running.stop()
