"""The fused rung: the mean of two heads' logits, weighted out of fold, as a head of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medembed_pipeline.classification.calibration import fit_calibration
from medembed_pipeline.classification.classifier import SpecialtyClassifier
from medembed_pipeline.classification.features import NoteRows
from medembed_pipeline.classification.folder import read_classifier
from medembed_pipeline.classification.fusion import fit_rung
from medembed_pipeline.classification.heads import expit, logit
from medembed_pipeline.classification.ladder import RUNG_OF, log_loss
from medembed_pipeline.classification.probabilities import climb_ladder
from medembed_pipeline_tests.classification.small_notes import (
    SETTINGS,
    SmallNotes,
    small_notes,
    write_small_classifier,
)


@pytest.fixture(scope="module")
def small() -> SmallNotes:
    return small_notes(count=120)


def test_its_logits_are_the_mean_of_those_of_both_heads_and_its_weight_the_best_out_of_fold(
    small: SmallNotes,
) -> None:
    ladder = climb_ladder(small.notes, small.seen.rows, SETTINGS)
    vectors, words, both = (ladder.climbed[name] for name in ("baseline", "tfidf", "fused"))
    weight = both.fitted.parameter
    assert weight in SETTINGS.fused_weights

    def mean(left: np.ndarray, right: np.ndarray, share: float) -> np.ndarray:
        return expit(share * logit(left) + (1 - share) * logit(right))

    rows = small.seen.rows
    np.testing.assert_allclose(
        both.fitted.probabilities(rows),
        mean(vectors.fitted.probabilities(rows), words.fitted.probabilities(rows), weight),
        atol=1e-9,
    )
    member = small.notes.membership[small.notes.learned_from()]
    losses = {}
    for share in SETTINGS.fused_weights:
        said = mean(vectors.out_of_fold, words.out_of_fold, share)
        calibrated = fit_calibration(said, member, own_from=10_000).apply(said)
        losses[share] = log_loss(calibrated, member).mean()
    assert weight == min(losses, key=lambda share: losses[share])
    np.testing.assert_array_equal(both.out_of_fold, mean(vectors.out_of_fold, words.out_of_fold, weight))
    # Fitted once more from what was chosen, it is the same: what is measured is what is served.
    learned = small.notes.learned_from()
    parameters = {name: one.fitted.parameter for name, one in ladder.climbed.items()}
    again = fit_rung(RUNG_OF["fused"], rows.take(learned), member, parameters, SETTINGS)
    np.testing.assert_array_equal(again.probabilities(rows), both.fitted.probabilities(rows))


@pytest.mark.parametrize(("words", "vectors", "expected"), [(True, False, 0.1), (False, True, 0.5)])
def test_what_knows_nothing_weighs_the_least_that_is_tried(
    words: bool, vectors: bool, expected: float
) -> None:
    one = small_notes(count=120, words=words, vectors=vectors)
    assert climb_ladder(one.notes, one.seen.rows, SETTINGS).climbed["fused"].fitted.parameter == expected


def test_its_folder_answers_as_it_was_measured(small: SmallNotes, tmp_path: Path) -> None:
    folder = tmp_path / "classifiers" / "one"
    write_small_classifier(folder, small, rung="fused", encoder={"kind": "base"})
    parts, manifest = read_classifier(folder)
    loaded = SpecialtyClassifier(parts, manifest, None, "cpu")
    texts, vectors = small.seen.texts, small.seen.rows.vectors["baseline"]
    found = loaded.answers(loaded.rows(texts, vectors))
    ladder = climb_ladder(small.notes, NoteRows(small.seen.rows.counts, small.seen.rows.vectors), SETTINGS)
    asked = small.notes.judged("test")
    expected = ladder.decisions["fused"].answers(ladder.scores["fused"][asked])
    np.testing.assert_allclose(found.probabilities[asked], expected.probabilities, atol=1e-6)
    np.testing.assert_array_equal(found.sets[asked], expected.sets)
