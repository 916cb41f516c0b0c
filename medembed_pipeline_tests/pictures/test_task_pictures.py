"""Pictures of the tasks: what they show is what the table says."""

from __future__ import annotations

import pyarrow as pa
import pytest

from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.palette import ORANGE, TUNED_COLOR, WORSE_COLOR
from medembed_pipeline.pictures.task_pictures import task_changes_picture, task_levels_picture
from medembed_pipeline.tasks.table import TASK_SCHEMA
from medembed_pipeline_tests.pictures.test_pictures import shows


def table(**changes: float) -> pa.Table:
    rows = []
    for name, change in changes.items():
        values = {"baseline": 0.6, "tuned": 0.6 + change, "lexical": 0.3, "difference": change}
        for model, value in values.items():
            ends = {"ci_low": value - 0.02, "ci_high": value + 0.02}
            row = {"task": name, "family": "own", "metric": "ndcg", "k": 10, "model": model, "value": value}
            about = {"n": 1200, "groups": 900, "is_main": True, "decides": name != "third", "tolerance": 0.03}
            rows.append({**row, **ends, **about})
    return pa.Table.from_pylist(rows, schema=TASK_SCHEMA)


def test_kept_is_blue_lost_is_red_and_unclear_is_orange() -> None:
    for change, color in ((0.01, TUNED_COLOR), (-0.1, WORSE_COLOR), (-0.025, ORANGE)):
        picture = task_changes_picture(table(first=change))
        assert [one for one in (TUNED_COLOR, WORSE_COLOR, ORANGE) if shows(picture, one) > 20] == [color]


def test_names_figures_and_judgements_stand_in_the_picture() -> None:
    svg = task_changes_picture(table(first=-0.1, third=0.01)).svg.decode()
    for text in ("first", "ndcg@10, 1,200 items", "\N{MINUS SIGN}0.100", "lost", "+0.010", "kept", "informs"):
        assert text in svg, text


def test_levels_show_all_three_models() -> None:
    picture = task_levels_picture(table(first=-0.1))
    for text in ("word matching", "baseline", "tuned", "first"):
        assert text in picture.svg.decode()
    assert shows(picture, TUNED_COLOR) > 20


def test_without_a_task_there_is_no_picture() -> None:
    for draw in (task_changes_picture, task_levels_picture):
        with pytest.raises(PictureError, match="Materialize task_metrics"):
            draw(TASK_SCHEMA.empty_table())
