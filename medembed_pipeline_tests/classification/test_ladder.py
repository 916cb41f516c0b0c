"""The ladder as a whole: what is chosen, what is put down, and that nothing hangs on the order of the notes."""

from __future__ import annotations

import numpy as np
import pytest

from medembed_pipeline.classification.features import NoteRows
from medembed_pipeline.classification.ladder import RUNGS, label_free_rungs
from medembed_pipeline.classification.notes import VALIDATION, classifier_notes
from medembed_pipeline.classification.probabilities import (
    decide_ladder,
    decide_rung,
    label_free_of,
    probabilities_table,
    scores_of,
)
from medembed_pipeline.classification.scoring import overall_figures
from medembed_pipeline.classification.serving import decide
from medembed_pipeline_tests.classification.small_notes import SETTINGS, SmallNotes, small_notes


@pytest.fixture(scope="module")
def readable() -> SmallNotes:
    return small_notes(words=False)


def test_vectors_that_know_more_than_words_are_served(readable: SmallNotes) -> None:
    table, facts = probabilities_table(readable.notes, readable.seen.rows, SETTINGS)
    assert facts["served"] in {
        "baseline",
        "tuned",
        "tuned_tfidf",
        "knn_baseline",
        "knn_tuned",
        "fused",
    }
    assert [one["rung"] for one in facts["ladder"]] == [rung.name for rung in RUNGS]
    assert table.num_rows == len(readable.notes.note_ids) * 3
    assert set(table["source"].to_pylist()) == {"out_of_fold", "held_out"}


def test_where_nothing_beats_words_words_are_served_and_it_is_said() -> None:
    small = small_notes(vectors=False)
    _, facts = probabilities_table(small.notes, small.seen.rows, SETTINGS)
    assert facts["served"] == "tfidf"
    assert facts["why_served"].startswith("Nothing is better than TF-IDF")


def test_shuffled_labels_give_chance() -> None:
    small = small_notes(count=240, shuffled=True)
    table, facts = probabilities_table(small.notes, small.seen.rows, SETTINGS)
    assert facts["served"] == "tfidf"
    judged = small.notes.judged("test")
    scores = scores_of(table, small.notes)
    decisions, _ = decide_ladder(small.notes, scores, SETTINGS, label_free=label_free_of(facts))
    for rung in ("tfidf", "tuned", "tuned_tfidf", "fused"):
        found = overall_figures(small.notes.truth(judged), decisions[rung].answers(scores[rung][judged]))
        assert found["top", 1].value[0] == pytest.approx(1 / 3, abs=0.15)
        # Probabilities that know nothing say so.
        assert found["calibration_error", None].value[0] < 0.1


def test_train_notes_out_of_fold_help_to_decide_where_no_feature_saw_a_label(readable: SmallNotes) -> None:
    notes = readable.notes
    table, _ = probabilities_table(notes, readable.seen.rows, SETTINGS)
    scores = scores_of(table, notes)
    free = label_free_rungs(base_is_known=True)
    decisions, _ = decide_ladder(notes, scores, SETTINGS, label_free=free)
    learned, judged = notes.learned_from(), notes.judged(VALIDATION)
    for rung, own in scores.items():
        rows = np.sort(np.concatenate([learned, judged])) if rung in free else judged
        truth = notes.truth(rows)
        alone = decide(
            own[rows],
            truth,
            misses=SETTINGS.misses,
            own_from=SETTINGS.calibrate_label_from,
            seed=SETTINGS.seed,
        ).decision
        assert decisions[rung].set_threshold == alone.set_threshold
        np.testing.assert_array_equal(decisions[rung].thresholds, alone.thresholds)
        np.testing.assert_array_equal(decisions[rung].calibration.slope, alone.calibration.slope)


def test_rungs_are_chosen_by_calibrations_that_have_not_seen_the_notes(readable: SmallNotes) -> None:
    notes = readable.notes
    table, facts = probabilities_table(
        notes, readable.seen.rows, SETTINGS, label_free=label_free_rungs(base_is_known=True)
    )
    judged = notes.judged(VALIDATION)
    for record in facts["ladder"]:
        free = record["rung"] in label_free_of(facts)
        decided, rows = decide_rung(notes, scores_of(table, notes)[record["rung"]], SETTINGS, label_free=free)
        answers = decided.crossed_answers.take(np.searchsorted(rows, judged))
        found = overall_figures(notes.truth(judged), answers)["log_loss", None].value[0]
        assert record["value"] == pytest.approx(found, abs=1e-8)


def test_of_many_train_notes_only_so_many_help_to_decide(
    readable: SmallNotes, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = readable.notes
    monkeypatch.setattr("medembed_pipeline.classification.notes.MOST_DECIDING_NOTES", 30)
    rows = notes.decided_on(label_free=True)
    assert len(rows) == 30 and set(notes.judged(VALIDATION)) < set(rows)
    assert (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(notes.decided_on(label_free=False), notes.judged(VALIDATION))


def test_the_order_of_the_notes_does_not_matter(readable: SmallNotes) -> None:
    notes, seen = readable.notes, readable.seen
    order = np.random.default_rng(5).permutation(len(notes.note_ids))
    ids = [notes.note_ids[row] for row in order]
    other = classifier_notes(
        ids,
        [readable.specialties[note] for note in ids],
        dict(zip(notes.note_ids, notes.splits, strict=True)),
        dict(zip(notes.note_ids, notes.note_ids, strict=True)),
        trained=[note for note, split in zip(notes.note_ids, notes.splits, strict=True) if split == "train"],
        smallest_label_notes=SETTINGS.smallest_label_notes,
    )
    assert other.note_ids == notes.note_ids
    np.testing.assert_array_equal(other.membership, notes.membership)
    left, right = (
        probabilities_table(one, NoteRows(seen.rows.counts, seen.rows.vectors), SETTINGS)
        for one in (notes, other)
    )
    assert left[0].equals(right[0])
    assert left[1] == right[1]


def test_a_label_with_too_few_train_notes_is_not_predicted_but_named_and_counted() -> None:
    small = small_notes()
    notes = small.notes
    specialties = {**small.specialties, notes.note_ids[0]: ["Rare"], notes.note_ids[3]: ["Rare", "Neurology"]}
    rare = classifier_notes(
        notes.note_ids,
        [specialties[note] for note in notes.note_ids],
        dict(zip(notes.note_ids, notes.splits, strict=True)),
        dict(zip(notes.note_ids, notes.note_ids, strict=True)),
        trained=[],
        smallest_label_notes=3,
    )
    assert rare.labels == notes.labels
    assert rare.too_rare == {"Rare": 2}
    np.testing.assert_array_equal(np.flatnonzero(rare.outside), [0, 3])
    _, facts = probabilities_table(rare, small.seen.rows, SETTINGS)
    assert facts["labels_not_predicted"] == [{"label": "Rare", "train_notes": 2}]


def test_without_labels_there_is_nothing_to_learn_and_it_is_said() -> None:
    small = small_notes()
    none = classifier_notes(
        small.notes.note_ids,
        [[] for _ in small.notes.note_ids],
        dict(zip(small.notes.note_ids, small.notes.splits, strict=True)),
        dict(zip(small.notes.note_ids, small.notes.note_ids, strict=True)),
        trained=[],
        smallest_label_notes=3,
    )
    table, facts = probabilities_table(none, small.seen.rows, SETTINGS)
    assert table.num_rows == 0
    assert "nothing to learn" in facts["why_empty"]


def test_notes_whose_group_the_checkpoint_saw_are_not_judged() -> None:
    small = small_notes()
    ids = small.notes.note_ids
    test_note = next(note for note, split in zip(ids, small.notes.splits, strict=True) if split == "test")
    seen = classifier_notes(
        ids,
        [small.specialties[note] for note in ids],
        dict(zip(ids, small.notes.splits, strict=True)),
        {note: "shared" if note in (test_note, ids[0]) else note for note in ids},
        trained=[ids[0]],
        smallest_label_notes=3,
    )
    judged = {ids[row] for row in seen.judged("test")}
    assert test_note not in judged
    assert dict(zip(ids, seen.source(), strict=True))[test_note] == "seen"
