"""Vectors of the tasks' texts: each once per model and role, kept beside the notes' vectors of the same encoder."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from medembed_pipeline.embeddings.beneath import carry_over
from medembed_pipeline.embeddings.vectors import embeddings_table, text_key
from medembed_pipeline.encoder import EncoderSpec, Role, encoder_fingerprint
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.evaluation.vectors import FloatArray, unit_rows
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.store import KeyedStore
from medembed_pipeline.lake.tables import vectors
from medembed_pipeline.tasks.task import NotAsked, RankingTask, Task


class TextVectors:
    """Vectors by text: called with texts, gives their unit rows, float64 [n, d].

    Parameters
    ----------
    texts
        n different texts.
    rows
        [n, d], their vectors as documents.
    queries
        vectors of texts as queries, where these are others.
    """

    def __init__(self, texts: Sequence[str], rows: np.ndarray, queries: TextVectors | None = None) -> None:
        self._texts = list(texts)
        self._rows = rows
        self._row_of = {text: row for row, text in enumerate(texts)}
        self._queries = queries

    def __contains__(self, text: str) -> bool:
        return text in self._row_of

    def __call__(self, texts: Sequence[str], *, role: Role = "document") -> FloatArray:
        if role == "query" and self._queries is not None:
            return self._queries(texts)
        places = np.array([self._row_of[text] for text in texts], dtype=np.int64)
        return unit_rows(self._rows[places], name="texts of the tasks")

    def with_more(self, texts: Sequence[str], rows: np.ndarray) -> TextVectors:
        """These and others."""
        all_rows = np.concatenate([self._rows, rows]) if self._texts else rows
        return TextVectors([*self._texts, *texts], all_rows, self._queries)

    def with_queries(self, queries: TextVectors) -> TextVectors:
        """These, with other vectors for what is searched with."""
        return TextVectors(self._texts, self._rows, queries)


def task_vectors(
    lake: Lake,
    spec: EncoderSpec,
    settings: EncoderSettings,
    tasks: Sequence[Task | NotAsked],
    known: TextVectors | None = None,
    beneath: EncoderSpec | None = None,
) -> TextVectors:
    """Vectors of all texts of some tasks: the queries of a search as queries, everything else as documents.

    Parameters
    ----------
    lake
        its store keeps the vectors. The model is loaded only when a text has none yet, so the base model's are there
        for every checkpoint.
    spec
        the encoder, the very one that the notes are embedded with.
    settings
        device, precision and token budget.
    tasks
        what is asked.
    known
        vectors that need not be looked for (the notes', as documents).
    beneath
        see `carry_over`; None where the model is no head over another.
    """
    asked = [task for task in tasks if not isinstance(task, NotAsked)]
    if spec.tells_queries_apart:
        queries = [text for task in asked if isinstance(task, RankingTask) for text in task.queries]
        documents = [
            text
            for task in asked
            for text in (task.candidates if isinstance(task, RankingTask) else task.texts())
        ]
    else:
        queries, documents = [], [text for task in asked for text in task.texts()]
    from medembed_pipeline.encoder.devices import resolve_computed_in

    none = TextVectors([], np.zeros((0, 0), dtype=np.float32))
    known = known or none
    precision = resolve_computed_in(settings)
    store = KeyedStore(lake, "vectors", encoder_fingerprint(spec, precision=precision))

    @cache
    def encoder() -> Any:
        from medembed_pipeline.encoder.model import load_encoder

        return load_encoder(spec, device=settings.device, precision=precision, lake=lake)

    def with_all(there: TextVectors, texts: Sequence[str], role: Role) -> TextVectors:
        wanted = [text for text in dict.fromkeys(texts) if text not in there]
        if not wanted:
            return there
        if beneath is not None:
            keys = [text_key(text, role) for text in wanted]
            carry_over(lake, spec, beneath, store, keys, precision=precision)
        table, _ = embeddings_table(
            [str(row) for row in range(len(wanted))],
            wanted,
            load_encoder=lambda: _Quiet(encoder(), settings.token_budget, role),
            store=store,
            role=role,
        )
        return there.with_more(wanted, vectors(table.column("embedding")))

    found = with_all(known, documents, "document")
    return found.with_queries(with_all(none, queries, "query")) if queries else found


class _Quiet:
    """An encoder with its token budget and a role, which shows its progress on a terminal alone."""

    def __init__(self, encoder: Any, token_budget: int, role: Role) -> None:
        self._encoder = encoder
        self._token_budget = token_budget
        self._role = role

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        encoded: np.ndarray = self._encoder.encode(
            texts, role=self._role, token_budget=self._token_budget, progress=sys.stderr.isatty()
        )
        return encoded
