"""The split of every note: train, validation or test, by group, stable first and balanced second.

Balancing follows the iterative stratification of K. Sechidis, G. Tsoumakas, I. Vlahavas, "On the
Stratification of Multi-Label Data" (ECML PKDD 2011), with groups in the place of single examples
and with what remembered notes already fill counted in.
"""

import hashlib
import heapq
import math
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pyarrow as pa

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.fields import described

SPLITS: tuple[str, ...] = ("train", "validation", "test")
ALL_NOTES = "all"
"""What stands in the place of a split where no note was held out, since the checkpoint was given, not trained here."""

NOTE_SPLITS_SCHEMA = pa.schema(
    [
        described("note_id", pa.string(), "The note; unique; the sort key."),
        described("split", pa.string(), "train, validation or test; the same for all notes of a group."),
        described(
            "group",
            pa.string(),
            "Unit of splitting and sampling: near-duplicates, notes of one patient, and texts "
            "known to be one note.",
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
    groups:
        ``note_id`` to group, in the same order.
    remembered:
        Notes that kept the split they were remembered with.
    joined:
        Notes without a memory that took the split of their group.
    assigned:
        Notes of groups that nothing was remembered of.
    moved_to_held_out:
        Notes that were remembered in another split and moved, since a note has joined their group to one of
        another split, or since they are older than an out-of-time test.
    left_out_of_test:
        Notes of the time of an out-of-time test whose group has a note of an earlier or an unknown time, or that
        training has, so that they are not in it.
    """

    splits: dict[str, str]
    groups: dict[str, str]
    remembered: int
    joined: int
    assigned: int
    moved_to_held_out: int
    left_out_of_test: int

    def table(self) -> pa.Table:
        """The splits as a table with ``NOTE_SPLITS_SCHEMA``, sorted by ``note_id``."""
        columns = [list(self.splits.keys()), list(self.splits.values()), list(self.groups.values())]
        return pa.table(columns, schema=NOTE_SPLITS_SCHEMA)


@dataclass(frozen=True)
class _Group:
    notes: tuple[str, ...]
    weights: Mapping[str, int]
    rank: str


def assign_splits(
    groups: pa.Table,
    previous: Mapping[str, str],
    *,
    train: float,
    validation: float,
    test: float,
    seed: int,
    previous_of_group: Mapping[str, Collection[str]] | None = None,
    in_test_time: Collection[str] | None = None,
) -> SplitAssignment:
    """Give every note a split.

    1. A note keeps the split that is remembered of it, whatever other notes come or go.
    2. A group never crosses splits. Where different ones are remembered of its notes, the whole group is
       held out: test if any of them is in test, else validation. Where one is, new notes take it.
    3. A group of which nothing is remembered goes where it is lacked most: the specialty with the fewest
       notes left to place comes first, and each of its groups goes to the split that lacks most of it, then
       to the one that lacks most notes altogether, then by hash. Notes without a specialty are balanced as if
       they had one of their own. Then single new groups move as long as that brings the shares closer.

    With an out-of-time test, a group is of its time when all its notes are. Such a group is in test, unless it is
    remembered in another split. Any other group is in train or validation, which share it in their proportion; one
    that is remembered in test is in validation now, since it was held out and must not be trained on.

    The result does not depend on the order of the rows.

    Parameters
    ----------
    groups:
        Columns ``note_id``, ``group`` and ``specialties`` (list).
    previous:
        The remembered split of notes ever assigned; empty at first.
    train, validation, test:
        Shares of the notes, each from 0 to 1, together 1; train above 0.
    seed:
        Of the hash by which ties are broken.
    previous_of_group:
        By group the remembered splits of notes of it that are not among these.
    in_test_time:
        The notes of the time of an out-of-time test; None: the test is drawn by its share.

    Raises
    ------
    SplitError
        If the shares are not shares, a note occurs twice, a remembered split is not one of ``SPLITS``, or no note
        is of the time of the test.
    """
    shares = _validated_shares({"train": train, "validation": validation, "test": test})
    members, specialties = _notes_of_groups(groups)
    if in_test_time is not None:
        in_test_time = frozenset(in_test_time)
        dealt = 1.0 - shares["test"]
        shares = {"train": shares["train"] / dealt, "validation": shares["validation"] / dealt, "test": 0.0}
    # Most groups are one note, and there are far fewer different specialty sets than notes.
    weights_of: dict[tuple[tuple[str, ...], ...], dict[str, int]] = {}
    splits: dict[str, str] = {}
    group_of: dict[str, str] = {}
    remembered = joined = moved = left_out = 0
    new_groups: list[_Group] = []
    total: defaultdict[str, int] = defaultdict(int)
    filled: dict[str, defaultdict[str, int]] = {split: defaultdict(int) for split in SPLITS}
    overall = dict.fromkeys(SPLITS, 0)

    for name in sorted(members):
        notes = tuple(sorted(members[name]))
        group_of.update(dict.fromkeys(notes, name))
        filed = tuple(specialties[note] for note in notes)
        weights = weights_of.get(filed) or weights_of.setdefault(filed, _specialty_weights(filed))
        known = {note: _validated_split(previous[note]) for note in notes if note in previous}
        before = {*known.values(), *map(_validated_split, (previous_of_group or {}).get(name, ()))}
        timely = in_test_time is not None and in_test_time.issuperset(notes)
        split = _split_of_known(before, timely=None if in_test_time is None else timely)
        if timely and split in (None, "test"):
            # The test is what it is; the shares are those of the older notes.
            splits.update(dict.fromkeys(notes, "test"))
        else:
            left_out += len(in_test_time.intersection(notes)) if in_test_time is not None else 0
            for specialty, weight in weights.items():
                total[specialty] += weight
            if split is None:
                content = "\n".join((str(seed), *notes))
                rank = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
                new_groups.append(_Group(notes, weights, rank))
                continue
            splits.update(dict.fromkeys(notes, split))
            overall[split] += len(notes)
            for specialty, weight in weights.items():
                filled[split][specialty] += weight
        moved += sum(old != splits[notes[0]] for old in known.values())
        remembered += sum(old == splits[notes[0]] for old in known.values())
        joined += len(notes) - len(known) if before else 0

    _place_groups(new_groups, splits, shares=shares, total=total, filled=filled, overall=overall)
    _refine_groups(new_groups, splits, shares=shares, total=total, filled=filled, overall=overall)
    if in_test_time is not None and splits and "test" not in splits.values():
        raise SplitError(
            f"No note is left for the test: {len(in_test_time)} notes are from [splits] test_from on, and each of "
            "them has a patient or an earlier text among the older notes, or was trained on. Give an earlier "
            "date, or name the column of dates in [landing] date_column."
        )
    return SplitAssignment(
        splits=dict(sorted(splits.items())),
        groups=dict(sorted(group_of.items())),
        remembered=remembered,
        joined=joined,
        assigned=len(splits) - remembered - moved - joined,
        moved_to_held_out=moved,
        left_out_of_test=left_out,
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


def _split_of_known(known: set[str], *, timely: bool | None) -> str | None:
    """The split of a group by those remembered of it; None where nothing is, or where what is must not hold.

    `timely`: whether it is of the time of an out-of-time test; None without one.
    """
    if not known:
        return None
    if timely is False and "test" in known:
        return "validation"
    if len(known) == 1:
        return next(iter(known))
    return "test" if "test" in known else "validation"


def _notes_of_groups(groups: pa.Table) -> tuple[dict[str, list[str]], dict[str, tuple[str, ...]]]:
    missing = [name for name in ("note_id", "group", "specialties") if name not in groups.column_names]
    if missing:
        raise SplitError(f"The table of groups lacks the columns {', '.join(missing)}.")
    members: defaultdict[str, list[str]] = defaultdict(list)
    specialties: dict[str, tuple[str, ...]] = {}
    columns = (groups.column(name).to_pylist() for name in ("note_id", "group", "specialties"))
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
