"""Runs `dagster dev`, and has it load the code location again whenever the settings file changes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import Any

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.settings import load_settings

LOOK_SECONDS = 1.0
REQUEST_SECONDS = 180.0
LOCATIONS = "{ workspaceOrError { ... on Workspace { locationEntries { name } } } }"
RELOAD = """
mutation Reload($name: String!) {
  reloadRepositoryLocation(repositoryLocationName: $name) {
    ... on WorkspaceLocationEntry { loadStatus locationOrLoadError { __typename } }
  }
}
"""


class _TerminationError(Exception):
    """SIGTERM or SIGHUP has come."""


def run_dagster_dev(command: Sequence[str], settings_file: Path, port: int) -> int:
    """Run the command until it ends or this process is told to; returns its exit status.

    Parameters
    ----------
    command
        `dagster dev` with its arguments; it must serve on 127.0.0.1:`port`.
    settings_file
        watched by content; it need not exist.
    port
        of the webserver, asked to reload over the loopback interface alone.
    """
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _terminate)
    # What a script starts in the background ignores SIGINT, and so would all that it starts: `dagster dev`, which ends
    # by no other signal, could not be ended at all.
    given = signal.signal(signal.SIGINT, signal.default_int_handler)
    # In a session of its own: Ctrl-C tells every process of the terminal's group, and `dagster dev` takes a code server
    # that ends before it for one that crashed, and waits until another has started. Told alone, it ends them in turn.
    process = subprocess.Popen(list(command), start_new_session=True)
    signal.signal(signal.SIGINT, given)
    watched = WatchedSettings(settings_file, lambda: reload_code_location(port))
    try:
        while process.poll() is None:
            time.sleep(LOOK_SECONDS)
            watched.look()
    except (KeyboardInterrupt, _TerminationError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        process.send_signal(signal.SIGINT)
    return process.wait()


def _terminate(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise _TerminationError


class WatchedSettings:
    """A settings file; when its content has changed, stands still and is valid, `reload` is called.

    A file that cannot be used is reported once, and the settings before it stay in force.
    """

    def __init__(self, path: Path, reload: Callable[[], object]) -> None:
        self._path = path
        self._reload = reload
        self._in_force = self._seen = self._content()

    def look(self) -> None:
        """Look once. A change is taken up at the second look that finds the same content."""
        content = self._content()
        if content != self._seen:
            self._seen = content
            return
        if content == self._in_force:
            return
        try:
            load_settings()
        except MedembedError as error:
            self._in_force = content
            print(f"error: {error}\nThe settings before stay in force.", file=sys.stderr, flush=True)
            return
        try:
            self._reload()
        except OSError:
            return  # the webserver does not answer yet; tried again at the next look
        self._in_force = content
        print(f"{self._path} has changed: loaded again.", file=sys.stderr, flush=True)

    def _content(self) -> str:
        try:
            return sha256(self._path.read_bytes()).hexdigest()
        except OSError:
            return ""


def reload_code_location(port: int) -> None:
    """Have the webserver on this machine load every code location anew; the daemon shares its code server.

    Raises
    ------
    OSError
        it does not answer.
    """
    found = _ask(port, LOCATIONS, {})
    for entry in found["data"]["workspaceOrError"]["locationEntries"]:
        _ask(port, RELOAD, {"name": entry["name"]})


def _ask(port: int, query: str, variables: dict[str, str]) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        data=json.dumps({"query": query, "variables": variables}).encode(),
        headers={"Content-Type": "application/json"},
    )
    # Not through a proxy that the environment may name.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=REQUEST_SECONDS) as response:
        return json.load(response)
