"""`medembed study`: make trials, and show what they gave."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.settings import data_lake_url, load_settings
from medembed_pipeline.study.declared import Study, check_names, declared_studies
from medembed_pipeline.study.errors import StudyError

SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("name", nargs="?", default="recipe", help="which study (default %(default)s)")
    parser.add_argument(
        "--trials",
        type=int,
        metavar="N",
        help="make trials until there are N; without it, show what there is",
    )


def run(options: argparse.Namespace) -> int:
    """Make trials where they are asked for, and show the study; returns the exit status."""
    studies = declared_studies()
    check_names(load_settings().study.model_copy(update={"which": [options.name]}), studies)
    study = studies[options.name]
    if options.trials is not None:
        if options.trials < 1:
            raise StudyError(f"--trials = {options.trials}: expected 1 or more")
        if not make(study, options.trials):
            return 1
    table = Lake(data_lake_url()).find_table(study.asset)
    if table is None or not table.rows:
        print(f"There are no trials of {study.name}; `medembed study {study.name} --trials 20` makes some.")
        return 0
    print("\n".join(study_lines(study, table.read().to_pylist(), table.footer.facts)))
    return 0


def make(study: Study, trials: int) -> bool:
    """Materialize the study's asset in this process; returns whether it was made."""
    from medembed_pipeline.dagster_home import prepare_dagster_home

    home = prepare_dagster_home()
    import dagster as dg

    from medembed_pipeline.definitions import defs

    which = list(dict.fromkeys([*load_settings().study.which, study.name]))
    config = {
        "loggers": {"progress": {}},
        "ops": {study.asset: {"config": {"trials": trials, "which": which}}},
    }
    with dg.DagsterInstance.from_config(str(home)) as instance:
        result = defs.resolve_job_def("study").execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey(study.asset)],
            raise_on_error=False,
            run_config=config,
        )
    if not result.success:
        print("The trials before the failure are kept, and are not made again.", file=sys.stderr)
    return bool(result.success)


def study_lines(study: Study, rows: list[dict[str, Any]], facts: Mapping[str, Any]) -> list[str]:
    """The best trials, and what to put into `medembed.toml`.

    Parameters
    ----------
    study
        what was searched.
    rows
        of its table.
    facts
        of its table.
    """
    ranked = sorted(
        (row for row in rows if row["score"] is not None),
        key=lambda row: (not row["allowed"], -row["score"], row["number"]),
    )
    records = [
        {
            "trial": f"{row['number']}{' *' if row['best'] else ''}",
            "score": f"{row['score']:.4f}",
            **{name: _short(row[name]) for name in study.space.names},
            "does not keep": ", ".join(row["broken"]),
        }
        for row in ranked[:SHOWN]
    ]
    lines = [
        f"{len(rows)} trials of {study.name}: {facts['complete']} complete, {facts['pruned']} ended early, "
        f"{facts['failed']} failed. Score: {study.score}.",
        f"{facts['looks']} models were scored on the validation notes, so the best looks better there than it is; "
        "held-out notes were not looked at.",
        "",
        *_text_table(records),
        "",
    ]
    if not records:
        return [*lines, "No trial is complete."]
    if facts["settings_block"]:
        gain = facts["gain_over_first"]
        against = f" ({gain:+.4f} against the defaults)" if gain is not None else ""
        return [
            *lines,
            f"To take over the best{against}, put into medembed.toml:",
            "",
            facts["settings_block"],
        ]
    if facts["best_trial"] is None:
        return [*lines, "No trial keeps what must be kept."]
    return [*lines, "The defaults scored best: there is nothing to take over."]


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _text_table(records: list[dict[str, str]]) -> list[str]:
    if not records:
        return []
    names = list(records[0])
    width = {name: max(len(name), *(len(one[name]) for one in records)) for name in names}
    return [
        "  ".join(f"{one[name]:<{width[name]}}" for name in names).rstrip()
        for one in [dict(zip(names, names, strict=True)), *records]
    ]
