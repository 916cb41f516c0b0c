"""What a task is: texts, and which of them belong together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from medembed_pipeline.evaluation.metric_names import MetricKey
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray

Family = Literal["passages", "clinical_terms", "everyday_language", "own"]
FAMILIES: tuple[Family, ...] = ("passages", "clinical_terms", "everyday_language", "own")

ACCURACY: MetricKey = ("accuracy", None)
SPEARMAN: MetricKey = ("spearman", None)


@dataclass(frozen=True)
class RankingTask:
    """Queries that have to find their candidates.

    Attributes
    ----------
    name, family
        of the task.
    main
        the metric that stands for the task.
    queries, candidates
        texts.
    query, candidate, gain
        the relevant pairs, int64 [pairs] twice and float64 [pairs], above zero.
    query_groups, candidate_groups
        int64, group of each text in one numbering from 0. A query and what is relevant to it are of one group.
    others_of_group_count
        whether a candidate of the query's group that is not relevant is a wrong answer. If not, it is left out of the
        query's ranking.
    read
        candidate -> the part of it that a model reads, where that is not all: word matching gets no more.
    background
        texts that tell word matching how common a word is, besides the candidates.
    left_out
        what could not be asked, counted.
    """

    name: str
    family: Family
    main: MetricKey
    queries: Sequence[str]
    candidates: Sequence[str]
    query: IntArray
    candidate: IntArray
    gain: FloatArray
    query_groups: IntArray
    candidate_groups: IntArray
    others_of_group_count: bool = True
    read: Mapping[str, str] = field(default_factory=dict, repr=False)
    background: Sequence[str] = field(default=(), repr=False)
    left_out: int = 0

    def texts(self) -> list[str]:
        """Every text that needs a vector."""
        return [*self.queries, *self.candidates]


@dataclass(frozen=True)
class TripletTask:
    """Each anchor has to lie nearer to the text that belongs to it than to another one.

    Attributes
    ----------
    name, family
        of the task.
    anchors, same, other
        n texts each.
    groups
        int64 [n], triplets that share a text are of one group.
    """

    name: str
    family: Family
    anchors: Sequence[str]
    same: Sequence[str]
    other: Sequence[str]
    groups: IntArray
    main: MetricKey = ACCURACY
    left_out: int = 0

    def texts(self) -> list[str]:
        """Every text that needs a vector."""
        return [*self.anchors, *self.same, *self.other]


@dataclass(frozen=True)
class PairTask:
    """Pairs of texts whose similarities have to be in the order of the scores that people gave.

    Attributes
    ----------
    name, family
        of the task.
    left, right
        n texts each.
    scores
        float64 [n], higher is more alike.
    groups
        int64 [n], pairs that share a text are of one group.
    """

    name: str
    family: Family
    left: Sequence[str]
    right: Sequence[str]
    scores: FloatArray
    groups: IntArray
    main: MetricKey = SPEARMAN
    left_out: int = 0

    def texts(self) -> list[str]:
        """Every text that needs a vector."""
        return [*self.left, *self.right]


Task = RankingTask | TripletTask | PairTask


@dataclass(frozen=True)
class NotAsked:
    """A task without figures.

    Attributes
    ----------
    name, family
        of the task.
    message
        why, without any text of a note.
    failed
        whether something is wrong with it; else there is nothing to ask (no note is long enough, say).
    """

    name: str
    family: Family
    message: str
    failed: bool


def connected(pairs: Iterable[tuple[int, int]], count: int) -> IntArray:
    """Which of `count` things hang together, directly or by others, when those of each pair do.

    Returns
    -------
    IntArray
        int64 [count], a number per group from 0.
    """
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    edges = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
    graph = csr_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def groups_by_text(*columns: Sequence[str]) -> IntArray:
    """Group of each row of texts: rows that share a text, in whatever column, are of one. int64 [rows]."""
    rows = len(columns[0])
    number_of: dict[str, int] = {}
    pairs = [
        (row, rows + number_of.setdefault(text, len(number_of)))
        for column in columns
        for row, text in enumerate(column)
    ]
    return connected(pairs, rows + len(number_of))[:rows]
