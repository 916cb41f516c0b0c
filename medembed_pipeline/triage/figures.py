"""The figures of triage: what arms reach, what a partner is worth, what shortcuts tell, and reliability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from medembed_pipeline.pictures.charts import dumbbells, forest
from medembed_pipeline.pictures.curves import LOOKS, reliability
from medembed_pipeline.pictures.numbers import is_number
from medembed_pipeline.pictures.specification import Choice, Figure, Known, Row
from medembed_pipeline.triage.arms import FUSIONS
from medembed_pipeline.triage.scoring import SHOWN

_FIGURES = ("auc", "weighted_f1", "under_triage")
_VARIANTS = {"emap": "adding up alone", "shuffled": "others' {}s", "blank": "no {}"}


def arm_figures(rows: Sequence[Row], known: Known) -> list[Figure]:
    """What each arm reaches over all held-out cases, and the reliability of the compared ones.

    Parameters
    ----------
    rows
        of `triage_metrics`.
    known
        its fact `reliability`, a record per arm and bin; `single` and `fusion` of `modality_ledger`, where known.
    """
    compared = [arm for name in ("single", "fusion") if (arm := known.fact("modality_ledger", name))]
    return [*_arms(rows), *_reliability(known.fact("triage_metrics", "reliability") or (), compared)]


def ledger_figures(rows: Sequence[Row], known: Known) -> list[Figure]:
    """The paired difference of every arm and variant to the best single arm; nothing without one.

    Parameters
    ----------
    rows
        of `modality_ledger`.
    known
        its facts `figure`, in what they are compared, and `single`, the best single arm.
    """
    figure, single = (known.fact("modality_ledger", name) for name in ("figure", "single"))
    of = {(row["arm"], row["variant"], row["over"]): row for row in rows if row["figure"] == figure}
    alone = of.get((single, "as_it_is", None))
    lines = [
        {
            **row,
            "name": _variant(arm, variant),
            "before": alone["value"],
            "after": of[arm, variant, None]["value"],
            "tolerated": 0,
        }
        for (arm, variant, over), row in of.items()
        if over == "best_single" and alone is not None and (arm, variant, None) in of
    ]
    if not lines:
        return []
    kept = ("name", "n", "value", "ci_low", "ci_high", "before", "after", "tolerated")
    return [
        Figure(
            "ledger",
            f"What a partner is worth, beside the {_words(single)} alone",
            f"Difference in {SHOWN[figure]}, paired, with intervals by patient. Good: a fusion right of zero "
            "that falls back with others' partners.",
            f"Difference of every arm to the {_words(single)} alone",
            forest([{name: line[name] for name in kept} for line in lines], counted="cases"),
        )
    ]


def shortcut_figures(rows: Sequence[Row], known: Known) -> list[Figure]:
    """What each input tells, beside shuffled levels and what it is compared with; nothing without rows.

    Parameters
    ----------
    rows
        of `shortcut_meter`.
    known
        its fact `figure`, in what they are compared.
    """
    figure = known.fact("shortcut_meter", "figure")
    lines = [
        {
            "name": _words(row["input"]).capitalize(),
            "tuned": row,
            "baseline": {"value": row["floor"], "ci_low": row["floor_low"], "ci_high": row["floor_high"]}
            if is_number(row["floor"])
            else None,
            "limit": row["reference"] if is_number(row["reference"]) else None,
        }
        for row in rows
        # The sources that were left out are values of a landing column, which do not go into Dagster's database.
        if row["figure"] == figure and row["scope"] == "all"
    ]
    if not lines:
        return []
    return [
        Figure(
            "shortcuts",
            "What tells the level without being a reason for it",
            f"In {SHOWN[figure]}, with intervals by patient, and the range with shuffled levels. Upright "
            "lines: what it is compared with. Good: source, view and border no better than shuffled levels.",
            f"{SHOWN[figure]} of inputs that are no reason for a level",
            dumbbells(
                lines,
                limit=", compared with",
                models={"tuned": "this input alone", "baseline": "levels shuffled"},
            ),
        )
    ]


def _arms(rows: Sequence[Row]) -> list[Figure]:
    found = [row for row in rows if row["scope_kind"] == "all" and row["figure"] in _FIGURES]
    if not found:
        return []
    shown = [name for name in _FIGURES if any(row["figure"] == name for row in found)]
    lines: list[dict[str, Any]] = [
        {
            "name": _words(row["arm"]).capitalize(),
            "tuned" if row["arm"] in FUSIONS else "baseline": row,
            "figure": name,
        }
        for name in shown
        for row in found
        if row["figure"] == name
    ]
    options = tuple((name, SHOWN[name]) for name in shown)
    return [
        Figure(
            "arms",
            "What each arm reaches",
            "On held-out cases, with intervals by patient. Good: high; for under-triage, low.",
            "The arms on held-out cases",
            dumbbells(lines, models={"tuned": "sees note and picture", "baseline": "sees one part"}),
            choices=(Choice("Figure", "figure", options, shown[0]),),
        )
    ]


def _reliability(rows: Sequence[Row], compared: Sequence[str]) -> list[Figure]:
    """Of the compared arms, or where these are not known of as many as can be told apart."""
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    shown = [arm for arm in arms if arm in compared] or arms[: len(LOOKS) - 1]
    if not shown:
        return []
    found = {_words(arm): [row for row in rows if row["arm"] == arm] for arm in shown}
    return [
        Figure(
            "reliability",
            "Are the probabilities right?",
            "Along: what was said of the likeliest level. Up: how often it was right. Good: on the straight line.",
            "Reliability of the triage probabilities",
            reliability(found, "cases"),
        )
    ]


def _variant(arm: str, variant: str) -> str:
    kind, _, part = variant.partition("_")
    told = _VARIANTS.get(kind)
    return _words(arm).capitalize() + (f", {told.format(part)}" if told else "")


def _words(name: str) -> str:
    return name.replace("_", " ")
