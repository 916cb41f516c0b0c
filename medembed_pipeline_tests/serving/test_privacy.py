"""What is asked stays between who asks and the answer: canaries are looked for in everything that is written."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from medembed_pipeline.serving.audit import AuditLog
from medembed_pipeline.serving.gate import Gate
from medembed_pipeline.serving.inference import InferenceThread, Job
from medembed_pipeline.serving.keys import Keyring
from medembed_pipeline.serving.metrics import ServiceMetrics
from medembed_pipeline.serving.rates import RateLimit
from medembed_pipeline_tests.serving.conftest import Running
from medembed_pipeline_tests.serving.small_lake import SmallLake, add_image_text, add_triage, drawn_picture

ROOT = Path(__file__).resolve().parents[2]
CANARY = "zqcanaryzq"


def canaries() -> Iterator[tuple[str, str, bytes, dict[str, str]]]:
    """Requests that hold a canary wherever something can be put: method, path, body, headers."""
    as_json = {"content-type": "application/json"}

    def post(path: str, body: object, **headers: str) -> tuple[str, str, bytes, dict[str, str]]:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return "POST", path, content, {**as_json, **headers}

    for path in ("/embed", "/search", "/classify", "/v1/embeddings"):
        yield post(path, {"texts": [CANARY], "input": CANARY})
        yield post(path, {"texts": [CANARY]})
        yield post(path, {"input": [CANARY, 3]})
        yield post(path, {CANARY: CANARY})
        yield post(path, [CANARY])
        yield post(path, CANARY)
        yield post(path, f'{{"texts": ["{CANARY}'.encode())
        yield post(path, f"{CANARY}".encode())
        yield post(path, f"\xff{CANARY}".encode("latin-1"))
        yield post(path, {"texts": [{CANARY: 1}]})
        yield post(path, {"texts": [CANARY], "role": CANARY, "encoding": CANARY, "encoding_format": CANARY})
        yield post(path, {"texts": [CANARY * 30_000], "input": CANARY * 30_000})
        yield post(path, {"texts": [CANARY] * 100, "input": [CANARY] * 100})
    whole = base64.b64encode(drawn_picture(1)).decode()
    for picture in (
        base64.b64encode(CANARY.encode() * 9).decode(),
        base64.b64encode(drawn_picture(1)[:-40] + CANARY.encode()).decode(),
        f"{CANARY}!",
        whole,
    ):
        yield post("/triage", {"cases": [{"note": CANARY, "picture": picture, "metadata": {"sex": CANARY}}]})
        yield post("/triage", {"cases": [{"picture": picture, "metadata": {CANARY: CANARY}, CANARY: CANARY}]})
        yield post("/triage", {"cases": [{"note": CANARY * 30_000, "picture": picture}]})
        yield post(
            "/image-text", {"pictures": [picture], "pairs": [{"positive": CANARY, "negative": CANARY}]}
        )
        yield post("/image-text", {"pictures": [picture], "pairs": [{"positive": CANARY, CANARY: [CANARY]}]})
    yield post("/search", {"note_ids": [CANARY]})
    yield post("/search", {"texts": [CANARY], "hits": CANARY})
    yield post("/search", {"texts": ["pain"], "filters": {"columns": {CANARY: [CANARY]}}})
    yield post("/search", {"texts": ["pain"], "filters": {"columns": {CANARY: {CANARY: 1}}}})
    yield post("/search", {"texts": ["pain"], "filters": {"labels": [CANARY], "splits": [CANARY]}})
    yield post("/search", {"texts": ["pain"], "filters": {"columns": {"site": {"at_least": 1}, CANARY: 3}}})
    yield post(f"/{CANARY}?{CANARY}={CANARY}", {"texts": [CANARY]})
    yield post(f"/search?q={CANARY}", {"texts": [CANARY]}, **{"x-note": CANARY, "user-agent": CANARY})
    yield post("/search", {"texts": [CANARY]}, host=CANARY)
    yield post("/search", {"texts": [CANARY]}, origin=f"http://{CANARY}")
    yield post("/search", {"texts": [CANARY]}, **{"content-type": CANARY})
    yield post("/search", {"texts": [CANARY]}, authorization=f"Bearer {CANARY}")
    yield CANARY.upper(), "/search", b"", as_json
    yield "DELETE", "/search", CANARY.encode(), as_json
    yield "GET", f"/page/{CANARY}", b"", {}


class Served:
    """`medembed serve` in processes of its own."""

    def __init__(self, lake: str, folder: Path) -> None:
        self.audit, self.output = folder / "audit.jsonl", folder / "output.txt"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "medembed_pipeline.cli", "serve", "--port", str(self.port)]
        settings = folder / "medembed.toml"
        settings.write_text(
            '[encoder]\ndevice = "cpu"\nprecision = "float32"\n'
            "[serving]\nrequests_per_second = 0\nwatch_seconds = 0.2\nthreads = 1\n"
        )
        self._written = self.output.open("wb")
        environment = {name: value for name, value in os.environ.items() if "SERVING" not in name}
        self.process = subprocess.Popen(
            [*command, "--audit-log", str(self.audit)],
            cwd=folder,
            env={
                **environment,
                "PYTHONPATH": str(ROOT),
                "MEDEMBED_DATA_LAKE": lake,
                "MEDEMBED_SETTINGS": str(settings),
            },
            stdout=self._written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def wait(self, seconds: float = 120) -> None:
        """Until it is ready."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.output.read_text()
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/ready", trust_env=False, timeout=5).status_code == 200:
                    return
            time.sleep(0.1)
        raise AssertionError(self.output.read_text())

    def worker(self) -> int:
        """Process id of the worker."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        assert len(children) == 1
        return int(children[0])

    def stop(self) -> int:
        """Tell it to stop; returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        finally:
            self._written.close()


@pytest.fixture(scope="module")
def served(master: SmallLake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(master.folder, folder / "small", symlinks=True)
    small = SmallLake(folder / "small")
    add_triage(small, "t1", seed=1)
    add_image_text(small)
    made = Served(str(small.lake.root), folder)
    try:
        made.wait()
        yield made
    finally:
        if made.process.poll() is None:
            made.stop()


def test_no_canary_is_in_anything_that_the_process_writes(served: Served) -> None:
    statuses = []
    for method, path, body, headers in canaries():
        answer = httpx.request(
            method, served.url + path, content=body, headers=headers, trust_env=False, timeout=60
        )
        statuses.append(answer.status_code)
        if answer.status_code != 200:
            assert CANARY not in answer.text.lower(), (method, path)
        assert CANARY not in str(answer.headers).lower()
    # And what is no HTTP at all.
    with socket.create_connection(("127.0.0.1", served.port)) as raw:
        raw.sendall(f"{CANARY} \x00 {CANARY}\r\n\r\n".encode())
        assert CANARY.encode() not in raw.recv(10_000)
    metrics = httpx.get(f"{served.url}/metrics", trust_env=False).text
    written = served.output.read_text() + served.audit.read_text() + metrics
    assert {200, 400, 403, 404, 405, 413, 421, 422, 503} <= set(statuses)
    assert CANARY not in written.lower() and not [status for status in statuses if status == 500]
    assert len(served.audit.read_text().splitlines()) >= len(statuses) - 2


def test_a_dead_worker_is_replaced_and_who_asks_meanwhile_is_answered(served: Served) -> None:
    before = httpx.get(f"{served.url}/ready", trust_env=False).json()["snapshot"]
    worker = served.worker()
    os.kill(worker, signal.SIGKILL)
    answer = None
    for _ in range(20):
        # A connection that the dead one had taken breaks; every other waits for the next worker.
        with contextlib.suppress(httpx.TransportError):
            answer = httpx.post(
                f"{served.url}/search", json={"texts": ["chest pain"]}, trust_env=False, timeout=90
            )
            break
    assert answer is not None and (answer.status_code, answer.json()["snapshot"]) == (200, before)
    assert served.worker() != worker
    assert re.search(r"the worker ended with -9; another one is started", served.output.read_text())


def test_told_to_stop_it_ends_well(served: Served) -> None:
    worker = served.worker()
    assert served.stop() == 0
    assert not Path(f"/proc/{worker}").exists() and "Traceback" not in served.output.read_text()


class Quoting:
    """An encoder that fails, quoting what it was given."""

    dimensions = 32

    def encode(self, texts: list[str], role: str = "document") -> None:
        raise ValueError(f"cannot encode {texts}")


def test_an_error_of_the_model_is_told_without_its_message(shared: Running) -> None:
    from dataclasses import replace

    said: list[str] = []
    thread = InferenceThread(batch_texts=8, waiting_texts=8, say=said.append)
    broken = replace(shared.service.snapshot(), encoder=Quoting())  # type: ignore[arg-type]
    thread.start()
    try:
        failed = thread.submit(Job(broken, [CANARY])).exception(20)
        # The others in its batch are answered.
        fine = thread.submit(Job(shared.service.snapshot(), ["chest pain"])).result(20)
    finally:
        thread.stop()
    assert CANARY not in str(failed) and fine.vectors.shape == (1, 32)
    assert len(said) == 1 and "ValueError" in said[0] and CANARY not in said[0]


def test_an_error_behind_the_gate_ends_there(tmp_path: Path) -> None:
    async def fails(scope: object, receive: object, send: object) -> None:
        raise RuntimeError(CANARY)

    said: list[str] = []
    gate = Gate(
        fails,
        keyring=Keyring(),
        host="127.0.0.1",
        allowed_hosts=["test"],
        limit=RateLimit(0),
        request_bytes=1000,
        picture_bytes=1000,
        audit=AuditLog(tmp_path / "audit.jsonl"),
        metrics=ServiceMetrics(),
        say=said.append,
    )

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=gate)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post("/embed", content=CANARY)

    import asyncio

    answer = asyncio.run(ask())
    assert answer.status_code == 500 and answer.json()["error"]["kind"] == "failed"
    assert (
        CANARY not in answer.text and len(said) == 1 and "RuntimeError" in said[0] and CANARY not in said[0]
    )


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "localhost:1"}, 200),
        ({"host": "[::1]:80"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 200),
        ({"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}, 200),
    ],
)
def test_pages_and_names_of_others_are_refused(shared: Running, headers: dict[str, str], status: int) -> None:
    answer = shared.http.get("/model", headers=headers)
    assert answer.status_code == status
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_every_answer_says_how_it_may_be_used(shared: Running) -> None:
    for path in ("/", "/page/style.css", "/model", "/nothing", "/health", "/docs"):
        headers = shared.http.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
        assert "server" not in headers and headers["cross-origin-resource-policy"] == "same-origin"
    preflight = shared.http.options(
        "/search",
        headers={"origin": shared.url, "access-control-request-method": "POST"},
    )
    assert preflight.status_code == 405
    assert not [name for name in preflight.headers if name.startswith("access-control")]
