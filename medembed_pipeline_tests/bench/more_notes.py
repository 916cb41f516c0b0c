"""1% more notes, against the whole again, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from medembed_pipeline_tests.bench.comparison import (
    BenchError,
    Comparison,
    Contender,
    Measurement,
    Options,
    Result,
    Row,
)
from medembed_pipeline_tests.measure_incremental import Rounds, run_rounds

SHORTEST = 0.01  # seconds: what took less than the clock of Dagster's events tells
TOKENS = 16


class MoreNotes(Comparison):
    """The rounds of `make incremental`, once; with a small model, so that encoding does not hide the rest."""

    name = "more"
    title = "1% more notes"

    def rows(self, options: Options) -> list[Row]:
        notes = 600 if options.quick else 20_000
        return [Row("more", f"{notes // 100:,} more than {notes:,} notes", 1, {"notes": notes})]

    def contenders(self, row: Row, folder: Path) -> Mapping[str, Contender]:
        """None: each round goes on from the one before."""
        return {}

    def results(self, row: Row, folder: Path, rates: Mapping[str, float]) -> list[Result]:
        notes = row.values["notes"]
        try:
            rounds = run_rounds(folder, notes, notes // 100, TOKENS, small=True)
        except SystemExit as error:
            raise BenchError(f"{row.what}: {error}") from None
        return [stage_result(rounds, stage, row.what) for stage in rounds.stages]


def stage_result(rounds: Rounds, stage: str, what: str) -> Result:
    """What a stage took for more notes beyond its start, and for all of them."""
    again, more = max(SHORTEST, rounds.first[stage]), max(SHORTEST, rounds.cost_of_more(stage))
    return Result(
        stage,
        f"`{stage}`: {what}",
        [Measurement(more, 0)],
        [Measurement(again, 0)],
        "the whole again",
        agreement=f"{more / again:.1%} of the whole",
    )
