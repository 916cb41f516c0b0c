"""What a training under way tells of itself."""

from collections.abc import Callable

import numpy as np

from medembed_pipeline.training.run import Run

OnStep = Callable[[int, int, float, float], None]
"""Called with step, total steps, the mean loss since the last call, and notes per second."""


class Reporter:
    """Tells the terminal and the log how far a run is."""

    def __init__(
        self, run: Run, advance: Callable[[float], None], on_step: OnStep | None, every_steps: int
    ) -> None:
        self._run = run
        self._advance = advance
        self._on_step = on_step
        self._every_steps = max(1, every_steps)
        self._losses: list[float] = []
        self._since = 0.0, 0

    def __call__(self, loss: float) -> None:
        """After every step, with its loss."""
        self._advance(loss)
        self._losses.append(loss)
        done = self._run.steps_done
        if self._on_step is None or (done % self._every_steps and done != self._run.total_steps):
            return
        seconds, notes = self._run.training_seconds, self._run.notes_done
        rate = (notes - self._since[1]) / max(seconds - self._since[0], 1e-9)
        mean = float(np.mean(self._losses))
        self._since = seconds, notes
        self._losses = []
        self._on_step(done, self._run.total_steps, mean, rate)
