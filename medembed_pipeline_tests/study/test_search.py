"""The search: the same trials for the same seed, killed or not, and what Optuna itself would have done."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.study.errors import StudyError
from medembed_pipeline.study.search import COMPARED, distributions, optuna_study, sampler, search
from medembed_pipeline.study.space import Choice, Real, Space, Values, Whole
from medembed_pipeline.study.store import LakeTrials, MemoryTrials
from medembed_pipeline.study.trial import Trial, TrialRecord
from medembed_pipeline_tests.study.toys import SPACE, START, hill

ROOT = Path(__file__).resolve().parents[2]


def rows(table: pa.Table) -> list[dict[str, Any]]:
    """Everything but the time that it took."""
    return table.drop_columns(["seconds"]).to_pylist()


@pytest.fixture(scope="module")
def whole() -> pa.Table:
    return search(SPACE, hill, trials=24, seed=5, start=START)


def test_the_same_seed_gives_the_same_trials_and_another_seed_others(whole: pa.Table) -> None:
    again = search(SPACE, hill, trials=24, seed=5, start=START)
    other = search(SPACE, hill, trials=24, seed=6, start=START)
    assert rows(again) == rows(whole)
    assert other["rate"][1:].to_pylist() != whole["rate"][1:].to_pylist()


@pytest.mark.parametrize(("number", "step"), [(3, 2), (17, 1)])
def test_a_study_killed_in_a_trial_gives_the_same_trials_when_it_is_resumed(
    whole: pa.Table, tmp_path: Path, number: int, step: int
) -> None:
    command = [
        sys.executable,
        "-m",
        "medembed_pipeline_tests.study.toys",
        str(tmp_path),
        str(number),
        str(step),
    ]
    killed = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True
    )
    assert killed.returncode == -9, killed.stderr
    store = LakeTrials(Lake(str(tmp_path)), "toy", "1")
    assert store.get(number - 1) is not None and store.get(number) is None
    run: list[int] = []
    table = search(
        SPACE,
        hill,
        trials=24,
        seed=5,
        storage=store,
        start=START,
        report=lambda record: run.append(record.number),
    )
    assert run == list(range(number, 24))
    assert rows(table) == rows(whole)


@settings(max_examples=8, deadline=None)
@given(cuts=st.lists(st.integers(0, 24), max_size=3), lost=st.sets(st.integers(0, 23), max_size=3))
def test_however_a_study_is_cut_it_ends_the_same(whole: pa.Table, cuts: list[int], lost: set[int]) -> None:
    store = MemoryTrials()
    for trials in sorted(cuts):
        search(SPACE, hill, trials=trials, seed=5, storage=store, start=START)
    for number in lost:
        store._records.pop(number, None)
    table = search(SPACE, hill, trials=24, seed=5, storage=store, start=START)
    assert rows(table) == rows(whole)


def test_the_table_is_what_optuna_finds_by_itself(whole: pa.Table, tmp_path: Path) -> None:
    journal = JournalStorage(JournalFileBackend(str(tmp_path / "journal")))
    pruner = optuna.pruners.MedianPruner(n_startup_trials=COMPARED)
    study = optuna.create_study(storage=journal, direction="maximize", pruner=pruner)
    study.enqueue_trial(START)

    def objective(asked: optuna.Trial) -> float:
        values: Values = {
            "rate": asked.suggest_float("rate", 1e-4, 1e-1, log=True),
            "rank": asked.suggest_int("rank", 1, 64, log=True),
            "share": asked.suggest_float("share", 0, 1),
            "kind": asked.suggest_categorical("kind", ["round", "square"]),
        }

        class Reported(Trial):
            def report(self, score: float, step: int) -> None:
                asked.report(score, step)
                if asked.should_prune():
                    raise optuna.TrialPruned

        trial = Reported(asked.number)
        scores = hill(values, trial)
        asked.set_constraint("rank", trial.limits["rank"])
        return sum(scores) / 2

    for number in range(24):
        study.sampler = sampler(seed=5, number=number, random_trials=10)
        study.optimize(objective, n_trials=1)
    theirs = study.trials_dataframe()
    ours = whole.to_pandas()
    assert [state.lower() for state in theirs["state"]] == ours["state"].tolist()
    for name in SPACE.names:
        assert theirs[f"params_{name}"].tolist() == ours[name].tolist()
    complete = ours["state"] == "complete"
    pd.testing.assert_series_equal(
        theirs["value"][complete], ours["score"][complete], check_names=False, rtol=1e-12
    )
    assert ours["number"][ours["best"]].tolist() == [study.best_trial.number]
    for one, steps, scores in zip(study.trials, ours["steps"], ours["step_scores"], strict=True):
        assert one.intermediate_values == dict(zip(steps, scores, strict=True))


def test_trials_are_ended_early_and_only_where_that_is_asked_for(whole: pa.Table) -> None:
    states = whole["state"].to_pylist()
    assert "pruned" in states[COMPARED:] and "pruned" not in states[:COMPARED]
    for row in whole.to_pylist():
        assert (row["score"] is None) == (row["state"] == "pruned") == (not row["fold_scores"])
    without = search(SPACE, hill, trials=24, seed=5, start=START, pruning=False)
    assert set(without["state"].to_pylist()) == {"complete"}


def test_the_first_trial_is_the_start_and_what_lies_outside_is_drawn() -> None:
    first = search(SPACE, hill, trials=1, seed=5, start=START).to_pylist()[0]
    assert {name: first[name] for name in SPACE.names} == START
    outside = search(SPACE, hill, trials=1, seed=5, start={**START, "rate": 7.0, "kind": "oval"}).to_pylist()[
        0
    ]
    assert (outside["rank"], outside["share"]) == (16, 0.25)
    assert 1e-4 <= outside["rate"] <= 1e-1 and outside["kind"] in ("round", "square")


def test_it_finds_better_than_drawing_at_random() -> None:
    space = Space([Real("rate", 1e-4, 1e-1, log=True), Real("share", 0, 1)])

    def best(seed: int, random_trials: int) -> float:
        table = search(
            space,
            lambda values, trial: hill({**START, **values}, trial),
            trials=25,
            seed=seed,
            pruning=False,
            random_trials=random_trials,
        )
        return float(max(table["score"].to_pylist()))

    searched, drawn = ([best(seed, count) for seed in range(3)] for count in (8, 25))
    assert sum(searched) > sum(drawn) + 0.1, (searched, drawn)


def test_a_trial_that_breaks_a_limit_is_never_the_best_however_good() -> None:
    space = Space([Whole("rank", 1, 10)])

    def objective(values: Values, trial: Trial) -> list[float]:
        trial.limit("rank", int(values["rank"]) - 5)
        return [float(values["rank"])]

    table = search(space, objective, trials=30, seed=1).to_pandas()
    best = table[table["best"]]
    assert best["rank"].tolist() == [5] and table["score"].max() > 5
    assert (table["allowed"] == (table["rank"] <= 5)).all()
    assert table.loc[~table["allowed"], "broken"].map(list).tolist() == [["rank"]] * int(
        (~table["allowed"]).sum()
    )


def test_looks_at_the_validation_notes_are_counted() -> None:
    def objective(values: Values, trial: Trial) -> list[float]:
        trial.report(0.0, 1)
        trial.looked(3)
        return [0.0]

    table = search(SPACE, objective, trials=3, seed=1)
    assert table["looks"].to_pylist() == [4, 4, 4]
    assert table["looks_so_far"].to_pylist() == [4, 8, 12]


def test_a_trial_that_cannot_be_made_fails_and_the_study_goes_on() -> None:
    def objective(values: Values, trial: Trial) -> list[float]:
        if trial.number == 1:
            raise MedembedError("the loss is nan; lower learning_rate")
        return [float("nan")] if trial.number == 2 else [1.0]

    table = search(SPACE, objective, trials=4, seed=1)
    assert table["state"].to_pylist() == ["complete", "failed", "failed", "complete"]
    assert table["problem"].to_pylist()[1] == "the loss is nan; lower learning_rate"
    assert "trial 2: expected a finite score" in table["problem"].to_pylist()[2]
    assert table["best"].to_pylist() == [True, False, False, False]


def test_an_error_in_the_program_ends_the_study_and_keeps_the_trials_before_it() -> None:
    store = MemoryTrials()

    def objective(values: Values, trial: Trial) -> list[float]:
        return [1.0 / (1 - trial.number)]

    with pytest.raises(ZeroDivisionError):
        search(SPACE, objective, trials=4, seed=1, storage=store)
    assert store.get(0) is not None and store.get(1) is None


def test_steps_are_reported_once_each_in_order() -> None:
    def objective(values: Values, trial: Trial) -> list[float]:
        trial.report(0.0, 2)
        trial.report(0.0, 2)
        return [0.0]

    assert (
        "step 2 was reported after step 2" in search(SPACE, objective, trials=1, seed=1)["problem"][0].as_py()
    )


@settings(max_examples=40, deadline=None)
@given(
    low=st.floats(1e-6, 10, allow_nan=False),
    factor=st.floats(1.5, 1e4),
    log=st.booleans(),
    whole_low=st.integers(1, 20),
    whole_more=st.integers(1, 50),
    options=st.lists(st.text("abc", min_size=1, max_size=3), min_size=2, max_size=4, unique=True),
    seed=st.integers(0, 2**31 - 1),
)
def test_what_is_tried_lies_in_the_space(
    low: float, factor: float, log: bool, whole_low: int, whole_more: int, options: list[str], seed: int
) -> None:
    space = Space(
        [
            Real("a", low, low * factor, log=log),
            Whole("b", whole_low, whole_low + whole_more, log=log),
            Choice("c", tuple(options)),
        ]
    )
    seen: list[Values] = []

    def objective(values: Values, trial: Trial) -> list[float]:
        seen.append(values)
        return [float(values["a"])]

    table = search(space, objective, trials=6, seed=seed, random_trials=2)
    assert all(space.held(values) == values for values in seen)
    assert [{name: row[name] for name in space.names} for row in table.to_pylist()] == seen


@settings(max_examples=50, deadline=None)
@given(
    scores=st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=4),
    steps=st.dictionaries(st.integers(0, 100), st.floats(allow_nan=False, allow_infinity=False), max_size=4),
)
def test_a_trial_is_kept_to_the_last_bit(scores: list[float], steps: dict[int, float]) -> None:
    import json

    record = TrialRecord(
        number=3,
        values={"a": 0.1, "b": 2, "c": "x", "d": True},
        state="complete",
        fold_scores=scores,
        steps=steps,
    )
    assert TrialRecord.from_json(json.loads(json.dumps(record.to_json()))) == record


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Real("a", 2, 1), "two finite ends in order"),
        (lambda: Real("a", 0, 1, log=True), "logarithmic scale"),
        (lambda: Real("a", 0, float("inf")), "two finite ends"),
        (lambda: Whole("a", 1, 2.5), "whole numbers"),  # type: ignore[arg-type]
        (lambda: Choice("a", ("x",)), "two or more values"),
        (lambda: Choice("a", ("x", 1)), "one type"),
        (lambda: Space([]), "one parameter or more"),
        (lambda: Space([Real("a", 0, 1), Real("a", 0, 2)]), "each named once"),
        (
            lambda: search(Space([Real("seconds", 0, 1)]), hill, trials=0, seed=1),
            "parameter or figure 'seconds'",
        ),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused(make: Any, words: str) -> None:
    with pytest.raises(StudyError, match=words):
        make()


def test_the_trials_can_be_taken_to_optuna(whole: pa.Table) -> None:
    store = MemoryTrials()
    search(SPACE, hill, trials=24, seed=5, storage=store, start=START)
    records = [record for number in range(24) if (record := store.get(number))]
    study = optuna_study(records, SPACE)
    assert study.best_trial.number == whole["best"].to_pylist().index(True)
    assert study.trials[0].distributions == distributions(SPACE)
