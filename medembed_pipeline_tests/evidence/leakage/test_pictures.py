"""The leakage estimate's pictures: drawn from every table that can be there, the same bytes each time."""

import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from medembed_pipeline.evidence.leakage.estimate import leakage_estimate
from medembed_pipeline.evidence.leakage.experiment import EXPERIMENT_SCHEMA, SCORED_SETS
from medembed_pipeline.evidence.leakage.figures import leak_figures
from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.figure import LARGEST_BYTES, Picture
from medembed_pipeline.pictures.leakage_pictures import experiment_picture
from medembed_pipeline.pictures.specification import Known, Row
from medembed_pipeline_tests.evidence.leakage.planted import plant
from medembed_pipeline_tests.pictures.figures import drawn


def meter_table(kind: str) -> pa.Table:
    return leakage_estimate(
        plant(kind, count=120).notes(),
        train=0.7,
        test=0.2,
        repeats=2,
        seed=1,
        largest_pool=100,
        confidence=0.9,
    )[0]


def experiment_table(*, undefined: bool = False) -> pa.Table:
    rows = []
    for number, scored in enumerate(SCORED_SETS):
        for epoch in range(4):
            for metric, k in (("precision", 5), ("map", None)):
                change = 0.05 * epoch / (1 + number)
                value = np.nan if undefined else 0.5 + change
                ends = {"ci_low": value - 0.05, "ci_high": value + 0.05}
                rows.append(
                    {"scored": scored, "epoch": epoch, "metric": metric, "k": k, "value": value, **ends}
                    | {"change": change, "change_low": change - 0.02, "change_high": change + 0.02, "n": 100}
                )
    return pa.Table.from_pylist(rows, schema=EXPERIMENT_SCHEMA)


def pixels(picture: Picture, wanted: tuple[int, ...]) -> int:
    """How many pixels have (nearly) a colour."""
    with Image.open(io.BytesIO(picture.png)) as image:
        difference = np.abs(np.asarray(image.convert("RGB")).astype(int) - np.array(wanted))
    return int((difference.max(axis=2) <= 3).sum())


def shown(picture: Picture) -> str:
    return picture.svg.decode()


def leaks(table: pa.Table) -> tuple[Picture, list[Row]]:
    figures = leak_figures(table.to_pylist(), Known())
    return drawn(figures, "gain_by_protocol"), figures[0].chosen_data()["rows"]


def test_memory_is_drawn_in_its_own_colour_and_only_where_there_is_some() -> None:
    memory = (218, 173, 138)  # vermillion at 40% over the bar's grey

    leaking, rows = leaks(meter_table("memory"))
    assert pixels(leaking, memory) > 200 and "100% memory" in shown(leaking)
    assert all(row["beyond"] is not None for row in rows if "100% memory" in row["name"])
    assert leaking == leaks(meter_table("memory"))[0]
    nothing, rows = leaks(meter_table("nothing"))
    assert pixels(nothing, memory) < 20 or any(row["beyond"] is not None for row in rows)
    assert "no gain" in shown(nothing)


def test_a_table_without_trained_notes_still_draws_and_an_empty_one_does_not() -> None:
    table = meter_table("memory")
    alone = table.filter(pa.compute.equal(table["protocol"], "by_group"))
    assert "Near-duplicates kept apart" in shown(leaks(alone)[0])
    assert leak_figures([], Known()) == []


def test_the_epochs_show_every_set_with_its_first_and_last_value() -> None:
    picture = experiment_picture(experiment_table())
    text = shown(picture)
    for name in ("all rows", "training rows", "held-out rows", "new texts"):
        assert name in text
    assert "0.500 → 0.650" in text and len(picture.png) <= LARGEST_BYTES
    with pytest.raises(PictureError, match="no figure"):
        experiment_picture(experiment_table(undefined=True))
