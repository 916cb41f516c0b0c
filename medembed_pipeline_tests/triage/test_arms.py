"""Heads and arms: slopes, what each kind can hold, and drawn cases whose best accuracy is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pytest
from scipy.optimize import check_grad
from sklearn.linear_model import LogisticRegression

from medembed_pipeline.samples.case_plan import CaseCorpus, best_accuracy
from medembed_pipeline.triage.arms import ARMS, CONCATENATED, FUSIONS, GATED, LATE, SINGLE
from medembed_pipeline.triage.folder import Parts
from medembed_pipeline.triage.heads import fit_head, log_softmax, loss_and_gradient, weight_shapes
from medembed_pipeline.triage.ledger import ledger_table, others_of
from medembed_pipeline.triage.making import verdict_of
from medembed_pipeline.triage.settings import TriageVerdictSettings
from medembed_pipeline.triage.shortcuts import SHORTCUT_METER_SCHEMA
from medembed_pipeline.triage.temperature import fit_temperature
from medembed_pipeline_tests.triage.small_cases import QUICK, Small, parts_of_small, small


@pytest.mark.parametrize("kind", ["linear", "hidden", "points", "gated"])
def test_the_gradient_is_that_of_the_loss(kind: Literal["linear", "hidden", "points", "gated"]) -> None:
    random = np.random.default_rng(0)
    parts = [random.normal(size=(12, 3)), random.normal(size=(12, 2))]
    level = random.integers(0, 3, 12)
    shapes = weight_shapes(kind, [3, 2], 3, 4)
    both = loss_and_gradient(kind, parts, level, shapes, 0.1)
    at = random.normal(size=sum(int(np.prod(shape)) for shape in shapes.values()))
    apart = check_grad(lambda packed: both(packed)[0], lambda packed: both(packed)[1], at)
    assert apart < 1e-5


def test_a_linear_head_is_scikit_learns_logistic_regression() -> None:
    random = np.random.default_rng(1)
    rows = random.normal(size=(80, 4))
    level = (rows[:, 0] + random.normal(size=80) > 0).astype(int) + (rows[:, 1] > 0.5)
    head = fit_head("linear", [rows], level, 3, units=0, decay=0.05, seed=0)
    # Half the squared weights over the number of cases times C.
    theirs = LogisticRegression(C=1 / (0.05 * 80), tol=1e-8, max_iter=1000).fit(rows, level)
    assert np.exp(log_softmax(head.logits([rows]))) == pytest.approx(theirs.predict_proba(rows), abs=1e-3)


def test_a_gated_head_holds_what_counts_only_together_and_a_linear_one_does_not() -> None:
    notes, pictures = (np.tile(one, 50)[:, None] for one in ([-1.0, -1.0, 1.0, 1.0], [-1.0, 1.0, -1.0, 1.0]))
    level = (notes * pictures > 0).astype(np.int64)[:, 0]
    right = {}
    for kind, units in (("linear", 0), ("gated", 8)):
        head = fit_head(kind, [notes, pictures], level, 2, units=units, decay=1e-4, seed=1)  # type: ignore[arg-type]
        right[kind] = (head.logits([notes, pictures]).argmax(axis=1) == level).mean()
    assert right["gated"] == 1.0 and right["linear"] <= 0.75


def test_a_temperature_undoes_what_made_logits_too_large() -> None:
    random = np.random.default_rng(3)
    logits = random.normal(size=(4000, 3))
    chances = np.exp(log_softmax(logits))
    level = (random.random((4000, 1)) > chances.cumsum(axis=1)).sum(axis=1)
    assert fit_temperature(3.0 * logits, level) == pytest.approx(3.0, rel=0.1)
    assert fit_temperature(logits[:0], level[:0]) == 1.0


def test_partners_are_of_others_each_once() -> None:
    groups = np.repeat(np.arange(20), 3)
    dealt = others_of(groups, np.random.default_rng(0))
    assert sorted(dealt.tolist()) == list(range(60)) and (groups[dealt] != groups).all()
    assert others_of(np.zeros(4, dtype=np.int64), np.random.default_rng(0)).shape == (4,)


@dataclass(frozen=True)
class Measured:
    """A corpus with its arms, and the ledger's rows by arm, variant, over and figure."""

    found: Small
    parts: Parts
    ledger: dict[tuple[str, str, str | None, str], dict[str, Any]]


def measured(*, interaction: bool) -> Measured:
    found = small(CaseCorpus(patients=300, interaction=interaction))
    parts = parts_of_small(found)
    assert parts.chosen is not None
    table, _ = ledger_table(found.cases, parts.arms, parts.arms.seen(found.rows), parts.chosen, QUICK)
    rows = {(row["arm"], row["variant"], row["over"], row["figure"]): row for row in table.to_pylist()}
    return Measured(found, parts, rows)


def said_of_interaction(found: Measured) -> str:
    """What the verdict says of it, of the ledger alone."""
    rows = pa.Table.from_pylist(list(found.ledger.values()))
    empty = SHORTCUT_METER_SCHEMA.empty_table()
    table, _ = verdict_of(rows, empty, found.parts, QUICK, TriageVerdictSettings())
    (row,) = [one for one in table.to_pylist() if one["rule"] == "note_and_picture_interact"]
    return str(row["reason"])


@pytest.fixture(scope="module")
def with_interaction() -> Measured:
    return measured(interaction=True)


@pytest.fixture(scope="module")
def without_interaction() -> Measured:
    return measured(interaction=False)


def test_no_arm_is_above_its_ceiling_and_fusions_beat_single_arms(with_interaction: Measured) -> None:
    def accuracy(arm: str) -> float:
        return float(with_interaction.ledger[arm, "as_it_is", None, "accuracy"]["value"])

    cases = with_interaction.ledger["note", "as_it_is", None, "accuracy"]["n"]
    for arm in ("note", "picture", *FUSIONS):
        ceiling = best_accuracy("both" if arm in FUSIONS else arm)  # type: ignore[arg-type]
        assert accuracy(arm) <= ceiling + 3 * np.sqrt(ceiling * (1 - ceiling) / cases)
    assert set(with_interaction.parts.arms.heads) == set(ARMS)
    for fusion in FUSIONS:
        assert with_interaction.ledger[fusion, "as_it_is", "best_single", "auc"]["ci_low"] > 0.05
        assert accuracy(fusion) > max(accuracy(arm) for arm in SINGLE)
    assert accuracy(GATED) > 0.85


def test_an_interaction_is_seen_where_there_is_one_and_not_where_there_is_none(
    with_interaction: Measured, without_interaction: Measured
) -> None:
    lost = with_interaction.ledger[GATED, "emap", "as_it_is", "auc"]
    assert lost["ci_high"] < 0 and lost["value"] < -0.02
    assert said_of_interaction(with_interaction).endswith(": note and picture do more than add up.")
    said = said_of_interaction(without_interaction)
    assert said.endswith(": nothing shows that note and picture do more than add up.")
    # What adds up by how it is made loses nothing at all.
    assert with_interaction.ledger[LATE, "emap", "as_it_is", "auc"]["value"] == pytest.approx(0, abs=1e-6)


def test_with_another_patients_partner_or_none_a_fusion_is_no_better_than_one_part(
    with_interaction: Measured,
) -> None:
    for fusion in FUSIONS:
        for part in ("note", "picture"):
            assert with_interaction.ledger[fusion, f"shuffled_{part}", "as_it_is", "auc"]["ci_high"] < 0
            blank = with_interaction.ledger[fusion, f"blank_{part}", None, "auc"]["value"]
            other = "picture" if part == "note" else "note"
            alone = with_interaction.ledger[other, "as_it_is", None, "auc"]["value"]
            assert blank < alone + 0.08


def test_all_arms_get_the_same_number_of_tries_and_the_best_is_taken(with_interaction: Measured) -> None:
    tried = with_interaction.parts.arms.tried
    for arm in ARMS:
        own = [one for one in tried if one["arm"] == arm]
        assert len(own) == QUICK.tries
        (chosen,) = [one for one in own if one["chosen"]]
        assert chosen["log_loss"] == min(one["log_loss"] for one in own)
    assert CONCATENATED in with_interaction.parts.arms.temperatures
