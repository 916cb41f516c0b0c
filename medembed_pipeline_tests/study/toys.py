"""Small spaces and objectives with a known best, and a study that can be killed in the middle."""

from __future__ import annotations

import math
import os
import signal
import sys

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.study.search import search
from medembed_pipeline.study.space import Choice, Real, Space, Value, Values, Whole
from medembed_pipeline.study.store import LakeTrials
from medembed_pipeline.study.trial import Trial

SPACE = Space(
    [
        Real("rate", 1e-4, 1e-1, log=True),
        Whole("rank", 1, 64, log=True),
        Real("share", 0.0, 1.0),
        Choice("kind", ("round", "square")),
    ]
)
START: dict[str, Value] = {"rate": 1e-3, "rank": 16, "share": 0.25, "kind": "round"}


def hill(values: Values, trial: Trial) -> list[float]:
    """Highest at a rate of 1e-2, a share of 0.5 and square; three steps, two folds, one limit."""
    height = (
        -abs(math.log10(float(values["rate"])) + 2)
        - (float(values["share"]) - 0.5) ** 2
        + (0.5 if values["kind"] == "square" else 0.0)
    )
    for step in (1, 2, 3):
        trial.report(height - 1 / step, step)
    trial.limit("rank", float(values["rank"]) - 48)
    trial.figure("height", height)
    return [height - 0.01, height + 0.01]


def killed_at(number: int, step: int) -> None:
    """The toy study of 24 trials in the lake named by the first argument, killed at a step of a trial."""

    def objective(values: Values, trial: Trial) -> list[float]:
        if trial.number == number:
            for one in range(1, step + 1):
                trial.report(0.0, one)
            os.kill(os.getpid(), signal.SIGKILL)
        return hill(values, trial)

    search(
        SPACE, objective, trials=24, seed=5, storage=LakeTrials(Lake(sys.argv[1]), "toy", "1"), start=START
    )


if __name__ == "__main__":
    killed_at(int(sys.argv[2]), int(sys.argv[3]))
