"""The program of a Ray job: makes the asset that Dagster asks for, and tells Dagster what its step says."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import Any


def main() -> int:
    """Run the job; 0 where the asset was made."""
    from dagster_pipes import open_dagster_pipes

    with open_dagster_pipes() as pipes, tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "medembed.toml"
        file.write_text(pipes.get_extra("settings"), encoding="utf-8")
        # Rooms read their settings while they are loaded.
        os.environ["MEDEMBED_SETTINGS"] = str(file)
        return 0 if _materialized(pipes) else 1


def _materialized(pipes: Any) -> bool:
    """Whether the asset was made; what the step says goes to Dagster line by line."""
    import dagster as dg

    from medembed_pipeline.console import plain_message
    from medembed_pipeline.definitions import defs

    class ToDagster(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            event = record.dagster_meta.get("dagster_event")  # type: ignore[attr-defined]
            if event is None:
                pipes.log.log(record.levelno, record.dagster_meta["orig_message"])  # type: ignore[attr-defined]

    @dg.logger
    def to_dagster(_: dg.InitLoggerContext) -> logging.Logger:
        made = logging.Logger("ray_job", logging.INFO)
        made.addHandler(ToDagster())
        return made

    with_logger = dg.Definitions.merge(defs, dg.Definitions(loggers={"to_dagster": to_dagster}))
    done = with_logger.resolve_implicit_global_asset_job_def().execute_in_process(
        asset_selection=[dg.AssetKey(pipes.get_extra("asset"))],
        run_config={**pipes.get_extra("config"), "loggers": {"to_dagster": {}}},
        raise_on_error=False,
    )
    for event in done.all_events:
        if event.is_step_failure:
            pipes.log.error(plain_message(event.step_failure_data.error))
    return done.success


if __name__ == "__main__":
    sys.exit(main())
