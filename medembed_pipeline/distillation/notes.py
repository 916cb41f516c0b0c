"""By what a strength is chosen: the validation notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from medembed_pipeline.evaluation.relevance import label_matrix
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.training.validation import EpochChoice, retrieval_columns


def validation_score(
    notes: LakeTable, note_ids: Sequence[str], tuned: npt.NDArray[np.float32]
) -> Callable[[npt.NDArray[np.float32]], float]:
    """A score of float32 [m, d] vectors of the validation notes.

    The main metric among those with a label; where fewer than two have one, the mean cosine with the tuned model.

    Parameters
    ----------
    notes
        `cleaned_notes`.
    note_ids
        m validation notes.
    tuned
        float32 [m, d], the tuned model's vectors, L2-normalised.
    """
    columns = notes.read(["note_id", "specialties"]).to_pydict()
    labels_of = dict(zip(columns["note_id"], columns["specialties"], strict=True))
    labelled = [row for row, note in enumerate(note_ids) if labels_of[note]]
    if len(labelled) < 2:
        return lambda vectors: float(np.einsum("ij,ij->i", vectors, tuned).mean()) if len(tuned) else 0.0
    members = label_matrix([labels_of[note_ids[row]] for row in labelled]).membership.astype(np.float32)
    main = EpochChoice().main_metric

    def score(vectors: npt.NDArray[np.float32]) -> float:
        # A note without a known token has no direction, and finds nothing.
        length = np.linalg.norm(vectors[labelled], axis=1, keepdims=True)
        found = np.where(
            length > 0, vectors[labelled], tuned.mean(axis=0) / np.linalg.norm(tuned.mean(axis=0))
        )
        return retrieval_columns(found, members, main_metric=main)["validation_score"]

    return score
