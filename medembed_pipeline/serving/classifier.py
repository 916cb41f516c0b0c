"""What the service needs of a classifier of notes; which one there is, the snapshot knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.training.checkpoints import Checkpoint

CLASSIFIER = "specialty_classifier"


@dataclass(frozen=True)
class Prediction:
    """What a classifier says of one note.

    Attributes:
        probabilities: of every label, by name, the most probable first.
        chosen: the set of labels that it stands by.
        abstains: whether a person should look instead.
        reason: why, in words; "" where it does not abstain.
    """

    probabilities: dict[str, float]
    chosen: list[str]
    abstains: bool
    reason: str


class NoteClassifier(Protocol):
    """A classifier that belongs to one checkpoint."""

    @property
    def version(self) -> str:
        """Hash of what it is."""
        ...

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """A prediction per text, in order."""
        ...


def classifier_version(lake: Lake, checkpoint: Checkpoint) -> str:
    """The version of the classifier of this very checkpoint; "" where the lake holds none."""
    return ""


def load_classifier(lake: Lake, checkpoint: Checkpoint, version: str) -> NoteClassifier | None:
    """That classifier, None where the version is ""."""
    return None
