"""What share of an apparent gain is memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from medembed_pipeline.evaluation.jackknife import Jackknife, intervals
from medembed_pipeline.evaluation.metric_names import MetricKey

PROTOCOLS = ("by_patient", "by_group", "by_text", "by_row", "all_notes", "training_notes")
UNSEEN_ROWS = "by_row_unseen"
"""The rules of `by_row` on items none of which was seen; in the facts only."""

MEMORY_METRICS: tuple[tuple[MetricKey, str], ...] = ((("precision", 5), ""), (("map", None), "map_"))
"""Figures whose gain is divided into memory and the rest, with what their facts are called."""

DECIMALS = 12
"""Figures are rounded here: further down, a matrix product depends on the number of threads."""


@dataclass(frozen=True)
class ProtocolResult:
    """What one protocol shows.

    Attributes
    ----------
    figures
        by model (baseline, tuned, difference) and metric, one column each; mean over the repeats. Rows of `left_out`
        are the groups of the whole corpus.
    seen_share
        share of the scored items that the checkpoint has seen; mean over the repeats.
    """

    figures: Mapping[tuple[str, MetricKey], Jackknife]
    seen_share: float

    def value(self, model: str, key: MetricKey) -> float:
        """The figure; NaN where it is undefined in every repeat."""
        return round(float(self.figures[model, key].value[0]), DECIMALS)


def memorization_share(gain: float, true_gain: float) -> float | None:
    """1 - true_gain / gain: the share of a gain that is memory; None where there is no gain."""
    if not (math.isfinite(gain) and math.isfinite(true_gain) and gain > 0):
        return None
    return round(1.0 - true_gain / gain, DECIMALS)


def memory_facts(results: Mapping[str, ProtocolResult], unseen: str, *, confidence: float) -> dict[str, Any]:
    """`memorization_share_<protocol>` (precision@5), `memorization_share_map_<protocol>`, and `memory`: all shares.

    Parameters
    ----------
    results
        by protocol; those that are missing have the share None and no record.
    unseen
        the protocol in which nothing was seen.
    confidence
        of the intervals.
    """
    shares: dict[str, float | None] = {}
    records: list[dict[str, Any]] = []
    for key, prefix in MEMORY_METRICS:
        for protocol in PROTOCOLS[PROTOCOLS.index(unseen) + 1 :]:
            shares[f"memorization_share_{prefix}{protocol}"] = None
            if protocol not in results:
                continue
            own, true = results[protocol], results[unseen]
            gain, true_gain = own.value("difference", key), true.value("difference", key)
            same_rules = (results[UNSEEN_ROWS] if protocol == "by_row" else true).value("difference", key)
            share = memorization_share(gain, true_gain)
            low, high = _interval(own.figures["difference", key], true.figures["difference", key], confidence)
            shares[f"memorization_share_{prefix}{protocol}"] = share
            records.append(
                {
                    "protocol": protocol,
                    "metric": key[0] if key[1] is None else f"{key[0]}@{key[1]}",
                    "gain": _number(gain),
                    "gain_held_out": _number(true_gain),
                    "memorization_share": share,
                    "memorization_share_low": low,
                    "memorization_share_high": high,
                    "gain_unseen": _number(same_rules),
                    "memorization_share_same_rules": memorization_share(gain, same_rules),
                    "seen_share": own.seen_share,
                }
            )
    return {**shares, "memory": records}


def _interval(
    gains: Jackknife, true_gains: Jackknife, confidence: float
) -> tuple[float | None, float | None]:
    """Interval of the share; None where the gain itself may be zero, and a share of it so means nothing."""
    low = float(intervals(gains, confidence=confidence).low[0])
    if not low > 0 or not math.isfinite(float(true_gains.value[0])):
        return None, None
    share = _ratio(gains, true_gains)
    ends = intervals(share, confidence=confidence)
    return _number(float(ends.low[0])), _number(float(ends.high[0]))


def _ratio(gains: Jackknife, true_gains: Jackknife) -> Jackknife:
    """1 - true / gain, without each group in turn; either may have further rows for its draws, in which the other
    stays as it is."""
    rows = max(len(gains.left_out), len(true_gains.left_out))
    longer, shorter = (
        np.vstack([found.left_out, np.tile(found.value, (rows - len(found.left_out), 1))])
        for found in (gains, true_gains)
    )
    return Jackknife(
        1.0 - true_gains.value / gains.value,
        1.0 - shorter / longer,
        np.zeros(1),
        np.minimum(gains.groups, true_gains.groups),
    )


def _number(value: float) -> float | None:
    return round(value, DECIMALS) if math.isfinite(value) else None
