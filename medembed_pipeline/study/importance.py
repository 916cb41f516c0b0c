"""How much each parameter matters for the score.

Reference: F. Hutter, H. Hoos, K. Leyton-Brown, "An efficient approach for assessing hyperparameter importance", ICML
2014.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from medembed_pipeline.study.search import optuna_study
from medembed_pipeline.study.space import Space
from medembed_pipeline.study.trial import TrialRecord

FEWEST = 10
"""Complete trials; fewer say nothing of it."""


def importances(records: Sequence[TrialRecord], space: Space, *, seed: int) -> list[dict[str, Any]]:
    """Of the score's variance over the space that parameters explain by themselves, the share of each (fANOVA).

    Parameters
    ----------
    records
        of the study; those that are complete count.
    space
        what was searched.
    seed
        of the forest that is fitted to the scores.

    Returns
    -------
    list[dict[str, Any]]
        `parameter` and `importance` (of all parameters together 1), the greatest first; empty with fewer than FEWEST
        complete trials, or where all scores are one.
    """
    import optuna

    complete = [record for record in records if record.state == "complete"]
    if len(complete) < FEWEST or len({record.mean for record in complete}) == 1:
        return []
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    found = optuna.importance.get_param_importances(optuna_study(complete, space), evaluator=evaluator)
    ordered = sorted(found.items(), key=lambda one: (-one[1], one[0]))
    return [{"parameter": name, "importance": float(share)} for name, share in ordered]
