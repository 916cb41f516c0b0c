"""What is compared: rows of work, the two sides that do it, and what was measured of them."""

from __future__ import annotations

import statistics
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

OURS = "ours"
"""Our side's name; the others have their own."""

BYTES = "bytes"
"""Name of the memory rate among the rates; the others are number formats of matrix products."""


class BenchError(Exception):
    """A side that failed, or two sides that did not do the same work."""


@dataclass(frozen=True)
class Row:
    """One line of a comparison's table.

    Attributes
    ----------
    name
        of a few letters, the same in every run.
    what
        the work in words, with its size.
    repeats
        pairs of measurements.
    values
        what the sides need to know.
    """

    name: str
    what: str
    repeats: int
    values: dict[str, Any] = field(default_factory=dict)


@dataclass
class Work:
    """One side's work, ready to be done again and again.

    Attributes
    ----------
    run
        what is timed.
    facts
        of what `run` returned; not timed. `floor` holds operations by number format and bytes, `words` how the work was
        done; the rest is for `Comparison.agreement`.
    """

    run: Callable[[], Any]
    facts: Callable[[Any], dict[str, Any]] = lambda _: {}


@dataclass(frozen=True)
class Measurement:
    """One run of one side.

    Attributes
    ----------
    seconds
        of the clock.
    peak_bytes
        largest resident memory of its process, what it had loaded before included.
    facts
        see `Work`.
    """

    seconds: float
    peak_bytes: int
    facts: dict[str, Any] = field(default_factory=dict)


class Contender(AbstractContextManager["Contender"], ABC):
    """A side that can be measured again and again."""

    @abstractmethod
    def measure(self) -> Measurement:
        """Do the work once."""


@dataclass
class Result:
    """A row that was measured.

    Attributes
    ----------
    name, what
        see `Row`.
    ours, theirs
        in the order of the pairs; `theirs` is empty where there is nobody to compare with.
    against
        who that is.
    floor_seconds
        what the machine would take at the rates measured in this run; None where no floor is stated.
    agreement
        in how far both did the same, in words.
    """

    name: str
    what: str
    ours: list[Measurement]
    theirs: list[Measurement] = field(default_factory=list)
    against: str = ""
    floor_seconds: float | None = None
    agreement: str = ""

    @property
    def ratios(self) -> list[float]:
        """Of each pair, how many times as fast ours was."""
        return [other.seconds / own.seconds for own, other in zip(self.ours, self.theirs, strict=False)]

    def as_json(self) -> dict[str, Any]:
        """The row for the file of figures."""
        return {**asdict(self), "ratios": self.ratios}


def median_seconds(measured: Sequence[Measurement]) -> float:
    """Of some runs of one side."""
    return statistics.median(one.seconds for one in measured)


@dataclass(frozen=True)
class Options:
    """How a run was asked for.

    Attributes
    ----------
    quick
        small sizes, each once.
    repeats
        pairs of measurements in place of each row's own number; None for that.
    data
        folder with `mtsamples.csv`; samples are taken where it is not there.
    openvino
        Python of an environment with `sentence-transformers[openvino]`; None where there is none.
    """

    quick: bool = False
    repeats: int | None = None
    data: Path = Path("../shared/data")
    openvino: Path | None = None


class Comparison(ABC):
    """Some rows of work that both sides do."""

    name: ClassVar[str]
    title: ClassVar[str]

    @abstractmethod
    def rows(self, options: Options) -> list[Row]:
        """The rows, of small sizes where that is asked for."""

    def prepare(self, row: Row, folder: Path) -> None:  # noqa: B027
        """Write what both sides read into a folder of the row's own; called in a process of its own."""

    @abstractmethod
    def contenders(self, row: Row, folder: Path) -> Mapping[str, Contender]:
        """The sides by name: `OURS`, and whoever it is compared with."""

    def work(self, side: str, row: Row, folder: Path) -> Work:
        """Get a side's work ready; called in that side's own process."""
        raise NotImplementedError(f"{self.name} has no {side}")

    def agreement(self, row: Row, folder: Path, ours: Measurement, side: str, theirs: Measurement) -> str:
        """In how far a side did the same as ours, in words.

        Raises
        ------
        BenchError
            they did not.
        """
        return ""

    def remarks(self, results: Sequence[Result]) -> list[str]:
        """Sentences below the table that follow from all of its rows."""
        return []

    def results(self, row: Row, folder: Path, rates: Mapping[str, float]) -> list[Result]:
        """Measure a row: both sides in turn, the one that begins changing from pair to pair."""
        from medembed_pipeline_tests.bench.measuring import in_turn, prepared

        prepared(self, row, folder)
        found = in_turn(self.contenders(row, folder), row.repeats)
        ours = found.pop(OURS)
        floor = floor_seconds(ours[-1], rates)
        if not found:
            return [Result(row.name, row.what, ours, floor_seconds=floor)]
        return [
            Result(
                row.name,
                row.what,
                ours,
                theirs,
                theirs[-1].facts.get("words", side),
                floor,
                self.agreement(row, folder, ours[-1], side, theirs[-1]),
            )
            for side, theirs in found.items()
        ]


def floor_seconds(measured: Measurement, rates: Mapping[str, float]) -> float | None:
    """What the stated operations and bytes would take at the measured rates, whichever is longer; None for none."""
    floor: dict[str, float] = measured.facts.get("floor", {})
    return max((amount / rates[kind] for kind, amount in floor.items()), default=None)
