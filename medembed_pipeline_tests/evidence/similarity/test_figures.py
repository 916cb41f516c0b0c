"""The figures of the similarity evidence: what they show, and that they can be drawn from anything."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from medembed_pipeline.evidence.similarity.figures import MOST_MAPS, course_values, evenly, similarity_figures
from medembed_pipeline.pictures.numbers import without_nan
from medembed_pipeline.pictures.palette import PAPER
from medembed_pipeline.pictures.specification import Figure, Known, Note
from medembed_pipeline.training.figures import course_figures
from medembed_pipeline_tests.evidence.similarity.planted import Notes, made_up
from medembed_pipeline_tests.pictures.figures import drawn, words
from medembed_pipeline_tests.pictures.test_pictures import shows
from medembed_pipeline_tests.pictures.test_similarity_pictures import many_specialties


def figures(notes: Notes, table: pa.Table, best_epoch: int = 1) -> list[Figure]:
    named = {key: Note(key, names) for key, names in zip(notes.note_ids, notes.specialties, strict=True)}
    rows = without_nan(table.to_pylist())
    known = Known({"finetuned_checkpoint": {"best_epoch": best_epoch}}, notes=named)
    return [*similarity_figures(rows, known), *course_figures(course_values(rows), best_epoch=best_epoch)]


def by_name(made: list[Figure]) -> dict[str, Figure]:
    return {one.name: one for one in made}


def test_distributions_say_margin_and_separation_and_have_one_scale() -> None:
    notes = made_up(60)
    table, facts = notes.evidence()
    made = figures(notes, table)
    found = by_name(made)
    for model, when in (("baseline", "before"), ("tuned", "after")):
        margin, separation = facts[f"margin_{model}"], facts[f"separation_{model}"]
        assert f"Margin {margin:.3f}, separation {separation:.2f}." in found[f"similarity_{when}"].reading
        steps = found[f"similarity_{when}"].drawing.data["steps"]
        sums = {
            group: sum(row["share"] for row in steps if row["series"] == group)
            for group in {row["series"] for row in steps}
        }
        assert sums == pytest.approx(dict.fromkeys(("share a specialty", "share none"), 1), abs=0.02)
    ends = [
        [row["at"] for row in found[f"similarity_{when}"].drawing.data["steps"]]
        for when in ("before", "after")
    ]
    assert ends[0] == ends[1]
    picture = drawn(made, "similarity_after")
    assert shows(picture, PAPER["--tuned"]) > 200 and shows(picture, PAPER["--worse"]) > 200
    boxes = drawn(made, "boxes")
    assert shows(boxes, PAPER["--tuned"]) > 1000 and shows(boxes, PAPER["--worse"]) > 1000
    assert "after: share none" in boxes.svg.decode()


def test_forty_specialties_are_all_named_and_a_perfect_model_is_a_diagonal() -> None:
    notes = many_specialties(40)
    made = figures(notes, notes.evidence()[0])
    picture = drawn(made, "specialties_after")
    # Each stands at its row and at its column.
    assert picture.svg.decode().count("A $pecialty_with") >= 80
    cells = by_name(made)["specialties_after"].drawing.data["cells"]
    assert {(cell["row"] == cell["column"], cell["value"]) for cell in cells} == {(True, 1.0), (False, 0.0)}
    assert len(cells) == 1600
    assert 40 * 60 < shows(picture, PAPER["--heat-high"]) < 40 * 400


def test_documents_mark_those_that_share_a_specialty_and_leave_a_note_beside_itself_out() -> None:
    model = np.repeat(np.array([[1, 0], [-1, 0]], np.float32), 3, axis=0)
    notes = Notes(
        [f"{number:032x}" for number in range(6)],
        [["a"]] * 3 + [["b"]] * 3,
        {"baseline": model, "tuned": model},
    )
    made = figures(notes, notes.evidence()[0])
    cells = by_name(made)["documents_after"].drawing.data["cells"]
    assert len(cells) == 30 and all(cell["row"] != cell["column"] for cell in cells)
    assert {(cell["marked"], round(cell["value"])) for cell in cells} == {(True, 1), (False, -1)}
    assert words(made, "documents_after", "cells")[0].startswith("a, 00000000 \N{MULTIPLICATION SIGN} ")
    assert ">a<" in drawn(made, "documents_after").svg.decode()


def test_the_course_and_the_maps_are_of_kept_epochs() -> None:
    notes = made_up(40)
    plain = by_name(figures(notes, notes.evidence()[0]))
    assert "held_out_by_epoch" not in plain and "maps_by_epoch" not in plain
    table, _ = notes.evidence({0: notes.embeddings["baseline"], 1: notes.embeddings["tuned"]})
    made = figures(notes, table)
    assert "validation, MAP" not in words(made, "validation", "points") and "MAP, epoch 1: 0.6000" in words(
        made, "validation", "points"
    )
    text = drawn(made, "maps_by_epoch").svg.decode()
    assert "before training" in text and "epoch 1, kept" in text
    assert len(by_name(made)["maps_by_epoch"].drawing.data["points"]) == 2 * 40
    shuffled = table.take(np.random.default_rng(0).permutation(len(table)))
    again = by_name(figures(notes, shuffled))["maps_by_epoch"]
    assert sorted(row["words"] for row in again.drawing.data["points"]) == sorted(
        words(made, "maps_by_epoch", "points")
    )


@pytest.mark.parametrize(
    ("count", "best", "expected"),
    [(3, 1, [0, 1, 2]), (50, 20, [0, 7, 14, 20, 28, 35, 42, 49]), (50, 49, [0, 7, 14, 21, 28, 35, 42, 49])],
)
def test_a_long_training_shows_the_first_the_best_and_the_last_map(
    count: int, best: int, expected: list[int]
) -> None:
    assert evenly(range(count), best) == expected
    assert len(expected) <= MOST_MAPS


def test_every_figure_can_be_drawn_from_anything() -> None:
    vectors: dict[str, Any] = {model: np.array([[1, 0]], np.float32) for model in ("baseline", "tuned")}
    alone = Notes(["a" * 32], [["x"]], vectors)
    for notes in (alone, made_up(8, classes=1)):
        epochs = {epoch: notes.embeddings["tuned"] for epoch in range(2)}
        made = figures(notes, notes.evidence(epochs)[0])
        for one in made:
            assert b"NaN" not in drawn(made, one.name).svg.replace(b"NaN-", b""), one.name
