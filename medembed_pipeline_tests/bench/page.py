"""The figures as tables of docs/performance.md, and as JSON beside it."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medembed_pipeline_tests.bench.comparison import Comparison, Measurement, Result, median_seconds
from medembed_pipeline_tests.marked_page import replace_between

COLUMNS = (
    "work",
    "against",
    "ours",
    "theirs",
    "times as fast",
    "share of the floor",
    "peak memory",
    "theirs",
    "the same",
)
NONE = ""


def table(comparison: Comparison, results: Sequence[Result]) -> list[str]:
    """The rows of one comparison as a Markdown table, and what follows from them."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    lines += [f"| {' | '.join(_cells(result))} |" for result in results]
    for remark in comparison.remarks(results):
        lines += ["", remark]
    return lines


def _cells(result: Result) -> list[str]:
    floor = result.floor_seconds
    return [
        result.what,
        result.against,
        seconds(result.ours),
        seconds(result.theirs),
        spread(result.ratios),
        NONE if floor is None else f"{floor / median_seconds(result.ours):.0%}",
        memory(result.ours),
        memory(result.theirs),
        result.agreement,
    ]


def seconds(measured: Sequence[Measurement]) -> str:
    """The median of one side."""
    return f"{median_seconds(measured):.3g} s" if measured else NONE


def spread(ratios: Sequence[float]) -> str:
    """Median, and smallest to largest of several."""
    if not ratios:
        return NONE
    ends = f" ({min(ratios):.2f} to {max(ratios):.2f})" if len(ratios) > 1 else ""
    return f"{statistics.median(ratios):.2f}{ends}"


def memory(measured: Sequence[Measurement]) -> str:
    """The largest peak of one side; nothing where it was not measured."""
    peak = max((one.peak_bytes for one in measured), default=0)
    return f"{peak / 1e6:,.0f} MB" if peak else NONE


def write(page: Path, comparison: Comparison, results: Sequence[Result], run: Mapping[str, Any]) -> None:
    """Replace one comparison's table on the page, and its figures in the JSON beside it.

    Parameters
    ----------
    page
        with the two marks of the comparison.
    comparison, results
        what was measured.
    run
        command, machine and rates of the run.

    Raises
    ------
    ValueError
        the page lacks the marks.
    """
    said = [f"`{run['command']}`, {run['machine']}.", "", *table(comparison, results)]
    replace_between(page, *marks(comparison.name), "\n".join(said))
    figures = page.with_suffix(".json")
    known = json.loads(figures.read_text(encoding="utf-8")) if figures.is_file() else {}
    known[comparison.name] = {**run, "results": [result.as_json() for result in results]}
    figures.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def marks(name: str) -> tuple[str, str]:
    """What stands on the page before and after a comparison's table."""
    return f"<!-- bench: {name} -->", f"<!-- end of bench: {name} -->"
