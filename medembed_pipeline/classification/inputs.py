"""What the assets of this room read of the lake."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medembed_pipeline.classification.errors import ClassificationError
from medembed_pipeline.classification.features import NoteRows, count_words
from medembed_pipeline.classification.notes import ClassifierNotes, classifier_notes
from medembed_pipeline.classification.settings import ClassificationSettings
from medembed_pipeline.encoder.spec import BUNDLED
from medembed_pipeline.evaluation.inputs import MODELS, held_out, measured_checkpoint, rows_of, texts_of
from medembed_pipeline.evaluation.vectors import unit_rows
from medembed_pipeline.lake.publishing import AssetIO
from medembed_pipeline.training.checkpoints import Checkpoint

INPUTS = ("cleaned_notes", "note_splits", "baseline_embeddings", "tuned_embeddings")


def read_notes(work: AssetIO, settings: ClassificationSettings) -> ClassifierNotes:
    """The notes of the lake; what they are read from is noted as inputs."""
    scored = held_out(work)
    columns = work.input("cleaned_notes").read(["note_id", "specialties"]).to_pydict()
    splits = work.input("note_splits").read(["note_id", "split"]).to_pydict()
    return classifier_notes(
        columns["note_id"],
        columns["specialties"],
        dict(zip(splits["note_id"], splits["split"], strict=True)),
        scored.group_of,
        trained=scored.trained,
        trained_groups=scored.trained_groups,
        smallest_label_notes=settings.smallest_label_notes,
    )


@dataclass(frozen=True)
class SeenNotes:
    """What classifiers see of the notes.

    Attributes
    ----------
    texts
        of every note, in the order of their ids.
    rows
        the same.
    words
        those that are counted.
    """

    texts: list[str]
    rows: NoteRows
    words: tuple[str, ...]


def read_rows(work: AssetIO, notes: ClassifierNotes) -> SeenNotes:
    """Words and vectors of all notes."""
    texts = texts_of(work.input("cleaned_notes"), notes.note_ids)
    counted = count_words(texts)
    vectors = {
        model: unit_rows(
            rows_of(work.input(f"{model}_embeddings"), notes.note_ids), name=f"{model} embeddings"
        )
        for model in MODELS
    }
    return SeenNotes(texts, NoteRows(counted.counts, vectors), counted.words)


def base_is_known(work: AssetIO) -> bool:
    """Whether the baseline vectors are of the bundled model, which has learned no label of these notes.

    Another base model may be anything, a checkpoint that was trained on them included.
    """
    settings = work.input("baseline_embeddings").footer.recipe.settings
    return bool(settings.get("EncoderSettings", {}).get("base") == BUNDLED)


def checkpoint_of_vectors(work: AssetIO, classifier_checkpoint: str | None) -> Checkpoint:
    """The checkpoint behind the vectors, which has to be the one that a classifier was made on.

    Parameters
    ----------
    work
        the asset's.
    classifier_checkpoint
        hash of the classifier's; None where it belongs to none.

    Raises
    ------
    ClassificationError
        it is another one; it names both hashes.
    """
    checkpoint = measured_checkpoint(work)
    if classifier_checkpoint is not None and classifier_checkpoint != checkpoint.data_version:
        raise ClassificationError(
            f"tuned_embeddings are of the checkpoint {checkpoint.data_version}, but specialty_classifier was made on "
            f"{classifier_checkpoint}: their figures would say nothing of each other. Materialize specialty_classifier."
        )
    return checkpoint


def lowest_similarity(similarity: np.ndarray, *, share: float) -> float:
    """Below which a text counts as far: all but `share` of the validation notes are nearer.

    Parameters
    ----------
    similarity
        float64 [n], of each validation note's nearest train note.
    share
        0 to 1.

    Returns
    -------
    float
        -1 (nothing is far) where there is no validation note.
    """
    return float(np.quantile(similarity, share, method="lower")) if len(similarity) else -1.0
