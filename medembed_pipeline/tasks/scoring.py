"""Every figure of one task, for both models and word matching, with what an interval needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from medembed_pipeline.encoder import Role
from medembed_pipeline.evaluation.jackknife import Jackknife, difference, mean_jackknife
from medembed_pipeline.evaluation.lexical import lexical_vectors
from medembed_pipeline.evaluation.metric_names import MetricKey
from medembed_pipeline.evaluation.rankings import Similarities, ranking_figures
from medembed_pipeline.evaluation.retrieval import RETRIEVAL_METRICS
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray
from medembed_pipeline.tasks.spearman import spearman_jackknife
from medembed_pipeline.tasks.task import ACCURACY, SPEARMAN, PairTask, RankingTask, Task, TripletTask

SMALLEST_GAP = 1e-6
"""Similarities nearer to each other than this are equal: float32 vectors say no more."""

BASELINE, TUNED, LEXICAL = "baseline", "tuned", "lexical"
CONTRASTS = {"difference": (TUNED, BASELINE), "tuned_over_lexical": (TUNED, LEXICAL)}


class Vectors(Protocol):
    """Texts -> their unit rows, a numpy array or a sparse matrix [n, d]."""

    def __call__(self, texts: Sequence[str], *, role: Role = "document") -> Any:
        """As queries, or as documents."""
        ...


@dataclass(frozen=True)
class Scored:
    """A task's figures.

    Attributes
    ----------
    figures
        by model (baseline, tuned, lexical, difference, tuned_over_lexical) and metric, one column each.
    items
        queries, triplets or pairs behind them.
    """

    figures: dict[str, dict[MetricKey, Jackknife]]
    items: int


def score_task(task: Task, vectors: Mapping[str, Vectors]) -> Scored:
    """Score one task.

    Parameters
    ----------
    task
        what is asked.
    vectors
        of `baseline` and `tuned`; those of `lexical` are made here.
    """
    if isinstance(task, RankingTask):
        spaces = {**vectors, LEXICAL: _lexical(task.texts(), [*task.candidates, *task.background], task.read)}
        return Scored(_ranking(task, spaces), len(task.queries))
    spaces = {**vectors, LEXICAL: _lexical(task.texts(), task.texts(), {})}
    if isinstance(task, TripletTask):
        figures = {model: _accuracy(task, space) for model, space in spaces.items()}
    else:
        figures = {model: _correlation(task, space) for model, space in spaces.items()}
    for name, (one, other) in CONTRASTS.items():
        figures[name] = {key: difference(figures[one][key], figures[other][key]) for key in figures[one]}
    return Scored(figures, len(task.groups))


def _lexical(texts: Sequence[str], known: Sequence[str], read: Mapping[str, str]) -> Vectors:
    different = list(dict.fromkeys(texts))
    row_of = {text: row for row, text in enumerate(different)}
    rows = lexical_vectors([read.get(text, text) for text in different], fit_on=known)

    def vectors(texts: Sequence[str], *, role: Role = "document") -> Any:
        return rows[[row_of[text] for text in texts]]

    return vectors


def _ranking(task: RankingTask, spaces: Mapping[str, Vectors]) -> dict[str, dict[MetricKey, Jackknife]]:
    shape = (len(task.queries), len(task.candidates))

    def gains(block: IntArray) -> FloatArray:
        found = np.zeros((len(block), shape[1]))
        row_of = np.full(shape[0], -1)
        row_of[block] = np.arange(len(block))
        wanted = row_of[task.query] >= 0
        found[row_of[task.query[wanted]], task.candidate[wanted]] = task.gain[wanted]
        return found

    def similarities(space: Vectors) -> Similarities:
        queries, candidates = space(task.queries, role="query"), space(task.candidates)

        def of(block: IntArray) -> FloatArray:
            product = queries[block] @ candidates.T
            dense = product if isinstance(product, np.ndarray) else product.toarray()
            found = np.asarray(dense, dtype=np.float64)
            if not task.others_of_group_count:
                others = task.query_groups[block][:, None] == task.candidate_groups
                # Behind all others: with one relevant candidate that is the same as being left out.
                found[others & (gains(block) == 0)] = -1.0
            return found

        return of

    found = ranking_figures(
        {model: similarities(space) for model, space in spaces.items()},
        gains,
        query_groups=task.query_groups,
        candidate_groups=task.candidate_groups,
        contrasts=list(CONTRASTS.values()),
    )
    names = {f"{one}-{other}": name for name, (one, other) in CONTRASTS.items()}
    return {
        names.get(model, model): {key: figures[key] for key in RETRIEVAL_METRICS}
        for model, figures in found.items()
    }


def _accuracy(task: TripletTask, space: Vectors) -> dict[MetricKey, Jackknife]:
    right = triplets_right(space(task.anchors), space(task.same), space(task.other))
    return {ACCURACY: mean_jackknife(right, task.groups)}


def _correlation(task: PairTask, space: Vectors) -> dict[MetricKey, Jackknife]:
    similarities = _products(space(task.left), space(task.right))
    return {SPEARMAN: spearman_jackknife(task.scores, similarities, task.groups)}


def triplets_right(anchors: Any, same: Any, other: Any) -> FloatArray:
    """Which anchors lie nearer to `same` than to `other`: 1 or 0, and 0.5 for a tie, which is a guess.

    Parameters
    ----------
    anchors, same, other
        unit rows [n, d], numpy arrays or sparse matrices.

    Returns
    -------
    FloatArray
        float64 [n].
    """
    gap = _products(anchors, same) - _products(anchors, other)
    return np.where(np.abs(gap) <= SMALLEST_GAP, 0.5, gap > 0)


def _products(left: Any, right: Any) -> FloatArray:
    """Dot product of each row with its counterpart. float64 [n]."""
    if isinstance(left, np.ndarray):
        return np.asarray(np.einsum("ij,ij->i", left, right), dtype=np.float64)
    return np.asarray(left.multiply(right).sum(axis=1), dtype=np.float64).reshape(-1)
