"""MLflow: a run for each training, study, trial and verdict, in an SQLite file or on a server."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from medembed_pipeline.tracking.tracked import TrackedRun

KEY = "medembed.key"
KIND = "medembed.kind"


class MlflowTracker:
    """Tells runs to MLflow.

    Parameters
    ----------
    uri
        of a server or a database; empty for `mlflow.db` in `folder`.
    project
        the experiment, made where there is none.
    folder
        for what lies on this machine.
    timeout_seconds
        how long a server may take to answer.
    """

    def __init__(self, uri: str, project: str, folder: Path, *, timeout_seconds: int) -> None:
        os.environ.update(
            # Numbers go where they are sent, and nowhere else.
            MLFLOW_DISABLE_TELEMETRY="true",
            DO_NOT_TRACK="true",
            # Seven tries with growing pauses keep a run for minutes from going on.
            MLFLOW_HTTP_REQUEST_MAX_RETRIES="0",
            MLFLOW_HTTP_REQUEST_TIMEOUT=str(timeout_seconds),
            # Else the log of every step is filled with how its database is made.
            MLFLOW_LOGGING_LEVEL="WARNING",
        )
        from mlflow import MlflowClient

        artifacts = None
        if not uri:
            folder.mkdir(parents=True, exist_ok=True)
            uri = f"sqlite:///{folder / 'mlflow.db'}"
            artifacts = (folder / "mlflow_artifacts").as_uri()
        self._client = MlflowClient(tracking_uri=uri)
        found = self._client.get_experiment_by_name(project)
        self._experiment = (
            found.experiment_id
            if found is not None
            else self._client.create_experiment(project, artifact_location=artifacts)
        )

    def tell(self, run: TrackedRun) -> None:
        """Tell one run, and its children below it."""
        self._tell(run, {})

    def _tell(self, run: TrackedRun, tags: dict[str, str]) -> None:
        made = self._client.create_run(
            self._experiment, run_name=run.name, tags={KEY: run.key, KIND: run.kind, **tags}
        )
        number = made.info.run_id
        try:
            self._log(number, run)
            for child in run.children:
                self._tell(child, {"mlflow.parentRunId": number})
        except BaseException:
            with contextlib.suppress(Exception):
                self._client.set_terminated(number, status="FAILED")
            raise
        self._client.set_terminated(number)

    def _log(self, number: str, run: TrackedRun) -> None:
        from mlflow.entities import Metric, Param

        metrics = [Metric(name, value, 0, 0) for name, value in run.finite_numbers().items()]
        metrics += [
            Metric(name, value, 0, step)
            for name, points in run.finite_series().items()
            for step, value in points
        ]
        params = [Param(name, str(value)) for name, value in run.settings.items()]
        # What MLflow takes at once.
        for first in range(0, max(len(metrics), 1), 1000):
            batch: list[Any] = metrics[first : first + 1000]
            self._client.log_batch(number, metrics=batch, params=params if first == 0 else [])
