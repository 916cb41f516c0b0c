"""What an encoder is trained on: texts, specialty sets and triplets, joined by note id. Loads no torch."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medembed_pipeline.errors import MedembedError


@dataclass(frozen=True)
class TrainingData:
    """The training's input.

    Attributes
    ----------
    texts
        note id -> text; at least the notes named below.
    specialties
        note id -> its specialties; a note without any counts as having none.
    train_triplets
        note ids [t, 3]: anchor, positive, negative. They decide what is trained on.
    validation_triplets
        note ids [v, 3]; none of them may be trained on.
    validation_ids
        the notes on which the best epoch is chosen.
    unlabelled_ids
        notes to train on without a triplet; then there may be no triplets.
    """

    texts: Mapping[str, str]
    specialties: Mapping[str, Collection[str]]
    train_triplets: Sequence[Sequence[str]]
    validation_triplets: Sequence[Sequence[str]]
    validation_ids: Sequence[str]
    unlabelled_ids: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name, triplets in (("train", self.train_triplets), ("validation", self.validation_triplets)):
            if len(triplets) == 0 and not self.unlabelled_ids:
                raise MedembedError(
                    f"{name} triplets: there are none; learning from labels needs at least two specialties, each with "
                    f"several {name} notes. Add labelled notes, check the label column, or set labels to false under "
                    "[training]."
                )
            if any(len(triplet) != 3 for triplet in triplets):
                raise MedembedError(
                    f"{name} triplets: each must name three notes (anchor, positive, negative)."
                )
        if self.unlabelled_ids and not self.validation_ids:
            raise MedembedError(
                "validation notes: there are none, so no epoch can be chosen. Add notes, or raise the validation share "
                "under [splits]."
            )
        trained = set(self.train_ids)
        held_out = {note for triplet in self.validation_triplets for note in triplet} | set(
            self.validation_ids
        )
        missing = sorted(note for note in trained | held_out if note not in self.texts)
        if missing:
            raise MedembedError(f"triplets: {len(missing)} notes have no text, the first is {missing[0]}.")
        shared = sorted(trained & held_out)
        if shared:
            raise MedembedError(
                f"triplets: {len(shared)} validation notes are also trained on, the first is {shared[0]}; "
                "the best epoch can't be chosen on them. Check the splits."
            )
        names = {name for note in trained for name in self.specialties.get(note, ())}
        if len(names) < 2 and not self.unlabelled_ids:
            raise MedembedError(
                f"train triplets: their notes carry {len(names)} specialties; learning from labels needs at least two."
            )

    @property
    def train_ids(self) -> list[str]:
        """The notes trained on, sorted."""
        in_triplets = {str(note) for triplet in self.train_triplets for note in triplet}
        return sorted(in_triplets.union(self.unlabelled_ids))


def membership(
    note_ids: Sequence[str], specialties: Mapping[str, Collection[str]]
) -> npt.NDArray[np.float32]:
    """float32 [notes, specialties]: 1 where the note carries the specialty (columns by name)."""
    names = sorted({name for note in note_ids for name in specialties.get(note, ())})
    column = {name: place for place, name in enumerate(names)}
    members = np.zeros((len(note_ids), len(names)), dtype=np.float32)
    for row, note in enumerate(note_ids):
        for name in specialties.get(note, ()):
            members[row, column[name]] = 1
    return members


def jaccard(members: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """float32 [n, n]: the Jaccard index of the specialty sets of each two notes; 0 where both are empty.

    Parameters
    ----------
    members
        float32 [n, specialties] of zeros and ones.
    """
    shared = members @ members.T
    sizes = members.sum(axis=1)
    union = sizes[:, None] + sizes[None, :] - shared
    result: npt.NDArray[np.float32] = shared / np.maximum(union, 1)
    return result


def triplet_positions(triplets: Sequence[Sequence[str]], note_ids: Sequence[str]) -> npt.NDArray[np.int64]:
    """int64 [t, 3]: the triplets as positions into `note_ids`."""
    place = {note: position for position, note in enumerate(note_ids)}
    found = [[place[str(note)] for note in triplet] for triplet in triplets]
    return np.array(found, dtype=np.int64).reshape(-1, 3)
