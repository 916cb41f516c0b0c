"""The cases of the page: which are shown, every number where it belongs, and no word that the settings leave out."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa

from medembed_pipeline.report.cases_part import cases_part, rows_of_cases, shown_cases
from medembed_pipeline.triage.case_map import BLANKS
from medembed_pipeline_tests.report.opened_page import decoded
from medembed_pipeline_tests.report.synthetic_cases import (
    COUNT,
    LEVELS,
    SPLITS,
    answer_rows,
    case_facts,
    case_id,
    case_rows,
    synthetic_cases,
)


def test_held_out_cases_are_shown_first_and_no_case_twice() -> None:
    rows = answer_rows()
    answered = pa.table({name: [row[name] for row in rows] for name in ("case_id", "split")})
    found = shown_cases(answered)
    assert sorted(found) == sorted(case_id(place) for place in range(COUNT))
    split_of = {row["case_id"]: row["split"] for row in rows}
    assert [split_of[case] for case in found] == ["test"] * 15 + ["validation"] * 15 + ["train"] * 30
    held = sorted(case_id(place) for place in range(0, COUNT, 4))
    assert found[:15] == held and shown_cases(answered, most=4) == held[:4]
    assert shown_cases(answered.slice(0, 0)) == []


def test_of_a_large_table_only_the_rows_of_these_cases_are_taken() -> None:
    table = pa.Table.from_pylist(answer_rows())
    wanted = [case_id(7), case_id(0), case_id(40)]
    found = rows_of_cases(table.to_batches(max_chunksize=11), wanted)
    assert found == [row for row in table.to_pylist() if row["case_id"] in wanted]
    assert rows_of_cases([], wanted) == []


def test_every_answer_stands_at_its_case() -> None:
    part = json.loads(json.dumps(synthetic_cases(), allow_nan=False))
    places = {case: place for place, case in enumerate(part["id"])}
    assert (part["total"], part["levels"], part["ordered"]) == (COUNT, list(LEVELS), True)
    of_arm: dict[str, list[dict[str, Any]]] = {}
    for row in answer_rows():
        of_arm.setdefault(row["arm"], []).append(row)
    assert list(part["arms"]) == list(of_arm)
    for arm, rows in of_arm.items():
        found = part["arms"][arm]
        assert [part["id"][at] for at in decoded(found["of"], "<i4")] == [row["case_id"] for row in rows]
        said = decoded(found["said"], "<f4").reshape(-1, 3)
        np.testing.assert_allclose(said, [row["probabilities"] for row in rows], atol=1e-7)
        assert [LEVELS[at] for at in decoded(found["given"], "u1")] == [row["predicted"] for row in rows]
        at = decoded(found["at"], "<f4").reshape(-1, 2)
        np.testing.assert_allclose(at, [[row["x"], row["y"]] for row in rows], rtol=1e-6)
        if rows[0]["blank_note"] is None:
            assert found["blank"] is None
        else:
            left = decoded(found["blank"], "<f4").reshape(-1, 3)
            np.testing.assert_allclose(left, [[row[name] for name in BLANKS] for row in rows], atol=1e-7)
    for place, row in enumerate(case_rows()):
        own = places[row["case_id"]]
        assert part["split"][own] == SPLITS[place % 4] and part["level"][own] == place % 3
        assert [part[name][own] for name in ("source", "view", "age", "sex", "note")] == [
            row[name] for name in ("source", "view", "age", "sex", "note")
        ]
        assert part["image"][own] == row["image_id"]
        assert (part["has_note"][own], part["has_picture"][own]) == (int(place != 1), int(place != 2))


def test_notes_are_masked_or_left_out_with_the_pictures_as_the_settings_say() -> None:
    assert "555-867-5309" in json.dumps(synthetic_cases("full"))
    masked = json.dumps(synthetic_cases("masked"))
    assert "555-867-5309" not in masked and "giraffe5" in masked
    none = synthetic_cases("none")
    assert "giraffe" not in json.dumps(none) and "picture-" not in json.dumps(none)
    assert none["note"] is None and sum(none["has_note"]) == COUNT - 1 == sum(none["has_picture"])


def test_a_case_that_is_gone_from_its_table_keeps_its_answers() -> None:
    ids = [case_id(0), case_id(5)]
    answers = [row for row in answer_rows() if row["case_id"] in ids]
    part = cases_part(answers, case_rows()[:1], ids, case_facts(), "full")
    assert part is not None and part["note"][1] is None and part["has_picture"] == [1, 0]
    assert part["level"] == [0, 2] and len(decoded(part["arms"]["gated"]["of"], "<i4")) == 2


def test_without_answers_and_with_levels_that_look_alike_there_is_nothing() -> None:
    assert cases_part([], [], [], {"taking_part": 0, "levels": []}, "full") is None
    long = [{"level": "(a long label)", "cases": 1}] * 2
    assert cases_part(answer_rows(), case_rows(), [], {**case_facts(), "levels": long}, "full") is None


def test_one_long_level_is_named_as_the_facts_name_it() -> None:
    name = "x" * 41
    answers = [{**row, "level": name if row["level"] == "urgent" else row["level"]} for row in answer_rows()]
    facts = {**case_facts(), "levels": [{"level": one} for one in ("routine", "(a long label)", "emergency")]}
    ids = [case_id(place) for place in range(COUNT)]
    part = cases_part(answers, [], ids, facts, "full")
    assert part is not None and part["level"] == [place % 3 for place in range(COUNT)]
