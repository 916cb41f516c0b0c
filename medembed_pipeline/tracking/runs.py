"""What is told of a training, a study and a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from medembed_pipeline.tracking.tracked import TrackedRun, plain_settings

_TOLD_OF_A_TRAINING = ("best_epoch", "share_of_tuned", "improved_on_base", "dimensions", "seed")
_TOLD_OF_A_STUDY = (
    "complete",
    "pruned",
    "failed",
    "looks",
    "best_trial",
    "best_score",
    "first_score",
    "gain_over_first",
)
_TOLD_OF_A_RULE = ("passed", "value", "threshold", "ci_low", "ci_high")


def training_run(
    version: str,
    manifest: Mapping[str, Any],
    history: Iterable[Mapping[str, Any]],
    trade_off: Iterable[Mapping[str, Any]],
) -> TrackedRun:
    """A checkpoint: its recipe, and the validation figures by epoch and by share (in percent)."""
    series: dict[str, list[tuple[int, float]]] = {}
    for prefix, rows, step_of in (
        ("epoch", history, lambda row: row["epoch"]),
        ("share", trade_off, lambda row: round(100 * row["share"])),
    ):
        for row in rows:
            for name, value in row.items():
                if name.startswith(("validation_", "train_loss")) and value is not None:
                    series.setdefault(f"{prefix}/{name}", []).append((step_of(row), value))
    return TrackedRun(
        kind="training",
        name=version,
        version=version,
        settings={
            **plain_settings(manifest["training"]),
            **plain_settings({name: manifest[name] for name in ("base", "chosen_by", "device", "precision")}),
        },
        numbers={
            **{name: manifest[name] for name in _TOLD_OF_A_TRAINING if name in manifest},
            **manifest["counts"],
        },
        series=series,
    )


def study_run(
    study: str,
    version: str,
    rows: Iterable[Mapping[str, Any]],
    facts: Mapping[str, Any],
    parameters: Sequence[str],
    settings: Mapping[str, Any],
) -> TrackedRun:
    """A study, with a run for each trial: its values, its score, and the scores on the way."""
    trials = [
        TrackedRun(
            kind="trial",
            name=f"{study} trial {row['number']}",
            version=f"{version} {row['number']}",
            settings=plain_settings({"state": row["state"], **{name: row[name] for name in parameters}}),
            numbers={
                "score": row["score"],
                "looks": row["looks"],
                "allowed": row["allowed"],
                "best": row["best"],
            },
            series={"step_score": list(zip(row["steps"], row["step_scores"], strict=True))},
        )
        for row in rows
    ]
    return TrackedRun(
        kind="study",
        name=f"{study} study",
        version=version,
        settings=plain_settings(settings),
        numbers={
            **{name: facts[name] for name in _TOLD_OF_A_STUDY},
            **{f"importance/{one['parameter']}": one["importance"] for one in facts["importances"]},
        },
        children=trials,
    )


def verdict_run(version: str, rows: Iterable[Mapping[str, Any]], facts: Mapping[str, Any]) -> TrackedRun:
    """A verdict: what came of each rule, in numbers. Reasons are sentences, and stay in the lake."""
    return TrackedRun(
        kind="verdict",
        name=f"{facts['checkpoint']} {facts['verdict']}",
        version=version,
        settings=plain_settings(
            {name: facts[name] for name in ("checkpoint", "verdict", "main_metric", "judged_on")}
        ),
        numbers={
            "released": facts["released"],
            **{f"{row['rule']}/{name}": row[name] for row in rows for name in _TOLD_OF_A_RULE},
        },
    )
