"""Another checkpoint is taken up while people ask: nobody fails, and no answer is of two models."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medembed_pipeline.serving.client import ServingClient
from medembed_pipeline.serving.errors import BusyError, ServingError
from medembed_pipeline.serving.inference import InferenceThread, Job, Searched, compute
from medembed_pipeline.serving.keeper import RETRY_SECONDS, SnapshotKeeper
from medembed_pipeline.serving.parts import SnapshotParts, read_parts
from medembed_pipeline.serving.snapshot import Snapshot, build_snapshot
from medembed_pipeline_tests.serving.conftest import running
from medembed_pipeline_tests.serving.small_lake import ENCODER, SmallLake, new_note

SWAPS, ASKERS = 8, 4


def make_keeper(small: SmallLake, **more: object) -> SnapshotKeeper:
    def build(parts: SnapshotParts) -> Snapshot:
        return build_snapshot(small.lake, parts, ENCODER)

    options = {"watch_seconds": 0.05, "settle_seconds": 0.0, **more}
    return SnapshotKeeper(lambda: read_parts(small.lake, ENCODER), build, **options)  # type: ignore[arg-type]


def test_swapping_while_threads_hammer_fails_nobody_and_mixes_nothing(
    small: SmallLake, tmp_path: Path
) -> None:
    texts = [new_note(seed) for seed in range(8)]
    with running(small, tmp_path, watch_seconds=0.1) as made:
        expected: dict[str, dict[str, np.ndarray]] = {}
        ids: dict[str, set[str]] = {}
        for version in ("aaaa", "bbbb"):
            small.release(version)
            made.wait_for(lambda v=version: made.service.snapshot().parts.checkpoint.version == v)  # type: ignore[misc]
            snapshot = made.service.snapshot()
            matrix = snapshot.encoder.encode(texts)
            expected[snapshot.id] = dict(zip(texts, matrix, strict=True))
            ids[version] = {snapshot.id}
        stop = threading.Event()
        wrong: list[str] = []
        answers = [0] * ASKERS

        def ask(number: int) -> None:
            with ServingClient(made.url, retries=0) as client:
                while not stop.is_set():
                    text = texts[(number + answers[number]) % len(texts)]
                    try:
                        vectors, answer = client.embed([text])
                        found = client.search([text], hits=5)
                    except Exception as error:
                        wrong.append(repr(error))
                        return
                    if not np.allclose(vectors[0], expected[answer.snapshot][text], atol=1e-5):
                        wrong.append("a vector of another model")
                    if {answer.snapshot} != ids[answer.checkpoint]:
                        wrong.append("a snapshot of another checkpoint")
                    stored = expected[found.snapshot][text]
                    best = found.results[0].hits[0]
                    row = kept[found.snapshot].row_of[best.note_id]
                    if abs(float(kept[found.snapshot].index.vectors[row] @ stored) - best.similarity) > 1e-5:
                        wrong.append("a similarity of two models")
                    answers[number] += 1

        kept = {}
        for version in ("aaaa", "bbbb"):
            small.release(version)
            made.wait_for(lambda v=version: made.service.snapshot().parts.checkpoint.version == v)  # type: ignore[misc]
            kept[made.service.snapshot().id] = made.service.snapshot()
        askers = [threading.Thread(target=ask, args=(number,)) for number in range(ASKERS)]
        for asker in askers:
            asker.start()
        for swap in range(SWAPS):
            version = ("aaaa", "bbbb")[swap % 2]
            small.release(version)
            made.wait_for(lambda v=version: made.service.snapshot().parts.checkpoint.version == v)  # type: ignore[misc]
        stop.set()
        for asker in askers:
            asker.join(30)
        assert wrong == [] and min(answers) > 0
        assert "medembed_snapshot_failures_total 0.0" in made.service.metrics.text().decode()


def test_new_notes_are_found_without_a_restart(small: SmallLake, tmp_path: Path) -> None:
    with running(small, tmp_path) as made, ServingClient(made.url, retries=0) as client:
        first = made.service.snapshot()
        text = new_note(77)
        assert client.search([text], hits=1).results[0].stored_as is None
        small.texts.append(text)
        small.specialties.append(["Radiology"])
        small.write_notes()
        small.embed(first.parts.checkpoint)
        made.wait_for(lambda: made.service.snapshot().id != first.id)
        found = client.search([text], hits=1, include_text=True).results[0]
        assert found.hits[0].text == text and found.hits[0].labels == ["Radiology"]
        assert found.stored_as == found.hits[0].note_id
        # The model is the same, and was not loaded again.
        assert made.service.snapshot().encoder is first.encoder


def test_a_training_that_is_not_released_changes_nothing(small: SmallLake) -> None:
    keeper = make_keeper(small)
    assert keeper.look() and not keeper.look()
    before = keeper.current
    small.embed(small.add_checkpoint("cccc", seed=3))
    assert not keeper.look() and keeper.current is before
    small.release("cccc")
    assert keeper.look()
    assert keeper.current is not None and keeper.current.parts.checkpoint.version == "cccc"


def test_half_a_run_is_waited_for_but_not_for_ever(small: SmallLake) -> None:
    now = [0.0]
    keeper = make_keeper(small, settle_seconds=60.0, clock=lambda: now[0])
    assert keeper.look()
    small.texts.append(new_note(5))
    small.specialties.append(["Radiology"])
    small.write_notes()
    assert not keeper.look()
    now[0] = 59.0
    assert not keeper.look()
    now[0] = 61.0
    assert keeper.look()
    current = keeper.current
    assert current is not None and len(current.note_ids) == 61
    assert (current.encoded, current.places.method) == (1, "pca")


def test_what_cannot_be_built_leaves_what_is_in_use_and_is_tried_again_later(small: SmallLake) -> None:
    now = [0.0]
    said: list[str] = []
    failures: list[int] = []
    keeper = make_keeper(small, clock=lambda: now[0], say=said.append, on_failure=lambda: failures.append(1))
    assert keeper.look()
    before = keeper.current
    config = Path(small.lake.path("checkpoints", "bbbb", "config.json"))
    whole = config.read_text()
    config.write_text(whole + " ")
    small.release("bbbb")
    for _ in range(3):
        assert not keeper.look()
    assert keeper.current is before and len(failures) == 1
    assert len(said) == 1 and "bbbb is not what was written" in said[0] and "stays in use" in said[0]
    config.write_text(whole)
    assert not keeper.look()
    now[0] = RETRY_SECONDS + 1
    assert keeper.look()


def test_an_old_snapshot_is_let_go(small: SmallLake) -> None:
    keeper = make_keeper(small)
    keeper.look()
    thread = InferenceThread(batch_texts=4, waiting_texts=100)
    thread.start()
    try:
        assert keeper.current is not None
        thread.submit(Job(keeper.current, ["chest pain"], search=Searched(3))).result(20)
        old = weakref.ref(keeper.current)
        small.release("bbbb")
        assert keeper.look()
        deadline = time.monotonic() + 10
        while old() is not None and time.monotonic() < deadline:
            gc.collect()
            time.sleep(0.02)
        assert old() is None
    finally:
        thread.stop()


def test_what_waits_is_computed_together_and_alike(small: SmallLake) -> None:
    snapshot = build_snapshot(small.lake, read_parts(small.lake, ENCODER), ENCODER)
    batches: list[int] = []
    thread = InferenceThread(batch_texts=32, waiting_texts=40, on_batch=batches.append)
    jobs = [Job(snapshot, [new_note(seed)], search=Searched(5)) for seed in range(20)]
    waiting = [thread.submit(job) for job in jobs]
    with pytest.raises(BusyError):
        thread.submit(Job(snapshot, ["a"] * 21))
    cancelled = waiting[3]
    assert cancelled.cancel()
    thread.start()
    outcomes = [one.result(30) for one in waiting if one is not cancelled]
    thread.stop()
    assert batches == [19] and thread.waiting == 0
    for job, outcome in zip([job for job in jobs if job is not jobs[3]], outcomes, strict=True):
        alone = compute([job])[0]
        assert alone.hits[0].rows.tolist() == outcome.hits[0].rows.tolist()
        np.testing.assert_allclose(alone.vectors, outcome.vectors, atol=1e-5)
    with pytest.raises(ServingError, match="stopping"):
        thread.submit(jobs[0])


def test_jobs_of_two_snapshots_are_never_one_batch(small: SmallLake) -> None:
    first = build_snapshot(small.lake, read_parts(small.lake, ENCODER), ENCODER)
    small.release("bbbb")
    second = build_snapshot(small.lake, read_parts(small.lake, ENCODER), ENCODER)
    with pytest.raises(ServingError, match="several snapshots"):
        compute([Job(first, ["a"]), Job(second, ["a"])])
    batches: list[int] = []
    thread = InferenceThread(batch_texts=32, waiting_texts=100, on_batch=batches.append)
    waiting: list[Callable[[float], object]] = []
    for number in range(6):
        snapshot = (first, second)[number % 2]
        waiting.append(thread.submit(Job(snapshot, ["chest pain"])).result)
    thread.start()
    vectors = [one(30).vectors[0] for one in waiting]  # type: ignore[attr-defined]
    thread.stop()
    assert batches == [3, 3]
    assert np.allclose(vectors[0], vectors[2]) and not np.allclose(vectors[0], vectors[1])
