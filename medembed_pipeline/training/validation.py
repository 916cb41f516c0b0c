"""How good an encoder is on the validation notes, after every epoch. Loads no torch."""

import numpy as np
import numpy.typing as npt

from medembed_pipeline.section import Section
from medembed_pipeline.tasks.settings import TaskSettings
from medembed_pipeline.verdict.settings import VerdictSettings

# Above this many validation notes the scores are those of a seeded sample: it costs the same each epoch
# however large the corpus is, and the standard error of P@5 is below 0.005.
SCORED_NOTES = 4000
# Fewer passages say nothing of a model, as in the task of the verdict: then none has to be kept.
SMALLEST_PASSAGES = 20
# Similarities nearer to each other than this are equal: float32 says no more.
_SAME = 1e-6


class EpochChoice(Section):
    """By what a training is chosen on the validation notes: what the verdict goes by."""

    main_metric: str = VerdictSettings().main_metric
    passages_tolerance: float = TaskSettings().passages_tolerance


def retrieval_columns(
    vectors: npt.NDArray[np.float32], members: npt.NDArray[np.float32], *, main_metric: str
) -> dict[str, float]:
    """Leave-one-out retrieval among the validation notes, by the very definition of the figures on held-out notes.

    Parameters
    ----------
    vectors
        float32 [n, d], L2-normalised, of notes with a specialty, in the order of their ids.
    members
        float32 [n, specialties] of zeros and ones.
    main_metric
        as under `[verdict]`.

    Returns
    -------
    dict[str, float]
        The columns `validation_precision_at_5`, `validation_map` and `validation_score` (the main metric), each a
        mean over the notes that share a specialty with another; 0 where there is none.
    """
    # Its pure functions load nothing of the assets; the room itself stands below this one.
    from medembed_pipeline.evaluation.metric_names import metric_key
    from medembed_pipeline.evaluation.retrieval import retrieval_scores
    from medembed_pipeline.evaluation.vectors import unit_rows

    scores = retrieval_scores(unit_rows(vectors), members.astype(np.float64))

    def mean(name: str) -> float:
        values = scores[metric_key(name)]
        defined = values[np.isfinite(values)]
        return float(defined.mean()) if len(defined) else 0.0

    return {
        "validation_precision_at_5": mean("precision@5"),
        "validation_map": mean("map"),
        "validation_score": mean(main_metric),
    }


def passage_rank_scores(
    passages: npt.NDArray[np.float32], notes: npt.NDArray[np.float32], own: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Reciprocal rank of each passage's own note among all notes; a note as similar as the own one counts as before it.

    Parameters
    ----------
    passages
        float32 [p, d], L2-normalised.
    notes
        float32 [n, d], L2-normalised.
    own
        int64 [p], positions in `notes`.

    Returns
    -------
    npt.NDArray[np.float64]
        float64 [p].
    """
    similarity = passages @ notes.T
    found = similarity[np.arange(len(own)), own]
    ranks = (similarity >= found[:, None] - _SAME).sum(axis=1)
    return np.asarray(1.0 / np.maximum(ranks, 1), dtype=np.float64)


def similarities_kept(vectors: npt.NDArray[np.float32], before: npt.NDArray[np.float32]) -> float:
    """Pearson correlation of the similarities of each two texts, now and before; 1 where nothing changed.

    Parameters
    ----------
    vectors, before
        float32 [n, d], L2-normalised, of the same texts.
    """
    pairs = np.triu_indices(len(vectors), k=1)
    now, then = (vectors @ vectors.T)[pairs], (before @ before.T)[pairs]
    if len(now) < 2 or now.std() == 0 or then.std() == 0:
        return 1.0 if np.allclose(now, then, atol=1e-6) else 0.0
    return float(np.corrcoef(now, then)[0, 1])


def triplet_accuracy(vectors: npt.NDArray[np.float32], triplets: npt.NDArray[np.int64]) -> float:
    """Share of triplets whose positive is more similar to the anchor than the negative is.

    Parameters
    ----------
    vectors
        float32 [n, d], L2-normalised.
    triplets
        int64 [t, 3], positions of anchor, positive and negative.
    """
    anchor, positive, negative = (vectors[triplets[:, place]] for place in range(3))
    gap = np.einsum("ij,ij->i", anchor, positive) - np.einsum("ij,ij->i", anchor, negative)
    return float((gap > 0).mean())
