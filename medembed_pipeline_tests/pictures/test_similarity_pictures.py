"""The pictures of the similarity evidence: what they show, and that they can be drawn from anything."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medembed_pipeline.pictures.palette import TUNED_COLOR, WORSE_COLOR
from medembed_pipeline.pictures.similarity_pictures import neighbors_picture
from medembed_pipeline_tests.evaluation.corpus import unit
from medembed_pipeline_tests.evidence.similarity.planted import Notes, made_up
from medembed_pipeline_tests.pictures.test_pictures import shows


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


def test_the_same_table_gives_the_same_bytes_whatever_the_order_of_its_rows() -> None:
    notes = made_up(40)
    table, _ = notes.evidence()
    shuffled = table.take(np.random.default_rng(0).permutation(len(table)))
    assert neighbors_picture(table, specialties_of(notes)) == neighbors_picture(
        shuffled, specialties_of(notes)
    )
