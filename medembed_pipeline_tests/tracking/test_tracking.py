"""What a tracker is told, by the real packages; and that a tracker that fails never fails a run."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.tracking.publishing import track
from medembed_pipeline.tracking.runs import study_run, training_run, verdict_run
from medembed_pipeline.tracking.settings import TrackingSettings
from medembed_pipeline.tracking.tracked import TrackedRun, plain_settings
from medembed_pipeline_tests.tracking.told import mlflow_runs, wandb_run

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = {
    "training": {"learning_rate": 1e-3, "labels": True, "average_shares": [0.5, 1.0], "loss": "contrastive"},
    "base": "all-MiniLM-L6-v2",
    "chosen_by": "precision@5",
    "device": "cpu",
    "precision": "float32",
    "best_epoch": 2,
    "share_of_tuned": 0.5,
    "improved_on_base": True,
    "dimensions": 384,
    "seed": 7,
    "counts": {"train_notes": 100, "validation_notes": 30},
}
HISTORY = [
    {
        "epoch": epoch,
        "steps": 3 * epoch,
        "train_loss": loss,
        "validation_score": 0.25 + epoch / 8,
        "validation_loss": None,
    }
    for epoch, loss in ((0, None), (1, 0.5), (2, 0.375))
]
TRADE_OFF = [{"share": 0.5, "validation_score": 0.625, "broken": "", "taken": True}]
TRIALS = [
    {
        "number": number,
        "state": "pruned" if number else "complete",
        "rate": 0.125 * (number + 1),
        "kind": "round",
        "score": None if number else 0.5,
        "looks": 3,
        "allowed": True,
        "best": not number,
        "steps": [1, 2],
        "step_scores": [0.25, 0.375],
    }
    for number in range(2)
]
FACTS = {
    **dict.fromkeys(("complete", "pruned"), 1),
    "failed": 0,
    "looks": 6,
    "best_trial": 0,
    "best_score": 0.5,
    "first_score": 0.5,
    "gain_over_first": None,
    "importances": [{"parameter": "rate", "importance": 0.75}],
}
RULES: list[dict[str, Any]] = [
    {
        "rule": "keeps_passages",
        "passed": True,
        "value": 0.5,
        "threshold": -0.04,
        "ci_low": None,
        "ci_high": float("nan"),
    },
    {
        "rule": "no_hub_alarm",
        "passed": None,
        "value": None,
        "threshold": None,
        "ci_low": None,
        "ci_high": None,
    },
]
VERDICT = {
    "checkpoint": "abcd",
    "verdict": "deploy",
    "main_metric": "precision@5",
    "judged_on": "main_metric",
    "released": True,
}


def training() -> TrackedRun:
    return training_run("abcd", MANIFEST, HISTORY, TRADE_OFF)


def study() -> TrackedRun:
    return study_run(
        "recipe", "v1", TRIALS, FACTS, ["rate", "kind"], {"trials": 2, "which": ["recipe"], "seed": 7}
    )


def verdict() -> TrackedRun:
    return verdict_run("v2", RULES, VERDICT)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def refuse(sentence: str) -> None:
    raise AssertionError(sentence)


def test_mlflow_is_told_each_run_once_with_its_trials_below_it(lake: Lake) -> None:
    settings = TrackingSettings(kind="mlflow")
    for describe in (training, study, verdict, training, study):
        assert track(lake, settings, describe, refuse) == {"tracked_by": "mlflow", "tracking_failures": 0}
    runs = mlflow_runs(Path(lake.path("tracking", "mlflow.db")))
    assert set(runs) == {"abcd", "recipe study", "recipe trial 0", "recipe trial 1", "abcd deploy"}
    assert {run["status"] for run in runs.values()} == {"FINISHED"}
    told = runs["abcd"]
    assert told["params"]["average_shares"] == "0.5, 1.0" and told["params"]["base"] == "all-MiniLM-L6-v2"
    assert told["metrics"]["epoch/validation_score"] == {0: 0.25, 1: 0.375, 2: 0.5}
    assert told["metrics"]["epoch/train_loss"] == {1: 0.5, 2: 0.375}
    assert told["metrics"]["share/validation_score"] == {50: 0.625}
    assert told["metrics"]["train_notes"] == {0: 100} and "epoch/validation_loss" not in told["metrics"]
    assert runs["recipe study"]["metrics"]["importance/rate"] == {0: 0.75}
    assert runs["recipe study"]["params"] == {"trials": "2", "which": "recipe", "seed": "7"}
    first, second = runs["recipe trial 0"], runs["recipe trial 1"]
    assert first["metrics"]["score"] == {0: 0.5} and "score" not in second["metrics"]
    assert second["params"] == {"state": "pruned", "rate": "0.25", "kind": "round"}
    assert second["metrics"]["step_score"] == {1: 0.25, 2: 0.375}
    assert first["tags"]["mlflow.parentRunId"] == runs["recipe study"]["id"]
    assert runs["abcd deploy"]["metrics"] == {
        "released": {0: 1},
        "keeps_passages/passed": {0: 1},
        "keeps_passages/value": {0: 0.5},
        "keeps_passages/threshold": {0: -0.04},
    }


def test_wandb_is_told_offline(lake: Lake) -> None:
    settings = TrackingSettings(kind="wandb")
    for describe in (training, study, study):
        assert track(lake, settings, describe, refuse)["tracking_failures"] == 0
    files = list(Path(lake.path("tracking")).glob("wandb/offline-run-*/run-*.wandb"))
    told = {run["kind"]: run for run in map(wandb_run, files)}
    assert len(files) == 2 and told["training"]["name"] == "abcd"
    assert told["training"]["config"]["learning_rate"] == 1e-3
    scores = [
        row["epoch/validation_score"]
        for row in told["training"]["history"]
        if "epoch/validation_score" in row
    ]
    assert scores == [0.25, 0.375, 0.5] and told["training"]["summary"]["train_notes"] == 100
    assert [row["trial/rate"] for row in told["study"]["history"]] == [0.125, 0.25]
    # Neither the machine nor its packages are written down.
    names = {path.name for path in Path(lake.path("tracking")).rglob("*")}
    assert not names & {"requirements.txt", "wandb-metadata.json", "output.log"}


def test_a_server_that_cannot_be_reached_is_warned_of_and_counted_and_told_later(lake: Lake) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        uri = f"http://somebody:secret@127.0.0.1:{taken.getsockname()[1]}"
        warnings: list[str] = []
        found = track(lake, TrackingSettings(kind="mlflow", uri=uri), training, warnings.append)
    assert found == {"tracked_by": "mlflow", "tracking_failures": 1}
    (warning,) = warnings
    assert "mlflow was not told, and the run goes on" in warning and "secret" not in warning
    assert lake.names("store", "tracked") == []
    assert track(lake, TrackingSettings(kind="mlflow"), training, refuse)["tracking_failures"] == 0


def test_a_server_that_never_answers_is_not_waited_for(lake: Lake) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        warnings: list[str] = []
        began = time.monotonic()
        found = track(
            lake, TrackingSettings(kind="mlflow", uri=uri, timeout_seconds=1), training, warnings.append
        )
    assert found["tracking_failures"] == 1 and len(warnings) == 1
    assert time.monotonic() - began < 60


def test_a_run_that_breaks_off_is_marked_as_failed(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    def full(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", full)
        assert (
            track(lake, TrackingSettings(kind="mlflow"), training, lambda _: None)["tracking_failures"] == 1
        )
    database = Path(lake.path("tracking", "mlflow.db"))
    assert mlflow_runs(database)["abcd"]["status"] == "FAILED"
    assert track(lake, TrackingSettings(kind="mlflow"), training, refuse)["tracking_failures"] == 0
    assert mlflow_runs(database)["abcd"]["status"] == "FINISHED"


@pytest.mark.parametrize("kind", ["mlflow", "wandb"])
def test_without_its_package_it_says_what_to_install(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    monkeypatch.setitem(sys.modules, kind, None)
    warnings: list[str] = []
    assert track(lake, TrackingSettings(kind=kind), training, warnings.append)["tracking_failures"] == 1
    assert f"the package {kind} is not installed: pip install '.[tracking]'" in warnings[0]


def test_what_cannot_be_described_is_counted_too(lake: Lake) -> None:
    warnings: list[str] = []
    found = track(
        lake, TrackingSettings(kind="mlflow"), lambda: training_run("a", {}, [], []), warnings.append
    )
    assert found["tracking_failures"] == 1 and "KeyError" in warnings[0]


def test_off_it_imports_nothing_and_says_nothing(tmp_path: Path) -> None:
    code = f"""
import sys
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.tracking.publishing import track
from medembed_pipeline.tracking.settings import TrackingSettings
assert track(Lake({str(tmp_path)!r}), TrackingSettings(), lambda: 1 / 0, print) == {{}}
assert not {{"mlflow", "wandb"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "wrong",
    [
        {"settings": {"text": "a note " * 60}},
        {"settings": {"labels": ["a", "b"]}},
        {"numbers": {"score": "0.5"}},
    ],
)
def test_what_is_no_number_and_no_short_setting_is_refused(wrong: Any) -> None:
    with pytest.raises(MedembedError, match="not told to a tracker"):
        TrackedRun(kind="training", name="a", version="a", **wrong)


def test_settings_are_made_plain() -> None:
    assert plain_settings(
        {"a@b": [1, 2], "text": "a note " * 60, "table": {"a": 1}, "x": None, "on": True}
    ) == {
        "a_b": "1, 2",
        "on": True,
    }
