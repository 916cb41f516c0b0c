"""Letters of a picture: in memory, the same on every machine, and of other fonts where these lack a sign."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from medembed_pipeline.pictures.drawing import FONT_SETTINGS, rendered
from medembed_pipeline.pictures.specification import Spec
from medembed_pipeline_tests.graph.forking import ROOT


def figure(name: str) -> Spec:
    """A bar with a name beside it."""
    return {
        "data": {"values": [{"name": name, "value": 3}]},
        "mark": "bar",
        "encoding": {"y": {"field": "name"}, "x": {"field": "value", "type": "quantitative"}},
        "config": {"font": "Liberation Sans"},
    }


@pytest.mark.parametrize("name", ["Cardiology \N{EN DASH} été, Größe, Жизнь, άλφα", "plain"])
def test_usual_names_are_lettered_in_the_font_that_is_in_memory(name: str) -> None:
    svg = rendered(figure(name)).svg.decode()
    assert "Liberation Sans" in svg and "DejaVu" not in svg


def test_a_name_with_other_signs_is_lettered_in_a_font_that_has_them() -> None:
    drawn = [rendered(figure(name)) for name in ("kept \N{CHECK MARK}", "kept \N{BALLOT X}", "kept")]
    assert "DejaVu Sans" in drawn[0].svg.decode()
    assert len({picture.png for picture in drawn}) == 3


def test_the_environment_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    from medembed_pipeline.pictures import drawing

    for shown in (None, "/etc/fonts/fonts.conf"):
        drawing._library.cache_clear()
        if shown is None:
            monkeypatch.delenv(FONT_SETTINGS, raising=False)
        else:
            monkeypatch.setenv(FONT_SETTINGS, shown)
        rendered(figure("plain"))
        assert os.environ.get(FONT_SETTINGS) == shown


def test_no_font_of_the_machine_is_taken_for_usual_names() -> None:
    # In a process of its own, for other tests may have asked for signs that only those have.
    code = (
        "from medembed_pipeline.pictures.drawing import rendered\n"
        f"spec = {figure('plain')!r}\n"
        "pngs = [rendered({**spec, 'config': {'font': name}}).png for name in ('DejaVu Sans', 'No Such Font')]\n"
        "print(pngs[0] == pngs[1])"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    assert said.stdout.strip() == "True"


def test_signs_of_one_figure_change_no_other() -> None:
    before = rendered(figure("plain"))
    rendered(figure("kept \N{CHECK MARK}"))
    assert rendered(figure("plain")) == before
