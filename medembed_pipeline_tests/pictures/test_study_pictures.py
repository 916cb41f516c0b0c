"""Pictures of a study: what they show is what the table says."""

from __future__ import annotations

import pyarrow as pa
import pytest

from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.study_pictures import study_parallel_picture
from medembed_pipeline.study.space import Choice, Real, Space, Whole
from medembed_pipeline.study.table import trial_table
from medembed_pipeline.study.trial import State, TrialRecord

SPACE = Space(
    [Real("rate", 1e-4, 1e-1, log=True), Whole("rank_of_it", 1, 64), Choice("kind", ("round", "square"))]
)


def trials(*states: State, broken: bool = False) -> pa.Table:
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


def test_parallel_coordinates_are_of_complete_trials() -> None:
    picture = study_parallel_picture(trials("complete", "complete", "pruned"), SPACE.described())
    svg = picture.svg.decode()
    for words in ("rate", "rank", "kind", "0.0001", "64", "square"):
        assert words in svg, words
    with pytest.raises(PictureError, match="no trial is complete"):
        study_parallel_picture(trials("pruned"), SPACE.described())
