"""Keys: who may ask, and what each may read."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medembed_pipeline.cli import main
from medembed_pipeline.serving.client import ServiceRefusedError, ServingClient
from medembed_pipeline.serving.errors import ServingError
from medembed_pipeline.serving.keys import (
    Key,
    Keyring,
    hash_of,
    is_loopback,
    new_key,
    read_keyring,
    refuse_open_service,
)
from medembed_pipeline.serving.rates import RateLimit
from medembed_pipeline_tests.serving.conftest import Running, running
from medembed_pipeline_tests.serving.small_lake import SmallLake, new_note

READER, CLERK = new_key(), new_key()
KEYRING = Keyring((Key("reader", "text", hash_of(READER)), Key("clerk", "ids", hash_of(CLERK))))


@pytest.fixture(scope="module")
def keyed(master: SmallLake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(master, tmp_path_factory.mktemp("keyed"), keyring=KEYRING) as made:
        yield made


def test_without_a_key_nothing_of_the_lake_is_answered(keyed: Running) -> None:
    paths = keyed.http.get("/openapi.json").json()["paths"]
    open_paths = set()
    for path, methods in paths.items():
        for method in methods:
            for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {READER}"}):
                answer = keyed.http.request(method, path, json={}, headers=headers)
                if answer.status_code == 401:
                    assert answer.headers["www-authenticate"] == "Bearer"
                else:
                    open_paths.add(path)
    assert open_paths == {"/health", "/ready"}
    for path in ("/", "/docs", "/page/style.css"):
        assert keyed.http.get(path).status_code == 200


def test_the_scope_ids_gets_ids_and_similarities_alone(keyed: Running, master: SmallLake) -> None:
    with ServingClient(keyed.url, key=CLERK, retries=0) as clerk:
        for found in clerk.search([new_note(1), master.texts[3]], hits=4).results:
            for hit in found.hits:
                assert hit.model_dump(exclude_none=True).keys() == {"note_id", "similarity"}
            assert found.place is None
        model = clerk.model()
        assert (model.labels, model.splits, model.columns, model.scope) == (None, None, None, "ids")
        for beyond in ({"include_text": True}, {"filters": {"labels": ["Cardiology"]}}):
            with pytest.raises(ServiceRefusedError) as caught:
                clerk.search([new_note(1)], **beyond)
            assert (caught.value.status, caught.value.kind) == (403, "beyond_the_scope")
    headers = {"authorization": f"Bearer {CLERK}"}
    assert keyed.http.get("/map", headers=headers).status_code == 403


def test_the_scope_text_gets_texts_and_labels(keyed: Running, master: SmallLake) -> None:
    with ServingClient(keyed.url, key=READER, retries=0) as reader:
        found = reader.search([master.texts[3]], hits=2, include_text=True).results[0]
        assert found.hits[0].text == master.texts[3] and found.hits[0].labels == master.specialties[3]
        assert reader.model().scope == "text"


def test_the_audit_log_says_who_asked_what_kind_of_thing_when(master: SmallLake, tmp_path: Path) -> None:
    # A service of its own: a line is written after its answer has gone out, so another test's may come late.
    with running(master, tmp_path, keyring=KEYRING) as served:
        with ServingClient(served.url, key=READER, retries=0) as reader:
            answer = reader.search([new_note(1), new_note(2)], filters={"labels": ["Cardiology"]})
        wait_for_lines(served.audit, 1)
        served.http.post("/search", json={})
        lines = wait_for_lines(served.audit, 2)
    assert [
        (line["key"], line["asked"], line["status"], line["texts"], line["filtered"]) for line in lines
    ] == [
        ("reader", "/search", 200, 2, True),
        ("nobody", "(none)", 401, 0, False),
    ]
    assert lines[0]["snapshot"] == answer.snapshot and lines[0]["scope"] == "text"
    assert served.audit.stat().st_mode & 0o077 == 0


def wait_for_lines(audit: Path, count: int) -> list[dict[str, Any]]:
    deadline = time.monotonic() + 10
    while len(written := audit.read_text().splitlines()) < count and time.monotonic() < deadline:
        time.sleep(0.02)
    return [json.loads(line) for line in written]


def test_keys_come_from_a_file_and_from_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(f'[keys.ward]\nsha256 = "{hash_of("k1")}"\nscope = "text"\n')
    both = read_keyring(
        file, {"MEDEMBED_SERVING_KEYS": f"desk:ids:{hash_of('k2')}, night:text:{hash_of('k3')}"}
    )
    found = {given: both.find(f"Bearer {given}") for given in ("k1", "k2", "k3", "k4", "")}
    assert {given: key and (key.name, key.scope) for given, key in found.items()} == {
        "k1": ("ward", "text"),
        "k2": ("desk", "ids"),
        "k3": ("night", "text"),
        "k4": None,
        "": None,
    }
    assert len(read_keyring(None, {"MEDEMBED_SERVING_KEYS_FILE": str(file)})) == 1


@pytest.mark.parametrize(
    ("content", "environment"),
    [
        ('[keys.a]\nsha256 = "SECRET"\nscope = "text"', ""),
        (f'[keys.a]\nsha256 = "{hash_of("x")}"\nscope = "SECRET"', ""),
        (f'[keys.a]\nsha256 = "{hash_of("x")}"\nscope = "ids"\nSECRET = 1', ""),
        ("SECRET", ""),
        ('[SECRET]\nkeys = "a"', ""),
        ("", "SECRET"),
        ("", "a:ids:SECRET"),
        ("", f"SECRET \x00:ids:{hash_of('x')}"),
    ],
)
def test_a_key_that_is_none_is_refused_and_not_shown(tmp_path: Path, content: str, environment: str) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(content)
    with pytest.raises(ServingError) as caught:
        read_keyring(file if content else None, {"MEDEMBED_SERVING_KEYS": environment})
    assert "SECRET" not in str(caught.value)


def test_two_keys_of_one_name_are_refused() -> None:
    with pytest.raises(ServingError, match="the name a stands twice"):
        Keyring((Key("a", "ids", hash_of("1")), Key("a", "text", hash_of("2"))))


def test_a_new_key_is_long_and_its_hash_is_its_own(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["serve-key", "ward-3", "--scope", "text"]) == 0
    shown = capsys.readouterr().out
    key = next(line.strip() for line in shown.splitlines() if "medembed_" in line)
    file = tmp_path / "keys.toml"
    file.write_text(shown.partition("Into the file of keys:")[2])
    found = read_keyring(file, {}).find(f"Bearer {key}")
    assert found is not None and (found.name, found.scope) == ("ward-3", "text")
    assert len(key) > 45 and new_key() != new_key()


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.4", False),
        ("localhost.example", False),
    ],
)
def test_other_machines_may_not_ask_without_keys(host: str, own: bool) -> None:
    assert is_loopback(host) == own
    if own:
        refuse_open_service(host, Keyring())
    else:
        with pytest.raises(ServingError, match="no keys are set"):
            refuse_open_service(host, Keyring())
    refuse_open_service(host, KEYRING)


def test_the_command_refuses_to_listen_to_other_machines_without_keys(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MEDEMBED_SERVING_KEYS", "MEDEMBED_SERVING_KEYS_FILE"):
        monkeypatch.delenv(name, raising=False)
    assert main(["serve", "--host", "0.0.0.0", "--port", "8123"]) == 2
    assert "no keys are set" in capsys.readouterr().err


def test_a_bucket_fills_evenly_and_holds_two_seconds() -> None:
    now = [0.0]
    limit = RateLimit(5, clock=lambda: now[0])
    assert [limit.wait("a") == 0 for _ in range(11)] == [True] * 10 + [False]
    assert limit.wait("b") == 0
    now[0] += 0.2
    assert limit.wait("a") == 0 and limit.wait("a") == pytest.approx(0.2)
    now[0] += 100
    assert sum(limit.wait("a") == 0 for _ in range(20)) == 10
    assert all(RateLimit(0).wait("a") == 0 for _ in range(100))


def test_who_asks_too_often_is_told_when_to_come_back(master: SmallLake, tmp_path: Path) -> None:
    with running(master, tmp_path, keyring=KEYRING, requests_per_second=0.5) as made:
        headers = {"authorization": f"Bearer {READER}"}
        first, second = (made.http.get("/model", headers=headers) for _ in range(2))
        assert (first.status_code, second.status_code) == (200, 429)
        assert 1 <= int(second.headers["retry-after"]) <= 3
        other = made.http.get("/model", headers={"authorization": f"Bearer {CLERK}"})
        assert other.status_code == 200
        guesses = [made.http.get("/model", headers={"authorization": "Bearer x"}) for _ in "ab"]
        assert [one.status_code for one in guesses] == [401, 429]
        assert made.http.get("/health").status_code == 200
