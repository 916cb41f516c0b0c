"""Cross-fitted notes: judged by models that saw nothing of their groups, by choices that saw nothing of them either."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t as student
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from medembed_pipeline.classification import cross_fitting
from medembed_pipeline.classification.cross_fitting import CrossFitted, cross_fit, fold_scores
from medembed_pipeline.classification.features import TOKEN, NoteRows
from medembed_pipeline.classification.ladder import RUNG_OF, TrainNotes, label_free_rungs, log_loss
from medembed_pipeline.classification.metrics import Measured, classification_metrics_table
from medembed_pipeline.classification.notes import VALIDATION
from medembed_pipeline.classification.scoring import overall_figures
from medembed_pipeline.classification.settings import ClassificationSettings
from medembed_pipeline.evaluation.jackknife import Jackknife, difference, intervals
from medembed_pipeline.evaluation.metric_names import MetricKey
from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, IntArray
from medembed_pipeline_tests.classification.small_notes import SETTINGS, SmallNotes, small_notes

RUNGS = label_free_rungs(base_is_known=True)
QUICK: ClassificationSettings = SETTINGS.model_copy(
    update={"inverse_regularization": [3.0, 100.0], "neighbors": [5, 20], "fused_weights": [0.2, 0.5]}
)
MAP: MetricKey = ("map", None)


def made(small: SmallNotes) -> CrossFitted:
    found = cross_fit(small.notes, small.seen.rows, QUICK, rungs=RUNGS)
    assert found is not None
    return found


def figures(found: CrossFitted, rung: str) -> dict[MetricKey, Jackknife]:
    return overall_figures(found.truth, found.answers[rung][0])


def over_words(found: CrossFitted, rung: str) -> tuple[float, float]:
    # So sure that none of several comparisons is beside it by chance.
    ends = intervals(difference(figures(found, rung)[MAP], figures(found, "tfidf")[MAP]), confidence=0.999)
    return float(ends.low[0]), float(ends.high[0])


def test_features_that_saw_a_label_have_no_part_in_it() -> None:
    assert RUNGS == ("prevalence", "tfidf", "knn_baseline", "baseline", "fused")
    # A base model that a user brings may be anything.
    assert label_free_rungs(base_is_known=False) == ("prevalence", "tfidf")


def test_what_a_fold_is_told_does_not_depend_on_its_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    small = small_notes()
    notes = small.notes
    fold_of = np.arange(len(notes.note_ids)) // 3 % 3

    def folds(membership: FloatArray, groups: IntArray, **_: object) -> IntArray:
        return fold_of

    monkeypatch.setattr(cross_fitting, "stratified_group_folds", folds)
    member = notes.membership.copy()
    member[fold_of == 1] = np.roll(member[fold_of == 1], 1, axis=1)
    before, after = (made(replace_notes(small, one)) for one in (notes.membership, member))
    own = fold_of[before.rows] == 1
    for rung in RUNGS:
        for name in ("probabilities", "chosen", "sets"):
            left, right = (getattr(one.answers[rung][0], name) for one in (before, after))
            np.testing.assert_array_equal(left[own], right[own])
        assert before.parameters[rung][1] == after.parameters[rung][1]
    assert (
        before.answers["tfidf"][0].probabilities[~own] != after.answers["tfidf"][0].probabilities[~own]
    ).any()


def replace_notes(small: SmallNotes, membership: FloatArray) -> SmallNotes:
    return replace(small, notes=replace(small.notes, membership=membership))


def test_scores_are_those_of_nested_cross_validation_by_scikit_learn() -> None:
    small = small_notes(count=72, vectors=False)
    texts, member = small.seen.texts, small.notes.membership
    fold_of: IntArray = np.arange(72, dtype=np.int64) // 3 % 4
    train = TrainNotes(small.seen.rows, member, np.arange(72, dtype=np.int64))
    found = fold_scores(RUNG_OF["tfidf"], train, fold_of, QUICK)

    def said(seen: BoolArray, asked: BoolArray, c: float) -> FloatArray:
        weights = TfidfVectorizer(token_pattern=TOKEN, min_df=2, sublinear_tf=True)
        known = weights.fit_transform([texts[row] for row in np.flatnonzero(seen)])
        unknown = weights.transform([texts[row] for row in np.flatnonzero(asked)])
        columns = [
            LogisticRegression(C=c, class_weight="balanced", solver="liblinear", tol=1e-9)
            .fit(known, column)
            .predict_proba(unknown)[:, 1]
            for column in member[seen].T
        ]
        return np.stack(columns, axis=1)

    for fold in range(4):
        losses = {}
        for c in QUICK.inverse_regularization:
            parts = []
            for inner in set(range(4)) - {fold}:
                asked = fold_of == inner
                scores = said(~asked & (fold_of != fold), asked, c)
                parts.append(log_loss(scores, member[asked]).mean())
                if c == found.parameters[fold]:
                    np.testing.assert_allclose(found.inner[fold][asked], scores, atol=1e-5)
            losses[c] = np.mean(parts)
        assert found.parameters[fold] == min(losses, key=lambda c: losses[c])
        asked = fold_of == fold
        assert np.isnan(found.inner[fold][asked]).all()
        np.testing.assert_allclose(found.outer[asked], said(~asked, asked, found.parameters[fold]), atol=1e-5)


def test_near_duplicates_are_never_parted() -> None:
    """Every note stands twice, under random labels: who remembers texts would be right."""
    small = small_notes(count=240, shuffled=True)
    half = np.arange(240) // 2 * 2
    notes = replace(
        small.notes, groups=np.arange(240, dtype=np.int64) // 2, membership=small.notes.membership[half]
    )
    rows = NoteRows(
        small.seen.rows.counts[half], {name: own[half] for name, own in small.seen.rows.vectors.items()}
    )
    found = made(replace(small, notes=notes, seen=replace(small.seen, rows=rows)))
    for rung in ("tfidf", "knn_baseline", "baseline", "fused"):
        assert figures(found, rung)["top", 1].value[0] == pytest.approx(1 / 3, abs=0.12)


def test_a_planted_gain_is_found_and_shuffled_labels_give_none() -> None:
    found = made(small_notes(count=180, words=False))
    assert over_words(found, "fused")[0] > 0.3
    assert set(found.parameters["fused"]) == {0.5}
    chance = made(small_notes(count=180, shuffled=True))
    for rung in ("knn_baseline", "baseline", "fused"):
        low, high = over_words(chance, rung)
        assert low < 0 < high
        assert figures(chance, rung)["top", 1].value[0] == pytest.approx(1 / 3, abs=0.12)


def test_labelled_notes_are_scored_but_those_that_chose_what_is_served() -> None:
    small = small_notes()
    member = small.notes.membership.copy()
    member[:6] = 0.0
    found = made(replace_notes(small, member))
    expected = [row for row, split in enumerate(small.notes.splits) if split != VALIDATION and row >= 6]
    assert found.rows.tolist() == expected
    assert found.taught == len(small.notes.note_ids) - 6
    assert found.truth.membership.shape == found.answers["fused"][0].probabilities.shape


def test_there_is_none_where_it_can_say_nothing() -> None:
    small = small_notes()
    nobody = label_free_rungs(base_is_known=False)
    assert cross_fit(small.notes, small.seen.rows, QUICK, rungs=nobody) is None
    two = replace(small, notes=replace(small.notes, groups=np.arange(90, dtype=np.int64) % 2))
    assert cross_fit(two.notes, two.seen.rows, QUICK, rungs=RUNGS) is None
    assert (
        cross_fit(
            replace_notes(small, np.zeros_like(small.notes.membership)).notes,
            small.seen.rows,
            QUICK,
            rungs=RUNGS,
        )
        is None
    )


def test_several_divisions_are_one_after_the_other_and_their_figures_are_means() -> None:
    small = small_notes()
    twice = QUICK.model_copy(update={"cross_fits": 2})
    found = cross_fit(small.notes, small.seen.rows, twice, rungs=RUNGS)
    after = cross_fit(
        small.notes, small.seen.rows, QUICK.model_copy(update={"seed": QUICK.seed + 1}), rungs=RUNGS
    )
    assert found is not None and after is not None
    for rung in RUNGS:
        first, second = found.answers[rung]
        np.testing.assert_array_equal(first.probabilities, made(small).answers[rung][0].probabilities)
        np.testing.assert_array_equal(second.probabilities, after.answers[rung][0].probabilities)
    rows = classification_metrics_table(
        {name: Measured(found.truth, found.answers[name][0]) for name in RUNGS},
        small.notes.labels,
        [],
        served="fused",
        confidence=0.95,
        cross_fitted=found,
    ).to_pylist()
    for key in (MAP, ("top", 1), ("covered", None), ("macro_f1", None)):
        parts = [overall_figures(found.truth, one)[key] for one in found.answers["fused"]]
        words = [overall_figures(found.truth, one)[key] for one in found.answers["tfidf"]]
        (own,) = (
            row
            for row in rows
            if (row["model"], row["over"], row["scope_kind"], row["metric"], row["k"])
            == ("fused", None, "cross_fitted", *key)
        )
        assert own["value"] == pytest.approx(np.mean([one.value[0] for one in parts]), abs=1e-8)
        (change,) = (
            row
            for row in rows
            if (row["model"], row["over"], row["scope_kind"], row["metric"], row["k"])
            == ("fused", "tfidf", "cross_fitted", *key)
        )
        # Leaving a group out leaves it out of both divisions; three folds twice: the variance counts 2 times.
        left_out = np.mean([one.left_out for one in parts], axis=0) - np.mean(
            [one.left_out for one in words], axis=0
        )
        count = len(left_out)
        error = np.sqrt(2.0 * (count - 1) / count * np.square(left_out - left_out.mean()).sum())
        half = (change["ci_high"] - change["ci_low"]) / 2
        assert half == pytest.approx(error * student.ppf(0.975, change["degrees"]), abs=1e-6)
    labels = {row["scope"] for row in rows if row["scope_kind"] == "cross_fitted_label"}
    assert labels == set(small.notes.labels)
