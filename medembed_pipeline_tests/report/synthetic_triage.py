"""Tables of the group `triage` for a synthetic page."""

from __future__ import annotations

from typing import Any

import numpy as np

from medembed_pipeline.triage.arms import ARMS, FUSIONS
from medembed_pipeline.triage.evidence import RULES
from medembed_pipeline.triage.ledger import AS_IT_IS, BEST_SINGLE, VARIANTS
from medembed_pipeline.triage.scoring import FIGURES
from medembed_pipeline.triage.shortcuts import INPUTS, LEFT_OUT

Row = dict[str, Any]
SENTENCE = "The picture helps: gated fusion against the note alone: AUC +0.120 [+0.080, +0.160]."


def _numbers(figure: str, value: float, half: float = 0.04) -> Row:
    return {
        "figure": figure,
        "value": value,
        "ci_low": value - half,
        "ci_high": value + half,
        "n": 300,
        "groups": 150,
    }


def triage_tables(generator: np.random.Generator) -> tuple[dict[str, list[Row]], dict[str, Row]]:
    """Tables and facts by name."""

    def drawn(low: float, high: float) -> float:
        return round(float(generator.uniform(low, high)), 6)

    scopes = [
        ("all", "all"),
        ("slice:sex", "F"),
        ("slice:sex", "M"),
        ("slice:source", "ward A"),
        ("slice:age", "18-39"),
    ]
    metrics = [
        {"arm": arm, "scope_kind": kind, "scope": scope, **_numbers(figure, drawn(0.5, 0.95))}
        for arm in ARMS
        for kind, scope in scopes
        for figure in FIGURES
    ]
    ledger = []
    for arm in ARMS:
        for variant in VARIANTS if arm in FUSIONS else (AS_IT_IS,):
            compared = [None, BEST_SINGLE] if arm != "note" else [None]
            compared += [AS_IT_IS] if variant != AS_IT_IS else ["points"] if arm == "gated" else []
            ledger += [
                {
                    "arm": arm,
                    "variant": variant,
                    "over": over,
                    **_numbers("auc", drawn(-0.2, 0.2) if over else 0.8),
                }
                for over in compared
            ]
    meter = [
        {
            "input": name,
            "scope": "all" if name != LEFT_OUT else "radiology.example.org",
            **_numbers("auc", drawn(0.5, 0.8)),
            "floor": 0.5 if name != LEFT_OUT else None,
            "floor_low": 0.47 if name != LEFT_OUT else None,
            "floor_high": 0.53 if name != LEFT_OUT else None,
            "reference": 0.92,
            "difference": -0.2,
            "difference_low": -0.25,
            "difference_high": -0.15,
            "share": 0.31 if name != LEFT_OUT else None,
        }
        for name in INPUTS
    ]
    verdict = [
        {
            "rule": rule,
            "kind": "decides" if place < 8 else "information",
            "passed": place != 3 if place < 8 else None,
            "value": 0.1,
            "threshold": 0.0,
            "ci_low": 0.06,
            "ci_high": 0.14,
            "reason": f"{what} AUC +0.120 [+0.080, +0.160] on 300 held-out cases of 150 patients.",
            "evidence": "modality_ledger",
        }
        for place, (rule, what) in enumerate(RULES.items())
    ]
    facts: dict[str, Row] = {
        "triage_metrics": {
            "held_out_cases": 300,
            "held_out_patients": 150,
            "levels": [{"level": "routine", "cases": 400}, {"level": "urgent", "cases": 300}],
            "answered": [{"arm": "picture", "cases": 290, "lacking": 10}],
            "absent": [],
            "reliability": [
                {
                    "arm": arm,
                    "low": at / 10,
                    "high": at / 10 + 0.1,
                    "said": at / 10 + 0.05,
                    "true": at / 10,
                    "n": 30,
                }
                for arm in ARMS
                for at in range(4, 10)
            ],
        },
        "shortcut_meter": {"figure": "auc"},
        "modality_ledger": {
            "figure": "auc",
            "single": "note",
            "fusion": "gated",
            "complete_cases": 290,
            "complete_patients": 148,
        },
        "triage_verdict": {"verdict": "picture_helps", "sentence": SENTENCE},
    }
    tables = {
        "triage_metrics": metrics,
        "modality_ledger": ledger,
        "shortcut_meter": meter,
        "triage_verdict": verdict,
    }
    return tables, facts
