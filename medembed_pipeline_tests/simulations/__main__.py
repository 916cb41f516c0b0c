"""`make simulations`: measures the intervals and writes the tables of docs/statistics.md."""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from medembed_pipeline.evaluation.metrics_table import DIFFERENCE
from medembed_pipeline_tests.marked_page import replace_between
from medembed_pipeline_tests.simulations.coverage import (
    METRICS,
    Covered,
    Scenario,
    power,
    scenarios,
    simulate,
)

BEGIN, END = "<!-- simulations -->", "<!-- end of simulations -->"
DRAWS = {80: 600, 330: 500, 2000: 150}
LOWEST, HIGHEST, LARGEST_FALSE = 0.93, 0.99, 0.035
GAIN = 0.05


def main() -> int:
    """Run all scenarios; returns 1 where an interval does not keep what docs/statistics.md promises."""
    parser = argparse.ArgumentParser(
        prog="python -m medembed_pipeline_tests.simulations", description=__doc__
    )
    parser.add_argument("--scale", type=float, default=1.0, help="share of the draws to run (default 1)")
    parser.add_argument(
        "--notes",
        type=int,
        nargs="+",
        choices=sorted(DRAWS),
        default=sorted(DRAWS),
        help="sizes (default: all)",
    )
    parser.add_argument(
        "--write", type=Path, help="page whose tables are replaced, such as docs/statistics.md"
    )
    options = parser.parse_args()
    # One process a core: the products are small, and threads would only wait for each other.
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    started = time.monotonic()
    found: dict[Scenario, list[Covered]] = {}
    powers: dict[Scenario, tuple[float, float]] = {}
    draws = {notes: max(20, round(DRAWS[notes] * options.scale)) for notes in options.notes}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for scenario in scenarios(options.notes, [8, 25]):
            found[scenario] = simulate(scenario, draws=draws[scenario.notes], pool=pool)
            if scenario.equal:
                number = max(20, draws[scenario.notes] // 4)
                powers[scenario] = power(scenario, GAIN, draws=number, pool=pool)
            print(f"{time.monotonic() - started:6.0f} s  {_name(scenario)}", file=sys.stderr, flush=True)
    text = "\n".join([*_coverage(found, draws), "", *_power(powers)])
    print(text)
    if options.write is not None:
        replace_between(options.write, BEGIN, END, text)
    broken = _broken(found, draws)
    print("\n".join(broken) or "every interval keeps its promise", file=sys.stderr)
    return 1 if broken else 0


def _name(scenario: Scenario) -> str:
    kind = "clustered groups" if scenario.clustered else "single notes"
    return f"{scenario.notes} notes, {scenario.classes} classes, {kind}, {'equal' if scenario.equal else 'unequal'}"


def _label(metric: str, k: int | None) -> str:
    names = {"precision": "P", "ndcg": "nDCG", "mrr": "MRR", "map": "MAP", "davies_bouldin": "Davies-Bouldin"}
    return f"{names.get(metric, metric)}{'' if k is None else f'@{k}'}"


def _coverage(found: dict[Scenario, list[Covered]], draws: dict[int, int]) -> list[str]:
    numbers = ", ".join(f"{number} of {notes} notes" for notes, number in draws.items())
    lines = [
        f"Share of 95% intervals that hold the truth (draws: {numbers}). First of the difference, then of the tuned "
        "model's own figure; for equal models the share of differences wholly above zero in brackets.",
        "",
        "| notes | classes | groups | models | " + " | ".join(_label(*key) for key in METRICS) + " |",
        "|" + "---|" * (4 + len(METRICS)),
    ]
    for scenario, figures in found.items():
        by_key = {(one.model, one.metric): one for one in figures}
        cells = []
        for key in METRICS:
            change, own = by_key[DIFFERENCE, key], by_key["tuned", key]
            false = f" ({change.above_zero:.1%})" if scenario.equal else ""
            cells.append(f"{change.covered:.1%}{false}, {own.covered:.1%}")
        kind = "clustered" if scenario.clustered else "single"
        models = "equal" if scenario.equal else "unequal"
        lines.append(
            f"| {scenario.notes} | {scenario.classes} | {kind} | {models} | " + " | ".join(cells) + " |"
        )
    return lines


def _power(powers: dict[Scenario, tuple[float, float]]) -> list[str]:
    lines = [
        f"How often a true gain of about {GAIN} in P@5 is found (the whole interval above zero):",
        "",
        "| notes | classes | groups | mean gain | found |",
        "|---|---|---|---|---|",
    ]
    for scenario, (gain, share) in powers.items():
        kind = "clustered" if scenario.clustered else "single"
        lines.append(f"| {scenario.notes} | {scenario.classes} | {kind} | {gain:+.3f} | {share:.0%} |")
    return lines


def _broken(found: dict[Scenario, list[Covered]], draws: dict[int, int]) -> list[str]:
    """What lies outside the promise by more than two standard errors of so many draws at the promise's end."""
    broken = []
    for scenario, figures in found.items():

        def slack(promised: float, number: int = draws[scenario.notes]) -> float:
            return 2.0 * (promised * (1 - promised) / number) ** 0.5

        for one in figures:
            if not LOWEST - slack(LOWEST) <= one.covered <= HIGHEST + slack(HIGHEST):
                broken.append(
                    f"{_name(scenario)}: {one.model} {_label(*one.metric)} covers {one.covered:.1%}"
                )
            false = one.above_zero if scenario.equal and one.model == DIFFERENCE else 0.0
            if false > LARGEST_FALSE + slack(LARGEST_FALSE):
                broken.append(f"{_name(scenario)}: {_label(*one.metric)} is above zero in {false:.1%}")
    return broken


if __name__ == "__main__":
    sys.exit(main())
