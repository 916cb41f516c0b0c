"""The label ceiling: how good any model could be when it is scored with these labels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from medembed_pipeline.evaluation.metric_names import MetricKey
from medembed_pipeline.evaluation.relevance import jaccard, label_matrix
from medembed_pipeline.evaluation.retrieval import NDCG_CUTOFF, PRECISION_CUTOFFS
from medembed_pipeline.evaluation.vectors import FloatArray
from medembed_pipeline.evidence.labels.errors import LabelReviewError

CEILING_METRICS: tuple[MetricKey, ...] = (
    *(("precision", cutoff) for cutoff in PRECISION_CUTOFFS),
    ("mrr", None),
    ("ndcg", NDCG_CUTOFF),
    ("map", None),
)

_DECIMALS = 12


def label_ceilings(
    given: Sequence[Collection[str]], believed: Sequence[Collection[str]]
) -> list[dict[str, Any]]:
    """The best figures that a model could reach on these held-out notes, by their labels.

    `ceiling`: of a model that reproduces the given labels, errors included, so that every relevant candidate
    comes before the others: mean over the queries of min(relevant candidates, k) / k for precision at k, and 1
    for MRR, nDCG and MAP. No model can do better.

    `ceiling_with_label_noise`: what a model reaches in expectation that knows what each note is about
    (`believed`), but not how it was filed. It ranks the candidates by the Jaccard index of the believed sets,
    in random order where that is equal, and is scored with the given labels, as every model here is. The
    assumption is that the believed sets are true, hence that the notes which look wrong are wrong and are all
    that is wrong. Where the review misses errors, the true ceiling lies lower; where it suspects notes that are
    only hard, higher. A model that beats this ceiling has either learned how notes are misfiled or knows better
    than the review.

    Parameters
    ----------
    given
        n specialty sets as filed, without empty ones.
    believed
        n specialty sets as they would be without label errors.

    Returns
    -------
    list[dict[str, Any]]
        Records `metric`, `k` (None where it has none), `ceiling`, `ceiling_with_label_noise`, `n` (queries), in the
        order of CEILING_METRICS; empty where no note has a relevant candidate.

    Raises
    ------
    LabelReviewError
        different numbers of sets.
    """
    if len(given) != len(believed):
        raise LabelReviewError(
            f"{len(given)} given and {len(believed)} believed specialty sets; expected pairs."
        )
    labels = label_matrix([*given, *believed]).membership
    filed, true = labels[: len(given)], labels[len(given) :]
    best, realistic = expected_scores(filed, filed), expected_scores(filed, true)
    queries = np.isfinite(best["map", None])
    if not queries.any():
        return []
    return [
        {
            "metric": metric,
            "k": k,
            "ceiling": _mean(best[metric, k][queries]),
            "ceiling_with_label_noise": _mean(realistic[metric, k][queries]),
            "n": int(queries.sum()),
        }
        for metric, k in CEILING_METRICS
    ]


def expected_scores(given: FloatArray, believed: FloatArray) -> dict[MetricKey, FloatArray]:
    """Expected retrieval figures of a ranking by the believed sets, scored with the given ones.

    Candidates whose believed sets are equally similar to the query's form a tier, in random order. Within a tier
    of n candidates, r of them relevant, that follows N candidates, R of them relevant, the expected precision at
    a relevant rank i is (R + 1 + (i - 1) (r - 1) / (n - 1)) / (N + i): exact, without drawing orders.

    Notes with the same pair of sets have the same figures and are the same as candidates, so that the cost grows
    with the square of the number of different pairs, not of notes.

    Reference: F. McSherry, M. Najork, "Computing information retrieval performance measures efficiently in the
    presence of tied scores", ECIR 2008.

    Parameters
    ----------
    given
        float64 [n, m], what relevance and gains are computed from.
    believed
        float64 [n, m], what the ranking is made from.

    Returns
    -------
    dict[MetricKey, FloatArray]
        (metric, k) -> float64 [n], defined as in `retrieval_scores`; NaN for a query without a relevant candidate.
    """
    kinds, kind_of = np.unique(np.hstack([given, believed]), axis=0, return_inverse=True)
    kind_of = kind_of.reshape(-1)
    sizes = np.bincount(kind_of, minlength=len(kinds)).astype(np.float64)
    width = given.shape[1]
    values = {key: np.full(len(kinds), np.nan) for key in CEILING_METRICS}
    for kind in range(len(kinds)):
        candidates = sizes.copy()
        candidates[kind] -= 1
        present = candidates > 0
        candidates = candidates[present]
        query = kinds[kind : kind + 1]
        gains = jaccard(query[:, :width], kinds[present, :width])[0]
        if not gains.any():
            continue
        likeness = np.round(jaccard(query[:, width:], kinds[present, width:])[0], _DECIMALS)
        _, tier_of = np.unique(-likeness, return_inverse=True)
        tiers: list[FloatArray] = [
            np.bincount(tier_of, weights=candidates * part).astype(np.float64)
            for part in (1.0, gains > 0, gains)
        ]
        scores = _tier_scores(*tiers)
        scores["ndcg", NDCG_CUTOFF] /= _best_gain(gains, candidates)
        for key in CEILING_METRICS:
            values[key][kind] = scores[key]
    return {key: column[kind_of] for key, column in values.items()}


def _tier_scores(sizes: FloatArray, relevant: FloatArray, gains: FloatArray) -> dict[MetricKey, float]:
    """Expected figures of one query, from the candidates, the relevant ones and the gain of each tier, best first.

    The value of nDCG is not yet normalised.
    """
    scores: dict[MetricKey, float] = dict.fromkeys(CEILING_METRICS, 0.0)
    placed, found = 0, 0.0
    for size, hits, gain in zip(sizes.astype(int).tolist(), relevant, gains, strict=True):
        place = np.arange(size)
        ranks = placed + 1 + place
        for cutoff in PRECISION_CUTOFFS:
            scores["precision", cutoff] += max(0, min(size, cutoff - placed)) * (hits / size) / cutoff
        scores["ndcg", NDCG_CUTOFF] += float((gain / size / np.log2(ranks[ranks <= NDCG_CUTOFF] + 1)).sum())
        if hits:
            before = found + 1 + place * (hits - 1) / max(1, size - 1)
            scores["map", None] += float((hits / size * before / ranks).sum()) / float(relevant.sum())
            if not found:
                scores["mrr", None] = float((_first_relevant(size, int(hits)) / ranks).sum())
        placed, found = placed + size, found + hits
    return scores


def _first_relevant(size: int, relevant: int) -> FloatArray:
    """Probability that the first of `relevant` among `size` candidates in random order stands at each place."""
    place = np.arange(size)
    # Share of orders in which the candidate at a place is relevant, given that none before it was.
    here = np.minimum(1.0, relevant / (size - place))
    none_before = np.concatenate([[1.0], np.cumprod(1.0 - here)[:-1]])
    return np.asarray(none_before * here)


def _best_gain(gains: FloatArray, candidates: FloatArray) -> float:
    """Discounted cumulative gain of the best order of all candidates."""
    order = np.argsort(-gains, kind="stable")
    best = np.repeat(gains[order], np.minimum(candidates[order], NDCG_CUTOFF).astype(int))[:NDCG_CUTOFF]
    return float((best / np.log2(np.arange(len(best)) + 2)).sum())


def _mean(values: FloatArray) -> float:
    return round(float(values.mean()), _DECIMALS)
