"""The pictures of the similarity evidence: what they show, and that they can be drawn from anything."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.heatmap_pictures import documents_picture, specialties_picture
from medembed_pipeline.pictures.palette import BLUE, ORANGE, TUNED_COLOR, VERMILLION, WORSE_COLOR
from medembed_pipeline.pictures.progress_pictures import (
    MOST_MAPS,
    _evenly,
    progress_maps_picture,
    progress_picture,
)
from medembed_pipeline.pictures.similarity_pictures import distributions_picture, neighbors_picture
from medembed_pipeline_tests.evaluation.corpus import unit
from medembed_pipeline_tests.evidence.similarity.planted import Notes, made_up
from medembed_pipeline_tests.pictures.test_pictures import pixels, shows


def many_specialties(count: int = 40) -> Notes:
    """Three notes of each of 40 specialties with long names; the tuned model is perfect."""
    generator = np.random.default_rng(0)
    names = [f"A $pecialty_with <a> rather long name {number}" for number in range(count)]
    return Notes(
        [f"{number:032x}" for number in range(3 * count)],
        [[name] for name in names for _ in range(3)],
        {
            "baseline": unit(generator.normal(size=(3 * count, 64))),
            "tuned": np.repeat(np.eye(count, dtype=np.float32), 3, axis=0),
        },
    )


def specialties_of(notes: Notes) -> dict[str, list[str]]:
    return dict(zip(notes.note_ids, notes.specialties, strict=True))


def words(svg: bytes) -> str:
    """The text of an SVG, without its markup."""
    return " ".join(re.findall(r"<text[^>]*>([^<]*)", svg.decode()))


def draw_all(notes: Notes, table: pa.Table) -> dict[str, Any]:
    names = specialties_of(notes)
    figures = set(table.column("figure").to_pylist())
    draw = {
        "spread": lambda: distributions_picture(table),
        "specialties": lambda: specialties_picture(table),
        "documents": lambda: documents_picture(table, names),
        "neighbors": lambda: neighbors_picture(table, names),
        "progress": lambda: progress_picture(table, best_epoch=1),
        "progress_map": lambda: progress_maps_picture(table, names, best_epoch=1),
    }
    return {figure: make() for figure, make in draw.items() if figure in figures}


def test_distributions_say_margin_and_separation() -> None:
    notes = made_up(60)
    table, facts = notes.evidence()
    picture = distributions_picture(table)
    text = words(picture.svg)
    for model in ("baseline", "tuned"):
        assert f"margin {facts[f'margin_{model}']:.3f}" in text
        assert f"separation {facts[f'separation_{model}']:.2f}" in text
    assert "All 1,770 pairs" in text
    assert shows(picture, BLUE) > 200 and shows(picture, ORANGE) > 200


def test_neighbours_are_coloured_by_what_they_are_and_text_is_not_shown() -> None:
    notes = many_specialties(8)
    table, _ = notes.evidence()
    picture = neighbors_picture(table, specialties_of(notes))
    near = table.filter(pc.equal(table["figure"], "neighbors")).to_pylist()
    right = sum(row["relevant"] for row in near)
    assert right and right < len(near)
    # The subtitle has one of each.
    assert words(picture.svg).count("✓") == right + 1
    assert words(picture.svg).count("✗") == len(near) - right + 1
    assert shows(picture, TUNED_COLOR) > 100
    swapped = table.set_column(
        table.schema.get_field_index("model"),
        table.schema.field("model"),
        pa.array(["tuned" if model == "baseline" else "baseline" for model in table["model"].to_pylist()]),
    )
    assert "got worse" in words(neighbors_picture(swapped, specialties_of(notes)).svg)
    assert shows(neighbors_picture(swapped, specialties_of(notes)), WORSE_COLOR) > 100


def test_forty_specialties_are_all_named_and_a_perfect_model_is_a_diagonal() -> None:
    notes = many_specialties(40)
    picture = specialties_picture(notes.evidence()[0])
    text = words(picture.svg)
    assert text.count("A $pecialty_with") == 40
    assert "diagonal 1.00" in text and "elsewhere 0.00" in text
    # Forty cells of full blue in the tuned panel, each 8 x 15 pixels or so, and the colour scale's end.
    assert 40 * 60 < shows(picture, BLUE) < 40 * 220


def test_documents_show_opposite_notes_in_red() -> None:
    notes = Notes(
        [f"{number:032x}" for number in range(6)],
        [["a"]] * 3 + [["b"]] * 3,
        {
            model: np.repeat(np.array([[1, 0], [-1, 0]], np.float32), 3, axis=0)
            for model in ("baseline", "tuned")
        },
    )
    picture = documents_picture(notes.evidence()[0], specialties_of(notes))
    # Half of both panels is opposite; a sixth is a note beside itself, and left out.
    assert shows(picture, VERMILLION) > shows(picture, BLUE) > 20_000


def test_progress_tells_held_out_from_validation_notes() -> None:
    notes = made_up(40)
    plain = progress_picture(notes.evidence()[0], best_epoch=1)
    assert "Set keep_epochs under [training]" in words(plain.svg)
    epochs = {0: notes.embeddings["baseline"], 1: notes.embeddings["tuned"]}
    table, _ = notes.evidence(epochs)
    text = words(progress_picture(table, best_epoch=1).svg)
    assert "Solid: held-out notes" in text and "silhouette" in text and "MAP, val. 0.600" in text
    maps = progress_maps_picture(table, specialties_of(notes), best_epoch=1)
    assert "before training" in words(maps.svg) and "epoch 1, kept" in words(maps.svg)


@pytest.mark.parametrize(
    ("count", "best", "expected"),
    [(3, 1, [0, 1, 2]), (50, 20, [0, 7, 14, 20, 28, 35, 42, 49]), (50, 49, [0, 7, 14, 21, 28, 35, 42, 49])],
)
def test_a_long_training_shows_the_first_the_best_and_the_last_map(
    count: int, best: int, expected: list[int]
) -> None:
    assert _evenly(range(count), best) == expected
    assert len(expected) <= MOST_MAPS


def test_every_picture_can_be_drawn_from_anything() -> None:
    alone = Notes(
        ["a" * 32], [["x"]], {model: np.array([[1, 0]], np.float32) for model in ("baseline", "tuned")}
    )
    one_specialty = made_up(8, classes=1)
    forty = many_specialties(40)
    for notes in (alone, one_specialty, forty):
        vectors = notes.embeddings["tuned"]
        epochs = {epoch: vectors for epoch in range(12 if notes is forty else 2)}
        for name, picture in draw_all(notes, notes.evidence(epochs)[0]).items():
            pixels(picture)
            assert b"NaN" not in picture.svg.replace(b"NaN-", b""), name


def test_the_same_table_gives_the_same_bytes_whatever_the_order_of_its_rows() -> None:
    notes = made_up(40)
    table, _ = notes.evidence({0: notes.embeddings["baseline"], 1: notes.embeddings["tuned"]})
    shuffled = table.take(np.random.default_rng(0).permutation(len(table)))
    assert draw_all(notes, table) == draw_all(notes, shuffled)


def test_missing_figures_are_named() -> None:
    table = made_up(10).evidence()[0]
    with pytest.raises(PictureError, match="no rows of the figure 'progress_map'"):
        progress_maps_picture(table, {})
