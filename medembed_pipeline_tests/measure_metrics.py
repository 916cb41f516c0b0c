"""Where the time of the metrics goes: processor time of each part, on the notes of `make bench`.

    python -m medembed_pipeline_tests.measure_metrics [--notes 20000]

The parts that take all pairs of notes are measured on some blocks of queries; all are told per pair of notes and model,
beside the product of the two, which is the floor. Processor time says the same while others work on the machine.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from medembed_pipeline.evaluation.clusters import cluster_figures, single_label_classes
from medembed_pipeline.evaluation.metrics_table import note_contrasts, note_searches, scored_notes
from medembed_pipeline.evaluation.rankings import BlockScorer, in_blocks
from medembed_pipeline.evaluation.relevance import set_gains
from medembed_pipeline.evaluation.similarity import PairSums, similarity_figures
from medembed_pipeline.evaluation.vectors import unit_rows
from medembed_pipeline_tests.bench.comparison import Row
from medembed_pipeline_tests.bench.metrics import MODELS, Metrics, read_drawn

BLOCKS = 4
DIMENSIONS = 384


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--notes", type=int, default=20_000)
    with threadpool_limits(1):
        measure(parser.parse_args().notes)


def measure(count: int) -> None:
    """Measure every part for so many notes, and print a table."""
    with tempfile.TemporaryDirectory() as folder:
        drawn = Row("drawn", "drawn notes", 1, {"notes": count, "dimensions": DIMENSIONS})
        Metrics().prepare(drawn, Path(folder))
        vectors, labels, groups = read_drawn(Path(folder))
    notes = scored_notes([f"{row:08}" for row in range(count)], labels, groups.tolist())
    rows = {model: unit_rows(vectors[model]) for model in MODELS}
    membership, scopes = notes.labels.membership, notes.scope_membership
    group_count = int(notes.groups.max()) + 1
    pairs = {model: PairSums(rows[model], membership) for model in MODELS}
    scorer = BlockScorer(
        note_searches(pairs, None),
        set_gains(membership),
        query_groups=notes.groups,
        candidate_groups=notes.groups,
        scopes=scopes,
        own_candidate=np.arange(count),
        contrasts=note_contrasts(None),
    )
    blocks = list(in_blocks(notes.groups, count))
    blocks = blocks[:: max(1, len(blocks) // BLOCKS)]
    queries = sum(len(block) for block in blocks)
    some = 1e9 / (len(MODELS) * queries * count)
    every = 1e9 / (len(MODELS) * count**2)
    both = [(model, block) for block in blocks for model in MODELS]
    product = some * _seconds(lambda of: rows[of[0]][of[1]] @ rows[of[0]].T, both)
    similarity = some * _seconds(lambda of: pairs[of[0]].similarity(of[1]), both)
    scored = some * _seconds(scorer.score, blocks)
    clusters = every * _seconds(
        lambda classes: cluster_figures(
            rows,
            classes,
            notes.groups,
            class_count=membership.shape[1],
            group_count=group_count,
            contrasts=note_contrasts(None),
        ),
        [single_label_classes(membership)],
    )
    for one in pairs.values():
        one.keep(np.arange(count), np.zeros((count, len(one.sets))))
    summed = every * _seconds(
        lambda one: similarity_figures(one, scopes, notes.groups, group_count=group_count), pairs.values()
    )
    parts = {
        "product of all pairs": product,
        "squares of similarities by set of labels": similarity - product,
        "rankings, and what each group does to them": scored - similarity,
        "clusters, and what each group does to them": clusters,
        "sums over pairs, and what each group does to them": summed,
    }
    print(f"{count:,} notes, {DIMENSIONS} dimensions, {len(MODELS)} models")
    print("| part | nanoseconds of one core per pair of notes and model | products |\n|---|---|---|")
    for name, nanoseconds in {**parts, "together": sum(parts.values())}.items():
        print(f"| {name} | {nanoseconds:.1f} | {nanoseconds / product:.2f} |")


def _seconds(work: Callable[[Any], object], items: Iterable[Any]) -> float:
    """Processor time of the work on all items; the first one is done before, to load what it needs."""
    work(next(iter(items)))
    began = time.process_time()
    for item in items:
        work(item)
    return time.process_time() - began


if __name__ == "__main__":
    main()
