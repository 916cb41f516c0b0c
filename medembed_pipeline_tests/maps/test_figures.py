"""The figures of displacement: every note in one bin, whatever is known."""

from __future__ import annotations

import numpy as np
import pytest

from medembed_pipeline.maps.figures import displacement_figures
from medembed_pipeline_tests.pictures.figures import drawn


def test_every_note_is_in_one_bin_and_the_floor_is_drawn_where_there_is_one() -> None:
    moved = np.linspace(0, 1.17, 501).tolist()
    figures = displacement_figures(moved, np.round(np.linspace(0, 1, 501), 1).tolist(), floor=0.3)
    assert "noise floor" in drawn(figures, "displacement").svg.decode()
    for figure, largest in zip(figures, (1.2, 1.05), strict=True):
        steps = figure.drawing.data["steps"]
        assert sum(row["share"] for row in steps[:-1]) == pytest.approx(1)
        assert steps[-1]["at"] == pytest.approx(largest)
    assert "501 notes" in figures[0].reading and "median 0.58" in figures[0].reading
    assert "mean 0.50" in figures[1].reading
    assert "marked" not in displacement_figures(moved, None, floor=1e-8)[0].drawing.data


def test_models_of_different_dimensions_tell_of_neighbours_alone() -> None:
    unknown: list[float | None] = [None, None]
    assert [one.name for one in displacement_figures(unknown, [0.5, 1.0], floor=None)] == ["neighbors_kept"]
    assert displacement_figures(None, None, floor=None) == []
