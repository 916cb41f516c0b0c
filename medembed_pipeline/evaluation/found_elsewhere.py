"""Neighbours that another engine has found, such as faiss or cuVS: for corpora where the exact search takes too long.

Only who is near is taken from it: similarities and ranks are computed here, notes that it does not know are searched
exactly, and for some notes it is compared with the exact search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from medembed_pipeline.evaluation.errors import EvaluationError
from medembed_pipeline.evaluation.neighbors import (
    SIMILARITY_STEPS,
    Nearest,
    candidates_of,
    exact_blocks,
    similarities_of,
)
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray, rows_per_block, unit_rows
from medembed_pipeline.lake import compute as pc
from medembed_pipeline.lake.fingerprint import content_sha256
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import open_for_arrow

COLUMNS = ("model", "note_id", "neighbor_id")
FOUND_ELSEWHERE = "found_elsewhere"
"""Fact of `neighbors`: by model what came of the file; absent where there is none."""
COMPARED_NOTES = 200
"""Notes for which the exact search is made, too: a share of 0.95 is then known to 0.01 or so."""


@dataclass
class FoundElsewhere:
    """The file's rows, and what became of them.

    Attributes
    ----------
    rows
        columns COLUMNS, of strings.
    sha256
        of their content.
    facts
        by model: `taken_notes`, whose neighbours are the file's; `searched_notes`, of which it has too few;
        `compared_notes`, and `recall`, the share of their exact neighbours that it has (None of none).
    """

    rows: pa.Table
    sha256: str
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def nearest(self, model: str, ids: Sequence[str]) -> Nearest:
        """Finds the neighbours by `model` of the notes `ids`, which are sorted; notes the facts."""

        def find(embeddings: npt.ArrayLike, k: int) -> tuple[IntArray, npt.NDArray[np.float32]]:
            left, right = self._pairs(model, ids)
            indices, similarities, self.facts[model] = nearest_of_pairs(embeddings, left, right, k)
            return indices, similarities

        return find

    def _pairs(self, model: str, ids: Sequence[str]) -> tuple[IntArray, IntArray]:
        """Places of the notes and of their neighbours among `ids`; of notes that are no longer there, none."""
        rows = self.rows.filter(pc.equal(self.rows["model"], model))
        known = pa.array(ids, pa.string())
        places = [pc.index_in(rows[name], value_set=known) for name in COLUMNS[1:]]
        there = pc.and_(*(pc.is_valid(place) for place in places))
        left, right = (place.filter(there).to_numpy().astype(np.int64) for place in places)
        return left, right


def read_found_elsewhere(lake: Lake, name: str) -> FoundElsewhere:
    """Read `<lake>/<name>`, a Parquet file with the columns COLUMNS.

    Raises
    ------
    EvaluationError
        it is not there, is no Parquet file, or has other columns.
    """
    where = f"[neighbors] found_elsewhere = {name!r}: {lake.path(name)}"
    try:
        with open_for_arrow(lake.filesystem, lake.path(name)) as file:
            parquet = pq.ParquetFile(file)
            missing = [column for column in COLUMNS if column not in parquet.schema_arrow.names]
            if missing:
                raise EvaluationError(
                    f"{where} has no column {', '.join(missing)}; expected {', '.join(COLUMNS)}, of strings."
                )
            rows = parquet.read(columns=list(COLUMNS)).select(COLUMNS)
            rows = rows.cast(pa.schema([(column, pa.string()) for column in COLUMNS]))
    except FileNotFoundError:
        raise EvaluationError(f"{where} is not there. Put it there, or empty the setting.") from None
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise EvaluationError(
            f"{where} cannot be read as Parquet with columns of strings ({type(error).__name__}). Write it again."
        ) from None
    return FoundElsewhere(rows, content_sha256(rows))


def nearest_of_pairs(
    embeddings: npt.ArrayLike, left: IntArray, right: IntArray, k: int
) -> tuple[IntArray, npt.NDArray[np.float32], dict[str, Any]]:
    """The k most similar of the rows that are given for each row; all rows where too few are given.

    Parameters
    ----------
    embeddings
        [n, d], L2-normalised rows.
    left, right
        int64 [p] each: a row, and one that may be near to it. In any order; repeated pairs and a row itself are
        passed over.
    k
        neighbours per row; n - 1 where there are fewer rows.

    Returns
    -------
    tuple[IntArray, npt.NDArray[np.float32], dict[str, Any]]
        As `nearest_neighbors`, and the facts of `FoundElsewhere`.
    """
    rows = unit_rows(embeddings)
    count = len(rows)
    width = max(0, min(k, count - 1))
    # A pair is one number, so that sorting it sorts by row, and unique leaves each once.
    pairs = np.unique(left * count + right) if count else left
    left, right = pairs // max(1, count), pairs % max(1, count)
    left, right = left[left != right], right[left != right]
    given = np.bincount(left, minlength=count)
    searched = np.flatnonzero(given < width) if width else np.empty(0, np.int64)
    steps = _similarity_steps(rows, left, right)
    order = np.lexsort((right, -steps, left))
    place_in_row = np.arange(len(order)) - np.repeat(np.cumsum(given) - given, given)
    taken = (place_in_row < width) & np.repeat(given >= width, given)
    indices = np.empty((count, width), dtype=np.int64)
    similarities = np.empty((count, width), dtype=np.float32)
    chosen = order[taken]
    indices[left[chosen], place_in_row[taken]] = right[chosen]
    similarities[left[chosen], place_in_row[taken]] = steps[chosen] / SIMILARITY_STEPS
    if len(searched):
        keys = np.concatenate(list(exact_blocks(rows, searched, width)))
        indices[searched] = candidates_of(keys, count)
        similarities[searched] = similarities_of(keys, count)
    compared = _some(np.flatnonzero(given >= width)) if width else searched
    recall = None
    if len(compared):
        exact = candidates_of(np.concatenate(list(exact_blocks(rows, compared, width))), count)
        pairs_of_exact = np.repeat(compared, width) * count + exact.reshape(-1)
        recall = float(np.isin(pairs_of_exact, left[chosen] * count + right[chosen]).mean())
    facts = {
        "taken_notes": count - len(searched),
        "searched_notes": len(searched),
        "compared_notes": len(compared),
        "recall": recall,
    }
    return indices, similarities, facts


def _similarity_steps(rows: FloatArray, left: IntArray, right: IntArray) -> FloatArray:
    """Cosine similarity of each pair, in whole steps as the exact search ranks them."""
    found = np.empty(len(left))
    step = rows_per_block(2 * rows.shape[1] * rows.itemsize)
    for start in range(0, len(left), step):
        block = slice(start, start + step)
        found[block] = np.einsum("ij,ij->i", rows[left[block]], rows[right[block]])
    return np.rint(found * SIMILARITY_STEPS)


def _some(rows: IntArray) -> IntArray:
    """At most COMPARED_NOTES of the rows, evenly among them: ids are hashes, so no kind of note is preferred."""
    if len(rows) <= COMPARED_NOTES:
        return rows
    return rows[np.linspace(0, len(rows) - 1, COMPARED_NOTES).astype(np.int64)]
