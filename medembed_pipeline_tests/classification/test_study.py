"""The studies of heads and adapters: scored as the ladder chooses, and blind to test notes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import medembed_pipeline.definitions  # noqa: F401 (rooms are described in their order, whoever comes first)
from medembed_pipeline.classification.features import NoteRows
from medembed_pipeline.classification.notes import TEST, VALIDATION, ClassifierNotes
from medembed_pipeline.classification.probabilities import probabilities_table
from medembed_pipeline.classification.settings import ClassificationSettings
from medembed_pipeline.classification.trials import (
    ADAPTERS_SPACE,
    FIGURES,
    HEAD_SPACE,
    HEAD_START,
    PUBLISHED,
    StudyNotes,
    adapters_block,
    adapters_objective,
    head_block,
    head_objective,
    with_values,
)
from medembed_pipeline.evaluation.vectors import FloatArray
from medembed_pipeline.study.declared import declared_studies
from medembed_pipeline.study.search import search
from medembed_pipeline.study.space import Values
from medembed_pipeline.study.store import MemoryTrials
from medembed_pipeline.study.trial import Trial
from medembed_pipeline_tests.classification.small_notes import SETTINGS, SmallNotes, small_notes

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@pytest.fixture(scope="module")
def small() -> SmallNotes:
    return small_notes()


def held(small: SmallNotes) -> StudyNotes:
    return StudyNotes.of(small.notes, small.seen.texts, small.seen.rows)


@pytest.mark.parametrize("rung", ["tfidf", "knn_tuned"])
def test_a_trial_has_the_score_by_which_the_ladder_chooses(small: SmallNotes, rung: str) -> None:
    _, facts = probabilities_table(small.notes, small.seen.rows, SETTINGS)
    record = next(one for one in facts["ladder"] if one["rung"] == rung)
    name = "inverse_regularization" if rung == "tfidf" else "neighbors"
    trial = Trial(0)
    (score,) = head_objective(held(small), SETTINGS)(
        {**HEAD_START, "rung": rung, name: record["parameter"]}, trial
    )
    assert score == pytest.approx(-record["value"], abs=1e-6)
    assert set(trial.figures) == set(FIGURES)
    assert trial.figures["validation_log_loss"] == -score
    assert trial.looks == 1


def test_each_value_that_is_searched_reaches_the_head(small: SmallNotes) -> None:
    def score(**values: Any) -> float:
        return head_objective(held(small), SETTINGS)({**HEAD_START, **values}, Trial(0))[0]

    assert score() != score(inverse_regularization=1.0)
    assert score() != score(class_weight="none")
    assert score() != score(smallest_word_notes=10)
    assert score(rung="knn_tuned") != score(rung="knn_tuned", neighbors=40)
    assert score(rung="knn_tuned") == score(rung="knn_tuned", class_weight="none")


def with_other(small: SmallNotes, split: str) -> tuple[ClassifierNotes, list[str], NoteRows]:
    """The same notes, those of a split with other labels, texts and vectors."""
    notes, seen = small.notes, small.seen
    chosen = np.array([own == split for own in notes.splits])
    member = np.where(chosen[:, None], np.roll(notes.membership, 1, axis=1), notes.membership)
    texts = [f"{text} zebra" if one else text for text, one in zip(seen.texts, chosen, strict=True)]
    vectors = {name: np.where(chosen[:, None], -matrix, matrix) for name, matrix in seen.rows.vectors.items()}
    return (
        ClassifierNotes(**{**vars(notes), "membership": member}),
        texts,
        NoteRows(seen.rows.counts, vectors),
    )


def test_test_notes_change_nothing(small: SmallNotes) -> None:
    before = held(small)
    other = StudyNotes.of(*with_other(small, TEST))
    assert other.version(small.notes.labels) == before.version(small.notes.labels)
    assert not any("zebra" in text for text in other.texts)
    for rung in ("tfidf", "knn_tuned"):
        values = {**HEAD_START, "rung": rung}
        found = [head_objective(one, SETTINGS)(values, Trial(0)) for one in (before, other)]
        assert found[0] == found[1]
    changed = StudyNotes.of(*with_other(small, VALIDATION))
    assert changed.version(small.notes.labels) != before.version(small.notes.labels)


def test_a_search_that_was_stopped_goes_on_to_the_same_trials(small: SmallNotes) -> None:
    objective = head_objective(held(small), SETTINGS)

    def made(store: MemoryTrials, trials: int) -> list[dict[str, Any]]:
        table = search(
            HEAD_SPACE,
            objective,
            trials=trials,
            seed=7,
            storage=store,
            start=HEAD_START,
            random_trials=3,
        )
        return table.drop_columns(["seconds"]).to_pylist()

    stopped = MemoryTrials()
    made(stopped, 3)
    rows = made(stopped, 6)
    assert rows == made(MemoryTrials(), 6)
    assert {name: rows[0][name] for name in HEAD_SPACE.names} == HEAD_START
    assert {row["state"] for row in rows} == {"complete"}


def test_adapters_are_tried_as_published_and_learn_from_train_notes_alone(small: SmallNotes) -> None:
    seen = held(small)
    tried: list[ClassificationSettings] = []

    def scores(texts: Sequence[str], membership: FloatArray, settings: ClassificationSettings) -> FloatArray:
        tried.append(settings)
        assert list(texts) == seen.texts
        np.testing.assert_array_equal(membership, small.notes.membership[small.notes.learned_from()])
        found = np.random.default_rng(len(tried)).uniform(0.01, 0.99, (len(texts), membership.shape[1]))
        found[: len(membership)] = np.nan
        return found

    search(
        ADAPTERS_SPACE,
        adapters_objective(seen, SETTINGS, scores),
        trials=5,
        seed=7,
        start=ADAPTERS_SPACE.held(ClassificationSettings().model_dump()),
        also=PUBLISHED,
    )
    asked = [{name: getattr(one, name) for name in ADAPTERS_SPACE.names} for one in tried]
    assert asked[0] == ADAPTERS_SPACE.held(ClassificationSettings().model_dump())
    assert asked[1:4] == list(PUBLISHED)
    assert asked[4] not in asked[:4]


@pytest.mark.parametrize(
    ("rung", "expected"),
    [
        ("tfidf", {"inverse_regularization": [12.5], "class_weight": "balanced", "smallest_word_notes": 2}),
        ("tuned", {"inverse_regularization": [12.5], "class_weight": "balanced"}),
        ("knn_tuned", {"neighbors": [10]}),
    ],
)
def test_the_block_of_a_head_is_what_its_rung_goes_by(rung: str, expected: dict[str, Any]) -> None:
    values: Values = {**HEAD_START, "rung": rung, "inverse_regularization": 12.5}
    assert tomllib.loads(head_block(values))["classification"] == expected


def test_the_block_of_adapters_gives_the_very_values_and_both_are_declared() -> None:
    values = {**PUBLISHED[0], "adapter_learning_rate": 0.0012345678901234567}
    read = ClassificationSettings.model_validate(tomllib.loads(adapters_block(values))["classification"])
    assert read == with_values(ClassificationSettings(adapters=True), values)
    studies = declared_studies()
    assert studies["classifier"].asset == "classifier_study"
    assert studies["classifier_adapters"].resources == ("encoder",)
