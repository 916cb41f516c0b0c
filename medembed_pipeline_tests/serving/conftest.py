"""A small lake, and services of it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from medembed_pipeline.serving.audit import AuditLog
from medembed_pipeline.serving.keys import Keyring
from medembed_pipeline.serving.service import Service
from medembed_pipeline.serving.settings import ServingSettings
from medembed_pipeline.serving.worker import make_gate
from medembed_pipeline_tests.encoder.conftest import one_thread
from medembed_pipeline_tests.serving.small_lake import ENCODER, SmallLake, make_lake

__all__ = ["one_thread"]


@pytest.fixture(scope="session")
def master(tmp_path_factory: pytest.TempPathFactory) -> SmallLake:
    """A lake that nobody changes."""
    return make_lake(tmp_path_factory.mktemp("serving"))


@pytest.fixture
def small(master: SmallLake, tmp_path: Path) -> SmallLake:
    """A copy of it, to be changed."""
    import shutil

    shutil.copytree(master.folder, tmp_path / "small", symlinks=True)
    copy = SmallLake(tmp_path / "small")
    copy.texts, copy.specialties = list(master.texts), list(master.specialties)
    return copy


@dataclass
class Running:
    """A service that answers on a port of this machine."""

    service: Service
    url: str
    audit: Path
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.url, trust_env=False, verify=False, timeout=30)

    def wait_for(self, holds: Callable[[], Any], seconds: float = 20) -> None:
        """Until it holds."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, self.said
            time.sleep(0.02)


@contextlib.contextmanager
def running(
    small: SmallLake,
    folder: Path,
    *,
    keyring: Keyring | None = None,
    on_line: Callable[[str], object] = bool,
    **settings: Any,
) -> Iterator[Running]:
    """Serve a lake from this process, in a thread; `on_line` is called there with whatever the service says."""
    import uvicorn

    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        on_line(line)

    chosen = ServingSettings.model_validate({"watch_seconds": 0.1, "requests_per_second": 0, **settings})
    audit = AuditLog(folder / "audit.jsonl")
    service = Service(small.lake, chosen, ENCODER, say)
    gate = make_gate(service, chosen, keyring or Keyring(), audit)
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(gate, access_log=False, log_config=None, server_header=False, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: server.run(sockets=[listening]), daemon=True)
    thread.start()
    made = Running(service, f"http://127.0.0.1:{listening.getsockname()[1]}", folder / "audit.jsonl", said)
    try:
        made.wait_for(lambda: server.started and service.is_ready)
        yield made
    finally:
        made.http.close()
        server.should_exit = True
        thread.join(20)
        audit.close()
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def shared(master: SmallLake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service of the lake that nobody changes."""
    with running(master, tmp_path_factory.mktemp("shared")) as made:
        yield made
