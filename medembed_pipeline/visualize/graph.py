"""The stages of the graph, run in this process on a lake of their own."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.section import Section
from medembed_pipeline.visualize.errors import VisualizeError
from medembed_pipeline.visualize.progress import Progress

if TYPE_CHECKING:
    import dagster as dg

JOB = "stages"
LANDED = ("raw_transcriptions", "rejected_rows")
MEASURED_GROUPS = ("baseline", "tuned", "evaluation")
NOT_MEASURED = frozenset({"leakage_estimate", "token_vectors", "static_metrics"})
"""Stages that need to know what the model was trained on."""

KEPT = ("store", "vectors")


@contextmanager
def own_graph(output: Lake, progress: Progress) -> Iterator[OwnGraph]:
    """The real assets on a lake that is gone when the block ends; the vectors alone stay, in the output folder.

    Parameters
    ----------
    output
        the folder in which it works, and whose `store/vectors` it reads and adds to.
    progress
        told what goes on.
    """
    import dagster as dg

    from medembed_pipeline.definitions import defs
    from medembed_pipeline.pictures.figure import without_held_out

    output.clear_staging()
    told = _Told(progress)
    # No checks: those of the graph ask about splits, and about a checkpoint that was trained.
    stages = dg.Definitions(
        assets=defs.assets,
        resources=defs.resources,
        jobs=[dg.define_asset_job(JOB, selection=dg.AssetSelection.all())],
        loggers={"told": dg.logger(lambda _: told.logger())},
    )
    with (
        output.scratch_folder("lake") as folder,
        dg.DagsterInstance.ephemeral(settings={"telemetry": {"enabled": False}}) as instance,
        without_held_out(),
    ):
        kept, linked = Path(output.path(*KEPT)), folder.joinpath(*KEPT)
        kept.mkdir(parents=True, exist_ok=True)
        linked.parent.mkdir()
        linked.symlink_to(kept, target_is_directory=True)
        yield OwnGraph(Lake(str(folder)), stages, instance)


class OwnGraph:
    """What is made of the notes and the models that are given.

    Parameters
    ----------
    lake
        of its own, on this machine.
    stages
        the assets, without their checks.
    instance
        keeps nothing.
    """

    def __init__(self, lake: Lake, stages: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self.lake = lake
        self._graph = stages.resolve_asset_graph()
        self._job = stages.resolve_job_def(JOB)
        self._instance = instance

    def measured(self, *, slices: bool) -> list[str]:
        """The names of all stages that measure a model that is given.

        Parameters
        ----------
        slices
            whether there are any.
        """
        left_out = NOT_MEASURED if slices else NOT_MEASURED | {"slice_metrics"}
        found = {
            key.path[-1]
            for key in self._graph.get_all_asset_keys()
            if self._graph.get(key).group_name in MEASURED_GROUPS
        }
        return sorted(found - left_out)

    def make(self, stages: Iterable[str], sections: Iterable[Section]) -> None:
        """Run some stages, in the order of the graph.

        Parameters
        ----------
        stages
            names of assets.
        sections
            the settings that are in force.

        Raises
        ------
        VisualizeError
            one of them failed; with its message.
        """
        import dagster as dg

        from medembed_pipeline.lake.publishing import launchpad_config

        config = launchpad_config(sections)
        config["resources"]["lake"] = {"config": {"url": self.lake.url}}
        result = self._job.execute_in_process(
            run_config={**config, "loggers": {"told": {}}},
            instance=self._instance,
            asset_selection=[dg.AssetKey(name) for name in stages],
            raise_on_error=False,
        )
        if not result.success:
            raise VisualizeError(_message(result))


def _message(result: dg.ExecuteInProcessResult) -> str:
    from medembed_pipeline.console import plain_message

    failed = [event for event in result.all_events if event.is_step_failure]
    if not failed:
        return "the stages could not be started"
    return f"{failed[0].step_key}: {plain_message(failed[0].step_failure_data.error)}"


class _Told(logging.Handler):
    """Passes on which stage begins and ends, and what it warns of."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(logging.DEBUG)
        self._progress = progress

    def logger(self) -> logging.Logger:
        """What Dagster writes to."""
        logger = logging.Logger("medembed_visualize")
        logger.addHandler(self)
        return logger

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one record on, if a person wants to see it."""
        told: dict[str, Any] = getattr(record, "dagster_meta", {})
        event = told.get("dagster_event")
        if event is None:
            if record.levelno >= logging.WARNING:
                self._progress.warn(told.get("orig_message") or record.getMessage())
        elif event.event_type_value == "STEP_START":
            self._progress.begun(event.step_key)
        elif event.event_type_value == "STEP_SUCCESS":
            self._progress.done()
