"""The pictures of triage: drawn from the tables, small enough for the UI, refused without anything to draw."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from medembed_pipeline.pictures.drawing import picture
from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.figure import LARGEST_BYTES
from medembed_pipeline.pictures.triage_pictures import (
    arms_picture,
    ledger_picture,
    shortcuts_picture,
)
from medembed_pipeline.triage.figures import reliability_figures
from medembed_pipeline.triage.ledger import MODALITY_LEDGER_SCHEMA
from medembed_pipeline.triage.metrics import TRIAGE_METRICS_SCHEMA
from medembed_pipeline.triage.shortcuts import SHORTCUT_METER_SCHEMA
from medembed_pipeline_tests.report.synthetic_triage import triage_tables


def test_each_shows_its_table_and_is_small() -> None:
    tables, facts = triage_tables(np.random.default_rng(0))
    meter = [
        {name: float("nan") if value is None else value for name, value in row.items()}
        for row in tables["shortcut_meter"]
    ]
    drawn = [
        arms_picture(pa.Table.from_pylist(tables["triage_metrics"], schema=TRIAGE_METRICS_SCHEMA)),
        ledger_picture(
            pa.Table.from_pylist(tables["modality_ledger"], schema=MODALITY_LEDGER_SCHEMA), "auc", "note"
        ),
        shortcuts_picture(pa.Table.from_pylist(meter, schema=SHORTCUT_METER_SCHEMA), "auc"),
        *(picture(figure) for figure in reliability_figures(facts["triage_metrics"]["reliability"])),
    ]
    assert len(drawn) == 4 and all(0 < len(one.png) <= LARGEST_BYTES for one in drawn)
    ledger, shortcuts = drawn[1].svg.decode(), drawn[2].svg.decode()
    assert "beside the note alone" in ledger and "gated, others&#x27; pictures" in ledger.replace(
        "'", "&#x27;"
    )
    assert "centre blacked out" in shortcuts and "In AUC" in shortcuts


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(PictureError, match="triage_metrics"):
        arms_picture(TRIAGE_METRICS_SCHEMA.empty_table())
    with pytest.raises(PictureError, match="modality_ledger"):
        ledger_picture(MODALITY_LEDGER_SCHEMA.empty_table(), "auc", "note")
    with pytest.raises(PictureError, match="shortcut_meter: there is no auc"):
        shortcuts_picture(SHORTCUT_METER_SCHEMA.empty_table(), "auc")
    assert reliability_figures([]) == []
