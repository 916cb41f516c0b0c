"""Splits of cases: no patient, no picture and no note on two sides, and a check that finds what a group has missed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from medembed_pipeline.images.case_groups import case_groups, count_case_crossings, split_cases
from medembed_pipeline.images.likeness import detail, perceptual_hash
from medembed_pipeline.images.settings import CaseSplitSettings
from medembed_pipeline.samples.case_plan import CaseCorpus, drawn_cases
from medembed_pipeline.samples.phantom import draw_picture

FILMS = [np.asarray(draw_picture(case, 3)) for case in drawn_cases(CaseCorpus(patients=15, seed=3))]
HASHES = {f"i{row:02}": perceptual_hash(film) for row, film in enumerate(FILMS)}
LONG = (
    "the patient was seen in the clinic today because of a cough that has lasted for {} weeks and does not "
    "go away at night"
)


def cases(rows: list[tuple[str | None, str | None, str | None, str | None]]) -> pa.Table:
    columns = ("patient", "image_id", "note", "label")
    return pa.table(
        {
            "case_id": [f"c{row:03}" for row in range(len(rows))],
            **{
                name: pa.array([row[place] for row in rows], pa.string())
                for place, name in enumerate(columns)
            },
        }
    )


def test_patient_picture_and_note_tie_cases_together() -> None:
    table = cases(
        [
            ("p1", "i00", "cough since monday", "a"),
            ("p1", "i01", None, "a"),
            ("p2", "i01", None, "a"),
            ("p3", "i02", LONG.format("two"), "a"),
            (None, None, LONG.format("two") + " today", "b"),
            (None, "i03", None, None),
            (None, None, "fever", None),
        ]
    )
    groups = case_groups(table, HASHES, CaseSplitSettings())
    assert groups == ["c000", "c000", "c000", "c003", "c003", "c005", "c006"]


def test_a_near_duplicate_picture_ties_two_patients() -> None:
    hashes = {**HASHES, "copy": perceptual_hash(np.clip(FILMS[4].astype(int) + 6, 0, 255).astype(np.uint8))}
    table = cases([("p1", "i04", None, "a"), ("p2", "copy", None, "b"), ("p3", "i05", None, "b")])
    assert case_groups(table, hashes, CaseSplitSettings()) == ["c000", "c000", "c002"]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 7), st.integers(0, 29), st.sampled_from("abc")), min_size=1, max_size=40
    )
)
def test_nothing_crosses_whatever_the_cases_are_and_a_case_stays_where_it_is(
    drawn: list[tuple[int, int, str]],
) -> None:
    table = cases(
        [(f"p{patient}", f"i{image:02}", f"note {patient}", label) for patient, image, label in drawn]
    )
    choice = CaseSplitSettings()
    splits, facts = split_cases(table, HASHES, {}, choice)
    of_case = dict(zip(splits["case_id"].to_pylist(), splits["split"].to_pylist(), strict=True))
    images = pa.table({"image_id": list(HASHES), "detail": [detail(film) for film in FILMS]})
    assert not any(count_case_crossings(table, images, of_case, 0.8).values())
    assert facts["train"] + facts["validation"] + facts["test"] == len(drawn)
    half = table.slice(0, max(1, len(drawn) // 2))
    first, _ = split_cases(half, HASHES, {}, choice)
    before = dict(zip(first["case_id"].to_pylist(), first["split"].to_pylist(), strict=True))
    grown, more = split_cases(table, HASHES, before, choice)
    after = dict(zip(grown["case_id"].to_pylist(), grown["split"].to_pylist(), strict=True))
    assert sum(after[case] != split for case, split in before.items()) == more["moved_to_held_out"]
    # What has been held out is never trained on.
    assert not [case for case, split in before.items() if split == "test" and after[case] != "test"]


def test_the_check_counts_what_crosses() -> None:
    images = pa.table(
        {"image_id": ["i00", "i01", "again"], "detail": [detail(FILMS[row]) for row in (0, 1, 0)]}
    )
    table = cases(
        [
            ("p1", "i00", LONG.format("two"), "a"),
            ("p2", "again", LONG.format("two") + " now", "a"),
            ("p1", "i01", None, "b"),
        ]
    )
    crossing = {"c000": "train", "c001": "test", "c002": "validation"}
    assert count_case_crossings(table, images, crossing, 0.8) == {
        "patients_in_two_splits": 1,
        "picture_pairs_in_two_splits": 1,
        "note_pairs_in_two_splits": 1,
    }
    same = dict.fromkeys(crossing, "train")
    assert not any(count_case_crossings(table, images, same, 0.8).values())
