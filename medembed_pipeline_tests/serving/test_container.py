"""What the container is made of, read: no root, no notes inside, a read-only lake, one door with a login."""

from __future__ import annotations

import fnmatch
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from medembed_pipeline.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"\\\n", " ", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in lines.splitlines() if line.strip()]


def last(name: str) -> str:
    return [value for found, value in instructions() if found == name][-1]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    return found


def test_it_runs_as_nobody_and_stops_when_told() -> None:
    names = [name for name, _ in instructions()]
    assert last("USER").partition(":")[0] == "10001" and names.index("USER") < names.index("CMD")
    assert last("STOPSIGNAL") == "SIGTERM"
    # Without a shell between, which would keep the signal to itself; and without an entry point, since Dagster's Helm
    # chart gives a pod its whole command.
    assert json.loads(last("CMD"))[:2] == ["medembed", "serve"] and "ENTRYPOINT" not in names


def test_its_commands_are_those_of_the_program(
    services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from medembed_pipeline import cli

    taken: list[Any] = []

    def run(options: Any) -> int:
        taken.append(options)
        return 0

    monkeypatch.setattr(cli, "run_command", run)
    for command in (json.loads(last("CMD")), services["serve"]["command"], services["dagster"]["command"]):
        assert command[0] == "medembed" and cli.main(command[1:]) == 0
    assert [(one.command, getattr(one, "host", None)) for one in taken] == [
        ("serve", "0.0.0.0"),
        ("serve", "127.0.0.1"),
        ("ui", None),
    ]


def test_its_health_is_asked_at_the_port_that_it_serves_on() -> None:
    check = last("HEALTHCHECK")
    command = json.loads(check[check.index("[") :])
    assert command[:2] == ["python", "-c"] and f":{load_settings().serving.port}/health" in command[2]
    compile(command[2], "healthcheck", "exec")
    assert last("EXPOSE") == str(load_settings().serving.port)


def test_it_is_of_a_python_that_the_package_takes_and_pinned() -> None:
    bases = [value for name, value in instructions() if name == "FROM"]
    assert all(re.fullmatch(r"python:3\.12-slim( AS \w+)?", base) for base in bases)
    installed = " ".join(value for name, value in instructions() if name == "RUN")
    assert re.search(r"uv==\d+\.\d+\.\d+", installed) and "--constraint /source/constraints.txt" in installed
    assert "--torch-backend cpu" in installed and "ADD" not in [name for name, _ in instructions()]


def test_no_note_and_no_key_is_sent_to_the_builder() -> None:
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]

    def is_sent(name: str) -> bool:
        sent = True
        for rule in rules:
            if fnmatch.fnmatch(name, rule.lstrip("!")):
                sent = rule.startswith("!")
        return sent

    assert not any(
        map(is_sent, ("data_lake", ".git", "serving_keys.toml", ".env", ".dagster_home", "medembed.toml"))
    )
    copied = {
        part
        for name, value in instructions()
        if name == "COPY" and "--from" not in value
        for part in value.split()[:-1]
    }
    assert copied and all(is_sent(name) and (ROOT / name).exists() for name in copied)


def test_the_proxy_is_the_only_door_and_has_a_lock(services: dict[str, Any]) -> None:
    assert {name for name, one in services.items() if one.get("ports")} == {"proxy"}
    assert all(port.startswith("${MEDEMBED_ADDRESS:-127.0.0.1}:") for port in services["proxy"]["ports"])
    for name in ("serve", "dagster"):
        assert services[name]["network_mode"] == "service:proxy" and not services[name].get("privileged")
    caddy = (ROOT / "Caddyfile").read_text(encoding="utf-8")
    sites = re.findall(r"^https://\{\$MEDEMBED_SITE\}:(\d+) \{\n(.*?)^\}", caddy, re.MULTILINE | re.DOTALL)
    assert [(port, body.split()[:2]) for port, body in sites] == [
        ("8443", ["import", "login"]),
        ("8444", ["import", "login"]),
    ]
    assert "basic_auth" in caddy.partition("(login)")[2].partition("\n}")[0]
    published = {port.rpartition(":")[2] for port in services["proxy"]["ports"]}
    assert published == {port for port, _ in sites}
    ports = re.findall(r"reverse_proxy 127\.0\.0\.1:(\d+)", caddy)
    assert ports == [str(load_settings().serving.port), services["dagster"]["command"][-1]]


def test_the_service_reads_the_lake_and_writes_nowhere(services: dict[str, Any]) -> None:
    serve = services["serve"]
    lake = next(volume for volume in serve["volumes"] if ":/lake" in volume)
    assert lake.endswith(":ro") and serve["read_only"] is True and serve["cap_drop"] == ["ALL"]
    assert dict(part.partition("=")[::2] for part in last("ENV").split())["MEDEMBED_DATA_LAKE"] == "/lake"
    # Long enough for what was begun to be answered.
    from medembed_pipeline.serving.worker import DRAIN_SECONDS

    assert int(serve["stop_grace_period"].rstrip("s")) > DRAIN_SECONDS


def test_what_the_container_runs_is_in_the_package() -> None:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    data = project["tool"]["setuptools"]["package-data"]["medembed_pipeline"]
    for file in (ROOT / "medembed_pipeline" / "serving" / "page").iterdir():
        name = file.relative_to(ROOT / "medembed_pipeline").as_posix()
        assert any(fnmatch.fnmatch(name, pattern) for pattern in data), name
    assert {"fastapi", "uvicorn", "httpx", "prometheus-client"} <= {
        re.split(r"[\[>=<]", name)[0] for name in project["project"]["dependencies"]
    }
