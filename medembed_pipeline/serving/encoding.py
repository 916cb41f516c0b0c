"""The vectors that a snapshot's checkpoint gave to its notes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.embeddings.vectors import text_key
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.store import KeyedStore
from medembed_pipeline.lake.tables import vectors
from medembed_pipeline.serving.encoders import SharedEncoder
from medembed_pipeline.serving.errors import ServingError
from medembed_pipeline.serving.parts import NOTES, VECTORS, SnapshotParts

BLOCK = 32
"""Texts of a snapshot in the making that are encoded before a waiting request may go first."""


def note_vectors(
    lake: Lake, parts: SnapshotParts, note_ids: Sequence[str], texts: pa.ChunkedArray, encoder: SharedEncoder
) -> tuple[npt.NDArray[np.float32], int]:
    """The vectors of all notes by the released checkpoint.

    Parameters
    ----------
    lake
        of the store; nothing is written.
    parts
        with `tuned_embeddings` where it is of this checkpoint and these notes; else the vectors are found by the
        notes' texts in what this very encoder has given before, and the rest is encoded.
    note_ids
        n ids, sorted.
    texts
        theirs.
    encoder
        of the checkpoint.

    Returns
    -------
    tuple[npt.NDArray[np.float32], int]
        float32 [n, d] in the order of the ids, and how many had to be encoded.

    Raises
    ------
    ServingError
        the table is not of these notes, or the encoder not of this checkpoint.
    """
    if encoder.fingerprint != parts.fingerprint:
        raise ServingError(
            "the encoder is not that of the released checkpoint: nothing is mixed, nothing served."
        )
    if parts.vectors is not None:
        table = parts.vectors.read(["note_id", "embedding"]).sort_by("note_id")
        if table["note_id"].to_pylist() != list(note_ids):
            raise ServingError(f"{VECTORS} and {NOTES} hold different notes; materialize {VECTORS}.")
        return vectors(table["embedding"]), 0
    wanted = texts.to_pylist()
    keys = [text_key(text) for text in wanted]
    found = np.empty((len(keys), encoder.dimensions), dtype=np.float32)
    place: dict[str, int] = {}
    stored = KeyedStore(lake, "vectors", parts.fingerprint).get(keys)
    if stored is not None and stored.num_rows:
        known = vectors(stored["embedding"])
        place = {key: row for row, key in enumerate(stored["key"].to_pylist())}
        for row, key in enumerate(keys):
            if key in place:
                found[row] = known[place[key]]
    missing = [row for row, key in enumerate(keys) if key not in place]
    # Texts of about the same length together: padding is what a batch of mixed lengths costs.
    missing.sort(key=lambda row: len(wanted[row]))
    for first in range(0, len(missing), BLOCK):
        rows = missing[first : first + BLOCK]
        found[rows] = encoder.encode([wanted[row] for row in rows])
    return found, len(missing)
