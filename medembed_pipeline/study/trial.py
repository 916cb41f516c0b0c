"""One trial: what an objective may do while it runs, and what is kept of it. Loads no Optuna."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from medembed_pipeline.study.errors import StudyError
from medembed_pipeline.study.space import Value, Values

State = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True)
class TrialRecord:
    """What is kept of a trial that ended.

    Attributes
    ----------
    number
        from 0 on.
    values
        what was tried, by parameter.
    state
        complete, pruned (ended early), or failed.
    fold_scores
        a score per fold, higher is better; empty unless complete.
    steps
        score by step, as reported on the way.
    limits
        by name, how far something lies beyond what is allowed: above 0 it is broken.
    figures
        whatever else the objective noted, by name.
    looks
        how many models were scored on the validation notes.
    seconds
        from beginning to end.
    problem
        why it failed; empty otherwise.
    """

    number: int
    values: dict[str, Value]
    state: State
    fold_scores: list[float] = field(default_factory=list)
    steps: dict[int, float] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    looks: int = 0
    seconds: float = 0.0
    problem: str = ""

    @property
    def mean(self) -> float | None:
        """Of the folds' scores; None unless complete."""
        return sum(self.fold_scores) / len(self.fold_scores) if self.fold_scores else None

    @property
    def broken(self) -> list[str]:
        """The limits that it does not keep, by name."""
        return sorted(name for name, excess in self.limits.items() if excess > 0)

    def to_json(self) -> dict[str, Any]:
        """As a JSON file keeps it."""
        return {**asdict(self), "steps": [[step, score] for step, score in self.steps.items()]}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> TrialRecord:
        """The record again."""
        return cls(**{**content, "steps": {int(step): score for step, score in content["steps"]}})


class Pruned(Exception):  # noqa: N818 (an ending, no error)
    """The trial is ended early: nothing is learned from going on."""


class Trial:
    """The trial under way, as an objective sees it.

    Parameters
    ----------
    number
        of the trial.
    ends_early
        told a step and its score; whether the trial is to end there.
    """

    def __init__(
        self, number: int, ends_early: Callable[[int, float], bool] = lambda step, score: False
    ) -> None:
        self.number = number
        self.steps: dict[int, float] = {}
        self.limits: dict[str, float] = {}
        self.figures: dict[str, float] = {}
        self.looks = 0
        self._ends_early = ends_early

    def report(self, score: float, step: int) -> None:
        """Say how good it is so far; one look at the validation notes.

        Parameters
        ----------
        score
            higher is better.
        step
            at which point, comparable between trials; each once, ascending.

        Raises
        ------
        Pruned
            it is not worth going on. Let it pass.
        StudyError
            the step was not after the last one.
        """
        if self.steps and step <= max(self.steps):
            raise StudyError(f"trial {self.number}: step {step} was reported after step {max(self.steps)}.")
        self.steps[step] = float(score)
        self.looked()
        if self._ends_early(step, float(score)):
            raise Pruned

    def looked(self, times: int = 1) -> None:
        """Count models that were scored on the validation notes besides those that were reported."""
        self.looks += times

    def limit(self, name: str, excess: float) -> None:
        """Say how far something lies beyond what is allowed; at most 0 where it is kept, and NaN counts as kept."""
        self.limits[name] = 0.0 if math.isnan(excess) else float(excess)

    def figure(self, name: str, value: float) -> None:
        """Note a number that is shown, and decides nothing."""
        self.figures[name] = float(value)


Objective = Callable[[Values, Trial], Sequence[float]]
"""Takes the values and the trial; returns a score per fold, higher is better. It sees no test note."""
