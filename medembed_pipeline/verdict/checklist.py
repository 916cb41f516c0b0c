"""Information beside the verdict: the checklist that published fine-tunings are judged by, and two limits of ours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from medembed_pipeline.verdict.evidence import Evidence, Figure
from medembed_pipeline.verdict.outcomes import Outcome


class _Item(NamedTuple):
    rule: str
    metric: tuple[str, int | None]
    what: str
    above: bool
    threshold: float


CHECKLIST = (
    _Item("published_margin", ("margin", None), "The margin between positive and negative pairs", True, 0.25),
    _Item(
        "published_separation",
        ("separation", None),
        "The separation of positive from negative pairs, in standard deviations,",
        True,
        2.0,
    ),
    _Item(
        "published_right_at_rank_one", ("precision", 1), "The share of notes right at rank one", True, 0.85
    ),
    _Item(
        "published_own_pair_similarity",
        ("positive_similarity", None),
        "The mean similarity of notes that share a specialty",
        True,
        0.8,
    ),
    _Item(
        "published_other_pair_similarity",
        ("negative_similarity", None),
        "The mean similarity of notes that share none",
        False,
        0.6,
    ),
)
RANK_GAP = 0.1


def information_outcomes(evidence: Evidence) -> list[Outcome]:
    """Judge the tuned model by the published checklist, and say how far labels and memory reach. Decides nothing.

    All of it is about specialties: there is none where no held-out note has one.
    """
    if not evidence.scored_notes:
        return []
    found = [_published(item, evidence.metric("tuned", item.metric)) for item in CHECKLIST]
    gap = _Item(
        "published_rank_gap",
        ("", None),
        "The mean gap in similarity between rank one and two",
        True,
        RANK_GAP,
    )
    found.insert(3, _published(gap, Figure(evidence.rank_gap), "neighbors"))
    return [*found, *_label_ceiling(evidence), *_memory(evidence)]


def _published(item: _Item, figure: Figure, table: str = "embedding_metrics") -> Outcome:
    value, limit = figure.value, item.threshold
    passed = None if math.isnan(value) else (value > limit if item.above else value < limit)
    wanted = f"the published checklist asks for {'more' if item.above else 'less'} than {limit:g}"
    shown = "undefined on these notes" if math.isnan(value) else f"{value:.3f}"
    return Outcome(
        item.rule,
        "information",
        passed,
        value,
        limit,
        f"{item.what} is {shown}; {wanted}.",
        table,
        figure.ci_low,
        figure.ci_high,
    )


def _label_ceiling(evidence: Evidence) -> list[Outcome]:
    """How near the tuned model is to the best that any model could reach with these labels."""
    ceiling = _number(evidence.label_facts, "ceiling_precision_at_5")
    reached = evidence.metric("tuned", ("precision", 5))
    if math.isnan(ceiling) or math.isnan(reached.value):
        return []
    reason = f"The tuned model's P@5 is {reached.value:.3f}; with these labels no model can be above {ceiling:.3f}."
    return [
        Outcome(
            "label_ceiling",
            "information",
            None,
            reached.value,
            ceiling,
            reason,
            "label_review",
            reached.ci_low,
            reached.ci_high,
        )
    ]


def _memory(evidence: Evidence) -> list[Outcome]:
    """What a split that leaks would have shown."""
    share = _number(evidence.leak_facts, "memorization_share_by_row")
    if math.isnan(share):
        return []
    reason = f"Under a split by row {share:.0%} of the apparent gain would be memory of training notes."
    return [
        Outcome("memory_under_split_by_row", "information", None, share, math.nan, reason, "leakage_estimate")
    ]


def _number(facts: Mapping[str, Any], name: str) -> float:
    value = facts.get(name)
    return float(value) if isinstance(value, (int, float)) else math.nan
