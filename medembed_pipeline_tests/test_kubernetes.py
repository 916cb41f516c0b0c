"""docs/kubernetes.yaml: what it says of Dagster is what the project itself runs with, and holds no secret."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._config import validate_config
from dagster._core.instance.config import dagster_instance_config_schema

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "kubernetes.yaml").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def deployment(values: dict[str, Any]) -> dict[str, Any]:
    (one,) = values["dagster-user-deployments"]["deployments"]
    found: dict[str, Any] = one
    return found


def test_it_loads_this_code_location_of_the_image(deployment: dict[str, Any]) -> None:
    name, module = deployment["dagsterApiGrpcArgs"]
    assert name == "--python-module" and importlib.util.find_spec(module) is not None
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    user = re.search(r"^USER (\d+):", dockerfile, re.MULTILINE)
    assert user is not None and deployment["podSecurityContext"]["runAsUser"] == int(user[1])
    # The chart's pods name their whole command.
    assert "ENTRYPOINT" not in re.findall(r"^[A-Z]+(?= )", dockerfile, re.MULTILINE)


def test_its_settings_are_where_the_program_looks_for_them(deployment: dict[str, Any]) -> None:
    assert set(deployment["env"]) == {"MEDEMBED_DATA_LAKE", "MEDEMBED_SETTINGS"}
    assert deployment["env"]["MEDEMBED_DATA_LAKE"].startswith("s3://")
    (mount,) = deployment["volumeMounts"]
    assert Path(deployment["env"]["MEDEMBED_SETTINGS"]).parent == Path(mount["mountPath"])
    assert mount["name"] == deployment["volumes"][0]["name"]


def test_runs_are_limited_and_retried_as_on_one_machine(values: dict[str, Any]) -> None:
    own = yaml.safe_load((ROOT / "medembed_pipeline" / "dagster.yaml").read_text(encoding="utf-8"))
    daemon, more = values["dagsterDaemon"], values["additionalInstanceConfig"]
    assert more["concurrency"]["pools"] == own["concurrency"]["pools"]
    queued = daemon["runCoordinator"]["config"]["queuedRunCoordinator"]
    assert queued["maxConcurrentRuns"] == own["concurrency"]["runs"]["max_concurrent_runs"]
    for here, there in (("runRetries", "run_retries"), ("runMonitoring", "run_monitoring")):
        chart = {_snake(key): value for key, value in daemon[here].items()}
        assert chart.items() >= own[there].items(), there
    assert values["telemetry"] == own["telemetry"]
    assert validate_config(dagster_instance_config_schema(), more).success


def test_it_holds_no_secret_and_opens_no_port_to_the_outside(values: dict[str, Any]) -> None:
    assert values["generatePostgresqlPasswordSecret"] is False
    assert "postgresqlPassword" not in values["postgresql"]
    assert values["dagsterWebserver"]["service"]["type"] == "ClusterIP" and "ingress" not in values


def test_the_chart_is_of_the_dagster_that_is_pinned() -> None:
    pinned = re.search(
        r"^dagster==(.+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert pinned is not None
    assert f"--version {pinned[1]} " in (ROOT / "docs" / "kubernetes.yaml").read_text(encoding="utf-8")


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
