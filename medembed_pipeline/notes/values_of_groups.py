"""What rows of a group have together, of all groups at once: arrays in place of a set for each group."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from medembed_pipeline.lake import compute as pc
from medembed_pipeline.notes.shingles import IntArray


def ranked(values: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, IntArray]:
    """The different values, sorted, and of each row the place of its value among them; -1 for a null."""
    whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    encoded = whole.dictionary_encode()
    order = pc.sort_indices(encoded.dictionary)
    # One more, at the end: where a null points to.
    place = np.full(len(order) + 1, -1, dtype=np.int64)
    place[np.asarray(order)] = np.arange(len(order))
    return encoded.dictionary.take(order), place[np.asarray(encoded.indices.fill_null(len(order)))]


def different_pairs(groups: IntArray, values: IntArray) -> tuple[IntArray, IntArray]:
    """The different pairs of two numbers of 0 or more, sorted by the first, then by the second."""
    base = int(values.max(initial=0)) + 1
    pairs = np.unique(groups * base + values)
    return pairs // base, pairs % base


def bounds_of_groups(groups: IntArray, count: int) -> IntArray:
    """Where each of `count` groups begins in a sorted array of their numbers, and where the last one ends."""
    return np.searchsorted(groups, np.arange(count + 1))


def sorted_values(groups: IntArray, count: int, values: pa.Array | pa.ChunkedArray) -> pa.ListArray:
    """The different strings of each of `count` groups, sorted as Python sorts them, without nulls.

    Parameters
    ----------
    groups
        the group of each row.
    values
        the string of each row.
    """
    different, places = ranked(values)
    filled = places >= 0
    own, places = different_pairs(groups[filled], places[filled])
    offsets = pa.array(bounds_of_groups(own, count), pa.int32())
    return pa.ListArray.from_arrays(offsets, different.take(pa.array(places)))


def earliest(groups: IntArray, count: int, days: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The earliest day (date32) of each of `count` groups; null where none of its rows has one."""
    filled = np.asarray(days.is_valid())
    latest = np.iinfo(np.int32).max
    first = np.full(count, latest, dtype=np.int32)
    np.minimum.at(first, groups[filled], np.asarray(days.drop_null().cast(pa.int32())))
    return pa.array(first, pa.int32(), mask=first == latest).cast(pa.date32())
