"""What is seen of a case: levels and their order, metadata as numbers, masked words and pictures, further columns."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pytest

from medembed_pipeline.images.case_rows import PictureNames, read_case_table
from medembed_pipeline.images.pairing import PAIRED_CASES_SCHEMA
from medembed_pipeline.images.settings import ImagesSettings
from medembed_pipeline.samples.case_plan import CaseCorpus, drawn_cases
from medembed_pipeline.triage.cases import TriageCases, triage_cases
from medembed_pipeline.triage.errors import TriageError
from medembed_pipeline.triage.masking import (
    SIDE,
    border_only,
    centre_blacked_out,
    numbers_alone,
    small_grey,
    without_words,
)
from medembed_pipeline.triage.metadata import MetadataColumn
from medembed_pipeline.triage.settings import TriageSettings
from medembed_pipeline_tests.triage.small_cases import paired_rows, split_rows

ROWS = paired_rows(list(drawn_cases(CaseCorpus(patients=60))))
SPLITS = pa.Table.from_pylist(split_rows(ROWS))


def read(labels: Mapping[str, str | None] | None = None, **settings: object) -> TriageCases:
    rows = [{**row, "label": (labels or {}).get(row["label"], row["label"])} for row in ROWS]
    return triage_cases(
        pa.Table.from_pylist(rows, schema=PAIRED_CASES_SCHEMA),
        SPLITS,
        TriageSettings(**settings),
    )


def test_levels_of_a_known_scale_have_its_order_and_others_none() -> None:
    assert read().levels.names == ("routine", "urgent", "emergency") and read().levels.ordered
    numbers = {"routine": "3", "urgent": "2", "emergency": "1"}
    assert read(numbers).levels.names == ("3", "2", "1")
    words = {"routine": "home", "urgent": "ward", "emergency": "theatre"}
    assert read(words).levels.names == ("home", "theatre", "ward") and not read(words).levels.ordered
    named = read(words, levels=["theatre", "ward", "home"]).levels
    assert named.names == ("theatre", "ward", "home") and named.ordered


def test_labels_views_and_rare_levels_that_are_left_out_are_counted() -> None:
    two = read(levels=["routine", "emergency"])
    urgent = sum(row["label"] == "urgent" for row in ROWS)
    assert two.facts["of_levels_left_out"] == urgent and len(two) == len(ROWS) - urgent
    frontal = read(views=["pa"])
    assert frontal.facts["of_other_views"] == sum(row["view"] != "PA" for row in ROWS)
    none = read({"urgent": None})
    assert none.facts["without_level"] == urgent and len(none.levels.names) == 2


def test_a_column_that_no_case_has_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        TriageError, match=r"\[triage\] slices: no case has a column ward. There are age, sex, view"
    ):
        read(slices=["ward"])


def test_further_columns_of_a_table_stay_with_the_case() -> None:
    settings = ImagesSettings(more_columns=["SpO2", "pulse"])
    found = read_case_table(
        b"note,spo2,pulse\nA cough.,97,\nFever.,91,120\n", "a.csv", settings, PictureNames([])
    )
    assert [row["more"] for row in found.rows] == [
        [{"column": "SpO2", "value": "97"}],
        [{"column": "SpO2", "value": "91"}, {"column": "pulse", "value": "120"}],
    ]


def test_metadata_are_numbers_words_or_nothing() -> None:
    age = MetadataColumn.fit("age", [20.0, 40.0, None, "60"])
    assert age.numbers(["40", None, "old"])[:, 0] == pytest.approx([0, 0, 0])
    assert age.numbers(["40", None, "old"])[:, 1].tolist() == [0, 1, 1]
    sex = MetadataColumn.fit("sex", ["F", "M", "F", "M", "X", None])
    assert sex.values == ("F", "M") and sex.numbers(["M", "X", None]).tolist() == [
        [0, 1, 0],
        [0, 0, 1],
        [0, 0, 1],
    ]
    assert MetadataColumn.fit("view", [None, None]).numbers([None, "AP"]).tolist() == [[0, 1], [0, 1]]


def test_numbers_alone_and_masked_words() -> None:
    assert numbers_alone("SpO2 87% at 14:05, T 38.62, pulse 122") == "2 87 14 5 39 120"
    note = "Viral pneumonia with bilateral opacities on the film. Coronary disease, cough."
    words = "with bilateral opacities on the film. Coronary disease, cough."
    assert " ".join(without_words(note, "diagnosis").split()) == words
    words = "Viral pneumonia with on the . Coronary disease, cough."
    assert " ".join(without_words(note, "picture").split()) == words


def test_border_and_centre_take_away_what_they_say() -> None:
    white = np.full((50, 40), 255, dtype=np.uint8)
    border = border_only(white, 0.1)
    assert border[:5].min() == 255 and border[5:-5, 4:-4].max() == 0 and border[:, :4].min() == 255
    assert centre_blacked_out(white)[25, 20] == 0 and white[25, 20] == 255
    colours = np.dstack([white] * 3)
    assert border_only(colours, 0.1)[25, 20].max() == 0
    assert small_grey([white, border]).shape == (2, SIDE * SIDE) and small_grey([white]).max() == 1.0
    assert small_grey([]).shape == (0, SIDE * SIDE)
