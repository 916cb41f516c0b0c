"""Scores of a task: both models, plain word matching, and their paired differences, ready for intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medembed_pipeline.evaluation.jackknife import Jackknife, difference, group_numbers, mean_jackknife
from medembed_pipeline.evaluation.lexical import lexical_vectors
from medembed_pipeline.evaluation.metrics_table import DIFFERENCE, LEXICAL, OVER_LEXICAL
from medembed_pipeline.evaluation.rankings import ranking_figures
from medembed_pipeline.evaluation.retrieval import MetricKey
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray
from medembed_pipeline.tasks.encoding import Vectors
from medembed_pipeline.tasks.kinds import PairTask, RankingTask, Task, TripletTask, connected_groups
from medembed_pipeline.tasks.spearman import spearman_jackknife

MODELS = ("baseline", "tuned")
SMALLEST_GAP = 1e-6
"""Similarities nearer to each other than this are equal: float32 vectors say no more."""

CONTRASTS = {DIFFERENCE: ("tuned", "baseline"), OVER_LEXICAL: ("tuned", LEXICAL)}
Figures = dict[str, dict[MetricKey, Jackknife]]
"""By model (baseline, tuned, lexical, difference, tuned_over_lexical) and metric, one column each."""


def task_texts(task: Task) -> list[str]:
    """Every text of a task."""
    if isinstance(task, RankingTask):
        return [*task.queries, *task.corpus]
    if isinstance(task, PairTask):
        return [*task.left, *task.right]
    return [*task.anchors, *task.same, *task.other]


def task_size(task: Task) -> int:
    """How many queries, pairs or triplets it has."""
    return len(task_items(task))


def task_items(task: Task) -> list[tuple[str, ...]]:
    """The texts of each query, pair or triplet."""
    if isinstance(task, RankingTask):
        return [(query,) for query in task.queries]
    if isinstance(task, PairTask):
        return list(zip(task.left, task.right, strict=True))
    return list(zip(task.anchors, task.same, task.other, strict=True))


def task_figures(
    task: Task, embeddings: Mapping[str, Vectors], *, known_words: Sequence[str] = ()
) -> Figures:
    """Every figure of one task.

    Rankings: those of `ranking_scores`. Pairs: Spearman's correlation of cosine and score. Triplets: the share of
    anchors nearer to `same` than to `other`, a tie counting half. Pairs and triplets that share a text are one group.

    Args:
        task: the task.
        embeddings: vectors of `baseline` and `tuned`.
        known_words: further texts that word matching counts words in, besides the corpus (or all texts) of the task.
    """
    if isinstance(task, RankingTask):
        return _ranking(task, embeddings, known_words)
    lexical = _lexical_look_up(task_texts(task), [*task_texts(task), *known_words])
    sources: dict[str, Any] = {**{model: embeddings[model] for model in MODELS}, LEXICAL: lexical}
    groups = item_groups(task)
    found: Figures = {}
    for model, vectors in sources.items():
        if isinstance(task, PairTask):
            similarities = _cosines(vectors(task.left), vectors(task.right))
            figure = spearman_jackknife(task.scores, similarities, groups)
            found[model] = {("spearman", None): figure}
        else:
            figure = mean_jackknife(_right(task, vectors), groups)
            found[model] = {("accuracy", None): figure}
    for name, (one, other) in CONTRASTS.items():
        found[name] = {key: difference(found[one][key], found[other][key]) for key in found[one]}
    return found


def item_groups(task: PairTask | TripletTask) -> IntArray:
    """int64 [items], one number for all items that hang together by shared texts."""
    number_of: dict[str, int] = {}
    members = [
        {number_of.setdefault(text, len(number_of)): 1.0 for text in item} for item in task_items(task)
    ]
    return group_numbers(connected_groups(members, len(number_of))[0])


def _ranking(task: RankingTask, embeddings: Mapping[str, Vectors], known_words: Sequence[str]) -> Figures:
    numbers = group_numbers([*task.query_groups, *task.corpus_groups])
    rows: dict[str, tuple[Any, Any]] = {
        model: (embeddings[model](task.queries), embeddings[model](task.corpus)) for model in MODELS
    }
    weights = lexical_vectors([*task.queries, *task.corpus], fit_on=[*task.corpus, *known_words])
    rows[LEXICAL] = (weights[: len(task.queries)], weights[len(task.queries) :])

    def similarity(queries: Any, corpus: Any) -> Any:
        def of(some: IntArray) -> FloatArray:
            found = queries[some] @ corpus.T
            return found if isinstance(found, np.ndarray) else np.asarray(found.todense(), dtype=np.float64)

        return of

    def gains(some: IntArray) -> FloatArray:
        found = np.zeros((len(some), len(task.corpus)))
        for place, query in enumerate(some.tolist()):
            relevant = task.relevant[query]
            found[place, list(relevant)] = list(relevant.values())
        return found

    found = ranking_figures(
        {model: similarity(*pair) for model, pair in rows.items()},
        gains,
        query_groups=numbers[: len(task.queries)],
        candidate_groups=numbers[len(task.queries) :],
        contrasts=list(CONTRASTS.values()),
    )
    names = {f"{one}-{other}": name for name, (one, other) in CONTRASTS.items()}
    return {names.get(name, name): dict(figures) for name, figures in found.items()}


def _right(task: TripletTask, vectors: Any) -> FloatArray:
    anchors = vectors(task.anchors)
    gap = _cosines(anchors, vectors(task.same)) - _cosines(anchors, vectors(task.other))
    return np.where(np.abs(gap) <= SMALLEST_GAP, 0.5, gap > 0)


def _cosines(left: Any, right: Any) -> FloatArray:
    if isinstance(left, np.ndarray):
        return np.asarray(np.einsum("ij,ij->i", left, right))
    return np.asarray(left.multiply(right).sum(axis=1), dtype=np.float64).ravel()


def _lexical_look_up(texts: Sequence[str], fit_on: Sequence[str]) -> Any:
    """Word weights of some of the texts, as a function of them."""
    different = list(dict.fromkeys(texts))
    weights = lexical_vectors(different, fit_on=fit_on)
    row_of = {text: row for row, text in enumerate(different)}
    return lambda some: weights[[row_of[text] for text in some]]
