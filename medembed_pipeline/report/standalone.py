"""The tables of the page without the graph: two models on all notes of one file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.report import REVISION
from medembed_pipeline.section import Section
from medembed_pipeline.settings import Settings

MODELS = ("baseline", "tuned")
SPLIT = "all"
"""What stands in the column `split`: nothing was held out."""

CODE = "visualize-"
"""How the code revision of a table begins that was made without the graph."""

Built = tuple[pa.Table, dict[str, Any]]
Step = tuple[str, Section | None, Callable[[], Built]]


@dataclass(frozen=True)
class Scored:
    """Two models on the same notes.

    Attributes:
        note_ids: n ids, sorted.
        specialties: n lists, some empty.
        duplicate_groups: n groups.
        embeddings: `baseline` and `tuned` to float32 [n, d], rows in the order of the ids.
    """

    note_ids: list[str]
    specialties: list[list[str]]
    duplicate_groups: list[str]
    embeddings: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, notes: pa.Table, embeddings: Mapping[str, np.ndarray]) -> Scored:
        """The notes of a table with the columns of `cleaned_notes`, sorted by id."""
        columns = notes.select(["note_id", "specialties", "duplicate_group"]).to_pydict()
        return cls(columns["note_id"], columns["specialties"], columns["duplicate_group"], embeddings)

    def labelled(self) -> Scored:
        """Those that have a specialty."""
        kept = [row for row, names in enumerate(self.specialties) if names]
        return Scored(
            [self.note_ids[row] for row in kept],
            [self.specialties[row] for row in kept],
            [self.duplicate_groups[row] for row in kept],
            {model: matrix[kept] for model, matrix in self.embeddings.items()},
        )


class Tables:
    """The tables made so far, each written when it is made.

    Args:
        lake: where they are written, as Parquet.
        inputs: versions of what they are made from.
    """

    def __init__(self, lake: Lake, inputs: Mapping[str, str]) -> None:
        self.lake = lake
        self.rows: dict[str, pa.Table] = {}
        self.facts: dict[str, dict[str, Any]] = {}
        self._inputs = dict(inputs)

    def add(self, name: str, section: Section | None, built: Built) -> None:
        """Write one table."""
        rows, facts = built
        settings = {type(section).__name__: section.result_values()} if section is not None else {}
        recipe = Recipe(name, f"{CODE}{REVISION}", settings, self._inputs)
        written = self.lake.write_table(recipe, rows, facts=facts)
        self.rows[name], self.facts[name] = rows, dict(facts)
        self._inputs[name] = written.data_version


def is_standalone(recipe: Recipe) -> bool:
    """Whether a table was made by `medembed visualize`."""
    return recipe.code.startswith(CODE)


def scores(labelled: Scored, settings: Settings) -> pa.Table:
    """Baseline, tuned and their paired difference on labelled notes, with the columns of `embedding_metrics`.

    Args:
        labelled: the notes that have a specialty.
        settings: confidence and smallest specialty of the evaluation.
    """
    from medembed_pipeline.evaluation.metrics_table import metrics_table

    return metrics_table(
        labelled.note_ids,
        baseline=labelled.embeddings["baseline"],
        tuned=labelled.embeddings["tuned"],
        specialties=labelled.specialties,
        groups=labelled.duplicate_groups,
        split=SPLIT,
        confidence=settings.evaluation.confidence,
        minimum_notes=settings.evaluation.minimum_specialty_notes,
    )


def comparison_table(metrics: Sequence[tuple[str, pa.Table]]) -> pa.Table:
    """The metrics of several models under each other, with their name in the column `checkpoint`."""
    parts = [
        rows.add_column(0, "checkpoint", pa.array([name] * len(rows), pa.string())) for name, rows in metrics
    ]
    return pa.concat_tables(parts)
