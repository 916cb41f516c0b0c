"""An axis of epochs is told in whole numbers, each once."""

from __future__ import annotations

import re

import pytest

from medembed_pipeline.pictures.curves import curves
from medembed_pipeline.pictures.drawing import picture
from medembed_pipeline.pictures.specification import Figure


@pytest.mark.parametrize("last", [1, 2, 7, 40])
def test_a_whole_axis_names_no_number_twice(last: int) -> None:
    drawing = curves({"loss": [(at, 0.5 + at) for at in range(last + 1)]}, axis="epoch")
    text = picture(Figure("loss", "Loss", "", "Loss", drawing)).svg.decode()
    axis = text.split("epoch</text>", 1)[0].rsplit("role-axis-label", 1)[1]
    told = [int(one) for one in re.findall(r">(\d+)</text>", axis)]
    assert told[0] == 0 and len(told) >= 2
    assert told == sorted(set(told)) and told[-1] <= last and len(told) <= 9
