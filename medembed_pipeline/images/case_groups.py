"""The split of every case, by groups that must not lie in two splits; and whether anything crosses, found anew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from medembed_pipeline.images.likeness import IntArray, crossing_pictures, near_hashes
from medembed_pipeline.images.settings import CaseSplitSettings
from medembed_pipeline.lake.fields import described
from medembed_pipeline.notes.duplicates import named_groups, near_pairs, signatures
from medembed_pipeline.notes.exact_pairs import crossing_pairs
from medembed_pipeline.notes.splits import SPLITS, assign_splits

SAME_PICTURE: Final = 0.99
"""Correlation of two pictures' details from which they are one picture to the check. Drawn films of different
patients reach 0.98, photographed ones 0.66."""

CASE_SPLITS_SCHEMA = pa.schema(
    [
        described("case_id", pa.string(), "the case; unique; the sort key"),
        described("split", pa.string(), "train, validation or test; the same for a group"),
        described(
            "group",
            pa.string(),
            "patient, near-duplicate pictures and near-duplicate notes: what an interval goes by",
        ),
    ]
)


def case_groups(cases: pa.Table, hashes: Mapping[str, bytes], settings: CaseSplitSettings) -> list[str]:
    """The group of each case: the smallest case id of those that it hangs together with.

    Together are cases of one patient, of one picture or near-duplicate ones, and of near-duplicate notes.

    Parameters
    ----------
    cases
        columns case_id (sorted), patient, image_id, note.
    hashes
        perceptual hash by image id.
    settings
        from which likeness two are near-duplicates.
    """
    columns = cases.select(["case_id", "patient", "image_id", "note"]).to_pydict()
    pairs = [_same(columns["patient"]), _same(columns["image_id"])]
    first_of: dict[str, int] = {}
    for row, image in enumerate(columns["image_id"]):
        if image is not None:
            first_of.setdefault(image, row)
    images = sorted(first_of)
    rows = np.array([first_of[image] for image in images], dtype=np.int64)
    left, right = near_hashes([hashes[image] for image in images], distance=settings.picture_distance)
    pairs.append((rows[left], rows[right]))
    noted = np.array([row for row, note in enumerate(columns["note"]) if note is not None], dtype=np.int64)
    if len(noted):
        signed = signatures([columns["note"][row] for row in noted])
        left, right = near_pairs(signed, threshold=settings.note_similarity)
        pairs.append((noted[left], noted[right]))
    lefts, rights = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
    return named_groups(columns["case_id"], lefts, rights)


def _same(values: Sequence[str | None]) -> tuple[IntArray, IntArray]:
    first: dict[str, int] = {}
    pairs = [(first.setdefault(value, row), row) for row, value in enumerate(values) if value is not None]
    linked = np.array([pair for pair in pairs if pair[0] != pair[1]], dtype=np.int64).reshape(-1, 2)
    return linked[:, 0], linked[:, 1]


def split_cases(
    cases: pa.Table, hashes: Mapping[str, bytes], previous: Mapping[str, str], settings: CaseSplitSettings
) -> tuple[pa.Table, dict[str, Any]]:
    """Train, validation or test for every case, the labels balanced, by group; who was split before stays there.

    Parameters
    ----------
    cases
        columns of `paired_cases`, sorted by case_id.
    hashes
        perceptual hash by image id.
    previous
        split by case id, of those that were split before.
    settings
        shares and likeness.
    """
    groups = case_groups(cases, hashes, settings)
    labels = [[] if label is None else [label] for label in cases.column("label").to_pylist()]
    dealt = pa.table(
        {
            "note_id": cases.column("case_id"),
            "specialties": pa.array(labels, pa.list_(pa.string())),
            "group": pa.array(groups, pa.string()),
        }
    )
    assigned = assign_splits(
        dealt,
        previous,
        train=settings.train,
        validation=settings.validation,
        test=settings.test,
        seed=settings.seed,
    )
    table = assigned.table().rename_columns(["case_id", "split", "group"])
    sizes: defaultdict[str, int] = defaultdict(int)
    for group in groups:
        sizes[group] += 1
    splits = list(assigned.splits.values())
    facts = {
        **{name: splits.count(name) for name in SPLITS},
        "groups": len(sizes),
        "largest_group": max(sizes.values(), default=0),
        "kept_their_split": assigned.remembered,
        "moved_to_held_out": assigned.moved_to_held_out,
    }
    return table, facts


def count_case_crossings(
    rows: pa.Table, images: pa.Table, splits: Mapping[str, str], note_similarity: float
) -> dict[str, int]:
    """What lies in two splits, found from patients, pixels and words, and from no hash and no group.

    Parameters
    ----------
    rows
        columns case_id, patient, image_id and note of `paired_cases`.
    images
        columns image_id and detail of `raw_images`.
    splits
        split by case id.
    note_similarity
        Jaccard similarity from which two notes are near-duplicates.

    Returns
    -------
    dict[str, int]
        How many patients, pairs of pictures, and pairs of notes lie in two splits.
    """
    columns = rows.select(["case_id", "patient", "image_id", "note"]).to_pydict()
    side_of = [SPLITS.index(splits[case]) for case in columns["case_id"]]
    patients: defaultdict[str, set[int]] = defaultdict(set)
    for patient, side in zip(columns["patient"], side_of, strict=True):
        if patient is not None:
            patients[patient].add(side)
    details = dict(
        zip(images.column("image_id").to_pylist(), images.column("detail").to_pylist(), strict=True)
    )
    seen = sorted({(image, side) for image, side in zip(columns["image_id"], side_of, strict=True) if image})
    pictures = crossing_pictures(
        [details[image] for image, _ in seen], [side for _, side in seen], correlation=SAME_PICTURE
    )
    noted = [row for row, note in enumerate(columns["note"]) if note is not None]
    notes = crossing_pairs(
        [columns["note"][row] for row in noted], [side_of[row] for row in noted], threshold=note_similarity
    )
    return {
        "patients_in_two_splits": sum(len(sides) > 1 for sides in patients.values()),
        "picture_pairs_in_two_splits": len(pictures[0]),
        "note_pairs_in_two_splits": len(notes[0]),
    }
