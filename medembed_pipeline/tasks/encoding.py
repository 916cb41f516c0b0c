"""Vectors of the tasks' texts: each text once per model, kept beside the notes' vectors of the same encoder."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from medembed_pipeline.embeddings.vectors import TextEncoder, embeddings_table
from medembed_pipeline.encoder import EncoderSpec, encoder_fingerprint
from medembed_pipeline.evaluation.vectors import FloatArray, unit_rows
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.store import KeyedStore
from medembed_pipeline.lake.tables import vectors
from medembed_pipeline.settings import EncoderSettings


class TextVectors:
    """Vectors by text: called with texts, gives their unit rows, float64 [n, d]."""

    def __init__(self, texts: Sequence[str], rows: np.ndarray) -> None:
        self._texts = list(texts)
        self._rows = rows
        self._row_of = {text: row for row, text in enumerate(texts)}

    def __contains__(self, text: str) -> bool:
        return text in self._row_of

    def __call__(self, texts: Sequence[str]) -> FloatArray:
        places = np.array([self._row_of[text] for text in texts], dtype=np.int64)
        return unit_rows(self._rows[places], name="texts of the tasks")

    def with_more(self, texts: Sequence[str], rows: np.ndarray) -> TextVectors:
        """These and others."""
        all_rows = np.concatenate([self._rows, rows]) if self._texts else rows
        return TextVectors([*self._texts, *texts], all_rows)


def text_vectors(
    lake: Lake,
    spec: EncoderSpec,
    settings: EncoderSettings,
    texts: Sequence[str],
    known: TextVectors | None = None,
) -> TextVectors:
    """Vectors of all `texts`.

    Args:
        lake: its store keeps the vectors. The model is loaded only when a text has none yet, so the base model's are
            there for every checkpoint.
        spec: the encoder, the very one that the notes are embedded with.
        settings: device, precision and token budget.
        texts: any, repeated ones too.
        known: vectors that need not be looked for (the notes').
    """
    from medembed_pipeline.encoder.devices import resolve_device, resolve_precision

    known = known or TextVectors([], np.zeros((0, 0), dtype=np.float32))
    wanted = [text for text in dict.fromkeys(texts) if text not in known]
    if not wanted:
        return known
    precision = resolve_precision(settings.precision, resolve_device(settings.device))
    store = KeyedStore(lake, "vectors", encoder_fingerprint(spec, precision=precision))

    def load() -> TextEncoder:
        from medembed_pipeline.encoder.model import load_encoder

        return _Quiet(load_encoder(spec, device=settings.device, precision=precision), settings.token_budget)

    table, _ = embeddings_table(
        [str(row) for row in range(len(wanted))], wanted, load_encoder=load, store=store
    )
    return known.with_more(wanted, vectors(table.column("embedding")))


class _Quiet:
    """An encoder with its token budget, which shows its progress on a terminal alone."""

    def __init__(self, encoder: Any, token_budget: int) -> None:
        self._encoder = encoder
        self._token_budget = token_budget

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        encoded: np.ndarray = self._encoder.encode(
            texts, token_budget=self._token_budget, progress=sys.stderr.isatty()
        )
        return encoded
