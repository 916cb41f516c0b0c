"""How often the intervals hold the truth, how often they find a gain where there is none, and how often a true one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np

from medembed_pipeline.evaluation.jackknife import Jackknife
from medembed_pipeline.evaluation.metric_names import MetricKey
from medembed_pipeline.evaluation.metrics_table import (
    DIFFERENCE,
    figure_intervals,
    note_figures,
    scored_notes,
)
from medembed_pipeline_tests.simulations.draws import SIGNAL, draw_models

METRICS: tuple[MetricKey, ...] = (
    ("precision", 1),
    ("precision", 5),
    ("precision", 10),
    ("mrr", None),
    ("ndcg", 10),
    ("map", None),
    ("silhouette", None),
    ("davies_bouldin", None),
    ("margin", None),
)
MODELS = ("tuned", DIFFERENCE)
CONFIDENCE = 0.95
BETTER_SIGNAL = 0.6


@dataclass(frozen=True)
class Scenario:
    """One kind of corpus and pair of models."""

    notes: int
    classes: int
    clustered: bool
    tuned_signal: float = SIGNAL

    @property
    def equal(self) -> bool:
        """Whether both models are equally good."""
        return self.tuned_signal == SIGNAL


@dataclass(frozen=True)
class Covered:
    """What was found of one figure.

    Attributes
    ----------
    truth
        the figure that is held to be true: 0 for the difference of equal models, else the mean over the draws.
    spread
        standard deviation over the draws.
    error
        half the interval's width in normal quantiles, over the spread: 1 is right, above 1 is wide.
    covered
        share of the intervals that hold the truth.
    above_zero
        share of the intervals that lie wholly above zero.
    """

    model: str
    metric: MetricKey
    truth: float
    spread: float
    error: float
    covered: float
    above_zero: float


def one_draw(scenario: Scenario, seed: int) -> np.ndarray:
    """Value and both ends of every figure of one draw. float64 [models, metrics, 3]."""
    drawn = draw_models(
        notes=scenario.notes,
        classes=scenario.classes,
        clustered=scenario.clustered,
        seed=seed,
        tuned_signal=scenario.tuned_signal,
    )
    notes = scored_notes(
        drawn.note_ids, drawn.labels, drawn.groups.tolist(), minimum_notes=scenario.notes + 1
    )
    found = note_figures(notes, {"baseline": drawn.baseline, "tuned": drawn.tuned})
    return np.array([[_numbers(found[model], key, model) for key in METRICS] for model in MODELS])


def _numbers(figures: dict[MetricKey, Jackknife], key: MetricKey, model: str) -> list[float]:
    ends = figure_intervals(figures, key, model, CONFIDENCE)
    return [float(figures[key].value[0]), float(ends.low[0]), float(ends.high[0])]


def simulate(scenario: Scenario, *, draws: int, pool: Executor | None = None) -> list[Covered]:
    """Draw again and again, and count.

    Parameters
    ----------
    scenario
        what is drawn.
    draws
        how often.
    pool
        processes to share the work; None for this one.
    """
    run = partial(one_draw, scenario)
    found = np.stack(list(pool.map(run, range(draws), chunksize=8) if pool else map(run, range(draws))))
    return list(_counted(found, scenario))


def _counted(found: np.ndarray, scenario: Scenario) -> Iterator[Covered]:
    from scipy.special import ndtri

    half = float(ndtri((1 + CONFIDENCE) / 2))
    for place, model in enumerate(MODELS):
        for column, key in enumerate(METRICS):
            value, low, high = found[:, place, column].T
            truth = 0.0 if model == DIFFERENCE and scenario.equal else float(value.mean())
            spread = float(value.std(ddof=1))
            yield Covered(
                model,
                key,
                truth,
                spread,
                float(np.sqrt(np.mean(((high - low) / 2 / half) ** 2))) / spread if spread > 0 else np.nan,
                float(((low <= truth) & (truth <= high)).mean()),
                float((low > 0).mean()),
            )


def power(
    scenario: Scenario, gain: float, *, draws: int, pool: Executor | None = None
) -> tuple[float, float]:
    """How often a true gain in P@5 is found: the gain that was met, and the share of intervals wholly above zero.

    The tuned model's signal is searched so that the mean gain comes near the wanted one.
    """
    column = METRICS.index(("precision", 5))
    low, high = SIGNAL, SIGNAL + 0.4
    for _ in range(6):
        signal = (low + high) / 2
        tried = Scenario(scenario.notes, scenario.classes, scenario.clustered, signal)
        run = partial(one_draw, tried)
        seeds = range(10_000, 10_000 + max(10, draws // 8))
        values = [rows[1, column, 0] for rows in (pool.map(run, seeds) if pool else map(run, seeds))]
        low, high = (signal, high) if float(np.mean(values)) < gain else (low, signal)
    found = Scenario(scenario.notes, scenario.classes, scenario.clustered, (low + high) / 2)
    counted = simulate(found, draws=draws, pool=pool)
    figure = next(one for one in counted if one.model == DIFFERENCE and one.metric == ("precision", 5))
    return figure.truth, figure.above_zero


def scenarios(notes: Sequence[int], classes: Sequence[int]) -> list[Scenario]:
    """Equal and unequal models, single notes and clustered groups, of each size."""
    return [
        Scenario(count, number, clustered, signal)
        for count in notes
        for number in classes
        for clustered in (False, True)
        for signal in (SIGNAL, BETTER_SIGNAL)
    ]
