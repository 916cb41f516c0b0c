"""Loaded once by the process that a run's steps are forked from: what each step would load and resolve for itself."""

import contextlib
import gc

import dagster as dg

from medembed_pipeline.definitions import defs


def prepare() -> None:
    """Resolve the definitions, and load whatever keeps Dagster's history, by opening it once."""
    defs.get_repository_def().get_all_jobs()
    # Where it cannot be opened, the step says why.
    with contextlib.suppress(Exception), dg.DagsterInstance.get():
        pass
    gc.collect()
    gc.freeze()


prepare()
