"""The three kinds of tasks, as plain lists of texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medembed_pipeline.errors import MedembedError


class TaskError(MedembedError):
    """A task cannot be read; it is left out, and the other tasks go on."""


@dataclass(frozen=True)
class RankingTask:
    """Queries that search a corpus.

    Attributes:
        name: of the task.
        family: passages, clinical_terms, everyday_language or own.
        queries: texts.
        corpus: texts.
        relevant: per query, the positions of its relevant corpus texts and their gains, above 0; at least one.
        query_groups: the unit of sampling of each query.
        corpus_groups: the unit of sampling of each corpus text, by the same naming.
    """

    name: str
    family: str
    queries: list[str]
    corpus: list[str]
    relevant: list[dict[int, float]]
    query_groups: list[str]
    corpus_groups: list[str]


@dataclass(frozen=True)
class PairTask:
    """Pairs of texts (`left` and `right`) with a score of how alike they are; higher is more alike."""

    name: str
    family: str
    left: list[str]
    right: list[str]
    scores: list[float]


@dataclass(frozen=True)
class TripletTask:
    """An anchor is nearer to `same` than to `other`."""

    name: str
    family: str
    anchors: list[str]
    same: list[str]
    other: list[str]


Task = RankingTask | PairTask | TripletTask


def connected_groups(
    relevant: Sequence[Mapping[int, float]], corpus_size: int
) -> tuple[list[str], list[str]]:
    """Groups of queries and corpus texts that hang together by relevance.

    Queries that share a relevant text are in one group with it and with all that their relevant texts lead to:
    the connected components of the graph in which each query is joined to its relevant texts. A corpus text
    that is relevant to no query is a group of its own.

    Args:
        relevant: per query, the positions of its relevant corpus texts, from 0 to corpus_size - 1.
        corpus_size: number of corpus texts.

    Returns:
        The group of each query and of each corpus text, as names; equal names are one group.
    """
    parents = list(range(len(relevant) + corpus_size))  # queries, then corpus texts

    def root(node: int) -> int:
        while parents[node] != node:
            parents[node] = parents[parents[node]]
            node = parents[node]
        return node

    for query, texts in enumerate(relevant):
        for text in texts:
            # The smaller root stays, so that names do not depend on the order of the relevant texts.
            first, second = sorted((root(query), root(len(relevant) + text)))
            parents[second] = first
    names = [str(root(node)) for node in range(len(parents))]
    return names[: len(relevant)], names[len(relevant) :]
