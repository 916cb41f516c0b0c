"""Disturbs the graph in every way that is to be survived, and counts: `python -m medembed_pipeline_tests.faults.kill`.

Every trial begins with a lake that holds an older version of everything, and new notes in the landing folder.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from medembed_pipeline_tests.faults.harness import STEPS, make_stages, prepare
from medembed_pipeline_tests.faults.trials import (
    Count,
    fill_the_disk,
    kill_at_random_times,
    kill_in_writes,
    land_bad_files,
    leave_an_orphan,
    run_twice_at_once,
    stop_training,
)

DISK_LIMITS = (1_000, 8_000, 40_000)


def main() -> int:
    """Run the trials and print the counts; returns 1 when anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=50, help="SIGKILLs inside the writes (default 50)")
    parser.add_argument("--times", type=int, default=20, help="SIGKILLs at random times (default 20)")
    parser.add_argument("--bad-files", type=int, default=200, help="bad landing files (default 200)")
    parser.add_argument("--only", nargs="*", default=[], help="kinds of trials to make (default all)")
    parser.add_argument("--seed", type=int, default=7)
    numbers = {assets[0]: number for number, assets in enumerate(STEPS)}
    parser.add_argument("--steps", nargs="+", choices=list(numbers), help="assets to disturb (all)")
    parser.add_argument("--without-pictures", action="store_true", help="leave out the rooms of pictures")
    options = parser.parse_args()
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="medembed_faults_"))
    results: dict[str, Count] = {}
    try:
        prepare(folder / "prepared", pictures=not options.without_pictures)
        steps = range(len(STEPS)) if options.steps is None else [numbers[name] for name in options.steps]
        stages = make_stages(folder / "stages", steps=steps)
        trials: dict[str, Callable[[], Count]] = {
            "kill-writes": lambda: kill_in_writes(stages, folder, options.points, options.seed),
            "kill-times": lambda: kill_at_random_times(stages, folder, options.times, options.seed),
            "stop-training": lambda: stop_training(stages, folder),
            "orphan": lambda: leave_an_orphan(stages, folder),
            "disk-full": lambda: fill_the_disk(stages, folder, DISK_LIMITS),
            "twice-at-once": lambda: run_twice_at_once(stages, folder),
            "bad-files": lambda: land_bad_files(stages, folder, options.bad_files, options.seed),
        }
        for name, trial in trials.items():
            if not options.only or name in options.only:
                print(f"{name} ", end="", flush=True)
                results[name] = trial()
                for problem in results[name].problems:
                    print(f"\nWRONG {problem}", end="", flush=True)
                print()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print_counts(results)
    print(f"{time.monotonic() - began:.0f} s, Python {sys.version.split()[0]}, {os.cpu_count()} cores")
    return 1 if any(result.problems for result in results.values()) else 0


def print_counts(results: dict[str, Count]) -> None:
    """A table of the trials, and how many disturbed each asset."""
    print(f"| {'fault':<14} | {'trials':>6} | {'hits':>5} | {'wrong':>5} |")
    print(f"|{'-' * 16}|{'-' * 7}:|{'-' * 6}:|{'-' * 6}:|")
    steps: Counter[str] = Counter()
    for name, result in results.items():
        print(f"| {name:<14} | {result.trials:>6} | {result.hits:>5} | {len(result.problems):>5} |")
        steps.update(result.by_step)
    print("Trials by asset: " + ", ".join(f"{name} {count}" for name, count in steps.items()) + ".")


if __name__ == "__main__":
    sys.exit(main())
