"""Which triplets are trained on together. Loads no torch."""

import numpy as np
import numpy.typing as npt


def triplet_batches(
    triplets: npt.NDArray[np.int64], *, notes_per_batch: int, seed: tuple[int, ...]
) -> list[npt.NDArray[np.int64]]:
    """Put each triplet into one batch, so that those which share notes meet and a note is encoded less often.

    Greedy: a batch begins with a random triplet and takes, as long as its different notes stay within
    `notes_per_batch`, the triplet that brings the fewest new notes; equal ones in random order. Each triplet
    is looked at once per note of it that enters a batch, so the cost is linear in triplets x their notes'
    batches.

    Args:
        triplets: int64 [t, 3], positions of notes.
        notes_per_batch: 3 or more.
        seed: decides the order; another one for each epoch.

    Returns:
        Batches in random order: int64 positions into `triplets`, each position in exactly one batch.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(triplets))
    sets = [tuple({int(note) for note in triplets[position]}) for position in order]
    # For every note the triplets it occurs in, as positions into `sets`.
    occurrences: dict[int, list[int]] = {}
    for place, notes in enumerate(sets):
        for note in notes:
            occurrences.setdefault(note, []).append(place)
    used = np.zeros(len(sets), dtype=bool)
    batches: list[npt.NDArray[np.int64]] = []
    next_fresh = 0
    left = len(sets)
    while left:
        held: set[int] = set()
        missing: dict[int, int] = {}
        # Triplets that touch the batch, by how many of their notes are missing (an old entry is skipped).
        waiting: tuple[list[int], list[int], list[int]] = ([], [], [])
        chosen: list[int] = []
        while True:
            touching = _fewest_missing(waiting, missing, used)
            if touching is None:
                while next_fresh < len(sets) and used[next_fresh]:
                    next_fresh += 1
                if next_fresh == len(sets):
                    break
                touching = next_fresh
            place = touching
            new = [note for note in sets[place] if note not in held]
            if len(held) + len(new) > max(notes_per_batch, 3):
                break
            used[place] = True
            chosen.append(place)
            for note in new:
                held.add(note)
                for touched in occurrences[note]:
                    if not used[touched]:
                        missing[touched] = missing.get(touched, len(sets[touched])) - 1
                        waiting[missing[touched]].append(touched)
        left -= len(chosen)
        batches.append(order[chosen])
    return [batches[position] for position in rng.permutation(len(batches))]


def _fewest_missing(
    waiting: tuple[list[int], list[int], list[int]], missing: dict[int, int], used: npt.NDArray[np.bool_]
) -> int | None:
    for count, places in enumerate(waiting):
        while places:
            place = places[-1]
            if used[place] or missing[place] != count:
                places.pop()
                continue
            return place
    return None
