"""Which notes are trained on together. Loads no torch."""

import math

import numpy as np
import numpy.typing as npt

Batches = list[npt.NDArray[np.int64]]
"""The batches of one step of the optimiser: positions of notes, ascending."""


def note_batches(
    triplets: npt.NDArray[np.int64], *, notes: int, notes_per_batch: int, seed: tuple[int, ...]
) -> list[npt.NDArray[np.int64]]:
    """Deal every note into one batch, such that notes of one triplet meet: each is encoded once an epoch.

    Greedy: a batch begins with a random triplet of notes that were not dealt yet, and takes, while it has room, the
    triplet that brings the fewest new notes; equal ones in random order. What no whole triplet is left for fills
    the places that remain, at random. Each triplet is looked at once per note of it, so the cost is linear in triplets.

    Parameters
    ----------
    triplets
        int64 [t, 3], positions of notes; may be empty.
    notes
        how many notes there are.
    notes_per_batch
        3 or more; batches are as equal in size as they can be.
    seed
        decides the order; another one for each epoch.

    Returns
    -------
    list[npt.NDArray[np.int64]]
        Batches in random order: int64 positions of notes, ascending within a batch.
    """
    rng = np.random.default_rng(seed)
    if not notes:
        return []
    count = math.ceil(notes / notes_per_batch)
    sizes = [len(part) for part in np.array_split(np.arange(notes), count)]
    growth = _Growth(triplets[rng.permutation(len(triplets))], notes)
    grown = [growth.batch(size) for size in sizes]
    left = rng.permutation(np.flatnonzero(~growth.dealt))
    batches = []
    for size, batch in zip(sizes, grown, strict=True):
        fill, left = left[: size - len(batch)], left[size - len(batch) :]
        batches.append(np.sort(np.concatenate([np.array(batch, dtype=np.int64), fill])))
    return [batches[position] for position in rng.permutation(count)]


def triplets_within(triplets: npt.NDArray[np.int64], batch: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """int64 [t, 3]: the triplets whose notes all lie in a batch, as positions in it.

    Parameters
    ----------
    triplets
        int64 [t, 3], positions of notes.
    batch
        int64 [b], ascending positions of notes.
    """
    if not len(triplets) or not len(batch):
        return np.empty((0, 3), dtype=np.int64)
    places = np.searchsorted(batch, triplets)
    inside = batch[np.minimum(places, len(batch) - 1)] == triplets
    found: npt.NDArray[np.int64] = places[inside.all(axis=1)]
    return found


class _Growth:
    """Batches grown along triplets, one after the other, none with a note of an earlier one."""

    def __init__(self, triplets: npt.NDArray[np.int64], notes: int) -> None:
        self._sets = [tuple({int(note) for note in triplet}) for triplet in triplets]
        self._of_note: list[list[int]] = [[] for _ in range(notes)]
        for place, members in enumerate(self._sets):
            for note in members:
                self._of_note[note].append(place)
        self._gone = [False] * len(self._sets)
        self._next = 0
        self.dealt = np.zeros(notes, dtype=np.bool_)

    def batch(self, size: int) -> list[int]:
        """The notes of the next batch, at most `size`; fewer where whole triplets do not fill it."""
        held: list[int] = []
        missing: dict[int, int] = {}
        # Triplets that touch the batch, by how many of their notes it lacks (an old entry is skipped).
        waiting: tuple[list[int], list[int], list[int]] = ([], [], [])
        while (place := self._nearest(waiting, missing)) is not None:
            new = [note for note in self._sets[place] if not self.dealt[note]]
            if len(held) + len(new) > size:
                break
            self._gone[place] = True
            for note in new:
                held.append(note)
                self.dealt[note] = True
                for touched in self._of_note[note]:
                    if not self._gone[touched]:
                        missing[touched] = missing.get(touched, len(self._sets[touched])) - 1
                        waiting[missing[touched]].append(touched)
        for note in held:
            for touched in self._of_note[note]:
                self._gone[touched] = True
        return held

    def _nearest(
        self, waiting: tuple[list[int], list[int], list[int]], missing: dict[int, int]
    ) -> int | None:
        for lacking, places in enumerate(waiting):
            while places:
                place = places.pop()
                if not self._gone[place] and missing[place] == lacking:
                    return place
        while self._next < len(self._sets) and self._gone[self._next]:
            self._next += 1
        return self._next if self._next < len(self._sets) else None
