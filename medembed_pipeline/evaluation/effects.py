"""What each candidate does to the score of each query: by how much it falls when the candidate leaves.

Leaving out a candidate moves up those behind it, and nothing else, so all of it is read off the ranking.
"""

from __future__ import annotations

import numpy as np

from medembed_pipeline.evaluation.retrieval import NDCG_CUTOFF, Ranked, discounted
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray

Effects = tuple[IntArray, IntArray, FloatArray]
"""Query, group, and by how much the query's score falls when the group's candidates leave."""

_DISCOUNTS = 1.0 / np.log2(np.arange(2, NDCG_CUTOFF + 2))
_FIRST_LOOK = 64
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


def reciprocal_rank_effects(ranked: Ranked, group_of: IntArray) -> Effects:
    """By group: those before the first relevant candidate hold it back; without the first, another group has it."""
    # Nearly always the first ranks tell; only the other queries are looked at to the end.
    first, second, own = _first_of_two_groups(ranked, group_of, _FIRST_LOOK)
    left = np.flatnonzero(second < 0)
    if len(left):
        first[left], second[left], own[left] = _first_of_two_groups(
            ranked.of(left), group_of, ranked.order.shape[1]
        )
    width = int(max(first.max(), second.max())) + 1
    group = group_of[ranked.order[:, :width]]
    places = np.arange(width)
    of_own = group == own[:, None]
    held_back = second - (of_own & (places < second[:, None])).sum(axis=1)
    instead = np.where(second >= 0, 1.0 / np.maximum(held_back + 1, 1), 0.0)
    query, rank = np.nonzero((places < first[:, None]) & ~of_own)
    pairs, count = np.unique(np.stack([query, group[query, rank]]), axis=1, return_counts=True)
    query = pairs[0]
    before = 1.0 / (first[query] + 1) - 1.0 / (first[query] + 1 - count)
    return (
        np.concatenate([query, np.arange(len(first))]),
        np.concatenate([pairs[1], own]),
        np.concatenate([before, 1.0 / (first + 1) - instead]),
    )


def _first_of_two_groups(
    ranked: Ranked, group_of: IntArray, width: int
) -> tuple[IntArray, IntArray, IntArray]:
    """Place of the first relevant candidate, of the first of another group (-1: not seen); group of the first."""
    rows = np.arange(len(ranked.order))
    first = ranked.relevant.argmax(axis=1)
    own = group_of[ranked.order[rows, first]]
    others = ranked.relevant[:, :width] & (group_of[ranked.order[:, :width]] != own[:, None])
    second = others.argmax(axis=1)
    return first, np.where(others[rows, second], second, -1), own


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
    near, gains = group_of[ranked.order[:, :window]], ranked.top[:, :window]
    ideal, losses = _ideal_losses(ranked.best)
    best = group_of[ranked.best_candidates]
    values = np.zeros((len(near), width + best.shape[1]))
    groups = np.hstack([near[:, :width], best])
    found = discounted(ranked.top)
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


def average_precision_effects(ranked: Ranked) -> FloatArray:
    """Of every ranked candidate, float64 [queries, ranks].

    With h relevant candidates among the first r ranks, average precision is the sum of h / r over relevant ranks,
    divided by their number R. Without an irrelevant candidate every later term is h / (r - 1); without a relevant
    one it is (h - 1) / (r - 1), its own term is gone, and R is one less. So an irrelevant candidate's effect depends on
    how many relevant ones are before it, and on nothing else.
    """
    query, hits, total = ranked.query, ranked.hits, ranked.total
    number = total[query].astype(np.float64)
    rank = ranked.rank + 1.0
    nearer = np.maximum(rank - 1.0, 1.0)  # nothing is before the first rank, so its terms are never asked for
    terms = hits / rank
    whole = np.bincount(query, terms, minlength=len(total))
    gain, fall = _behind(terms / nearer, query, total), _behind(1.0 / nearer, query, total)
    left = np.divide(
        whole[query] - terms + gain - fall, number - 1.0, out=np.zeros_like(terms), where=number > 1
    )
    # By query and number of relevant candidates so far, from none of them to all.
    ends = np.cumsum(total + 1)
    starts = ends - total - 1
    so_far = np.zeros(int(ends[-1]))
    so_far[starts[query] + hits] = -gain / number
    first = np.flatnonzero(hits == 1)
    so_far[starts] = -(gain[first] + (terms / nearer)[first]) / total
    effect = so_far[np.cumsum(ranked.relevant, axis=1, dtype=np.int32) + starts[:, None]]
    effect[query, ranked.rank] = whole[query] / number - left
    return effect


def _behind(values: FloatArray, query: IntArray, total: IntArray) -> FloatArray:
    """Sum of a query's values behind each of its values; all queries after one another."""
    summed = np.cumsum(values)
    return summed[np.cumsum(total) - 1][query] - summed
