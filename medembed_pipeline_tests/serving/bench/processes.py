"""Services in processes of their own, and what they take."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[3]
_READY_SECONDS = 300
SETTINGS = """
[encoder]
device = "cpu"
precision = "float32"
max_tokens = {tokens}
[serving]
requests_per_second = 0
watch_seconds = 0.1
"""


@dataclass
class Started:
    """A service that is ready.

    Attributes
    ----------
    port
        of 127.0.0.1.
    process
        that was started.
    took
        seconds until it was ready.
    """

    port: int
    process: subprocess.Popen[bytes]
    took: float

    @property
    def answering(self) -> psutil.Process:
        """The process that answers: the worker, where there is a supervisor."""
        own = psutil.Process(self.process.pid)
        return (own.children() or [own])[0]

    def megabytes(self) -> float:
        """Resident memory of the process that answers."""
        return float(self.answering.memory_info().rss) / 1e6


@contextlib.contextmanager
def ours(lake: str, folder: Path, *, tokens: int = 128) -> Iterator[Started]:
    """`medembed serve` of a lake."""
    settings = folder / f"medembed-{tokens}.toml"
    settings.write_text(SETTINGS.format(tokens=tokens))
    more = {"MEDEMBED_DATA_LAKE": lake, "MEDEMBED_SETTINGS": str(settings)}
    with _started("/ready", folder, more) as made:
        yield made


@contextlib.contextmanager
def plain(model: str, vectors: Path, folder: Path) -> Iterator[Started]:
    """`plain` of a model folder."""
    with _started("/openapi.json", folder, {}, model, str(vectors)) as made:
        yield made


@contextlib.contextmanager
def _started(path: str, folder: Path, more: dict[str, str], *model: str) -> Iterator[Started]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "medembed_pipeline.cli", "serve", "--port", str(port)]
    command += ["--audit-log", str(folder / "audit.jsonl")]
    if model:
        command = [sys.executable, "-m", "medembed_pipeline_tests.serving.bench.plain", *model, str(port)]
    started = time.perf_counter()
    with (folder / "output.txt").open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **more},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait(f"http://127.0.0.1:{port}{path}", process, folder)
        yield Started(port, process, time.perf_counter() - started)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _wait(url: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.05)
    raise RuntimeError((folder / "output.txt").read_text()[-2000:])
