"""`make bench` runs through on small sizes, and its page holds a place for every table."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from medembed_pipeline_tests.bench.cleaning import exponent
from medembed_pipeline_tests.bench.comparison import BYTES, Measurement, Result, Row, floor_seconds
from medembed_pipeline_tests.bench.comparisons import COMPARISONS
from medembed_pipeline_tests.bench.measuring import ROOT, environment
from medembed_pipeline_tests.bench.more_notes import MoreNotes
from medembed_pipeline_tests.bench.page import COLUMNS, marks, spread, table

PAGE = ROOT / "docs" / "performance.md"


def test_a_comparison_runs_and_is_written(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    shutil.copy(PAGE, page)
    command = [sys.executable, "-m", "medembed_pipeline_tests.bench", "--quick", "--only", "metrics"]
    done = subprocess.run(
        [*command, "--write", str(page)],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    begin, end = marks("metrics")
    written = page.read_text(encoding="utf-8").partition(begin)[2].partition(end)[0].splitlines()
    rows = [line.strip("| ").split(" | ") for line in written if line.startswith("|")]
    assert rows[0] == list(COLUMNS)
    assert rows[2][1] == "scikit-learn and numpy" and rows[2][-1].startswith("28 figures within")
    assert written[1].startswith("`python -m medembed_pipeline_tests.bench --quick --only metrics`, ")
    figures = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))["metrics"]
    assert figures["rates"].keys() >= {"float64", "float32", BYTES}
    (result,) = figures["results"]
    assert result["ratios"] == [result["theirs"][0]["seconds"] / result["ours"][0]["seconds"]]


def test_the_page_has_a_place_for_every_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in COMPARISONS:
        begin, end = marks(name)
        assert text.count(begin) == text.count(end) == 1, name
        assert text.index(begin) < text.index(end)


def test_ratios_are_of_pairs_and_the_floor_is_the_longer_bound() -> None:
    ours = [Measurement(2.0, 0), Measurement(4.0, 0), Measurement(1.0, 0)]
    theirs = [Measurement(6.0, 0), Measurement(4.0, 0), Measurement(2.0, 0)]
    assert Result("one", "a row", ours, theirs).ratios == [3.0, 1.0, 2.0]
    assert spread([3.0, 1.0, 2.0]) == "2.00 (1.00 to 3.00)"
    measured = Measurement(1.0, 0, {"floor": {"float32": 8.0, BYTES: 30.0}})
    assert floor_seconds(measured, {"float32": 2.0, BYTES: 10.0}) == 4.0
    assert floor_seconds(Measurement(1.0, 0), {}) is None


def test_the_exponent_is_that_of_a_power() -> None:
    assert exponent([100, 1_000, 10_000], [3 * size**1.25 for size in (100, 1_000, 10_000)]) == pytest.approx(
        1.25
    )


def test_a_round_that_takes_too_long_is_given_up_and_the_table_says_so(tmp_path: Path) -> None:
    row = Row("100", "1 more than 100 notes", 1, {"notes": 100, "seconds": 0.01})
    (result,) = MoreNotes().results(row, tmp_path, {})
    assert result.agreement == "given up: the round first took more than 0 s"
    assert "given up" in table(MoreNotes(), [result])[2]
