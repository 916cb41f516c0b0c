"""Anchor, positive, negative: chosen from notes of one split, by label and by baseline similarity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from medembed_pipeline.errors import MedembedError

Strategy = Literal["random", "semi_hard", "hard"]

CANDIDATES = 10
"""Negatives to draw among: the ten that fit the strategy best, so that one odd note is not every anchor's negative."""

SECOND_CHOICE = -2.0
"""Scores below this are drawn only where no note fits the strategy; cosines never reach it."""

ROUNDS = 20
"""Attempts to replace triplets that were drawn twice before accepting fewer."""


class TripletError(MedembedError):
    """The notes do not allow triplets."""


@dataclass(frozen=True)
class LabelledNotes:
    """Notes of one split, sorted by id.

    Attributes
    ----------
    note_ids
        n ids.
    vectors
        float32 [n, d], L2-normalised baseline embeddings.
    specialties
        n sets of specialties; notes without one take no part.
    duplicate_groups
        n group ids; a positive comes from another group than its anchor.
    """

    note_ids: Sequence[str]
    vectors: np.ndarray
    specialties: Sequence[frozenset[str]]
    duplicate_groups: Sequence[str]


@dataclass(frozen=True)
class Triplets:
    """Triplets as positions into `LabelledNotes`, all int64 [t], with cosine similarities float32 [t].

    `specialty` names, per triplet, the specialty that anchor and positive were drawn for.
    """

    anchor: np.ndarray
    positive: np.ndarray
    negative: np.ndarray
    positive_similarity: np.ndarray
    negative_similarity: np.ndarray
    specialty: list[str]


def usable_specialties(specialties: Sequence[frozenset[str]], minimum_notes: int) -> list[str]:
    """Specialties with at least `minimum_notes` notes, sorted."""
    counts: dict[str, int] = {}
    for names in specialties:
        for name in names:
            counts[name] = counts.get(name, 0) + 1
    return sorted(name for name, count in counts.items() if count >= minimum_notes)


def triplet_quotas(counts: np.ndarray, total: int) -> np.ndarray:
    """Share `total` triplets among specialties in proportion to the square root of their notes.

    The square root lets a small specialty be heard without letting three notes fill a tenth of the training.

    Parameters
    ----------
    counts
        int [s], notes per specialty.
    total
        triplets to share out.

    Returns
    -------
    np.ndarray
        int [s] that adds up to `total`, by largest remainder.
    """
    weights = np.sqrt(counts.astype(np.float64))
    exact = weights / weights.sum() * total
    quotas = np.floor(exact).astype(np.int64)
    remainder = np.argsort(-(exact - quotas), kind="stable")[: total - int(quotas.sum())]
    quotas[remainder] += 1
    return quotas


def sample_triplets(
    notes: LabelledNotes, *, usable: Sequence[str], total: int, strategy: Strategy, seed: int
) -> Triplets:
    """Draw `total` different triplets, or as many as the notes allow.

    Positive: shares the drawn specialty, and comes from another duplicate group. Negative: shares no specialty.
    `random` takes any negative. `semi_hard` takes one of the most similar negatives that are still less similar
    to the anchor than the positive is (Schroff et al., FaceNet, CVPR 2015, section 3.2); where there is none, one
    of the least similar. `hard` takes one of the most similar negatives whatever the positive.

    Parameters
    ----------
    notes
        the notes of one split.
    usable
        specialties to draw for.
    total
        how many triplets.
    strategy
        how the negative is chosen.
    seed
        of every choice.

    Raises
    ------
    TripletError
        no specialty has two notes of different groups, or no two notes have disjoint specialties.
    """
    members = _membership(notes.specialties, usable)
    labelled = np.flatnonzero(members.any(axis=1))
    _, groups = np.unique(np.asarray(notes.duplicate_groups), return_inverse=True)
    generator = np.random.default_rng(seed)

    pools = {column: np.flatnonzero(members[:, column]) for column in range(len(usable))}
    drawable = [column for column, pool in pools.items() if len(np.unique(groups[pool])) >= 2]
    if not drawable:
        raise TripletError(
            f"no specialty has two notes from different duplicate groups ({len(labelled)} notes with a usable "
            "specialty in this split). Add labelled notes, or give this split a larger share."
        )
    quotas = triplet_quotas(np.array([len(pools[column]) for column in drawable]), total)
    all_members = _membership(notes.specialties, sorted(set().union(*notes.specialties)))

    drawn: dict[tuple[int, int, int], tuple[float, float, int]] = {}
    for column, quota in zip(drawable, quotas, strict=True):
        wanted = len(drawn) + int(quota)
        for _ in range(ROUNDS):
            missing = wanted - len(drawn)
            if missing <= 0:
                break
            anchors, positives = _draw_pairs(pools[column], groups, missing, generator)
            for triplet in _add_negatives(
                anchors, positives, notes.vectors, all_members, labelled, strategy, generator
            ):
                drawn.setdefault(triplet[:3], (*triplet[3:], column))
    if not drawn:
        raise TripletError(
            "every two notes of this split share a specialty, so there is no negative. "
            "Fine-tuning needs at least two specialties."
        )
    order = generator.permutation(len(drawn))
    keys = np.array(list(drawn), dtype=np.int64)[order]
    values = [list(drawn.values())[position] for position in order]
    return Triplets(
        anchor=keys[:, 0],
        positive=keys[:, 1],
        negative=keys[:, 2],
        positive_similarity=np.array([value[0] for value in values], np.float32),
        negative_similarity=np.array([value[1] for value in values], np.float32),
        specialty=[usable[value[2]] for value in values],
    )


def _membership(specialties: Sequence[frozenset[str]], names: Sequence[str]) -> np.ndarray:
    """float32 [n, s]: 1 where the note carries the specialty."""
    columns = {name: column for column, name in enumerate(names)}
    members = np.zeros((len(specialties), len(names)), np.float32)
    for row, carried in enumerate(specialties):
        for name in carried:
            if name in columns:
                members[row, columns[name]] = 1
    return members


def _draw_pairs(
    pool: np.ndarray, groups: np.ndarray, count: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Anchors in turns through the shuffled pool, each with a random positive of another group."""
    repeats = -(-count // len(pool))
    anchors = np.concatenate([generator.permutation(pool) for _ in range(repeats)])[:count]
    positives = generator.choice(pool, size=count)
    for _ in range(ROUNDS):
        clash = groups[anchors] == groups[positives]
        if not clash.any():
            break
        positives[clash] = generator.choice(pool, size=int(clash.sum()))
    fits = groups[anchors] != groups[positives]
    return anchors[fits], positives[fits]


def _add_negatives(
    anchors: np.ndarray,
    positives: np.ndarray,
    vectors: np.ndarray,
    members: np.ndarray,
    labelled: np.ndarray,
    strategy: Strategy,
    generator: np.random.Generator,
    block: int = 1024,
) -> list[tuple[int, int, int, float, float]]:
    """One negative per pair, in blocks so that memory stays at `block` x n similarities."""
    found: list[tuple[int, int, int, float, float]] = []
    for start in range(0, len(anchors), block):
        rows = anchors[start : start + block]
        partners = positives[start : start + block]
        similarity = vectors[rows] @ vectors[labelled].T
        allowed = (members[rows] @ members[labelled].T) == 0
        positive_similarity = np.einsum("ij,ij->i", vectors[rows], vectors[partners])
        scores = _scores(similarity, allowed, positive_similarity, strategy, generator)
        width = min(CANDIDATES, len(labelled))
        best = np.argpartition(-scores, width - 1, axis=1)[:, :width]
        best = np.take_along_axis(
            best, np.argsort(-np.take_along_axis(scores, best, 1), axis=1, kind="stable"), 1
        )
        ranked = np.take_along_axis(scores, best, 1)
        fitting, possible = (ranked > SECOND_CHOICE).sum(axis=1), np.isfinite(ranked).sum(axis=1)
        reachable = np.where(fitting > 0, fitting, possible)
        picks = (generator.random(len(rows)) * reachable).astype(np.int64)
        for row in np.flatnonzero(reachable):
            column = best[row, picks[row]]
            found.append(
                (
                    int(rows[row]),
                    int(partners[row]),
                    int(labelled[column]),
                    float(positive_similarity[row]),
                    float(similarity[row, column]),
                )
            )
    return found


def _scores(
    similarity: np.ndarray,
    allowed: np.ndarray,
    positive_similarity: np.ndarray,
    strategy: Strategy,
    generator: np.random.Generator,
) -> np.ndarray:
    """How well each note serves as negative, higher is better, -inf where it shares a specialty."""
    if strategy == "random":
        scores = generator.random(similarity.shape)
    elif strategy == "hard":
        scores = similarity.astype(np.float64)
    else:
        below = similarity < positive_similarity[:, None]
        scores = np.where(below, similarity, SECOND_CHOICE - 1.0 - similarity).astype(np.float64)
    scores[~allowed] = -np.inf
    return scores
