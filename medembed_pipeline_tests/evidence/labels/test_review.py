"""Planted errors are found, planted double specialties are not taken for errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from medembed_pipeline.evaluation.errors import EvaluationError
from medembed_pipeline.evidence.labels.ceilings import label_ceilings
from medembed_pipeline.evidence.labels.errors import LabelReviewError
from medembed_pipeline.evidence.labels.judgements import AGREES, LOOKS_WRONG, SEVERAL_SPECIALTIES, judge
from medembed_pipeline.evidence.labels.review import LABEL_REVIEW_SCHEMA, label_review_table
from medembed_pipeline_tests.evidence.labels.planted import PlantedCorpus, planted_corpus


def review_of(corpus: PlantedCorpus, **changes: Any) -> tuple[pa.Table, dict[str, Any]]:
    arguments: dict[str, Any] = {
        "note_ids": corpus.note_ids,
        "specialties": corpus.given,
        "duplicate_groups": corpus.groups,
        "splits": corpus.splits,
        "embeddings": corpus.embeddings,
        "held_out_ids": [note_id for note_id in corpus.note_ids if corpus.splits[note_id] == "test"],
        "folds": 5,
        "repeats": 2,
        "threshold": 0.3,
        "seed": 7,
    }
    return label_review_table(**(arguments | changes))


def judged_as(table: pa.Table, judgement: str | None) -> set[str]:
    return {row["note_id"] for row in table.to_pylist() if row["judgement"] == judgement}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("noise", [0.5, 0.9])
def test_planted_errors_are_found(seed: int, noise: float) -> None:
    corpus = planted_corpus(misfiled=0.03, noise=noise, seed=seed)
    table, facts = review_of(corpus)
    found = judged_as(table, LOOKS_WRONG)
    assert len(corpus.misfiled) >= 10
    assert len(found & corpus.misfiled) / len(corpus.misfiled) >= 0.9
    assert len(found & corpus.misfiled) / len(found) >= 0.8
    assert facts["looks_wrong"] == len(found)
    assert facts["label_error_rate"] == pytest.approx(len(found) / facts["notes_judged"], abs=1e-6)
    true = dict(zip(corpus.note_ids, corpus.true, strict=True))
    first = table.to_pylist()[: len(found)]
    assert {row["note_id"] for row in first} == found
    suggested_right = [
        row["suggested"] in true[row["note_id"]] for row in first if row["note_id"] in corpus.misfiled
    ]
    assert np.mean(suggested_right) >= 0.9


@pytest.mark.parametrize("seed", range(3))
def test_correct_labels_do_not_look_wrong(seed: int) -> None:
    _, facts = review_of(planted_corpus(misfiled=0, two_specialties=40, seed=seed))
    assert facts["looks_wrong"] <= 1
    assert facts["ceiling_with_label_noise"] == pytest.approx(facts["ceiling_precision_at_5"], abs=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_notes_of_two_specialties_filed_under_one_are_told_apart_from_errors(seed: int) -> None:
    corpus = planted_corpus(two_specialties=60, half_filed=0.3, seed=seed)
    table, facts = review_of(corpus)
    several, wrong = judged_as(table, SEVERAL_SPECIALTIES), judged_as(table, LOOKS_WRONG)
    assert len(corpus.half_filed) >= 15
    assert len(several & corpus.half_filed) / len(corpus.half_filed) >= 0.9
    assert not wrong & corpus.half_filed
    assert len(wrong & corpus.misfiled) / len(corpus.misfiled) >= 0.8
    true = dict(zip(corpus.note_ids, corpus.true, strict=True))
    for row in table.to_pylist():
        if row["note_id"] in several & corpus.half_filed:
            assert {row["suggested"], *row["specialties"]} == set(true[row["note_id"]])
    assert facts["several_specialties"] == len(several)


@pytest.mark.parametrize("seed", range(3))
def test_the_ceiling_with_noise_is_that_of_the_planted_truth(seed: int) -> None:
    corpus = planted_corpus(misfiled=0.05, seed=seed)
    _, facts = review_of(corpus)
    held = [row for row, note_id in enumerate(corpus.note_ids) if corpus.splits[note_id] == "test"]
    known = label_ceilings([corpus.given[row] for row in held], [corpus.true[row] for row in held])
    for found, wanted in zip(facts["ceilings"], known, strict=True):
        assert found["ceiling"] == wanted["ceiling"]
        assert found["ceiling_with_label_noise"] == pytest.approx(
            wanted["ceiling_with_label_noise"], abs=0.02
        )
    at_five = next(record for record in facts["ceilings"] if record["k"] == 5)
    assert facts["ceiling_precision_at_5"] == at_five["ceiling"]
    assert facts["ceiling_with_label_noise"] == at_five["ceiling_with_label_noise"] < at_five["ceiling"]


def test_the_table_holds_every_labelled_note_once_and_adds_up() -> None:
    corpus = planted_corpus(notes=20, two_specialties=10, half_filed=0.5)
    given = [[] if row % 17 == 0 else names for row, names in enumerate(corpus.given)]
    table, facts = review_of(corpus, specialties=given)
    assert table.schema.equals(LABEL_REVIEW_SCHEMA)
    rows = table.to_pylist()
    filed = {note_id: sorted(names) for note_id, names in zip(corpus.note_ids, given, strict=True) if names}
    assert {row["note_id"]: row["specialties"] for row in rows} == filed
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
    assert all(row["split"] == corpus.splits[row["note_id"]] for row in rows)
    keys = [(row["judgement"] != LOOKS_WRONG, row["label_quality"], row["note_id"]) for row in rows]
    assert keys == sorted(keys)
    assert facts["looks_wrong"] + facts["several_specialties"] + facts["agrees"] == facts["notes_judged"]
    for record in facts["by_specialty"]:
        mine = [row for row in rows if record["specialty"] in row["specialties"]]
        assert record["notes"] == len(mine)
        assert record[LOOKS_WRONG] == sum(row["judgement"] == LOOKS_WRONG for row in mine)
        assert record[AGREES] == sum(row["judgement"] == AGREES for row in mine)


def test_the_order_of_rows_does_not_matter() -> None:
    corpus = planted_corpus(notes=20, two_specialties=10)
    backwards = review_of(
        corpus,
        note_ids=corpus.note_ids[::-1],
        specialties=corpus.given[::-1],
        duplicate_groups=corpus.groups[::-1],
        embeddings=corpus.embeddings[::-1],
    )
    assert backwards[0].equals(review_of(corpus)[0]) and backwards[1] == review_of(corpus)[1]


def test_a_rare_specialty_is_listed_without_judgement() -> None:
    corpus = planted_corpus(notes=20)
    given = [["rare"] if row < 4 else names for row, names in enumerate(corpus.given)]
    given[4] = [*given[4], "rare too"]
    table, facts = review_of(corpus, specialties=given)
    assert facts["specialties_not_judged"] == 2 and facts["notes_not_judged"] == 4
    assert judged_as(table, None) == set(corpus.note_ids[:4])
    for row in table.to_pylist()[-4:]:
        assert (
            row["judgement"] is row["label_quality"] is row["given_probability"] is row["suggested"] is None
        )


@pytest.mark.parametrize(
    "given",
    [
        pytest.param([["only"]] * 30, id="one specialty"),
        pytest.param([[f"specialty {row % 3}"] for row in range(12)] + [[]] * 18, id="four notes each"),
        pytest.param([[]] * 30, id="no label"),
        pytest.param([[f"specialty {row}"] for row in range(30)], id="all different"),
    ],
)
def test_what_cannot_be_judged_is_no_error(given: list[list[str]]) -> None:
    corpus = planted_corpus(classes=3, notes=10)
    table, facts = review_of(corpus, specialties=given)
    assert table.schema.equals(LABEL_REVIEW_SCHEMA) and table.num_rows == sum(map(bool, given))
    assert facts["notes_judged"] == 0 and facts["label_error_rate"] is None and facts["by_specialty"] == []
    assert set(table["judgement"].to_pylist()) <= {None}
    assert (facts["ceiling_precision_at_5"] is None) == (facts["ceilings"] == [])


def test_judgements_one_by_one() -> None:
    # 40 plain notes of each of two specialties, and then the cases.
    membership = np.repeat(np.eye(2), 40, axis=0)
    probabilities = np.where(membership > 0, 0.9, 0.05)
    cases: list[tuple[list[float], list[float], str]] = [
        ([1, 0], [0.02, 0.97], LOOKS_WRONG),
        ([1, 0], [0.60, 0.70], SEVERAL_SPECIALTIES),
        ([1, 0], [0.10, 0.20], AGREES),  # neither is likely
        ([1, 1], [0.02, 0.97], AGREES),  # one of two given labels is enough
        ([0, 1], [0.31, 0.90], SEVERAL_SPECIALTIES),
        ([0, 1], [0.29, 0.90], AGREES),
    ]
    membership = np.vstack([membership, [case[0] for case in cases], [[0, 0]]])
    probabilities = np.vstack([probabilities, [case[1] for case in cases], [[0.9, 0.9]]])
    found = judge(membership, probabilities, threshold=0.3)
    assert found.judgement[80:86].tolist() == [case[2] for case in cases]
    assert found.judged[:86].all() and not found.judged[86]
    assert set(found.judgement[:80]) == {AGREES}
    assert found.suggested[80:86].tolist() == [1, 1, 1, -1, 0, 0]
    assert found.given_probability[83] == 0.97 and found.suggested_probability[83] == 0


def test_errors_name_what_does_not_fit() -> None:
    corpus = planted_corpus(classes=2, notes=10)
    with pytest.raises(LabelReviewError, match="specialties: 19 entries for 20"):
        review_of(corpus, specialties=corpus.given[1:])
    with pytest.raises(LabelReviewError, match="20 of 20 labelled notes have no split"):
        review_of(corpus, splits={})
    with pytest.raises(LabelReviewError, match="folds = 1"):
        review_of(corpus, folds=1)
    with pytest.raises(LabelReviewError, match="repeats = 0"):
        review_of(corpus, repeats=0)
    with pytest.raises(EvaluationError, match="not L2-normalised"):
        review_of(corpus, embeddings=corpus.embeddings * 2)


def test_a_single_specialty_leaves_nothing_to_suggest() -> None:
    from medembed_pipeline.evidence.labels.judgements import AGREES, judge

    membership = np.array([[1.0], [1.0], [0.0], [1.0]])
    found = judge(membership, np.array([[0.9], [0.2], [0.4], [0.7]]), threshold=0.3)
    assert found.judged.tolist() == [True, True, False, True]
    assert set(found.judgement) == {AGREES} and set(found.suggested) == {-1}
    assert found.quality[[0, 1, 3]].tolist() == [0.9, 0.2, 0.7]
