"""Evaluates a project's conditions and runs what they request, until nothing is: a daemon without waiting.

Run in the project's folder: `python -m medembed_pipeline_tests.automation.ticking [landing]`. With `landing` the
landing folder is read first, as the landing sensor would have it. Prints a line of JSON: what was made, what of
it was kept as it stood, and whether it came to rest.
"""

from __future__ import annotations

import json
import sys

import dagster as dg

from medembed_pipeline.automation.sensors import LANDED
from medembed_pipeline.dagster_home import prepare_dagster_home
from medembed_pipeline.definitions import defs


def main(read_landing: bool) -> None:
    made: list[str] = []
    kept: list[str] = []
    failed: list[str] = []
    cursor = None
    with dg.DagsterInstance.from_config(str(prepare_dagster_home())) as instance:
        job = defs.resolve_implicit_global_asset_job_def()
        requested = LANDED if read_landing else []
        for _ in range(15):
            if requested:
                result = job.execute_in_process(
                    instance=instance, asset_selection=requested, raise_on_error=False
                )
                for event in result.get_asset_materialization_events():
                    name = event.step_materialization_data.materialization.asset_key.path[-1]
                    made.append(name)
                    if event.step_materialization_data.materialization.metadata["kept"].value:
                        kept.append(name)
                failed += [event.step_key or "" for event in result.all_events if event.is_step_failure]
            ticked = dg.evaluate_automation_conditions(defs, instance, cursor=cursor)
            cursor = ticked.cursor
            keys = defs.resolve_asset_graph().get_all_asset_keys()
            requested = [key for key in sorted(keys) if ticked.get_num_requested(key)]
            if not requested:
                break
    print(json.dumps({"made": made, "kept": kept, "failed": failed, "rest": not requested}))


if __name__ == "__main__":
    main("landing" in sys.argv[1:])
