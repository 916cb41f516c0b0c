"""The leakage estimate: the same two models on the same corpus, scored the way a leaking split would score them.

A split by row or by text lets the model train on what it is scored on. How much of a gain that makes up can be
told without training again, since the checkpoint has notes that it was trained on and notes that it was not.

Method. For each protocol:

1. Draw a split of this corpus by the protocol's rule, with the shares of `[splits]`, and count `seen_share`: the
   share of its scored test items of which the same text, a near-duplicate or another note of the patient would have
   been in its train part. A row is a (text, label) pair as it landed, labels that name a document type included, for a
   split by row deals those out, too; only rows whose label is a specialty are scored.
2. Build a scored set in that proportion: seen items from notes that the checkpoint was trained on, unseen items from
   the held-out notes (neither they nor a near-duplicate were trained on). Both are drawn by whole near-duplicate
   groups.
3. Score baseline and tuned vectors on that set with the functions behind `embedding_metrics`.

Protocols:

- `by_patient`, where patients are known: the held-out notes, of which the checkpoint has seen neither the text, nor a
  near-duplicate, nor another note of the patient. These are the figures of `embedding_metrics`.
- `by_group`: a split by near-duplicates alone; another note of the patient may have been trained on. Where no patient
  is known, these are the held-out notes, nothing of which was seen.
- `by_text`: a split of different texts; a near-duplicate may have been trained on.
- `by_row`: a split of rows. Each row is an item, the rows of one text are separate items of the same pool, and two
  rows are relevant to each other where their labels are equal.
- `all_notes`: any note, as when a model is scored on its whole corpus.
- `training_notes`: notes that the checkpoint was trained on.

Steps 1 to 3 are repeated with different draws; a figure is the mean. Its interval covers both the draw of the set and
the notes in it: the jackknife of all intervals (`evaluation/jackknife.py`), pooled over the repeats.

Precision at k depends on how many candidates there are. So every protocol's scored set has the same size: that of the
held-out notes, or of the trained ones, or `largest_pool`, whichever is smallest.

The share of the gain that is memory is 1 - gain on held-out notes / gain(protocol): 0 where a leaking split shows the
true gain, 1 where all of it is memory, above 1 where the model got worse on notes it never saw. It is null where the
protocol shows no gain.

Limits. The checkpoint is not retrained: a model trained on a leaking split would differ a little, and it would have
seen a test item's near-duplicate or its other row, where here it has seen the very text with all its labels. So the
share is an upper estimate for `by_text` and `by_row`, and exact for `all_notes` and `training_notes`. `by_row` also
changes what counts as relevant, which moves the gain of both kinds of items; `gain_unseen` in the facts is the gain by
that protocol's own rules on items none of which was seen, and `memorization_share_same_rules` the share against it.
Notes of the splits differ by chance; the same notes serve both models, so that the gain, a paired difference, hardly
feels it. What happens to a model that is trained on a split by row for real, `medembed experiment` shows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from medembed_pipeline.evaluation.jackknife import Jackknife, group_numbers, pooled
from medembed_pipeline.evaluation.metric_names import MetricKey
from medembed_pipeline.evaluation.metrics_table import (
    METRICS,
    ScoredNotes,
    figure_intervals,
    note_figures,
)
from medembed_pipeline.evaluation.relevance import LabelMatrix
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray
from medembed_pipeline.evidence.leakage.corpus import LeakNotes
from medembed_pipeline.evidence.leakage.memory import (
    DECIMALS,
    PROTOCOLS,
    UNSEEN_ROWS,
    ProtocolResult,
    memory_facts,
)
from medembed_pipeline.evidence.leakage.simulation import draw_by_group, seen_share
from medembed_pipeline.lake.fields import described

MODELS = ("baseline", "tuned", "difference")

LEAKAGE_ESTIMATE_SCHEMA = pa.schema(
    [
        described(
            "protocol",
            pa.string(),
            "how the scored items were chosen: by_patient (where patients are known), by_group, by_text, by_row, "
            "all_notes, training_notes",
        ),
        described("model", pa.string(), "baseline, tuned, or difference (tuned - baseline)"),
        described("metric", pa.string(), "name of the figure, as in embedding_metrics"),
        described(
            "k", pa.int32(), "ranks looked at, null where the metric has no such number", nullable=True
        ),
        described("value", pa.float64(), "the figure, mean over the simulated splits, NaN where undefined"),
        described(
            "ci_low",
            pa.float64(),
            "lower end of the jackknife interval over groups and simulated splits, NaN where none",
        ),
        described("ci_high", pa.float64(), "upper end of that interval, NaN where none"),
        described("n", pa.int64(), "items of a scored set, the same for every protocol"),
        described(
            "seen_share",
            pa.float64(),
            "share of the scored items of which the checkpoint was trained on the text, a near-duplicate, or another "
            "note of the patient",
        ),
    ]
)


@dataclass(frozen=True)
class _Scored:
    """One scored set: notes by position (repeated where several rows of one are items), and labels per item."""

    notes: IntArray
    membership: FloatArray


def simulated_seen_share(
    notes: LeakNotes, protocol: str, *, train: float, test: float, generator: np.random.Generator
) -> float:
    """Share of the test items of one split by the protocol's rule that its training would have seen."""
    by_row = protocol == "by_row"
    groups = notes.groups[notes.rows.note] if by_row else notes.groups
    scored = notes.rows.has_specialty if by_row else np.ones(len(groups), dtype=np.bool_)
    units = {"by_patient": notes.groups, "by_group": notes.near_duplicates}.get(
        protocol, np.arange(len(groups))
    )
    return seen_share(units, groups, scored, train=train, test=test, generator=generator)


def leakage_estimate(
    notes: LeakNotes,
    *,
    train: float,
    test: float,
    repeats: int,
    seed: int,
    largest_pool: int,
    confidence: float,
    on_protocol: Callable[[str], object] | None = None,
) -> tuple[pa.Table, dict[str, Any]]:
    """Score both models under every protocol; see the module's docstring.

    Parameters
    ----------
    notes
        of `leak_notes`.
    train
        share of items that a split trains on.
    test
        share of items that a split scores.
    repeats
        simulated splits per protocol.
    seed
        of every draw.
    largest_pool
        items of a scored set at most.
    confidence
        of the intervals.
    on_protocol
        called with the name of each protocol when it is done.

    Returns
    -------
    tuple[pa.Table, dict[str, Any]]
        A table with LEAKAGE_ESTIMATE_SCHEMA, sorted by protocol, model and metric, and facts: `pool` (items of a scored
        set), `held_out_notes`, `trained_notes`, `memorization_share_<protocol>` (of the gain in precision@5),
        `memorization_share_map_<protocol>` (of the gain in MAP), `memory`, a record per protocol and metric, and
        `held_out_protocol`, the one in which nothing was seen. The table is empty where fewer than two notes were
        held out; without trained notes it has that protocol alone.
    """
    unseen = "by_patient" if notes.patients_known else "by_group"
    held_out, trained = np.flatnonzero(notes.held_out), np.flatnonzero(notes.trained)
    sizes = [len(held_out), largest_pool, *([len(trained)] if len(trained) else [])]
    pool = min(sizes)
    facts: dict[str, Any] = {
        "pool": pool,
        "held_out_notes": len(held_out),
        "trained_notes": len(trained),
        "repeats": repeats,
        "held_out_protocol": unseen,
    }
    if pool < 2:
        return LEAKAGE_ESTIMATE_SCHEMA.empty_table(), facts | memory_facts({}, unseen, confidence=confidence)
    names = [unseen]
    if len(trained):
        names = [*(name for name in PROTOCOLS if name != "by_patient" or notes.patients_known), UNSEEN_ROWS]
    results: dict[str, ProtocolResult] = {}
    for protocol in names:
        number = [*PROTOCOLS, UNSEEN_ROWS].index(protocol)
        # Nothing is drawn where all held-out notes are scored.
        whole = protocol == unseen and pool == len(held_out)
        times = 1 if whole else repeats
        sets = []
        for repeat in range(times):
            generator = np.random.default_rng((seed, number, repeat))
            share = 0.0
            if protocol in ("by_group", "by_text", "by_row") and protocol != unseen:
                share = simulated_seen_share(notes, protocol, train=train, test=test, generator=generator)
            sets.append(_scored_set(notes, protocol, share, pool, generator))
        results[protocol] = _score(notes, sets)
        if on_protocol is not None and protocol in PROTOCOLS:
            on_protocol(protocol)
    table = pa.concat_tables(
        _rows(protocol, results[protocol], pool, confidence) for protocol in names if protocol in PROTOCOLS
    )
    return table, facts | memory_facts(results, unseen, confidence=confidence)


def _scored_set(
    notes: LeakNotes, protocol: str, share: float, pool: int, generator: np.random.Generator
) -> _Scored:
    """Draw the items of one scored set; `share` of them seen, NaN counting as none."""
    if protocol == "all_notes":
        chosen = draw_by_group(np.arange(len(notes.note_ids)), notes.groups, pool, generator)
        return _Scored(chosen, notes.labels.membership[chosen])
    if protocol == "training_notes":
        share = 1.0
    from_seen = round((share if math.isfinite(share) else 0.0) * pool)
    parts = []
    for source, count in ((notes.trained, from_seen), (notes.held_out, pool - from_seen)):
        if protocol in ("by_row", UNSEEN_ROWS):
            rows = np.flatnonzero(source[notes.rows.note] & notes.rows.has_specialty)
            parts.append(draw_by_group(rows, notes.groups[notes.rows.note], count, generator))
        else:
            parts.append(draw_by_group(np.flatnonzero(source), notes.groups, count, generator))
    chosen = np.sort(np.concatenate(parts))
    if protocol not in ("by_row", UNSEEN_ROWS):
        return _Scored(chosen, notes.labels.membership[chosen])
    membership = np.zeros((len(chosen), len(notes.labels.names)))
    membership[np.arange(len(chosen)), notes.rows.label[chosen]] = 1.0
    return _Scored(notes.rows.note[chosen], membership)


def _score(notes: LeakNotes, sets: list[_Scored]) -> ProtocolResult:
    found: dict[tuple[str, MetricKey], list[Jackknife]] = {}
    numbers: list[IntArray] = []
    for scored in sets:
        groups = notes.groups[scored.notes]
        ready = ScoredNotes(
            note_ids=tuple(notes.note_ids[row] for row in scored.notes),
            order=np.arange(len(scored.notes)),
            labels=LabelMatrix(notes.labels.names, scored.membership),
            eligible=(),
            groups=group_numbers(groups.tolist()),
        )
        numbers.append(groups[np.sort(np.unique(groups, return_index=True)[1])])
        figures = note_figures(ready, {model: rows[scored.notes] for model, rows in notes.vectors.items()})
        for model in MODELS:
            for key in METRICS:
                found.setdefault((model, key), []).append(figures[model][key].columns([0]))
    count = int(notes.groups.max()) + 1
    seen = [float(notes.seen[scored.notes].mean()) for scored in sets]
    return ProtocolResult(
        {name: pooled(parts, numbers, count) for name, parts in found.items()},
        round(float(np.mean(seen)), DECIMALS),
    )


def _rows(protocol: str, result: ProtocolResult, pool: int, confidence: float) -> pa.Table:
    rows = []
    for model in MODELS:
        figures = {key: result.figures[model, key] for key in METRICS}
        for name, k in METRICS:
            ends = figure_intervals(figures, (name, k), model, confidence)
            rows.append(
                {
                    "protocol": protocol,
                    "model": model,
                    "metric": name,
                    "k": k,
                    "value": result.value(model, (name, k)),
                    "ci_low": round(float(ends.low[0]), DECIMALS),
                    "ci_high": round(float(ends.high[0]), DECIMALS),
                    "n": pool,
                    "seen_share": result.seen_share,
                }
            )
    return pa.Table.from_pylist(rows, schema=LEAKAGE_ESTIMATE_SCHEMA)
