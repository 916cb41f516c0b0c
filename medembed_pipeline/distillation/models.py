"""The static model of a lake, and how tasks ask it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medembed_pipeline.distillation.static import DistillationError, StaticModel, TokenCounter
from medembed_pipeline.encoder import Role
from medembed_pipeline.evaluation.vectors import FloatArray, unit_rows
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import LakeTable, vectors
from medembed_pipeline.tasks.task import NotAsked, RankingTask, Task
from medembed_pipeline.training.checkpoints import checkpoint_behind

TABLE = "token_vectors"
UNKNOWN = -1
"""The row of the table that is no token: the mean train note."""


def static_model(tokenizer: Path, table: LakeTable) -> StaticModel:
    """The model in `token_vectors`.

    Parameters
    ----------
    tokenizer
        folder of the checkpoint that it imitates.
    table
        the token vectors.
    """
    rows = table.read()
    tokens, found = (
        np.asarray(rows.column("token_id").to_numpy(), dtype=np.int64),
        vectors(rows.column("vector")),
    )
    is_token = tokens != UNKNOWN
    return StaticModel(TokenCounter(tokenizer), tokens[is_token], found[is_token], found[~is_token][0])


def static_model_of(lake: Lake) -> StaticModel:
    """The static model of a lake.

    Raises
    ------
    DistillationError
        it has not been made yet, or no note was there to learn from.
    """
    table, tuned = lake.find_table(TABLE), lake.find_table("tuned_embeddings")
    if table is None or tuned is None or not table.rows:
        raise DistillationError(f"there is no static model in {lake.url}. Materialize {TABLE} first.")
    return static_model(checkpoint_behind(lake, tuned).folder, table)


class StaticTexts:
    """A static model as the tasks ask it: texts -> unit rows.

    Of a note it is asked to find by a passage it reads what the transformer reads of it: a passage must not be known
    again by its own words.

    Parameters
    ----------
    model
        the static model.
    tasks
        that will ask.
    """

    def __init__(self, model: StaticModel, tasks: Iterable[Task | NotAsked]) -> None:
        self._model = model
        self._read: dict[str, str] = {}
        for task in tasks:
            if isinstance(task, RankingTask):
                self._read |= task.read

    def __call__(self, texts: Sequence[str], *, role: Role = "document") -> FloatArray | Any:
        """float64 [n, d]."""
        return unit_rows(
            self._model.encode([self._read.get(text, text) for text in texts]), name="texts of the tasks"
        )
