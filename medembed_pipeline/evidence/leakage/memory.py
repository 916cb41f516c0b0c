"""What share of an apparent gain is memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from medembed_pipeline.evaluation.bootstrap import percentile_interval
from medembed_pipeline.evaluation.retrieval import MetricKey
from medembed_pipeline.evaluation.vectors import FloatArray

PROTOCOLS = ("by_group", "by_text", "by_row", "all_notes", "training_notes")
UNSEEN_ROWS = "by_row_unseen"
"""The rules of `by_row` on items none of which was seen; in the facts only."""

MEMORY_METRICS: tuple[tuple[MetricKey, str], ...] = ((("precision", 5), ""), (("map", None), "map_"))
"""Figures whose gain is divided into memory and the rest, with what their facts are called."""

DECIMALS = 12
"""Figures are rounded here: further down, a matrix product depends on the number of threads."""


@dataclass(frozen=True)
class ProtocolResult:
    """What one protocol shows.

    Attributes:
        figures: float64 [repeats] by model (baseline, tuned, difference) and metric, NaN where undefined.
        draws: float64 [repeats x resamples], the same under the bootstrap.
        seen_share: share of the scored items whose text, or a near-duplicate, was trained on; mean over the repeats.
    """

    figures: Mapping[tuple[str, MetricKey], FloatArray]
    draws: Mapping[tuple[str, MetricKey], FloatArray]
    seen_share: float

    def value(self, model: str, key: MetricKey) -> float:
        """Mean over the repeats in which the figure is defined; NaN where it never is."""
        figures = self.figures[model, key]
        defined = figures[np.isfinite(figures)]
        return round(float(defined.mean()), DECIMALS) if len(defined) else math.nan


def memory_share(gain: float, true_gain: float) -> float | None:
    """1 - true_gain / gain: the share of a gain that is memory; None where there is no gain."""
    if not (math.isfinite(gain) and math.isfinite(true_gain) and gain > 0):
        return None
    return round(1.0 - true_gain / gain, DECIMALS)


def memory_facts(results: Mapping[str, ProtocolResult], *, confidence: float) -> dict[str, Any]:
    """`memory_share_<protocol>` (precision@5), `memory_share_map_<protocol>`, and `memory`, a record per share.

    Args:
        results: by protocol; those that are missing have the share None and no record.
        confidence: of the intervals.
    """
    shares: dict[str, float | None] = {}
    records: list[dict[str, Any]] = []
    for key, prefix in MEMORY_METRICS:
        for protocol in PROTOCOLS[1:]:
            shares[f"memory_share_{prefix}{protocol}"] = None
            if protocol not in results:
                continue
            own, true = results[protocol], results["by_group"]
            gain, true_gain = own.value("difference", key), true.value("difference", key)
            unseen = (results[UNSEEN_ROWS] if protocol == "by_row" else true).value("difference", key)
            share = memory_share(gain, true_gain)
            low, high = _interval(own.draws["difference", key], true.draws["difference", key], confidence)
            shares[f"memory_share_{prefix}{protocol}"] = share
            records.append(
                {
                    "protocol": protocol,
                    "metric": key[0] if key[1] is None else f"{key[0]}@{key[1]}",
                    "gain": _number(gain),
                    "gain_by_group": _number(true_gain),
                    "memory_share": share,
                    "memory_share_low": low,
                    "memory_share_high": high,
                    "gain_unseen": _number(unseen),
                    "memory_share_same_rules": memory_share(gain, unseen),
                    "seen_share": own.seen_share,
                }
            )
    return {**shares, "memory": records}


def _interval(
    gains: FloatArray, true_gains: FloatArray, confidence: float
) -> tuple[float | None, float | None]:
    """Percentile interval of the share; None where not every resampled gain is above zero."""
    count = min(len(gains), len(true_gains))
    gains, true_gains = gains[:count], true_gains[:count]
    usable = np.isfinite(gains) & np.isfinite(true_gains)
    if not usable.any() or (gains[usable] <= 0).any():
        return None, None
    shares = 1.0 - true_gains[usable] / gains[usable]
    low, high = percentile_interval(shares[:, None], confidence=confidence)
    return _number(float(low[0])), _number(float(high[0]))


def _number(value: float) -> float | None:
    return round(value, DECIMALS) if math.isfinite(value) else None
