"""Exact nearest neighbours by cosine similarity, in an order that does not depend on threads or blocks."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.evaluation.errors import EvaluationError
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray, rows_per_block, unit_rows
from medembed_pipeline.lake.fields import described

NEIGHBORS = 50
"""Neighbours per note by default."""

SIMILARITY_STEPS = 10**9
"""Similarities are ranked in steps of 1e-9.

float64 products of the same vectors differ by about 1e-16 from one thread count or block size to the next,
and float32 embeddings carry no information below 1e-8: in between, equal means equal on every machine.
"""

BYTES_PER_CANDIDATE = 40
"""Similarity, key, partition copy and the temporaries between them."""

Nearest = Callable[[npt.ArrayLike, int], tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]
"""Rows, k -> indices and similarities, as `nearest_neighbors`."""

NEIGHBORS_SCHEMA = pa.schema(
    [
        described("model", pa.string(), "baseline or tuned"),
        described(
            "pool", pa.string(), "neighbours among `all` notes, or the scored held-out `test` notes alone"
        ),
        described("note_id", pa.string(), "the note that asks"),
        described("rank", pa.int32(), "1 is the nearest; ties by note_id"),
        described("neighbor_id", pa.string(), "note_id of the neighbour"),
        described("similarity", pa.float32(), "cosine similarity, -1 to 1"),
    ]
)


def ranking_keys(
    similarity: FloatArray, *, own: IntArray | None = None, first: int = 0, count: int | None = None
) -> IntArray:
    """One integer per candidate; ascending order is the ranking of each query's candidates.

    The key holds the similarity, in steps of 1 / SIMILARITY_STEPS, and in its lowest bits the candidate's number. So
    all keys of a query differ, ties go to the lower number, and plain integer sorting (SIMD in numpy) ranks them.

    Parameters
    ----------
    similarity
        float64 [q, c] cosine similarities, overwritten.
    own
        int64 [q], the column of the candidate that is the query itself, which sorts last; None for none.
    first
        number of the first of these candidates, where they are some of many.
    count
        how many candidates there are in all; None for these.

    Returns
    -------
    IntArray
        int64 [q, c]; `candidates_of` and `similarities_of` read them.
    """
    columns = similarity.shape[1]
    count = columns if count is None else count
    similarity *= -SIMILARITY_STEPS
    np.rint(similarity, out=similarity)
    # Below 2**53 for up to four million candidates, so that float64 arithmetic on these integers is exact.
    similarity *= 1 << _bits(count)
    similarity += np.arange(first, first + columns) + float(SIMILARITY_STEPS << _bits(count))
    keys = similarity.astype(np.int64)
    if own is not None:
        keys[np.arange(len(keys)), own] = np.iinfo(np.int64).max
    return keys


def candidates_of(keys: IntArray, count: int) -> IntArray:
    """The candidates, of `count`, that ranking keys belong to."""
    return keys & ((1 << _bits(count)) - 1)


def similarities_of(keys: IntArray, count: int) -> FloatArray:
    """The similarities, in whole steps, that ranking keys hold."""
    return 1.0 - (keys >> _bits(count)) / SIMILARITY_STEPS


def _bits(count: int) -> int:
    return max(1, (count - 1).bit_length())


def nearest_neighbors(
    embeddings: npt.ArrayLike, k: int = NEIGHBORS, *, block_rows: int | None = None
) -> tuple[IntArray, npt.NDArray[np.float32]]:
    """The k most similar other rows of every row: exact, ties to the lower index.

    The result is the same for every block size and thread count. Blocked matrix products and a partial sort:
    O(n * n * d) time, O(block_rows * n + n * d) memory.

    Parameters
    ----------
    embeddings
        [n, d], L2-normalised rows.
    k
        neighbours per row, at least 1; n - 1 where there are fewer rows.
    block_rows
        queries per block; by default as many as fit into the shared memory budget.

    Returns
    -------
    tuple[IntArray, npt.NDArray[np.float32]]
        indices, int64 [n, min(k, n - 1)], nearest first, and their cosine similarities, float32, same shape.

    Raises
    ------
    EvaluationError
        k or block_rows below 1, or rows that are not of unit length.

    Examples
    --------
    >>> import numpy as np
    >>> nearest_neighbors(np.array([[1.0, 0.0], [0.0, 1.0], [0.8, 0.6]]), k=1)[0].tolist()
    [[2], [2], [0]]
    """
    if block_rows is not None and block_rows < 1:
        raise EvaluationError(f"block_rows = {block_rows}: expected at least 1.")

    def blocks(rows: FloatArray, width: int) -> Iterator[IntArray]:
        return exact_blocks(rows, np.arange(len(rows)), width, block_rows=block_rows)

    return nearest_of_blocks(embeddings, k, blocks)


def exact_blocks(
    rows: FloatArray, queries: IntArray, width: int, *, block_rows: int | None = None
) -> Iterator[IntArray]:
    """Ranking keys of the nearest of some rows among all, sorted, int64 [rows of the block, width]; block after block.

    Parameters
    ----------
    rows
        float64 [n, d], of unit length.
    queries
        int64 [q], the rows that ask.
    width
        below n.
    block_rows
        see `nearest_neighbors`.
    """
    step = block_rows or rows_per_block(len(rows) * BYTES_PER_CANDIDATE)
    for start in range(0, len(queries), step):
        block = queries[start : start + step]
        keys = ranking_keys(rows[block] @ rows.T, own=block)
        keys.partition(width - 1, axis=1)
        yield np.sort(keys[:, :width], axis=1)


def nearest_of_blocks(
    embeddings: npt.ArrayLike, k: int, blocks: Callable[[FloatArray, int], Iterator[IntArray]]
) -> tuple[IntArray, npt.NDArray[np.float32]]:
    """What `nearest_neighbors` gives, of blocks of queries.

    Parameters
    ----------
    embeddings, k
        as there.
    blocks
        unit rows, neighbours per row -> the ranking keys of the nearest of each row, int64 [rows of the block, those],
        in order; block after block.
    """
    if k < 1:
        raise EvaluationError(f"k = {k}: expected at least 1.")
    rows = unit_rows(embeddings)
    count = len(rows)
    width = max(0, min(k, count - 1))
    keys: IntArray = np.empty((count, width), dtype=np.int64)
    if width:
        keys = np.concatenate(list(blocks(rows, width)))
    return candidates_of(keys, count), similarities_of(keys, count).astype(np.float32)


def neighbors_table(
    model: str,
    note_ids: Sequence[str],
    embeddings: npt.ArrayLike,
    *,
    scored_note_ids: Collection[str],
    k: int = NEIGHBORS,
    nearest: Nearest | None = None,
    nearest_of_all: Callable[[Sequence[str]], Nearest] | None = None,
) -> pa.Table:
    """Neighbours of one model: of every note among all notes, and of the scored test notes among themselves.

    Parameters
    ----------
    model
        goes into the `model` column; `metrics_table` looks for `baseline` and `tuned`.
    note_ids
        n different ids, in the order of the rows of `embeddings`.
    embeddings
        [n, d], L2-normalised rows.
    scored_note_ids
        the held-out test notes that carry a specialty (see `held_out_notes`).
    k
        neighbours per note and pool, fewer where the pool is smaller.
    nearest
        finds them; by default `nearest_neighbors`.
    nearest_of_all
        sorted ids -> what finds those among all notes; None for `nearest`.

    Returns
    -------
    pa.Table
        A table with NEIGHBORS_SCHEMA, sorted by pool, note_id and rank, whatever the order of the input.

    Raises
    ------
    EvaluationError
        ids that repeat or do not fit the rows, or a scored id that has no embedding.
    """
    order = sorted_order(note_ids, rows=len(np.asarray(embeddings)))
    ids = [note_ids[row] for row in order]
    rows = np.asarray(embeddings)[order]
    scored = set(scored_note_ids)
    is_scored = np.array([note_id in scored for note_id in ids], dtype=np.bool_)
    if int(is_scored.sum()) != len(scored):
        missing = sorted(scored.difference(ids))
        raise EvaluationError(
            f"scored_note_ids: {len(missing)} of {len(scored)} scored notes have no embedding by the model "
            f"'{model}' (first: {missing[0]}). Materialize the embeddings again."
        )
    parts = []
    exact = nearest or nearest_neighbors
    of_all = nearest_of_all(ids) if nearest_of_all else exact
    for pool, members, find in (
        ("all", np.arange(len(ids)), of_all),
        ("test", np.flatnonzero(is_scored), exact),
    ):
        indices, similarities = find(rows[members], k)
        count, width = indices.shape
        names = pa.array([ids[row] for row in members], type=pa.string())
        parts.append(
            pa.Table.from_arrays(
                [
                    pa.repeat(pa.scalar(model), count * width),
                    pa.repeat(pa.scalar(pool), count * width),
                    names.take(pa.array(np.repeat(np.arange(count), width))),
                    pa.array(np.tile(np.arange(1, width + 1, dtype=np.int32), count)),
                    names.take(pa.array(indices.reshape(-1))),
                    pa.array(similarities.reshape(-1)),
                ],
                schema=NEIGHBORS_SCHEMA,
            )
        )
    return pa.concat_tables(parts).combine_chunks()


def sorted_order(note_ids: Sequence[str], *, rows: int) -> IntArray:
    """Row positions in the order of their note ids, so that no result depends on the order of the input.

    Raises
    ------
    EvaluationError
        a note id twice, or a number of ids that differs from `rows`.
    """
    if len(note_ids) != rows:
        raise EvaluationError(
            f"note_ids: {len(note_ids)} ids for {rows} rows of embeddings; expected one per row."
        )
    order = sorted(range(rows), key=note_ids.__getitem__)
    for left, right in itertools.pairwise(order):
        if note_ids[left] == note_ids[right]:
            raise EvaluationError(
                f"note_ids: {note_ids[left]} occurs more than once; expected different ids."
            )
    return np.array(order, dtype=np.int64)
