"""The embeddings table: known vectors from the store, new ones from the encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from medembed_pipeline.encoder import Role
from medembed_pipeline.lake.store import KeyedStore
from medembed_pipeline.lake.tables import vector_column, vectors

BLOCK_NOTES = 2_048
"""Notes encoded between two writes to the store: what a killed run loses at most."""


class TextEncoder(Protocol):
    """What this room needs of an encoder."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors float32 [n, d], L2-normalised, in the order of the texts."""
        ...


def text_key(text: str, role: Role = "document") -> str:
    """What a vector is kept by: 64 hex of the exact text, with a mark behind it for a query."""
    key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return key if role == "document" else f"{key}-{role}"


def embeddings_table(
    note_ids: Sequence[str],
    texts: Sequence[str],
    *,
    load_encoder: Callable[[], TextEncoder],
    store: KeyedStore,
    role: Role = "document",
) -> tuple[pa.Table, dict[str, Any]]:
    """A vector for every note.

    Parameters
    ----------
    note_ids
        n ids, in the order of the table.
    texts
        n texts.
    load_encoder
        called once, and only when a text has no vector yet.
    store
        vectors of this very encoder, by text.
    role
        as which the encoder that `load_encoder` returns takes the texts.

    Returns
    -------
    tuple[pa.Table, dict[str, Any]]
        The table with columns note_id and embedding (fixed-size list of float32, L2-normalised), and the facts
        `dimensions`, `encoded_notes` and `known_notes`.
    """
    encoder: list[TextEncoder] = []

    def encode(positions: list[int]) -> pa.Table:
        if not encoder:
            encoder.append(load_encoder())
        matrix = encoder[0].encode([texts[position] for position in positions])
        return pa.table({"embedding": vector_column(matrix)})

    rows, encoded = store.get_or_compute([text_key(text, role) for text in texts], encode, block=BLOCK_NOTES)
    matrix = vectors(rows.column("embedding"))
    table = pa.table({"note_id": pa.array(note_ids, pa.string()), "embedding": vector_column(matrix)})
    facts = {"dimensions": matrix.shape[1], "encoded_notes": encoded, "known_notes": len(note_ids) - encoded}
    return table, facts


def embeddings_schema(dimensions: int) -> pa.Schema:
    """Columns of an embeddings table."""
    return pa.schema(
        [
            pa.field("note_id", pa.string(), False, {"description": "the note; joins cleaned_notes"}),
            pa.field(
                "embedding",
                pa.list_(pa.float32(), dimensions),
                False,
                {"description": "the note's vector, L2-normalised: a dot product is a cosine"},
            ),
        ]
    )
