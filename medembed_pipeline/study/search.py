"""The search: Optuna's TPE with a median pruner, such that a study that was killed goes on as if it had not been.

References: J. Bergstra et al., "Algorithms for hyper-parameter optimization", NeurIPS 2011 (TPE); S. Watanabe, "Tree-
structured Parzen estimator", arXiv:2304.11127, 2023; D. Golovin et al., "Google Vizier", KDD 2017, section 3.2 (the
median stopping rule).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.study.errors import StudyError
from medembed_pipeline.study.space import Choice, Space, Values, Whole
from medembed_pipeline.study.store import MemoryTrials, TrialStore
from medembed_pipeline.study.table import trial_table
from medembed_pipeline.study.trial import Objective, Pruned, State, Trial, TrialRecord

if TYPE_CHECKING:
    import optuna

COMPARED = 5
"""Complete trials before the median of them ends a later one early."""


def search(
    space: Space,
    objective: Objective,
    *,
    trials: int,
    seed: int,
    storage: TrialStore | None = None,
    report: Callable[[TrialRecord], object] = lambda record: None,
    start: Values | None = None,
    also: Sequence[Values] = (),
    random_trials: int = 10,
    pruning: bool = True,
) -> pa.Table:
    """Try values one after the other; the mean of an objective's fold scores is to be as high as possible.

    Each trial's draw is seeded by (seed, number) and goes by the trials before it, so the same objective gives the same
    trials whether the study was done at once, killed and gone on with, or raised from fewer trials. A trial that ended
    in a `MedembedError` has failed, and the study goes on; any other exception ends the study.

    Parameters
    ----------
    space
        what is searched.
    objective
        see `Objective`.
    trials
        how many there are in the end, those in the store among them.
    seed
        of the draws.
    storage
        where trials are kept; by default nowhere.
    report
        called with every trial as it ends, not with those that were there already.
    start
        values of the first trial; those outside the space, and missing ones, are drawn.
    also
        values of the trials after the first, in the same way.
    random_trials
        complete or pruned trials before the draws go by the scores.
    pruning
        whether trials end early, see `Trial.report`.

    Returns
    -------
    pa.Table
        A row per trial, by number; see `table.trials_schema`.
    """
    storage = storage or MemoryTrials()
    records: list[TrialRecord] = []
    given = [start or {}, *also]
    for number in range(trials):
        record = storage.get(number)
        if record is None:
            # Made of the trials that have ended, whether they ran here or were read: both draw the same.
            study = optuna_study(records, space, pruning=pruning)
            study.sampler = sampler(seed=seed, number=number, random_trials=random_trials)
            if number < len(given):
                study.enqueue_trial(dict(space.held(given[number])))
            record = _run(objective, study.ask(distributions(space)), space)
            storage.put(record)
            report(record)
        records.append(record)
    return trial_table(records, space)


def optuna_study(records: Sequence[TrialRecord], space: Space, *, pruning: bool = True) -> optuna.Study:
    """The trials as a study of Optuna's, in memory: for its importances, say, or its dashboard."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=COMPARED) if pruning else optuna.pruners.NopPruner()
    study = optuna.create_study(direction="maximize", pruner=pruner)
    study.add_trials([frozen(record, space) for record in records])
    return study


def sampler(*, seed: int, number: int, random_trials: int) -> optuna.samplers.TPESampler:
    """What draws the values of one trial: always the same, given the trials before it."""
    import optuna

    drawn = np.random.SeedSequence((seed, number)).generate_state(1)[0]
    return optuna.samplers.TPESampler(
        n_startup_trials=random_trials, seed=int(drawn), multivariate=True, constant_liar=False
    )


def distributions(space: Space) -> dict[str, optuna.distributions.BaseDistribution]:
    """The space as Optuna has it."""
    import optuna

    found: dict[str, optuna.distributions.BaseDistribution] = {}
    for one in space:
        if isinstance(one, Choice):
            found[one.name] = optuna.distributions.CategoricalDistribution(one.options)
        elif isinstance(one, Whole):
            found[one.name] = optuna.distributions.IntDistribution(one.low, one.high, log=one.log)
        else:
            found[one.name] = optuna.distributions.FloatDistribution(one.low, one.high, log=one.log)
    return found


def frozen(record: TrialRecord, space: Space) -> optuna.trial.FrozenTrial:
    """A trial that has ended as Optuna has it."""
    import optuna

    states = {
        "complete": optuna.trial.TrialState.COMPLETE,
        "pruned": optuna.trial.TrialState.PRUNED,
        "failed": optuna.trial.TrialState.FAIL,
    }
    return optuna.trial.create_trial(
        state=states[record.state],
        # As Optuna has it where the trial itself ends early: the value is the last one reported.
        value=record.steps[max(record.steps)] if record.state == "pruned" else record.mean,
        params=dict(record.values),
        distributions=distributions(space),
        intermediate_values=dict(record.steps),
        constraints=dict(record.limits),
    )


def _run(objective: Objective, asked: optuna.Trial, space: Space) -> TrialRecord:
    began = time.monotonic()

    def ends_early(step: int, score: float) -> bool:
        asked.report(score, step)
        return asked.should_prune()

    trial = Trial(asked.number, ends_early)
    values = {name: asked.params[name] for name in space.names}
    scores: list[float] = []
    state: State = "complete"
    problem = ""
    try:
        scores = _checked(objective(values, trial), trial.number)
    except Pruned:
        state = "pruned"
    except MedembedError as error:
        state, problem = "failed", str(error)
    return TrialRecord(
        number=trial.number,
        values=values,
        state=state,
        fold_scores=scores,
        steps=trial.steps,
        limits=trial.limits,
        figures=trial.figures,
        looks=trial.looks,
        seconds=time.monotonic() - began,
        problem=problem,
    )


def _checked(scores: Sequence[Any], number: int) -> list[float]:
    found = [float(score) for score in scores]
    if not found or not all(map(math.isfinite, found)):
        raise StudyError(f"trial {number}: expected a finite score for one fold or more, not {found}.")
    return found
