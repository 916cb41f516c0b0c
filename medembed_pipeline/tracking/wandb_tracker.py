"""Weights & Biases, offline: files below the lake that `wandb sync` sends on when a person says so."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from medembed_pipeline.tracking.tracked import TrackedRun


class WandbTracker:
    """Tells runs to wandb in its offline mode, which reaches no network.

    Parameters
    ----------
    project
        of the runs.
    folder
        where they lie, as `wandb/offline-run-...`.
    """

    def __init__(self, project: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._project, self._folder = project, folder
        os.environ.update(WANDB_MODE="offline", WANDB_ERROR_REPORTING="false", WANDB_SILENT="true")
        for name in ("CACHE", "CONFIG", "DATA"):
            os.environ.setdefault(f"WANDB_{name}_DIR", str(folder / name.lower()))
        import wandb

        self._wandb = wandb
        # Neither the machine, nor its packages, nor what is printed or committed here.
        self._quiet = wandb.Settings(
            x_disable_stats=True,
            x_disable_meta=True,
            x_save_requirements=False,
            console="off",
            save_code=False,
            disable_git=True,
            silent=True,
        )

    def tell(self, run: TrackedRun) -> None:
        """Tell one run; of a study, the trials are its steps."""
        made = self._wandb.init(
            project=self._project,
            name=run.name,
            id=run.key,
            job_type=run.kind,
            config=dict(run.settings),
            mode="offline",
            dir=str(self._folder),
            settings=self._quiet,
        )
        try:
            for step, values in self._steps(run).items():
                made.log(values, step=step)
            made.summary.update(run.finite_numbers())
        finally:
            made.finish()

    def _steps(self, run: TrackedRun) -> dict[int, dict[str, Any]]:
        steps: dict[int, dict[str, Any]] = {}
        for name, points in run.finite_series().items():
            for step, value in points:
                steps.setdefault(step, {})[name] = value
        for number, trial in enumerate(run.children):
            told = {**trial.settings, **trial.finite_numbers()}
            steps.setdefault(number, {}).update({f"trial/{name}": value for name, value in told.items()})
        return dict(sorted(steps.items()))
