"""The figures against scikit-learn, and against being computed again without each patient."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score, log_loss, roc_auc_score

from medembed_pipeline.evaluation.vectors import FloatArray, IntArray
from medembed_pipeline.triage.cases import Levels
from medembed_pipeline.triage.scoring import numbered, triage_figures

NAMES = ("low", "middle", "high", "highest")


def drawn(levels: int, cases: int = 90, seed: int = 0) -> tuple[FloatArray, IntArray, IntArray]:
    random = np.random.default_rng(seed)
    level = random.integers(0, levels, cases)
    scores = np.round(np.eye(levels)[level] + random.normal(size=(cases, levels)), 1)
    said = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    # Equal up to the last digit is equal.
    return np.round(said, 10), level, random.integers(0, 30, cases)


@pytest.mark.parametrize("levels", [2, 3, 4])
def test_every_figure_is_that_of_scikit_learn(levels: int) -> None:
    said, level, groups = drawn(levels)
    found = {
        name: float(one.value[0])
        for name, one in triage_figures(said, level, numbered(groups), Levels(NAMES[:levels], True)).items()
    }
    given = np.round(said, 12).argmax(axis=1)
    auc = (
        roc_auc_score(level, said[:, 1])
        if levels == 2
        else roc_auc_score(level, said, multi_class="ovr", average="macro")
    )
    assert found["auc"] == pytest.approx(auc)
    assert found["accuracy"] == pytest.approx(accuracy_score(level, given))
    for mean in ("weighted", "macro"):
        assert found[f"{mean}_f1"] == pytest.approx(f1_score(level, given, average=mean))
    assert found["kappa"] == pytest.approx(cohen_kappa_score(level, given, weights="quadratic"))
    assert found["log_loss"] == pytest.approx(log_loss(level, said))
    above = level > 0
    assert found["under_triage"] == pytest.approx(((given < level) & above).sum() / above.sum())


def test_each_figure_without_a_patient_is_the_figure_of_the_others() -> None:
    said, level, groups = drawn(3, cases=60, seed=3)
    levels = Levels(NAMES[:3], True)
    groups = numbered(groups)
    found = triage_figures(said, level, groups, levels)
    for group in (0, 7, 19):
        stay = groups != group
        others = triage_figures(said[stay], level[stay], numbered(groups[stay]), levels)
        for name, one in found.items():
            assert one.left_out[group, 0] == pytest.approx(float(others[name].value[0])), name


def test_what_cannot_be_had_is_absent_and_not_zero() -> None:
    said, _, groups = drawn(3, cases=20)
    one_level = triage_figures(said, np.zeros(20, dtype=np.int64), numbered(groups), Levels(NAMES[:3], True))
    assert "auc" not in one_level and "under_triage" not in one_level and "accuracy" in one_level
    level = np.arange(20) % 3
    unordered = triage_figures(said, level, numbered(groups), Levels(NAMES[:3], False))
    assert "kappa" not in unordered and "under_triage" not in unordered and "auc" in unordered
    assert triage_figures(said[:0], level[:0], groups[:0], Levels(NAMES[:3], True)) == {}
