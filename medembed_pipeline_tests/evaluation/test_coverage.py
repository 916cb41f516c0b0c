"""Two models that are equally good: intervals of their difference hold zero, and seldom promise a gain.

A small part of `make simulations`. A bootstrap of the queries alone fails here, as its candidates stay the same.
"""

from __future__ import annotations

import numpy as np
import pytest

from medembed_pipeline.evaluation.metric_names import MetricKey
from medembed_pipeline.evaluation.metrics_table import (
    DIFFERENCE,
    figure_intervals,
    note_rankings,
    scored_notes,
    similarity_of,
)
from medembed_pipeline_tests.simulations.draws import draw_models

DRAWS = 120
METRICS: tuple[MetricKey, ...] = (("precision", 5), ("map", None))


@pytest.mark.parametrize("clustered", [False, True])
def test_intervals_of_equally_good_models_hold_zero(clustered: bool) -> None:
    hit: dict[MetricKey, list[bool]] = {key: [] for key in METRICS}
    above: dict[MetricKey, list[bool]] = {key: [] for key in METRICS}
    for seed in range(DRAWS):
        drawn = draw_models(notes=80, classes=8, clustered=clustered, seed=seed)
        notes = scored_notes(drawn.note_ids, drawn.labels, drawn.groups.tolist())
        similarities = {"baseline": similarity_of(drawn.baseline), "tuned": similarity_of(drawn.tuned)}
        found = note_rankings(notes, similarities, contrasts=[("tuned", "baseline")])["tuned-baseline"]
        for key in METRICS:
            ends = figure_intervals(found, key, DIFFERENCE, 0.95)
            hit[key].append(bool(ends.low[0] <= 0 <= ends.high[0]))
            above[key].append(bool(ends.low[0] > 0))
    for key in METRICS:
        assert np.mean(hit[key]) >= 0.92, key
        assert np.mean(above[key]) <= 0.05, key
