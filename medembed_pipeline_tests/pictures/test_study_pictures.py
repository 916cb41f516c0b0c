"""Pictures of a study: what they show is what the table says."""

from __future__ import annotations

import pyarrow as pa
import pytest

from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.palette import BLUE, ORANGE, VERMILLION
from medembed_pipeline.pictures.study_pictures import (
    study_history_picture,
    study_importance_picture,
    study_parallel_picture,
    study_slice_picture,
)
from medembed_pipeline.study.space import Choice, Real, Space, Whole
from medembed_pipeline.study.table import trial_table
from medembed_pipeline.study.trial import State, TrialRecord
from medembed_pipeline_tests.pictures.test_pictures import shows

SPACE = Space(
    [Real("rate", 1e-4, 1e-1, log=True), Whole("rank_of_it", 1, 64), Choice("kind", ("round", "square"))]
)


def table(*states: State, broken: bool = False) -> pa.Table:
    records = [
        TrialRecord(
            number=number,
            values={
                "rate": 10 ** -(1.5 + number % 3),
                "rank_of_it": 1 + number,
                "kind": ["round", "square"][number % 2],
            },
            state=state,
            fold_scores=[0.4 + 0.01 * number] if state == "complete" else [],
            steps={1: 0.3} if state != "failed" else {},
            limits={"rank": 1.0} if broken and number == 1 else {},
        )
        for number, state in enumerate(states)
    ]
    return trial_table(records, SPACE)


def test_the_course_tells_what_became_of_each_trial() -> None:
    svg = study_history_picture(table("complete", "complete", "pruned"), score="a score").svg.decode()
    for words in ("Score: a score.", "complete", "ended early", "best so far", "chosen on the notes"):
        assert words in svg, words
    for states, broken, colors in (
        (("complete", "complete", "pruned"), False, {BLUE, ORANGE}),
        (("complete", "complete", "failed"), True, {BLUE, VERMILLION}),
        (("pruned", "pruned"), False, {ORANGE}),
    ):
        picture = study_history_picture(table(*states, broken=broken), score="a score")
        legend = 25
        seen = {color for color in (BLUE, ORANGE, VERMILLION) if shows(picture, color) > 2 * legend}
        assert colors <= seen, (states, seen)


def test_slices_have_a_panel_for_each_parameter_with_its_own_ends() -> None:
    svg = study_slice_picture(table("complete", "complete", "pruned"), SPACE.described()).svg.decode()
    for words in ("rate", "rank of it", "kind", "0.0001", "0.0032", "0.1", "round", "square"):
        assert f">{words}<" in svg, words
    assert "mathdefault" not in svg


def test_parallel_coordinates_are_of_complete_trials() -> None:
    picture = study_parallel_picture(table("complete", "complete", "pruned"), SPACE.described())
    svg = picture.svg.decode()
    for words in ("rate", "rank", "kind", "0.0001", "64", "square"):
        assert words in svg, words
    with pytest.raises(PictureError, match="no trial is complete"):
        study_parallel_picture(table("pruned"), SPACE.described())


def test_importance_is_spelled_out() -> None:
    shares = [{"parameter": "rank_of_it", "importance": 0.75}, {"parameter": "rate", "importance": 0.25}]
    svg = study_importance_picture(shares).svg.decode()
    for words in ("rank of it", "75%", "rate", "25%"):
        assert words in svg, words
    with pytest.raises(PictureError, match="ten complete trials"):
        study_importance_picture([])


def test_without_a_score_there_is_no_picture() -> None:
    for states in ((), ("failed", "failed")):
        with pytest.raises(PictureError, match="no trial has a score"):
            study_history_picture(table(*states), score="a score")
        with pytest.raises(PictureError, match="no trial has a score"):
            study_slice_picture(table(*states), SPACE.described())


def test_the_same_study_gives_the_same_bytes() -> None:
    trials = table("complete", "complete", "pruned")
    assert study_slice_picture(trials, SPACE.described()) == study_slice_picture(trials, SPACE.described())
