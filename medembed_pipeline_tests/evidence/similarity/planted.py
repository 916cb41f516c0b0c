"""Made-up held-out notes with their neighbours, ready for the table of this room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.evaluation.neighbors import neighbors_table
from medembed_pipeline.evidence.similarity.settings import SimilaritySettings
from medembed_pipeline.evidence.similarity.table import similarity_table
from medembed_pipeline_tests.evaluation.corpus import make_corpus

HISTORY: list[dict[str, Any]] = [
    {"epoch": 0, "steps": 0, "train_loss": None, "validation_loss": 2.5, "validation_map": 0.4},
    {"epoch": 1, "steps": 9, "train_loss": 2.0, "validation_loss": 2.1, "validation_map": 0.6},
]


@dataclass(frozen=True)
class Notes:
    note_ids: list[str]
    specialties: list[list[str]]
    embeddings: dict[str, npt.NDArray[np.float32]]

    @property
    def neighbors(self) -> pa.Table:
        """The table `neighbors`, in which every note is a held-out one."""
        return pa.concat_tables(
            [
                neighbors_table(model, self.note_ids, vectors, scored_note_ids=self.note_ids)
                for model, vectors in self.embeddings.items()
            ]
        )

    def evidence(
        self, epochs: dict[int, npt.NDArray[np.float32]] | None = None, **settings: Any
    ) -> tuple[pa.Table, dict[str, Any]]:
        """The table of this room, and its facts."""
        return similarity_table(
            self.note_ids,
            self.specialties,
            self.embeddings,
            self.neighbors,
            HISTORY,
            SimilaritySettings(**settings),
            epochs=epochs,
        )

    def reordered(self, order: npt.NDArray[np.int64]) -> Notes:
        """The same notes in another order."""
        return Notes(
            [self.note_ids[row] for row in order],
            [self.specialties[row] for row in order],
            {model: vectors[order] for model, vectors in self.embeddings.items()},
        )


def made_up(count: int = 60, *, classes: int = 5, seed: int = 0) -> Notes:
    """Notes of which one in five has a second specialty; the tuned model is the better one."""
    corpus = make_corpus(count, classes=classes, seed=seed)
    return Notes(
        corpus.note_ids,
        [sorted(names) for names in corpus.specialties],
        {"baseline": corpus.baseline, "tuned": corpus.tuned},
    )


def rows(table: pa.Table, **wanted: Any) -> list[dict[str, Any]]:
    """The rows with these values."""
    return [row for row in table.to_pylist() if all(row[name] == value for name, value in wanted.items())]


def value(table: pa.Table, **wanted: Any) -> float:
    """The value of the only row with these values."""
    (row,) = rows(table, **wanted)
    return float(row["value"])
