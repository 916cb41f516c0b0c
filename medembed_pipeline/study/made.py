"""A study made: its trials searched or read, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.study.declared import Prepared, Study
from medembed_pipeline.study.importance import importances
from medembed_pipeline.study.search import search
from medembed_pipeline.study.settings import StudySettings
from medembed_pipeline.study.store import LakeTrials
from medembed_pipeline.study.table import best_trial, trial_table
from medembed_pipeline.study.trial import TrialRecord

OFF = "nothing is searched while [study] trials is 0, or the study is not named in [study] which"
_COUNT_ALONE = ("trials", "which")


def made_table(
    lake: Lake,
    recipe: Recipe,
    study: Study,
    prepared: Prepared,
    settings: StudySettings,
    report: Callable[[TrialRecord], object],
) -> tuple[pa.Table, dict[str, Any]]:
    """Make the trials that are not in the lake yet.

    Two runs that want the same study share its trials: one makes them, the other waits and finds them.

    Parameters
    ----------
    lake
        where the trials are kept.
    recipe
        what the study is made from.
    study
        what is searched.
    prepared
        how.
    settings
        how many trials, and by which seed.
    report
        called with every trial that was made.

    Returns
    -------
    tuple[pa.Table, dict[str, Any]]
        The table, and the facts to keep with it.
    """
    version = trials_version(recipe, study)
    store = LakeTrials(lake, study.name, version)
    trials = settings.trials_of(study.name)
    with lake.machine_lock(f"study-{study.name}-{version}"):
        search(
            study.space,
            prepared.objective,
            trials=trials,
            seed=settings.seed,
            storage=store,
            report=report,
            start=prepared.start,
            also=prepared.also,
            random_trials=settings.random_trials,
            pruning=settings.pruning,
        )
    records = [record for number in range(trials) if (record := store.get(number)) is not None]
    table = trial_table(records, study.space, study.figures)
    return table, {**study_facts(records, study, seed=settings.seed), **prepared.facts}


def trials_version(recipe: Recipe, study: Study) -> str:
    """16 hex over everything that a trial depends on, but its number and how many there will be."""
    settings = {
        name: {key: value for key, value in values.items() if key not in _COUNT_ALONE}
        for name, values in recipe.settings.items()
    }
    return digest([recipe.code, settings, recipe.inputs, study.version, study.space.described()])[:16]


def study_facts(records: list[TrialRecord], study: Study, *, seed: int) -> dict[str, Any]:
    """What is said of a study: counts, the best trial beside the first one, how much each parameter matters."""
    best, first = best_trial(records), records[0]
    moved = best is not None and best.number != 0
    gain = best.mean - first.mean if best and best.mean is not None and first.mean is not None else None
    return {
        "study": study.name,
        "score": study.score,
        **{state: sum(one.state == state for one in records) for state in ("complete", "pruned", "failed")},
        "looks": sum(one.looks for one in records),
        "best_trial": best.number if best else None,
        "best_score": best.mean if best else None,
        "first_score": first.mean,
        "gain_over_first": gain,
        "settings_block": study.block(best.values) if best and moved else "",
        "space": study.space.described(),
        "importances": importances(records, study.space, seed=seed),
    }


def progress_line(record: TrialRecord, trials: int) -> str:
    """A trial that has ended, for the log."""
    said = f"score {record.mean:.4f}" if record.mean is not None else record.problem or "by the median"
    broken = f", does not keep: {', '.join(record.broken)}" if record.broken else ""
    return (
        f"trial {record.number} ({record.number + 1} of {trials}) {record.state}: {said}{broken}; "
        f"{record.looks} looks at the validation notes, {record.seconds:.0f} s"
    )


def without_time(rows: pa.Table) -> list[Mapping[str, Any]]:
    """The trials, but for how long they took: what the table's version goes by."""
    found: list[Mapping[str, Any]] = rows.drop_columns(["seconds"]).to_pylist()
    return found
