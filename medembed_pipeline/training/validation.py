"""How good an encoder is on the validation notes, after every epoch. Loads no torch."""

import numpy as np
import numpy.typing as npt

from medembed_pipeline.settings import Section, VerdictSettings

# Above this many validation notes the scores are those of a seeded sample: it costs the same each epoch
# however large the corpus is, and the standard error of P@5 is below 0.005.
SCORED_NOTES = 4000


class EpochChoice(Section):
    """Which figure on the validation notes chooses the epoch: the one that the verdict looks at."""

    main_metric: str = VerdictSettings().main_metric


def retrieval_columns(
    vectors: npt.NDArray[np.float32], members: npt.NDArray[np.float32], *, main_metric: str
) -> dict[str, float]:
    """Leave-one-out retrieval among the validation notes, by the very definition of the figures on held-out notes.

    Args:
        vectors: float32 [n, d], L2-normalised, of notes with a specialty, in the order of their ids.
        members: float32 [n, specialties] of zeros and ones.
        main_metric: as under `[verdict]`.

    Returns:
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


def triplet_accuracy(vectors: npt.NDArray[np.float32], triplets: npt.NDArray[np.int64]) -> float:
    """Share of triplets whose positive is more similar to the anchor than the negative is.

    Args:
        vectors: float32 [n, d], L2-normalised.
        triplets: int64 [t, 3], positions of anchor, positive and negative.
    """
    anchor, positive, negative = (vectors[triplets[:, place]] for place in range(3))
    gap = np.einsum("ij,ij->i", anchor, positive) - np.einsum("ij,ij->i", anchor, negative)
    return float((gap > 0).mean())
