"""The classifier of notes in a snapshot: the one in service, where it belongs to the released checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from medembed_pipeline.classification.classifiers import classifier_in_service, published
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.serving.errors import ServingError
from medembed_pipeline.training.checkpoints import Checkpoint

CLASSIFIER = "specialty_classifier"


@dataclass(frozen=True)
class Prediction:
    """What a classifier says of one note.

    Attributes
    ----------
    probabilities
        of every label, by name, the most probable first.
    labels
        those that it gives; none where it abstains.
    label_set
        those that hold the true ones as often as it promises.
    abstained
        why a person should look instead, in words; "" where it does not abstain.
    """

    probabilities: dict[str, float]
    labels: list[str]
    label_set: list[str]
    abstained: str


class NoteClassifier(Protocol):
    """A classifier that may be asked beside a checkpoint's encoder."""

    @property
    def uses_vectors(self) -> bool:
        """Whether it needs the texts' vectors by the released checkpoint."""
        ...

    @property
    def misses(self) -> float:
        """Share of its true labels that the set of a note lacks at most, on average."""
        ...

    def predict(self, texts: Sequence[str], vectors: npt.NDArray[np.float32]) -> list[Prediction]:
        """A prediction per text.

        Parameters
        ----------
        texts
            n prepared texts.
        vectors
            float32 [n, d] by the released checkpoint; not looked at where it does not use them.
        """
        ...


class SpecialtyPredictions:
    """`classification.classifier.SpecialtyClassifier`, on the vectors that the snapshot's encoder gives.

    Parameters
    ----------
    classifier
        of the checkpoint whose vectors it is given, or of none.
    """

    def __init__(self, classifier: Any) -> None:
        self._classifier = classifier
        self.uses_vectors: bool = classifier.parts.encoder["kind"] == "checkpoint"
        self.misses = float(classifier.parts.misses)

    def predict(self, texts: Sequence[str], vectors: npt.NDArray[np.float32]) -> list[Prediction]:
        """See `NoteClassifier`."""
        from medembed_pipeline.classification.classifier import REASONS

        given = vectors.astype(np.float64) if self.uses_vectors else None
        rows = self._classifier.rows(texts, given)
        return [
            Prediction(
                one.probabilities,
                one.labels,
                one.label_set,
                "" if one.abstained is None else REASONS[one.abstained],
            )
            for one in self._classifier.answer(texts, rows)
        ]


def classifier_version(lake: Lake, checkpoint: Checkpoint, *, precision: str, long_notes: str) -> str:
    """The version and hash of the classifier in service, parted by a colon.

    "" where there is none, or where it was made on other vectors than this checkpoint's as they are computed here: they
    mean something else to it.
    """
    found = classifier_in_service(lake)
    if found is None:
        return ""
    here = {"data_version": checkpoint.data_version, "precision": precision, "long_notes": long_notes}
    needed = found.manifest["encoder"]
    if needed["kind"] == "checkpoint" and any(needed[name] != value for name, value in here.items()):
        return ""
    return f"{found.version}:{found.data_version}"


def load_classifier(lake: Lake, checkpoint: Checkpoint, version: str) -> NoteClassifier | None:
    """That classifier, None where the version is "".

    Raises
    ------
    ServingError
        another one has come into service meanwhile.
    MedembedError
        it is damaged.
    """
    if not version:
        return None
    from medembed_pipeline.classification.classifier import SpecialtyClassifier

    name, _, data_version = version.partition(":")
    found = published(lake, name)
    if found.data_version != data_version:
        raise ServingError(
            f"the classifier {name} is not the one that was found a moment ago; it is looked at again."
        )
    return SpecialtyPredictions(SpecialtyClassifier.from_folder(found.folder, checkpoint=checkpoint.folder))
