"""The embeddings table: known vectors from the store, new ones from the encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from medembed_pipeline.embeddings.beneath import carry_over
from medembed_pipeline.encoder import EncoderSpec, Role, encoder_fingerprint
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.encoder.shards import ENCODE_TEXTS, encoder_settings, text_shard
from medembed_pipeline.engine import Engine, LocalEngine
from medembed_pipeline.lake.fields import described
from medembed_pipeline.lake.lake import Lake
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
    return _table(note_ids, rows, encoded)


def _table(note_ids: Sequence[str], rows: pa.Table, encoded: int) -> tuple[pa.Table, dict[str, Any]]:
    matrix = vectors(rows.column("embedding"))
    table = pa.table({"note_id": pa.array(note_ids, pa.string()), "embedding": vector_column(matrix)})
    facts = {"dimensions": matrix.shape[1], "encoded_notes": encoded, "known_notes": len(note_ids) - encoded}
    return table, facts


def encoded_texts(
    lake: Lake,
    ids: Sequence[str],
    texts: Sequence[str],
    spec: EncoderSpec,
    settings: EncoderSettings,
    *,
    beneath: EncoderSpec | None = None,
    engine: Engine | None = None,
    on_load: Callable[[str], object] = lambda line: None,
) -> tuple[pa.Table, dict[str, Any]]:
    """A vector for every text by a model; texts that it has seen before are taken from the lake.

    Parameters
    ----------
    lake
        keeps the vectors.
    ids, texts
        n each.
    spec
        the model; it is loaded only when a text has no vector yet.
    settings
        where and how it runs.
    beneath
        see `carry_over`; None where the model is no head over another.
    engine
        where texts are encoded; None for this process.
    on_load
        told when it is needed.

    Returns
    -------
    tuple[pa.Table, dict[str, Any]]
        As `embeddings_table`, with the facts `precision` and `vectors_kept_as` besides.
    """
    from medembed_pipeline.encoder.devices import resolve_computed_in, resolve_device

    device = "cpu" if settings.is_exported else settings.device
    precision = resolve_computed_in(settings)
    store = KeyedStore(lake, "vectors", encoder_fingerprint(spec, precision=precision))
    how = encoder_settings(
        lake,
        spec,
        device=device,
        precision=precision,
        token_budget=settings.token_budget,
        fingerprint=store.version,
    )

    def encode(blocks: Sequence[list[int]]) -> Iterator[pa.Table]:
        if blocks:
            where = resolve_device(device).type
            on_load(f"encoding on {where} in {precision}, {spec.max_tokens} tokens a window")
        shards = (text_shard([texts[position] for position in block], how) for block in blocks)
        return (engine or LocalEngine(lake)).map(ENCODE_TEXTS, shards, device=device)

    keys = [text_key(text) for text in texts]
    if beneath is not None:
        carry_over(lake, spec, beneath, store, keys, precision=precision)
    rows, encoded = store.get_or_map(keys, encode, block=BLOCK_NOTES)
    table, facts = _table(ids, rows, encoded)
    return table, {**facts, "precision": precision, "vectors_kept_as": store.version}


def embeddings_schema(dimensions: int) -> pa.Schema:
    """Columns of an embeddings table."""
    return pa.schema(
        [
            described("note_id", pa.string(), "the note; joins cleaned_notes"),
            described(
                "embedding",
                pa.list_(pa.float32(), dimensions),
                "the note's vector, L2-normalised: a dot product is a cosine",
            ),
        ]
    )
