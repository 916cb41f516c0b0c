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
from medembed_pipeline_tests.measure_incremental import Rounds, TooLongError, run_rounds

SHORTEST = 0.01  # seconds: what took less than the clock of Dagster's events tells
TOKENS = 16


class MoreNotes(Comparison):
    """The rounds of `make incremental` but the last, once; with a small model, so that encoding does not hide the rest.

    A round that takes longer than its row says is given up, so that the comparison ends.
    """

    name = "more"
    title = "1% more notes"

    def rows(self, options: Options) -> list[Row]:
        sizes = {600: 300} if options.quick else {20_000: 120, 100_000: 300}
        return [
            Row(
                f"{notes}",
                f"{notes // 100:,} more than {notes:,} notes",
                1,
                {"notes": notes, "seconds": seconds},
            )
            for notes, seconds in sizes.items()
        ]

    def contenders(self, row: Row, folder: Path) -> Mapping[str, Contender]:
        """None: each round goes on from the one before."""
        return {}

    def results(self, row: Row, folder: Path, rates: Mapping[str, float]) -> list[Result]:
        notes = row.values["notes"]
        try:
            rounds = run_rounds(
                folder, notes, notes // 100, TOKENS, small=True, again=False, seconds=row.values["seconds"]
            )
        except TooLongError as error:
            return [Result(row.name, row.what, [], agreement=f"given up: {error}")]
        except SystemExit as error:
            raise BenchError(f"{row.what}: {error}") from None
        return [stage_result(rounds, stage, row) for stage in rounds.stages]


def stage_result(rounds: Rounds, stage: str, row: Row) -> Result:
    """What a stage took for more notes beyond its start, and for all of them."""
    again, more = max(SHORTEST, rounds.first[stage]), max(SHORTEST, rounds.cost_of_more(stage))
    return Result(
        f"{stage} {row.name}",
        f"`{stage}`: {row.what}",
        [Measurement(more, 0)],
        [Measurement(again, 0)],
        "the whole again",
        agreement=f"{more / again:.1%} of the whole",
    )
