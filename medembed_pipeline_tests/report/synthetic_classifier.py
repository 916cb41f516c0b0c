"""The classifier's tables of a synthetic payload."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Row = dict[str, Any]

OVERALL = (
    ("macro_f1", None, 0.71),
    ("map", None, 0.8),
    ("top", 1, 0.85),
    ("top", 3, 0.95),
    ("covered", None, 0.91),
    ("set_size", None, 1.4),
    ("calibration_error", None, 0.01),
)
OF_LABELS = ("f1", "precision", "recall", "average_precision", "covered")
SERVED = "tuned_tfidf"


def classifier_tables(
    payload: Mapping[str, Any], scored: list[int], generator: np.random.Generator
) -> tuple[dict[str, list[Row]], dict[str, Row]]:
    """Rows by table, and facts by table."""
    names = payload["specialty_names"]
    rows = []

    def row(
        model: str, over: str | None, kind: str, scope: str, metric: str, k: int | None, value: float
    ) -> Row:
        return {
            "model": model,
            "over": over,
            "scope_kind": kind,
            "scope": scope,
            "metric": metric,
            "k": k,
            "value": value,
            "ci_low": value - 0.03,
            "ci_high": value + 0.03,
            "n": len(scored),
            "groups": len(scored),
            "degrees": 40.0,
        }

    for place, model in enumerate(("prevalence", "tfidf", SERVED)):
        for metric, k, value in OVERALL:
            rows.append(row(model, None, "all", "all", metric, k, value - 0.1 * (2 - place)))
            if model == SERVED:
                rows.append(row(model, "tfidf", "all", "all", metric, k, 0.1))
            rows.append(row(model, None, "cross_fitted", "all", metric, k, value - 0.1 * (2 - place)))
            if model == SERVED:
                rows.append(row(model, "tfidf", "cross_fitted", "all", metric, k, 0.0625))
    for name in names:
        for metric in OF_LABELS:
            value = float(generator.uniform(0.4, 0.95))
            rows += [row(SERVED, None, "label", name, metric, None, value)]
            rows += [row(SERVED, "tfidf", "label", name, metric, None, 0.02)]
    wrong = [
        {
            "note_id": at,
            "expected": payload["notes"]["specialties"][at]
            and [names[payload["notes"]["specialties"][at][0]]],
            "came": [names[-1]],
            "confidence": 0.9 - 0.01 * place,
            "likeliest_is_true": False,
            "expected_probability": 0.05,
            "set": [names[-1], names[0]],
            "set_holds_all": True,
            "left_to_people": "set_too_large" if place == 0 else None,
            "nearest": [scored[-1], scored[-2]],
            "label_doubted": place == 1,
            "suggested": names[-1] if place == 1 else None,
        }
        for place, at in enumerate(scored[:20])
    ]
    verdict = {
        "rule": "classifier_beats_words",
        "kind": "decides",
        "passed": True,
        "value": 0.1,
        "threshold": 0.0,
        "ci_low": 0.07,
        "ci_high": 0.13,
        "reason": "mAP +0.100.",
        "evidence": "classification_metrics",
    }
    confusions = [
        {"expected": one, "came": other, "notes": 20 if one == other else 1}
        for place, one in enumerate(names)
        for other in {one, names[(place + 1) % len(names)]}
    ]
    bins = [
        {"low": 0.1 * at, "high": 0.1 * at + 0.1, "said": 0.1 * at + 0.05, "true": 0.1 * at, "n": 9}
        for at in range(10)
    ]
    costs = [
        {
            "threshold": at / 50,
            "precision": 0.5 + at / 100,
            "recall": 1 - at / 50,
            "f1": 0.7,
            "macro_f1": 0.6,
            "labels": 2 - at / 30,
            "answered": 1 - at / 60,
        }
        for at in range(50)
    ]
    facts: dict[str, dict[str, Any]] = {
        "classification_metrics": {
            "served": SERVED,
            "why_served": "The best of those that are better than TF-IDF.",
            "shown": {SERVED: "logistic regression on tuned vectors + TF-IDF"},
            "held_out_notes": len(scored),
            "promise": 0.9,
            "cross_fitted": {
                "scored": 12_345,
                "taught": 13_000,
                "rungs": ["tfidf", SERVED],
                "parameters": {},
            },
            "labels_not_predicted": [{"label": "Rare", "train_notes": 3}],
            "left_to_people": [{"reason": "set_too_large", "notes": 2}],
            "divisions": [{"seed": 7, "notes": 300, "coverage": 0.905, "set_size": 1.3}],
            "confusions": confusions,
            "reliability": bins,
            "top_reliability": bins[3:],
            "threshold_costs": costs,
        },
        "classifier_verdict": {
            "verdict": "deploy",
            "sentence": "Deploy: every rule of the classifier holds.",
        },
    }
    tables = {
        "classification_metrics": rows,
        "classification_errors": wrong,
        "classifier_verdict": [verdict],
    }
    return tables, facts
