"""The split of every note: train, validation or test, by duplicate group, stable first and balanced second.

Balancing follows the iterative stratification of K. Sechidis, G. Tsoumakas, I. Vlahavas, "On the
Stratification of Multi-Label Data" (ECML PKDD 2011), with duplicate groups in the place of single examples
and with what remembered notes already fill counted in.
"""

import hashlib
import heapq
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from medembed_pipeline.errors import MedembedError

SPLITS: tuple[str, ...] = ("train", "validation", "test")

NOTE_SPLITS_SCHEMA = pa.schema(
    [
        pa.field(
            "note_id",
            pa.string(),
            nullable=False,
            metadata={"description": "The note; unique; the sort key."},
        ),
        pa.field(
            "split",
            pa.string(),
            nullable=False,
            metadata={
                "description": "train, validation or test; the same for all notes of a duplicate group."
            },
        ),
    ]
)

_NO_SPECIALTY = ""
# A specialty with fewer notes than this counts as if it had so many: its shares cannot be met in whole notes.
_FEW_NOTES = 10
# Passes over the new groups; on real notes nothing moves after the second or third.
_REFINEMENTS = 6


class SplitError(MedembedError):
    """Shares, remembered splits or groups that no split can be made of."""


@dataclass(frozen=True)
class SplitAssignment:
    """The split of every note that was given, and how it came about.

    Attributes
    ----------
    splits:
        ``note_id`` to split, in the order of the ids.
    remembered:
        Notes that kept the split they were remembered with.
    joined:
        Notes without a memory that took the split of their duplicate group.
    assigned:
        Notes of groups that nothing was remembered of.
    moved_to_held_out:
        Notes that were remembered in another split and moved, since a note has joined their group to one of
        another split; the whole group is held out.
    """

    splits: dict[str, str]
    remembered: int
    joined: int
    assigned: int
    moved_to_held_out: int

    def table(self) -> pa.Table:
        """The splits as a table with ``NOTE_SPLITS_SCHEMA``, sorted by ``note_id``."""
        return pa.table([list(self.splits.keys()), list(self.splits.values())], schema=NOTE_SPLITS_SCHEMA)


@dataclass(frozen=True)
class _Group:
    notes: tuple[str, ...]
    weights: Mapping[str, int]
    rank: str


def assign_splits(
    groups: pa.Table, previous: Mapping[str, str], *, train: float, validation: float, test: float, seed: int
) -> SplitAssignment:
    """Give every note a split.

    1. A note keeps the split that is remembered of it, whatever other notes come or go.
    2. A duplicate group never crosses splits. Where its notes remember different ones, the whole group is
       held out: test if any of them is in test, else validation. Where they remember one, new notes take it.
    3. A group of which nothing is remembered goes where it is lacked most: the specialty with the fewest
       notes left to place comes first, and each of its groups goes to the split that lacks most of it, then
       to the one that lacks most notes altogether, then by hash. Notes without a specialty are balanced as if
       they had one of their own. Then single new groups move as long as that brings the shares closer.

    The result does not depend on the order of the rows.

    Parameters
    ----------
    groups:
        Columns ``note_id``, ``duplicate_group`` and ``specialties`` (list), as in ``cleaned_notes``.
    previous:
        The remembered split of every note ever assigned, those that are gone included; empty at first.
    train, validation, test:
        Shares of the notes, each from 0 to 1, together 1; train above 0.
    seed:
        Of the hash by which ties are broken.

    Raises
    ------
    SplitError
        If the shares are not shares, a note occurs twice, or a remembered split is not one of ``SPLITS``.
    """
    shares = _validated_shares({"train": train, "validation": validation, "test": test})
    members, specialties = _notes_of_groups(groups)
    # Most groups are one note, and there are far fewer different specialty sets than notes.
    weights_of: dict[tuple[tuple[str, ...], ...], dict[str, int]] = {}
    splits: dict[str, str] = {}
    remembered = joined = moved = 0
    new_groups: list[_Group] = []
    total: defaultdict[str, int] = defaultdict(int)
    filled: dict[str, defaultdict[str, int]] = {split: defaultdict(int) for split in SPLITS}
    overall = dict.fromkeys(SPLITS, 0)

    for name in sorted(members):
        notes = tuple(sorted(members[name]))
        filed = tuple(specialties[note] for note in notes)
        weights = weights_of.get(filed) or weights_of.setdefault(filed, _specialty_weights(filed))
        for specialty, weight in weights.items():
            total[specialty] += weight
        known = {note: _validated_split(previous[note]) for note in notes if note in previous}
        if not known:
            content = "\n".join((str(seed), *notes))
            rank = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
            new_groups.append(_Group(notes, weights, rank))
            continue
        split = _split_of_known(set(known.values()))
        moved += sum(before != split for before in known.values())
        remembered += sum(before == split for before in known.values())
        joined += len(notes) - len(known)
        splits.update(dict.fromkeys(notes, split))
        overall[split] += len(notes)
        for specialty, weight in weights.items():
            filled[split][specialty] += weight

    _place_groups(new_groups, splits, shares=shares, total=total, filled=filled, overall=overall)
    _refine_groups(new_groups, splits, shares=shares, total=total, filled=filled, overall=overall)
    return SplitAssignment(
        splits=dict(sorted(splits.items())),
        remembered=remembered,
        joined=joined,
        assigned=sum(len(group.notes) for group in new_groups),
        moved_to_held_out=moved,
    )


def _place_groups(
    groups: list[_Group],
    splits: dict[str, str],
    *,
    shares: Mapping[str, float],
    total: Mapping[str, int],
    filled: Mapping[str, defaultdict[str, int]],
    overall: dict[str, int],
) -> None:
    """Iterative stratification: fills ``splits``, ``filled`` and ``overall`` in place."""
    count = sum(overall.values()) + sum(len(group.notes) for group in groups)
    open_splits = [split for split in SPLITS if shares[split] > 0.0]
    # Large groups first while there is room for them everywhere; the hash decides among equals.
    groups = sorted(groups, key=lambda group: (-len(group.notes), group.rank))
    of_specialty: defaultdict[str, list[int]] = defaultdict(list)
    left: defaultdict[str, int] = defaultdict(int)
    for number, group in enumerate(groups):
        for specialty, weight in group.weights.items():
            of_specialty[specialty].append(number)
            left[specialty] += weight
    queue = [(notes, specialty) for specialty, notes in left.items()]
    heapq.heapify(queue)
    placed = [False] * len(groups)

    while queue:
        notes_left, rarest = heapq.heappop(queue)
        if notes_left != left[rarest] or not notes_left:
            continue  # an outdated entry: the specialty lost notes since, and stands elsewhere in the queue
        for number in of_specialty[rarest]:
            if placed[number]:
                continue
            group = groups[number]
            needs = {
                split: (
                    _lack(shares[split], total[rarest], filled[split][rarest]),
                    _lack(shares[split], count, overall[split]),
                )
                for split in open_splits
            }
            split = _neediest(needs, group.rank)
            placed[number] = True
            splits.update(dict.fromkeys(group.notes, split))
            overall[split] += len(group.notes)
            for specialty, weight in group.weights.items():
                filled[split][specialty] += weight
                left[specialty] -= weight
                if specialty != rarest and left[specialty]:
                    heapq.heappush(queue, (left[specialty], specialty))


def _refine_groups(
    groups: list[_Group],
    splits: dict[str, str],
    *,
    shares: Mapping[str, float],
    total: Mapping[str, int],
    filled: Mapping[str, Mapping[str, int]],
    overall: Mapping[str, int],
) -> None:
    """Move single new groups while that lessens the misfit; fills ``splits`` in place.

    What is placed last by iterative stratification, the commonest specialty, takes what the rest has left
    over. The misfit is the sum of squared deviations from the shares, in notes, each specialty's divided by
    its notes, and the sum over all notes weighted like all specialties together.
    """
    everything = sum(overall.values())
    open_splits = [split for split in SPLITS if shares[split] > 0.0]
    excess = {
        split: {name: filled[split].get(name, 0) - shares[split] * notes for name, notes in total.items()}
        for split in open_splits
    }
    excess_overall = {split: overall[split] - shares[split] * everything for split in open_splits}
    scale = {name: 1.0 / max(notes, _FEW_NOTES) for name, notes in total.items()}
    scale_overall = len(total) / max(everything, 1)
    for _ in range(_REFINEMENTS):
        moved = False
        for group in sorted(groups, key=lambda group: group.rank):
            source, size = splits[group.notes[0]], len(group.notes)
            best, target = -1e-9, source
            for split in open_splits:
                if split == source:
                    continue
                change = size * (excess_overall[split] - excess_overall[source] + size) * scale_overall
                for name, weight in group.weights.items():
                    change += weight * (excess[split][name] - excess[source][name] + weight) * scale[name]
                if change < best:
                    best, target = change, split
            if target == source:
                continue
            moved = True
            splits.update(dict.fromkeys(group.notes, target))
            excess_overall[source] -= size
            excess_overall[target] += size
            for name, weight in group.weights.items():
                excess[source][name] -= weight
                excess[target][name] += weight
        if not moved:
            return


def _neediest(needs: Mapping[str, tuple[float, float]], rank: str) -> str:
    greatest = max(needs.values())
    neediest = [split for split, need in needs.items() if need == greatest]
    if len(neediest) == 1:
        return neediest[0]
    return min(neediest, key=lambda split: hashlib.sha256(f"{rank}{split}".encode()).hexdigest())


def _lack(share: float, total: int, filled: int) -> float:
    # Rounded, so that equal lacks are equal and the tie is broken by the hash, not by the last bit of a
    # float.
    return round(share * total - filled, 9)


def _split_of_known(known: set[str]) -> str:
    if len(known) == 1:
        return next(iter(known))
    return "test" if "test" in known else "validation"


def _notes_of_groups(groups: pa.Table) -> tuple[dict[str, list[str]], dict[str, tuple[str, ...]]]:
    missing = [
        name for name in ("note_id", "duplicate_group", "specialties") if name not in groups.column_names
    ]
    if missing:
        raise SplitError(f"The table of groups lacks the columns {', '.join(missing)}.")
    members: defaultdict[str, list[str]] = defaultdict(list)
    specialties: dict[str, tuple[str, ...]] = {}
    columns = (groups.column(name).to_pylist() for name in ("note_id", "duplicate_group", "specialties"))
    for note, group, names in zip(*columns, strict=True):
        members[group].append(note)
        specialties[note] = tuple(names or ())
    if len(specialties) != groups.num_rows:
        raise SplitError(
            f"{groups.num_rows - len(specialties)} note ids are repeated; each note needs one row."
        )
    return members, specialties


def _specialty_weights(filed: tuple[tuple[str, ...], ...]) -> dict[str, int]:
    """How many notes of a group each specialty has, given the specialties of each of its notes."""
    weights: defaultdict[str, int] = defaultdict(int)
    for names in filed:
        for specialty in set(names) or {_NO_SPECIALTY}:
            weights[specialty] += 1
    return dict(sorted(weights.items()))


def _validated_shares(shares: dict[str, float]) -> dict[str, float]:
    for name, share in shares.items():
        if not (math.isfinite(share) and 0.0 <= share <= 1.0):
            raise SplitError(f"The share {name} is {share}; it has to be from 0 to 1.")
    if abs(sum(shares.values()) - 1.0) > 1e-6:
        listed = ", ".join(f"{name} {share}" for name, share in shares.items())
        raise SplitError(
            f"The shares {listed} add up to {sum(shares.values()):.6g}; they have to add up to 1."
        )
    if shares["train"] == 0.0:
        raise SplitError("The share train is 0; there would be nothing to learn from.")
    return shares


def _validated_split(split: str) -> str:
    if split not in SPLITS:
        raise SplitError(f"A remembered split is {split!r}; expected one of {', '.join(SPLITS)}.")
    return split
