"""Vectors of the tasks' texts: every different text once, and none that is known already."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from medembed_pipeline.embeddings.vectors import TextEncoder, embeddings_table
from medembed_pipeline.encoder import EncoderSpec, encoder_fingerprint
from medembed_pipeline.evaluation.vectors import FloatArray, unit_rows
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.store import KeyedStore
from medembed_pipeline.lake.tables import vectors
from medembed_pipeline.settings import EncoderSettings

Vectors = Callable[[Sequence[str]], FloatArray]
"""Texts -> float64 [texts, d], unit rows."""


def text_vectors(
    lake: Lake,
    spec: EncoderSpec,
    settings: EncoderSettings,
    texts: Iterable[str],
    *,
    known: Mapping[str, np.ndarray] | None = None,
) -> Vectors:
    """Encode all texts of all tasks in one go.

    Vectors are kept beside the note vectors of the same encoder, so those of the base model outlive every checkpoint;
    the model is loaded only where one is missing.

    Args:
        lake: its store keeps the vectors.
        spec: the encoder, the very one that the notes are embedded with.
        settings: device, precision and token budget.
        texts: what will be asked for, each as often as it comes.
        known: vectors of some texts, float32 [d], from the tables of note vectors.

    Returns:
        The function that gives the vectors of some of these texts.
    """
    from medembed_pipeline.encoder.devices import resolve_device, resolve_precision

    known = known or {}
    wanted = list(dict.fromkeys(texts))
    new = [text for text in wanted if text not in known]
    precision = resolve_precision(settings.precision, resolve_device(settings.device))
    store = KeyedStore(lake, "vectors", encoder_fingerprint(spec, precision=precision))

    def load() -> TextEncoder:
        from medembed_pipeline.encoder.model import load_encoder

        return _Quiet(load_encoder(spec, device=settings.device, precision=precision), settings.token_budget)

    rows = {text: known[text] for text in wanted if text in known}
    if new:
        table, _ = embeddings_table(new, new, load_encoder=load, store=store)
        rows.update(zip(new, vectors(table.column("embedding")), strict=True))

    def look_up(some: Sequence[str]) -> FloatArray:
        return unit_rows(np.stack([rows[text] for text in some]), name="texts of a task")

    return look_up


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
