"""The faults: each trial spoils a copy of a lake that holds an older version of everything, beside new notes."""

from __future__ import annotations

import functools
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medembed_pipeline_tests.faults import points as kill_points
from medembed_pipeline_tests.faults.harness import (
    STEPS,
    Stages,
    ask,
    file_size_limit,
    in_child,
    land,
    materialize,
    start_child,
    temporary_files,
    versions,
    wait,
    wrong,
)
from medembed_pipeline_tests.faults.points import KillPoint


@dataclass
class Count:
    """What came of one kind of trial.

    Attributes
    ----------
    trials
        how many were made.
    hits
        how many of them really killed or failed the step.
    problems
        what went wrong, a sentence each.
    by_step
        trials by the asset that was disturbed.
    """

    trials: int = 0
    hits: int = 0
    problems: list[str] = field(default_factory=list)
    by_step: Counter[str] = field(default_factory=Counter)


def recover(
    stages: Stages, lake: Path, folder: Path, label: str, assets: list[str] | None = None
) -> list[str]:
    """After a fault: everything reads whole; then a run (of all assets, or some) must end like one undisturbed."""

    def check() -> dict[str, list[str]]:
        before = wrong(lake)
        materialize(lake, assets)
        after = wrong(lake)
        now = versions(lake)
        compared = assets or {*now, *stages.end}
        changed = sorted(name for name in compared if now.get(name) != stages.end.get(name))
        return {
            "broken after the fault": before,
            "broken after the next run": after,
            "other versions": changed,
        }

    try:
        found = ask(check, folder)
    except RuntimeError as error:
        return [f"{label}: the next run failed: {str(error)[-1500:]}"]
    found["temporary files left"] = temporary_files(lake)
    return [f"{label}: {what}: {items}" for what, items in found.items() if items]


def spread(stages: Stages, folder: Path, count: int, seed: int) -> list[tuple[int, KillPoint]]:
    """`count` points of all that there are, as evenly over the steps and functions as can be."""
    generator = random.Random(seed)
    by_place: dict[tuple[int, str], list[KillPoint]] = {}
    for step in stages.steps:
        lake, calls, assets = stages.copy(step, folder / "counted"), folder / "calls.json", STEPS[step]

        def counted(lake: Path = lake, assets: list[str] = assets, calls: Path = calls) -> None:
            kill_points.count_calls(calls)
            materialize(lake, assets)

        assert in_child(counted) == 0
        for function, number in json.loads(calls.read_text()).items():
            by_place[step, function] = [
                KillPoint(function, call, moment)
                for call in range(1, number + 1)
                for moment in ("before", "after")
            ]
    places = list(by_place)
    generator.shuffle(places)
    rounds: dict[int, list[tuple[int, str]]] = {step: [] for step in stages.steps}
    for place in places:
        rounds[place[0]].append(place)
    chosen: list[tuple[int, KillPoint]] = []
    while len(chosen) < count and by_place:
        for step in stages.steps:
            open_places = [place for place in rounds[step] if by_place.get(place)]
            if not open_places or len(chosen) >= count:
                continue
            place = open_places[0]
            rounds[step].remove(place)
            rounds[step].append(place)
            point = generator.choice(by_place[place])
            by_place[place].remove(point)
            chosen.append((step, point))
    return chosen


def kill_in_writes(stages: Stages, folder: Path, count: int, seed: int) -> Count:
    """SIGKILL inside the writes of every step."""
    result = Count()
    for step, point in spread(stages, folder, count, seed):
        lake, label = stages.copy(step, folder / "lake"), f"{STEPS[step][0]}, {point}"

        def disturbed(lake: Path = lake, step: int = step, point: KillPoint = point) -> None:
            kill_points.arm(point)
            materialize(lake, STEPS[step])

        status = in_child(disturbed, folder / "disturbed.txt")
        _note(result, stages, lake, folder, STEPS[step][0], label, hit=status == -9)
    return result


def kill_at_random_times(stages: Stages, folder: Path, count: int, seed: int) -> Count:
    """SIGKILL at a random moment of every step, whatever it is doing."""
    generator, result = random.Random(seed), Count()
    for trial in range(count):
        step = stages.steps[trial % len(stages.steps)]
        lake, after = stages.copy(step, folder / "lake"), generator.uniform(0.02, stages.seconds[step])
        process = start_child(lambda lake=lake, step=step: materialize(lake, STEPS[step]))  # type: ignore[misc]
        status = wait(process, kill_after=after)
        label = f"{STEPS[step][0]}, {after:.2f} s after its start"
        _note(result, stages, lake, folder, STEPS[step][0], label, hit=status == -9)
    return result


def fill_the_disk(stages: Stages, folder: Path, limits: Sequence[int]) -> Count:
    """No file may grow beyond a few bytes, in every step: one clear error, and the old version stands."""
    result = Count()
    for step, assets in ((step, STEPS[step]) for step in stages.steps):
        for limit in limits:
            lake, label = stages.copy(step, folder / "lake"), f"{assets[0]}, files of {limit} bytes at most"
            before = ask(lambda lake=lake: versions(lake), folder)  # type: ignore[misc]

            def full(lake: Path = lake, assets: list[str] = assets, limit: int = limit) -> None:
                with file_size_limit(limit):
                    try:
                        materialize(lake, assets)
                    except RuntimeError as error:
                        message = str(error)
                    else:
                        return
                # Written where there is no limit, since what a person reads is a terminal.
                (lake.parent / "message.txt").write_text(message)
                raise SystemExit(3)

            (folder / "message.txt").unlink(missing_ok=True)
            status = in_child(full)  # with no file for its output, which would be limited too
            if status == 3:
                message = (folder / "message.txt").read_text()
                # Assets of one step that do not need one another fail each for itself.
                errors = message.split(" | ")
                clear = all("no space left" in one or "make room there" in one for one in errors)
                if not clear or len(errors) > len(assets):
                    result.problems.append(f"{label}: not one clear error: {message[:400]}")
                after = ask(lambda lake=lake: versions(lake), folder)  # type: ignore[misc]
                for name in assets:
                    # Of two tables that one step writes, the smaller may have found room.
                    if after.get(name) != before.get(name) and after.get(name) != stages.end.get(name):
                        result.problems.append(f"{label}: {name} is neither the old nor the new version")
            elif status:
                result.problems.append(f"{label}: ended with {status}")
            _note(result, stages, lake, folder, assets[0], label, hit=status == 3)
    return result


def run_twice_at_once(stages: Stages, folder: Path) -> Count:
    """Two runs of the same step together, and a reader that reads its tables in a loop."""
    result = Count()
    for step, assets in ((step, STEPS[step]) for step in stages.steps):
        lake, label = stages.copy(step, folder / "lake"), f"{assets[0]}, twice at once"
        stop, reads = folder / "stop", folder / "reads.json"
        stop.unlink(missing_ok=True)

        def read(lake: Path = lake, stop: Path = stop, reads: Path = reads) -> None:
            _read_in_a_loop(lake, stop, reads)

        reader = start_child(read)
        work = functools.partial(materialize, lake, assets)
        runs = [start_child(work, folder / f"run{number}.txt") for number in range(2)]
        for number, run in enumerate(runs):
            if wait(run):
                said = (folder / f"run{number}.txt").read_text()[-600:]
                result.problems.append(f"{label}: run {number} failed: {said}")
        stop.touch()
        wait(reader)
        counted = json.loads(reads.read_text())
        result.hits += counted["reads"]
        result.problems += [f"{label}: {problem}" for problem in counted["problems"]]
        _note(result, stages, lake, folder, assets[0], label, hit=False)
    return result


def _read_in_a_loop(lake: Path, stop: Path, into: Path) -> None:
    counted: dict[str, int] = {"reads": 0}
    problems: list[str] = []
    while not stop.exists():
        problems += wrong(lake)
        counted["reads"] += 1
        into.write_text(json.dumps({**counted, "problems": problems[:10]}))


def stop_training(stages: Stages, folder: Path) -> Count:
    """End a training by each signal; the next run goes on with it and ends with the same checkpoint."""
    result, step = Count(), STEPS.index(["finetuned_checkpoint"])
    # Without saves on the way, so that what is gone on with was saved by the interruption, or at an epoch's end.
    settings = {"ops": {"finetuned_checkpoint": {"config": {"save_every_seconds": 86_400.0}}}}
    for name in ("SIGTERM", "SIGINT", "SIGKILL"):
        lake, label = stages.copy(step, folder / "lake"), f"training ended by {name}"

        def disturbed(lake: Path = lake) -> None:
            from dagster._utils.interrupts import setup_interrupt_handlers

            setup_interrupt_handlers()  # as Dagster does in the process of a step
            materialize(lake, STEPS[step], settings)

        process = start_child(disturbed, folder / "disturbed.txt")
        states = lake / "store" / "training"
        while not list(states.glob("*/training_state.pt")) and os.waitpid(process, os.WNOHANG)[0] == 0:
            time.sleep(0.002)
        began = time.monotonic()
        os.kill(process, getattr(signal, name))
        status = wait(process)
        took = time.monotonic() - began
        if status == 0 or not list(states.glob("*/training_state.pt")):
            result.problems.append(f"{label}: it was not stopped (status {status}) or left no state")
        if took > 10:
            result.problems.append(f"{label}: it took {took:.1f} s to stop")
        resumed = ask(lambda lake=lake: _steps_resumed(lake), folder)  # type: ignore[misc]
        if not resumed:
            result.problems.append(f"{label}: the next run began anew")
        print(f"[{name}: stopped in {took:.1f} s, went on from step {resumed}]", end="")
        _note(
            result, stages, lake, folder, "finetuned_checkpoint", label, hit=status != 0, assets=STEPS[step]
        )
    return result


def _steps_resumed(lake: Path) -> int:
    from medembed_pipeline.training.run import Run

    steps: list[int] = []
    original = Run.resume

    def resume(self: Run) -> int:
        steps.append(original(self))
        return steps[-1]

    Run.resume = resume  # type: ignore[method-assign]
    materialize(lake, ["finetuned_checkpoint"])
    return steps[0]


HELD_AT = {
    "finetuned_checkpoint": "training.point_to",
    "specialty_classifier": "classification.point_to",
    "triage_model": "Folders.point_to",
    "model_card": "card.publish_card",
    "report": "report.publish_page",
    # These two publish inside a lock of their own: stopped in there, they hold up everybody else, rightly.
    "note_splits": "Lake.lock",
    "checkpoint_history": "Lake.lock",
}
"""Where a step is held, of those that are not held at the end of a table."""


def leave_an_orphan(stages: Stages, folder: Path) -> Count:
    """A step is held just before it publishes; a later run publishes newer results; then the step goes on."""
    result = Count()
    for step, assets in ((step, STEPS[step]) for step in stages.steps):
        lake, label = stages.copy(step, folder / "lake"), f"{assets[0]}, outlived by a later run"
        point = KillPoint(HELD_AT.get(assets[0], "TableWriter.finish"), 1, "before")

        def held(lake: Path = lake, assets: list[str] = assets, point: KillPoint = point) -> None:
            kill_points.arm(point, send=signal.SIGSTOP)
            materialize(lake, assets)

        def later(lake: Path = lake) -> dict[str, str]:
            land(lake, "third", notes=25, patients=4, seed=3)
            materialize(lake)
            return versions(lake)

        orphan = start_child(held, folder / "disturbed.txt")
        while (state := Path(f"/proc/{orphan}/stat").read_text().rpartition(")")[2].split()[0]) not in "TZ":
            time.sleep(0.01)
        newer = ask(later, folder)
        if state == "T":
            os.kill(orphan, signal.SIGCONT)
        status = wait(orphan)
        refused = status != 0 and "began later" in _tail(folder)
        # A table that was made before from the same inputs stands, so that nothing was to be published; the history is
        # added to by whoever comes, and loses nothing.
        wanted = status == 0 if state == "Z" or assets[0] == "checkpoint_history" else refused
        if not wanted:
            result.problems.append(f"{label}: it was not refused (status {status}): {_tail(folder)}")
        now = ask(lambda lake=lake: {"wrong": wrong(lake), "versions": versions(lake)}, folder)  # type: ignore[misc]
        if assets[0] == "checkpoint_history":
            newer["checkpoint_history"] = now["versions"]["checkpoint_history"]
        if now["versions"] != newer or now["wrong"]:
            result.problems.append(f"{label}: the newer result did not stand: {now['wrong']}")
        result.trials += 1
        result.hits += refused
        result.by_step[assets[0]] += 1
        print(".", end="", flush=True)
    return result


def land_bad_files(stages: Stages, folder: Path, count: int, seed: int) -> Count:
    """Bad files beside good ones: the graph goes through, and each is in rejected_rows with its reason."""
    result = Count(trials=count)
    lake = stages.copy(0, folder / "lake")

    def run() -> dict[str, list[str]]:
        import pandas as pd

        from medembed_pipeline_tests.notes.broken_files import (
            ANY_REASON,
            OUTSIDE_MARKER,
            broken_files,
            write_broken_files,
        )

        files = broken_files(count, seed=seed, over_row_bytes=1_100_000, over_file_bytes=6_600_000)
        write_broken_files(lake / "landing", files)
        limits = {"maximum_row_megabytes": 1, "maximum_file_gigabytes": 0.006}
        materialize(lake, config={"ops": {"landing": {"config": limits}}})
        rejected = pd.read_parquet(lake / "rejected_rows.parquet")
        reasons = rejected.groupby("source_file")["reason"].agg(set).to_dict()
        problems = wrong(lake)
        rejected_as_due = []
        for file in files:
            found = reasons.get(file.name, set())
            if found if file.reasons is ANY_REASON else found & file.reasons:
                rejected_as_due.append(file.name)
            else:
                problems.append(f"bad file of the kind {file.kind}: rejected for {sorted(found)}")
        for path in [*lake.glob("*.parquet"), *(lake / "store").rglob("*.parquet")]:
            frame = pd.read_parquet(path)
            for column in frame.select_dtypes("object"):
                if any(OUTSIDE_MARKER in repr(value) for value in frame[column]):
                    problems.append(f"{path.name}: holds what lies outside the landing folder")
        return {"problems": problems, "rejected": rejected_as_due}

    try:
        found = ask(run, folder)
    except RuntimeError as error:
        result.problems.append(f"bad landing files: the graph stopped: {str(error)[-1500:]}")
        return result
    result.problems, result.hits = found["problems"], len(found["rejected"])
    return result


def _note(
    result: Count,
    stages: Stages,
    lake: Path,
    folder: Path,
    asset: str,
    label: str,
    *,
    hit: bool,
    assets: list[str] | None = None,
) -> None:
    result.trials += 1
    result.hits += hit
    result.by_step[asset] += 1
    result.problems += recover(stages, lake, folder, label, assets)
    print(".", end="", flush=True)


def _tail(folder: Path) -> str:
    return (folder / "disturbed.txt").read_text()[-600:]
