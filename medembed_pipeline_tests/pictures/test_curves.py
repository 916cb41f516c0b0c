"""An axis of epochs is told in whole numbers, each once."""

from __future__ import annotations

import re

import pytest

from medembed_pipeline.pictures.curves import curves
from medembed_pipeline.pictures.drawing import picture
from medembed_pipeline.pictures.specification import Figure


@pytest.mark.parametrize(("last", "step"), [(1, 1), (2, 1), (8, 1), (9, 2), (40, 5), (100, 20), (1000, 200)])
def test_a_whole_axis_names_round_numbers_and_none_twice(last: int, step: int) -> None:
    drawing = curves({"loss": [(at, 0.5 + at) for at in range(last + 1)]}, axis="epoch")
    text = picture(Figure("loss", "Loss", "", "Loss", drawing)).svg.decode()
    axis = text.split("epoch</text>", 1)[0].rsplit("role-axis-label", 1)[1]
    told = [int(one) for one in re.findall(r">(\d+)</text>", axis)]
    wanted = list(range(0, last + 1, step))
    # Where there is no room for all, every second one is left out.
    assert told == wanted[:: round((len(wanted) - 1) / (len(told) - 1))] and len(told) >= 2
