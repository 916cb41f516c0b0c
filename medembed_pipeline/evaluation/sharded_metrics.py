"""What blocks of queries add to the metrics, as a function of shards: a block of notes among all of them.

A shard is a block that one process would take, too, and the sums of the blocks are added in the same order. So the
metrics are the same to the last digit, whoever works on which block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from medembed_pipeline.engine import Engine, Shard, ShardRows, ShardWork, Worker
from medembed_pipeline.evaluation import REVISION
from medembed_pipeline.evaluation.metric_names import MetricKey
from medembed_pipeline.evaluation.metrics_table import MODELS, ScoredNotes, note_contrasts, note_searches
from medembed_pipeline.evaluation.rankings import Blocks, BlockScorer, BlockSums, Scored
from medembed_pipeline.evaluation.relevance import set_gains
from medembed_pipeline.evaluation.similarity import PairSums
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray, column_of_rows, rows_of_column

_Part = tuple[str, str, MetricKey]
"""What it is, of which model or contrast, by which metric."""
_ALL: MetricKey = ("", None)

_SCHEMA = pa.schema(
    [
        pa.field("what", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("k", pa.int32()),
        pa.field("numbers", pa.large_list(pa.float64()), nullable=False),
    ]
)


@dataclass(frozen=True)
class _Search:
    """What a worker keeps from shard to shard."""

    pairs: dict[str, PairSums]
    scorer: BlockScorer


def block_sums(tables: Sequence[pa.Table], settings: Mapping[str, Any], worker: Worker) -> pa.Table:
    """What a block of notes adds.

    Parameters
    ----------
    tables
        All notes, see `_notes_table`; and the block, column query, their numbers.
    settings
        `notes`, a name for the first table; `words`, how many the rows of word weights have, 0 for none.
    worker
        keeps what is made of the first table.

    Returns
    -------
    pa.Table
        `_Part` and numbers: those of `BlockSums` laid out flat, and the squares of `PairSums`.
    """
    search: _Search = worker.once(settings["notes"], lambda: _search(tables[0], settings["words"]))
    block = tables[1].column("query").to_numpy()
    parts = {} if (found := search.scorer.score(block)) is None else _flat(found)
    parts |= {("pairs", model, _ALL): pairs.squares(block) for model, pairs in search.pairs.items()}
    names = zip(*((what, model, *key) for what, model, key in parts), strict=True)
    numbers = [np.asarray(values, dtype=np.float64).reshape(-1) for values in parts.values()]
    cells = zip([*names, numbers], _SCHEMA, strict=True)
    return pa.Table.from_arrays([pa.array(column, field.type) for column, field in cells], schema=_SCHEMA)


BLOCK_SUMS = ShardWork(block_sums, REVISION)


def sharded_blocks(engine: Engine, notes: ScoredNotes, pairs: Mapping[str, PairSums], lexical: Any) -> Blocks:
    """Scores blocks of notes by an engine.

    Parameters
    ----------
    engine
        works on the blocks.
    notes
        what is scored.
    pairs
        by model; they are given what the blocks find.
    lexical
        scipy.sparse [n, words], word weights; None for none.
    """
    rows = ShardRows(_notes_table(notes, pairs, lexical))
    settings = {"notes": rows.sha256, "words": 0 if lexical is None else lexical.shape[1]}
    shape = 1 + len(notes.eligible), 1 + int(notes.groups.max())

    def scored(function: Scored, blocks: Iterable[IntArray]) -> Iterator[BlockSums | None]:
        taken = list(blocks)
        shards = (Shard((rows, ShardRows(pa.table({"query": block}))), settings) for block in taken)
        for block, table in zip(taken, engine.map(BLOCK_SUMS, shards), strict=True):
            names = table.select(["what", "model", "metric", "k"]).to_pydict().values()
            parts: dict[_Part, FloatArray] = {
                (what, model, (metric, k)): numbers.values.to_numpy()
                for what, model, metric, k, numbers in zip(*names, table.column("numbers"), strict=True)
            }
            for model, one in pairs.items():
                one.keep(block, parts.pop(("pairs", model, _ALL)).reshape(len(block), -1))
            yield _whole(parts, shape) if parts else None

    return scored


def _notes_table(notes: ScoredNotes, pairs: Mapping[str, PairSums], lexical: Any) -> pa.Table:
    """Vectors of each model, specialty sets, scopes and group of every note, and where there are any, word weights."""
    columns = {model: column_of_rows(one.rows) for model, one in pairs.items()}
    columns["membership"] = column_of_rows(notes.labels.membership)
    columns["scopes"] = column_of_rows(notes.scope_membership)
    columns["group"] = pa.array(notes.groups)
    if lexical is not None:
        ends = pa.array(lexical.indptr, pa.int64())
        for name, values in (("words", lexical.indices), ("weights", lexical.data)):
            columns[name] = pa.LargeListArray.from_arrays(ends, pa.array(values))
    return pa.table(columns)


def _search(table: pa.Table, words: int) -> _Search:
    from scipy.sparse import csr_matrix

    membership = rows_of_column(table.column("membership"))
    groups = table.column("group").to_numpy()
    models = [name for name in table.column_names if name in MODELS]
    pairs = {model: PairSums(rows_of_column(table.column(model)), membership) for model in models}
    lexical = None
    if words:
        numbers, weights = (table.column(name).combine_chunks() for name in ("words", "weights"))
        parts = weights.flatten().to_numpy(), numbers.flatten().to_numpy(), weights.offsets.to_numpy()
        lexical = csr_matrix(parts, shape=(len(groups), words))
    scorer = BlockScorer(
        note_searches(pairs, lexical),
        set_gains(membership),
        query_groups=groups,
        candidate_groups=groups,
        scopes=rows_of_column(table.column("scopes")),
        own_candidate=np.arange(len(groups)),
        contrasts=note_contrasts(lexical),
    )
    return _Search(pairs, scorer)


def _flat(found: BlockSums) -> dict[_Part, Any]:
    parts: dict[_Part, Any] = {("queries", "", _ALL): found.queries, ("sole", "", _ALL): found.sole}
    for what, by_model in (("scores", found.scores), ("squares", found.squares)):
        parts |= {
            (what, model, key): values for model, one in by_model.items() for key, values in one.items()
        }
    for model, effects in found.effects.items():
        for key, (places, sums) in effects.items():
            parts |= {("places", model, key): places, ("effects", model, key): sums}
    return parts | {("average", model, _ALL): values for model, values in found.average_effects.items()}


def _whole(parts: Mapping[_Part, FloatArray], shape: tuple[int, int]) -> BlockSums:
    def by_model(what: str) -> dict[str, dict[MetricKey, FloatArray]]:
        found: dict[str, dict[MetricKey, FloatArray]] = {}
        for (name, model, key), values in parts.items():
            if name == what:
                found.setdefault(model, {})[key] = values
        return found

    places = by_model("places")
    return BlockSums(
        parts["queries", "", _ALL].astype(np.int64),
        parts["sole", "", _ALL].astype(np.int64),
        by_model("scores"),
        {
            model: {key: (places[model][key].astype(np.int64), sums) for key, sums in effects.items()}
            for model, effects in by_model("effects").items()
        },
        {model: one[_ALL].reshape(shape) for model, one in by_model("average").items()},
        by_model("squares"),
    )
