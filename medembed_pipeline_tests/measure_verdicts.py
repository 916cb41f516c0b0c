"""What the verdict says of several trainings: the real graph up to it, for each seed and number format.

    python -m medembed_pipeline_tests.measure_verdicts LAKE [--seeds 5] [--precisions float32 bfloat16]

LAKE is a data lake with notes in `landing/`, and a person's own tasks in `tasks/`. It is copied, and nothing is written
there. What does not depend on the training is made once for each format. A row gives the figures of the verdict: the
main metric with its interval, how many tasks are kept, and of these the one that came nearest to its tolerance.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.verdict.gain import GAIN_RULES
from medembed_pipeline.verdict.outcomes import TASK_PREFIX

COLUMNS = [
    "precision",
    "seed",
    "verdict",
    "gain",
    "interval",
    "tasks kept",
    "nearest to its tolerance",
    "seconds",
]


def main() -> None:
    """Materialize, print a row each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lake", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--precisions", nargs="+", choices=["float32", "bfloat16"], default=["float32", "bfloat16"]
    )
    options = parser.parse_args()
    print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        lake = Path(folder) / "lake"
        for part in ("landing", "tasks"):
            if (options.lake / part).is_dir():
                shutil.copytree(options.lake / part, lake / part)
        for precision in options.precisions:
            for seed in range(7, 7 + options.seeds):
                began = time.process_time()
                materialize_verdict(lake, precision, seed)
                row = [precision, seed, *verdict_of(Lake(str(lake))), f"{time.process_time() - began:.0f}"]
                print("| " + " | ".join(map(str, row)) + " |", flush=True)


def materialize_verdict(lake: Path, precision: str, seed: int) -> None:
    """The release verdict and all that it rests on."""
    from medembed_pipeline.definitions import defs

    config = {
        "resources": {
            "lake": {"config": {"url": str(lake)}},
            "encoder": {"config": {"precision": precision}},
        },
        "loggers": {"console": {"config": {"log_level": "ERROR"}}},
        "ops": {"finetuned_checkpoint": {"config": {"seed": seed}}},
    }
    upstream = dg.AssetSelection.assets("release_verdict").upstream().required_multi_asset_neighbors()
    job = defs.resolve_job_def("everything")
    with dg.DagsterInstance.ephemeral() as instance:
        job.execute_in_process(
            instance=instance,
            run_config=config,
            asset_selection=sorted(upstream.resolve(defs.resolve_asset_graph())),
        )


def verdict_of(lake: Lake) -> list[Any]:
    """Verdict, gain, its interval, tasks kept, and the task that came nearest to its tolerance."""
    table = lake.table("release_verdict")
    rows = table.read().to_pylist()
    gain = next(row for row in rows if row["rule"] in GAIN_RULES)
    tasks = [row for row in rows if row["rule"].startswith(TASK_PREFIX) and row["kind"] == "decides"]
    room = [row["ci_low"] - row["threshold"] if row["ci_low"] is not None else np.nan for row in tasks]
    nearest = tasks[int(np.nanargmin(room))] if tasks and not np.isnan(room).all() else None
    return [
        table.footer.facts["verdict"],
        f"{gain['value']:+.3f}",
        f"{gain['ci_low']:+.3f} to {gain['ci_high']:+.3f}",
        f"{sum(row['passed'] is True for row in tasks)} of {len(tasks)}",
        "" if nearest is None else f"{nearest['rule']} {nearest['ci_low']:+.3f}, {nearest['threshold']:+.3f}",
    ]


if __name__ == "__main__":
    main()
