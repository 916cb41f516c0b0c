"""Measure the pipeline against its peers, and put the tables into a page of the docs.

    python -m medembed_pipeline_tests.bench [--only NAME ...] [--quick] [--repeats N] [--write docs/performance.md]

Both sides of a comparison are measured in turn, in processes of this one run. A page is written after every comparison,
so that what was measured stands when a later one fails.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from medembed_pipeline_tests.bench import page
from medembed_pipeline_tests.bench.comparison import BenchError, Comparison, Options, Result
from medembed_pipeline_tests.bench.comparisons import COMPARISONS
from medembed_pipeline_tests.bench.machine import cores, described, rates_of_a_process
from medembed_pipeline_tests.bench.measuring import ROOT

IDLE = 0.3  # load a core above which the figures are not those of a quiet machine


def main() -> int:
    """Measure, print and write; returns 1 where a comparison failed."""
    parser = argparse.ArgumentParser(
        prog="python -m medembed_pipeline_tests.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", choices=list(COMPARISONS), default=list(COMPARISONS))
    parser.add_argument("--quick", action="store_true", help="small sizes, once: whether it runs, no figures")
    parser.add_argument("--repeats", type=int, help="pairs of measurements in place of each row's own number")
    parser.add_argument(
        "--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder with the real notes"
    )
    parser.add_argument(
        "--openvino", type=Path, help="Python of an environment with sentence-transformers[openvino]"
    )
    parser.add_argument(
        "--write", type=Path, help="page whose tables are replaced; its figures go beside it as JSON"
    )
    parser.add_argument("--folder", type=Path, help="where scratch files go (default: temporary)")
    asked = parser.parse_args()
    options = Options(
        quick=asked.quick,
        repeats=1 if asked.quick and asked.repeats is None else asked.repeats,
        data=asked.data,
        openvino=asked.openvino,
    )
    load = os.getloadavg()[0] / cores()
    if load > IDLE and not options.quick:
        print(f"Other work takes {load:.0%} of the cores: believe ratios, not seconds.", file=sys.stderr)
    run: dict[str, Any] = {
        "command": _command(asked),
        "machine": described(),
        "load_per_core": load,
        "rates": rates_of_a_process(quick=options.quick),
    }
    print(f"{run['machine']}\n{_rates(run['rates'])}", flush=True)
    failed = 0
    for name in asked.only:
        comparison = COMPARISONS[name]
        began = time.monotonic()
        try:
            results = measure(comparison, options, run["rates"], asked.folder)
        except BenchError as error:
            print(f"{name}: {error}", file=sys.stderr, flush=True)
            failed += 1
            continue
        took = f"{comparison.title} ({name}), {time.monotonic() - began:.0f} s"
        print("\n".join(["", took, *page.table(comparison, results)]), flush=True)
        if asked.write:
            page.write(asked.write, comparison, results, run)
    return 1 if failed else 0


def measure(
    comparison: Comparison, options: Options, rates: dict[str, float], scratch: Path | None = None
) -> list[Result]:
    """All rows of a comparison, each in a folder of its own that goes when it is done."""
    results: list[Result] = []
    for row in comparison.rows(options):
        row = replace(row, repeats=options.repeats or row.repeats)
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            results += comparison.results(row, Path(folder), rates)
    return results


def _command(asked: argparse.Namespace) -> str:
    """What makes such figures again."""
    if not asked.quick and asked.repeats is None and asked.only == list(COMPARISONS):
        return "make bench"
    parts = ["python -m medembed_pipeline_tests.bench"]
    parts += ["--quick"] if asked.quick else []
    parts += [f"--repeats {asked.repeats}"] if asked.repeats else []
    parts += [f"--only {' '.join(asked.only)}"] if asked.only != list(COMPARISONS) else []
    return " ".join(parts)


def _rates(rates: dict[str, float]) -> str:
    return ", ".join(f"{name} {rate / 1e9:.0f} G/s" for name, rate in rates.items())


if __name__ == "__main__":
    sys.exit(main())
