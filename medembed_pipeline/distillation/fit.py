"""Token vectors whose mean is, as nearly as can be, the tuned model's vector of each train note.

A note's tokens are counted and weighted by how few notes hold them (Spärck Jones, "A statistical interpretation of term
specificity", Journal of Documentation 28, 1972); the vectors are a ridge regression of the tuned vectors on these
weights (Hoerl & Kennard, "Ridge regression", Technometrics 12, 1970), solved by the notes' products with each other.
The weight is part of a token's vector afterwards. The tuned model reads the beginning of a note; its vector is imitated
by the tokens of the whole note.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medembed_pipeline.distillation.static import unit_means
from medembed_pipeline.evaluation.vectors import FloatArray
from medembed_pipeline.threads import one_thread

MOST_NOTES = 8_192
"""Train notes that are learned from, at most: their products with each other are held in memory, half a gigabyte."""
_SEED = 7


@dataclass(frozen=True)
class Fitted:
    """Token vectors, and how they were chosen.

    Attributes
    ----------
    tokens
        int64 [t], those that train notes hold, ascending.
    vectors
        float32 [t, d].
    middle
        float32 [d], unit vector of the mean train note.
    scores
        the validation score of each strength, in their order.
    strength
        the one that was taken.
    """

    tokens: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float32]
    middle: npt.NDArray[np.float32]
    scores: list[float]
    strength: float


def fit(
    counts: Any,
    wanted: npt.NDArray[np.float32],
    strengths: Sequence[float],
    *,
    validation: Any,
    score: Callable[[npt.NDArray[np.float32]], float],
) -> Fitted:
    """Fit the vectors by each strength, and take the one that is best on validation notes; the larger of equals.

    Parameters
    ----------
    counts
        scipy.sparse [n, vocabulary], tokens of the train notes.
    wanted
        float32 [n, d], the tuned model's vectors of the same notes, L2-normalised.
    strengths
        ridge penalties, against rows of length 1.
    validation
        scipy.sparse [m, vocabulary], tokens of the validation notes.
    score
        of float32 [m, d] vectors of these, higher is better.
    """
    if counts.shape[0] > MOST_NOTES:
        chosen = np.sort(np.random.default_rng(_SEED).permutation(counts.shape[0])[:MOST_NOTES])
        counts, wanted = counts[chosen], wanted[chosen]
    holding = np.asarray((counts > 0).sum(axis=0)).reshape(-1)
    tokens = np.flatnonzero(holding)
    weights = rarity(counts.shape[0], holding[tokens])
    middle = wanted.mean(axis=0, dtype=np.float64)
    middle /= max(float(np.linalg.norm(middle)), 1e-12)
    rows = _unit_rows(counts[:, tokens].multiply(weights).tocsr())
    found: list[FloatArray] = []
    scores = []
    with one_thread():  # else the last digits depend on how many there are
        products = (rows @ rows.T).toarray()
        values, directions = np.linalg.eigh(products)
        turned = directions.T @ wanted.astype(np.float64)
        for strength in strengths:
            duals = directions @ (turned / (np.maximum(values, 0) + strength)[:, None])
            found.append(np.asarray(rows.T @ duals) * weights[:, None])
            scores.append(score(unit_means(validation[:, tokens], found[-1])) if validation.shape[0] else 0.0)
    best = max(range(len(scores)), key=lambda at: (round(scores[at], 9), strengths[at]))
    return Fitted(
        tokens.astype(np.int64),
        found[best].astype(np.float32),
        middle.astype(np.float32),
        scores,
        strengths[best],
    )


def rarity(notes: int, holding: npt.NDArray[np.int64]) -> FloatArray:
    """float64 [t]: the weight of tokens of which each is held by so many of the notes (inverse document frequency)."""
    weights: FloatArray = np.log((1 + notes) / (1 + holding)) + 1
    return weights


def _unit_rows(rows: Any) -> Any:
    """Sparse rows at length 1; one without a token stays empty."""
    from scipy.sparse import diags

    lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).reshape(-1))
    return (diags(np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)) @ rows).tocsr()
