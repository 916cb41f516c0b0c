"""From how many notes on would an approximate index pay: `python -m medembed_pipeline_tests.serving.measure_sizes`.

The exact search of the service beside usearch's HNSW graph with its defaults (extra `bench`): milliseconds of a
question, the graph's recall of the ten nearest, and what building it takes. Vectors are those of the sample notes
by the bundled model, each with noise of its own, so that they have the directions that a corpus has; questions are
drawn alike.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from medembed_pipeline.encoder.model import load_encoder
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.encoder.spec import spec_of_settings
from medembed_pipeline.samples.corpus import sample_rows
from medembed_pipeline.serving.search import FloatArray, Query, SearchIndex

HITS = 10
QUESTIONS = 40
NOISE = 0.6
"""Length of the noise beside a vector's own length of 1: cosine 0.86 to the note it was drawn from."""


def main() -> int:
    """Print a row per size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20_000, 100_000, 300_000, 1_000_000])
    parser.add_argument(
        "--graph-up-to", type=int, default=100_000, help="largest size that usearch is built for"
    )
    options = parser.parse_args()
    random = np.random.default_rng(7)
    encoder = load_encoder(spec_of_settings(EncoderSettings()), device="cpu", precision="float32")
    texts = list({row["transcription"]: None for row in sample_rows(600, 7)})
    known = np.asarray(encoder.encode(texts), dtype=np.float32)
    encoding = _median(lambda at: encoder.encode([texts[at % len(texts)]]))
    print(f"encoding a note: {encoding:.1f} ms")
    print("| notes | exact search, ms | of encoding | usearch, ms | its recall at 10 | building it, s |")
    print("|---|---|---|---|---|---|")
    for size in options.sizes:
        rows = drawn(known, size, random)
        asked = drawn(known, QUESTIONS, random)
        index = SearchIndex(rows)
        exact = _median(partial(_search, index, asked))
        graph = _graph(rows, asked, index) if size <= options.graph_up_to else "| | | |"
        print(f"| {size:,} | {exact:.1f} | {100 * exact / encoding:.0f}% {graph}", flush=True)
    return 0


def drawn(known: FloatArray, count: int, random: np.random.Generator) -> FloatArray:
    """float32 [count, d], unit rows: known vectors, drawn with replacement, with noise that is spread as they are."""
    spread = np.cov(known.T) + 1e-6 * np.eye(known.shape[1])
    directions = np.linalg.cholesky(spread).astype(np.float32)
    made = np.empty((count, known.shape[1]), dtype=np.float32)
    for first in range(0, count, 50_000):
        own = known[random.integers(len(known), size=min(50_000, count - first))]
        noise = random.standard_normal(own.shape, dtype=np.float32) @ directions.T
        noise *= NOISE / np.linalg.norm(noise, axis=1, keepdims=True)
        block = own + noise
        made[first : first + len(block)] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return made


def _search(index: SearchIndex, asked: FloatArray, at: int) -> None:
    index.search([Query(asked[at], HITS)])


def _graph(rows: FloatArray, asked: FloatArray, index: SearchIndex) -> str:
    from usearch.index import Index

    graph = Index(ndim=rows.shape[1], metric="cos", dtype="f32")
    started = time.perf_counter()
    graph.add(np.arange(len(rows)), rows)
    built = time.perf_counter() - started
    took = _median(lambda at: graph.search(asked[at], HITS))
    found = [
        len(
            {int(key) for key in graph.search(question, HITS).keys}
            & {int(row) for row in index.search([Query(question, HITS)])[0].rows}
        )
        for question in asked
    ]
    return f"| {took:.1f} | {sum(found) / (HITS * len(asked)):.3f} | {built:.0f} |"


def _median(work: Callable[[int], object]) -> float:
    """Milliseconds of one of QUESTIONS calls, the first few left out."""
    took = []
    for at in range(QUESTIONS):
        started = time.perf_counter()
        work(at)
        took.append(1000 * (time.perf_counter() - started))
    return statistics.median(took[5:])


if __name__ == "__main__":
    raise SystemExit(main())
