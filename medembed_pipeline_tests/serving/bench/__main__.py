"""Measure the service, and say how it compares; `--write` puts the table into a page of the docs.

    python -m medembed_pipeline_tests.serving.bench [--short] [--write docs/serving.md]

Everything that is compared is measured in this one run, on this machine, in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medembed_pipeline.training.checkpoints import Checkpoint
from medembed_pipeline_tests.marked_page import replace_between
from medembed_pipeline_tests.serving.bench.lakes import big_lake, questions
from medembed_pipeline_tests.serving.bench.load import Load, put_load
from medembed_pipeline_tests.serving.bench.processes import Started, ours, plain

BEGIN, END = "<!-- bench-serving: begin -->", "<!-- bench-serving: end -->"
CLIENTS = 32


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    notes: int
    alone: int
    together: int
    swaps: int
    requests: int


FULL = Size(notes=100_000, alone=300, together=3_000, swaps=1_000, requests=24_000)
SHORT = Size(notes=2_000, alone=10, together=64, swaps=6, requests=200)

Row = tuple[str, str, str]


def main() -> int:
    """Measure all; prints a row after each part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--short", action="store_true", help="whether it works, in a few minutes; no figures to believe"
    )
    parser.add_argument("--write", type=Path, help="page whose marked part the table replaces")
    options = parser.parse_args()
    size = SHORT if options.short else FULL
    rows: list[Row] = []

    def add(row: Row) -> None:
        rows.append(row)
        print(" | ".join(row), flush=True)

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        lake, checkpoint, vectors = big_lake(folder, size.notes)
        with ours(lake.url, folder) as service:
            add(
                (
                    "ready",
                    f"{service.took:.1f} s",
                    f"`medembed serve` with {size.notes:,} notes, from the command on",
                )
            )
            measure_alone(service, checkpoint, size, add)
            own = put_load(service.port, "/search", questions(), clients=CLIENTS, requests=size.together)
        with plain(str(checkpoint.folder), vectors, folder) as other:
            theirs = put_load(other.port, "/search", questions(), clients=CLIENTS, requests=size.together)
        compare(own, theirs, add)
        with ours(lake.url, folder) as service:
            measure_memory(service, size, add)
        measure_swaps(folder / "small", size, add)
    if options.write:
        write(options.write, rows, size)
    return 0


def measure_alone(service: Started, checkpoint: Checkpoint, size: Size, add: Callable[[Row], None]) -> None:
    """One note after the other: encoded here, and searched with there, in turn."""
    from medembed_pipeline.encoder.model import load_encoder

    encoder = load_encoder(checkpoint.encoder_spec("cut"), device="cpu", precision="float32")
    asked = questions()
    bare, searched = [], []
    for _ in range(size.alone + 5):
        text = str(next(asked)["texts"][0])  # type: ignore[index]
        started = time.perf_counter()
        encoder.encode([text])
        bare.append(time.perf_counter() - started)
        load = put_load(service.port, "/search", iter([{"texts": [text], "hits": 10}]), clients=1, requests=1)
        searched += load.seconds
    # The first of each warm up.
    encoding, search = (statistics.median(found[5:]) for found in (bare, searched))
    add(
        (
            "/search alone, p50",
            f"{search / encoding:.2f} times the bare encoding",
            f"{1000 * search:.1f} ms and {1000 * encoding:.1f} ms, a note of 128 tokens among {size.notes:,}",
        )
    )


def compare(own: Load, theirs: Load, add: Callable[[Row], None]) -> None:
    """Ours and the plain one, under the same load."""
    for load in (own, theirs):
        assert set(load.statuses) == {200}, set(load.statuses)
    add(
        (
            f"{CLIENTS} clients, requests a second",
            f"{own.per_second / theirs.per_second:.2f} times the plain service",
            f"{own.per_second:.1f} and {theirs.per_second:.1f}",
        )
    )
    tails = own.percentile(0.99), theirs.percentile(0.99)
    add(
        (
            f"{CLIENTS} clients, p99",
            f"{tails[0] / tails[1]:.2f} times the plain service",
            f"{1000 * tails[0]:.0f} ms and {1000 * tails[1]:.0f} ms",
        )
    )


def measure_memory(service: Started, size: Size, add: Callable[[Row], None]) -> None:
    """Memory while many ask; then the worker is killed while they do."""
    samples: list[float] = []

    def look(answers: int) -> None:
        if answers % max(1, size.requests // 48) == 0:
            samples.append(service.megabytes())

    load = put_load(
        service.port, "/search", questions(), clients=CLIENTS, requests=size.requests, on_answer=look
    )
    assert set(load.statuses) == {200}
    quarter = len(samples) // 4
    first, last = statistics.mean(samples[quarter : 2 * quarter]), statistics.mean(samples[-quarter:])
    add(
        (
            f"{size.requests:,} requests, resident memory",
            f"{100 * (last / first - 1):+.1f}%",
            f"{first:.0f} MB in the second quarter, {last:.0f} MB in the last; none failed",
        )
    )

    def kill(answers: int) -> None:
        if answers == size.requests // 8:
            os.kill(service.answering.pid, signal.SIGKILL)

    load = put_load(
        service.port, "/search", questions(), clients=CLIENTS, requests=size.requests // 4, on_answer=kill
    )
    failed = sum(status != 200 for status in load.statuses)
    add(
        (
            "the worker is killed under load",
            f"{load.retries} retries, {failed} failed",
            f"of {len(load.seconds):,} requests",
        )
    )


def measure_swaps(folder: Path, size: Size, add: Callable[[Row], None]) -> None:
    """Two small checkpoints take turns while people ask: every answer is of the checkpoint that it names."""
    import threading

    from medembed_pipeline.encoder.model import load_encoder
    from medembed_pipeline.serving.parts import read_parts
    from medembed_pipeline_tests.serving.small_lake import ENCODER, make_lake, new_note, spec_of

    folder.mkdir()
    small = make_lake(folder)
    text = new_note(1)
    expected, snapshots = {}, {}
    for version in ("bbbb", "aaaa"):
        small.release(version)
        parts = read_parts(small.lake, ENCODER)
        encoder = load_encoder(spec_of(parts.checkpoint), device="cpu", precision="float32")
        expected[version], snapshots[parts.id] = encoder.encode([text])[0], version
    stop, wrong, answers = threading.Event(), [0, 0], [0]

    def ask(port: int) -> None:
        while not stop.is_set():
            bodies = iter([{"texts": [text]} for _ in range(64)])
            load = put_load(port, "/embed", bodies, clients=8, requests=64, keep=True)
            for status, body in zip(load.statuses, load.bodies, strict=True):
                answers[0] += 1
                if status != 200:
                    wrong[0] += 1
                    continue
                answer = json.loads(body)
                near = abs(expected[answer["checkpoint"]] - answer["vectors"][0]).max() < 1e-4
                if not near or snapshots.get(answer["snapshot"]) != answer["checkpoint"]:
                    wrong[1] += 1

    with ours(small.lake.url, folder, tokens=32) as service:
        asker = threading.Thread(target=ask, args=(service.port,))
        asker.start()
        before = 0.0
        # What is loaded once (and both models' first memory) is not what swaps add.
        warm = max(2, size.swaps // 20)
        for swap in range(size.swaps + warm):
            version = ("bbbb", "aaaa")[swap % 2]
            small.release(version)
            _wait_for(service.port, version)
            if swap == warm - 1:
                before = service.megabytes()
        after = service.megabytes()
        stop.set()
        asker.join()
    add(
        (
            f"{size.swaps:,} swaps under load",
            f"{wrong[0]} failed, {wrong[1]} mixed",
            f"of {answers[0]:,} answers; resident memory {before:.0f} MB before, {after:.0f} MB after "
            f"({100 * (after / before - 1):+.1f}%)",
        )
    )


def _wait_for(port: int, version: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        load = put_load(port, "/embed", iter([{"texts": ["chest pain"]}]), clients=1, requests=1, keep=True)
        if load.statuses == [200] and json.loads(load.bodies[0])["checkpoint"] == version:
            return
        time.sleep(0.02)
    raise RuntimeError(f"{version} was not taken up")


def write(page: Path, rows: list[Row], size: Size) -> None:
    """Put the table between the marks of a page."""
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    cores = f"{os.cpu_count()} cores, {size.notes:,} notes of 384 dimensions, the bundled model in float32"
    replace_between(page, BEGIN, END, f"{cores}:\n\n| what | found | of |\n|---|---|---|\n{table}")


if __name__ == "__main__":
    sys.exit(main())
