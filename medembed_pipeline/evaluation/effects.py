"""What each candidate does to the score of each query: by how much it falls when the candidate leaves.

Leaving out a candidate moves up those behind it, and nothing else, so all of it is read off the ranking.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medembed_pipeline.evaluation.retrieval import NDCG_CUTOFF, Ranked, Ranking, Wanted, discounted
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray

Effects = tuple[IntArray, IntArray, FloatArray]
"""Query, group, and by how much the query's score falls when the group's candidates leave."""

_DISCOUNTS = 1.0 / np.log2(np.arange(2, NDCG_CUTOFF + 2))
_ROUNDING = 1e-12


def precision_effects(ranked: Ranked, group_of: IntArray, cutoff: int, window: int) -> Effects:
    """By group: one among the first k that leaves makes room for those behind it.

    Parameters
    ----------
    ranked
        the candidates.
    group_of
        int64 [candidates].
    cutoff
        k.
    window
        ranks that can come among the first k when a group leaves: k and the candidates of a group.
    """
    width = min(cutoff, ranked.relevant.shape[1])
    near, found = group_of[ranked.order[:, :window]], ranked.relevant[:, :window]
    now = ranked.relevant[:, :width].sum(axis=1)
    values = np.zeros((len(near), width))
    for place in range(width):
        stays = near != near[:, place, None]
        left = found & stays & (np.cumsum(stays, axis=1) <= cutoff)
        values[:, place] = (now - left.sum(axis=1)) / cutoff
        # A group counts where it is met first.
        values[(near[:, :place] == near[:, place, None]).any(axis=1), place] = 0.0
    query, rank = np.nonzero(values)
    return query, near[query, rank], values[query, rank]


@dataclass(frozen=True)
class Leading:
    """What decides the reciprocal rank of some queries.

    Attributes
    ----------
    group
        int64 [queries], group of the first relevant candidate.
    second
        int64 [queries], rank of the first relevant candidate of another group; -1 for none.
    before
        int64, groups of the candidates before that one, or before the first relevant one where there is no other:
        nearest first, query after query.
    """

    group: IntArray
    second: IntArray
    before: IntArray


def leading_candidates(ranking: Ranking, wanted: Wanted, group_of: IntArray, largest: int) -> Leading:
    """Of queries that all have a relevant candidate.

    Parameters
    ----------
    ranking, wanted
        of the queries.
    group_of
        int64 [candidates].
    largest
        candidates of the largest group: among one more there are two groups.
    """
    query, number = _ragged(np.minimum(wanted.total, largest + 1))
    rank = ranking.rank[wanted.starts[query] + number]
    groups = group_of[ranking.at(query, rank)]
    own = number == 0
    group, lengths = groups[own], rank[own]
    others = np.flatnonzero(groups != group[query])
    others = others[np.flatnonzero(np.diff(query[others], prepend=-1))]
    second = np.full(len(group), -1)
    second[query[others]] = lengths[query[others]] = rank[others]
    return Leading(group, second, group_of[ranking.at(*_ragged(lengths))])


def _ragged(lengths: IntArray) -> tuple[IntArray, IntArray]:
    """Row and place of every entry of rows of these lengths."""
    row = np.repeat(np.arange(len(lengths)), lengths)
    return row, np.arange(len(row)) - (np.cumsum(lengths) - lengths)[row]


def reciprocal_rank_effects(first: IntArray, leading: Leading) -> Effects:
    """By group: those before the first relevant candidate hold it back; without the first, another group has it.

    Parameters
    ----------
    first
        int64 [queries], rank of the first relevant candidate.
    leading
        of the same queries.
    """
    second = leading.second
    query, rank = _ragged(np.where(second >= 0, second, first))
    of_own = leading.before == leading.group[query]
    held_back = second - np.bincount(query[of_own], minlength=len(first))
    instead = np.where(second >= 0, 1.0 / np.maximum(held_back + 1, 1), 0.0)
    nearer = (rank < first[query]) & ~of_own
    width = int(leading.before.max(initial=0)) + 1
    pairs, count = np.unique(query[nearer] * width + leading.before[nearer], return_counts=True)
    query = pairs // width
    before = 1.0 / (first[query] + 1) - 1.0 / (first[query] + 1 - count)
    return (
        np.concatenate([query, np.arange(len(first))]),
        np.concatenate([pairs % width, leading.group]),
        np.concatenate([before, 1.0 / (first + 1) - instead]),
    )


def gain_effects(ranked: Ranked, group_of: IntArray, scores: FloatArray, window: int) -> Effects:
    """By group: those that leave move up those behind them, here and in the best possible order.

    Parameters
    ----------
    ranked
        the candidates.
    group_of
        int64 [candidates].
    scores
        nDCG of each query.
    window
        as in `precision_effects`.
    """
    width = min(NDCG_CUTOFF, ranked.order.shape[1])
    near, gains = group_of[ranked.order[:, :window]], ranked.gains[:, :window]
    ideal, losses = _ideal_losses(ranked.best)
    best = group_of[ranked.best_candidates]
    values = np.zeros((len(near), width + best.shape[1]))
    groups = np.hstack([near[:, :width], best])
    found = discounted(ranked.gains)
    for place in range(width + best.shape[1]):
        group = groups[:, place]
        left = found
        if place < width:
            stays = near != group[:, None]
            ranks = np.cumsum(stays, axis=1)
            counted = stays & (ranks <= NDCG_CUTOFF)
            left = (gains * counted * _DISCOUNTS[np.clip(ranks, 1, NDCG_CUTOFF) - 1]).sum(axis=1)
        # What the group's candidates are worth in the best possible order is added up.
        best_left = ideal - np.where(best == group[:, None], losses, 0.0).sum(axis=1)
        possible = best_left > _ROUNDING
        kept = np.divide(left, best_left, out=np.zeros_like(left), where=possible)
        values[:, place] = scores - np.minimum(kept, 1.0)
        # A group counts where it is met first, nearest candidates before those of the best order.
        values[(groups[:, :place] == group[:, None]).any(axis=1), place] = 0.0
    query, column = np.nonzero(values)
    return query, groups[query, column], values[query, column]


def _ideal_losses(best: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The best possible discounted gain, [q], and by how much it falls without each of the largest gains, [q, 11]."""
    wide = np.zeros((len(best), NDCG_CUTOFF + 1))
    wide[:, : best.shape[1]] = best[:, : NDCG_CUTOFF + 1]
    here, moved_up = wide[:, :-1] * _DISCOUNTS, wide[:, 1:] * _DISCOUNTS
    losses = np.cumsum((here - moved_up)[:, ::-1], axis=1)[:, ::-1]
    losses = np.hstack([losses, np.zeros((len(best), 1))])
    return discounted(best), losses[:, : best.shape[1]]


def average_precision_effects(ranking: Ranking, wanted: Wanted) -> FloatArray:
    """Of every ranked candidate of queries that all have a relevant one, float64 [queries * ranks].

    With h relevant candidates among the first r ranks, average precision is the sum of h / r over relevant ranks,
    divided by their number R. Without an irrelevant candidate every later term is h / (r - 1); without a relevant
    one it is (h - 1) / (r - 1), its own term is gone, and R is one less. So an irrelevant candidate's effect depends on
    how many relevant ones are before it, and on nothing else.
    """
    total, starts, query = wanted.total, wanted.starts, wanted.query
    nearer = np.maximum(
        ranking.rank, 1.0
    )  # nothing is before the first rank, so its terms are never asked for
    terms = ranking.precision / nearer
    gain = _behind(terms, total)
    whole = np.add.reduceat(ranking.precision, starts)
    # Without the last one that is relevant nothing is left, neither of the sum nor of the average.
    fewer = np.repeat(np.maximum(total - 1.0, 1.0), total)
    left = np.repeat(whole, total) - ranking.precision + _behind(terms - 1.0 / nearer, total)
    # By query and number of relevant candidates so far, from none of them to all; and where each number begins.
    ranks = ranking.places.shape[1]
    found = ranks * query + ranking.rank
    none = starts + np.arange(len(total))
    some = query + np.arange(1, len(query) + 1)
    so_far, begins = np.empty(len(query) + len(total)), np.empty(len(query) + len(total), dtype=np.int64)
    so_far[some], begins[some] = gain, found
    so_far[none], begins[none] = gain[starts] + terms[starts], ranks * np.arange(len(total))
    so_far /= np.repeat(-total, total + 1)
    effect = np.repeat(so_far, np.diff(begins, append=ranks * len(total)))
    effect[found] = np.repeat(whole / total, total) - left / fewer
    return effect


def _behind(values: FloatArray, total: IntArray) -> FloatArray:
    """Sum of a query's values behind each of its values; all queries after one another."""
    summed = np.cumsum(values)
    return np.repeat(summed[np.cumsum(total) - 1], total) - summed
