"""Cases of triage for a synthetic page, with planted truths.

Planted: the note tells the first level from the others, the picture the last; fusions tell all. Case 0 has a hostile
note and source, case 1 no note, case 2 no picture; every fourth case is held out.
"""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np

from medembed_pipeline.report.cases_part import CASE_COLUMNS, cases_part, shown_cases
from medembed_pipeline.triage.arms import ARMS, FUSIONS, parts_of
from medembed_pipeline.triage.case_map import BLANKS
from medembed_pipeline_tests.report.synthetic import HOSTILE

COUNT = 60
LEVELS = ("routine", "urgent", "emergency")
SPLITS = ("test", "train", "validation", "train")
Row = dict[str, Any]


def case_id(place: int) -> str:
    """32 hex; of falling order, so that no place is its rank."""
    return f"{COUNT - place:08x}{place:024x}"


def case_rows(count: int = COUNT) -> list[Row]:
    """Rows of `paired_cases`, with CASE_COLUMNS."""
    rows = [
        {
            "case_id": case_id(place),
            "image_id": None if place == 2 else f"picture-{place}",
            "note": None if place == 1 else f"Call 555-867-5309. Short of breath, giraffe{place}.",
            "source": "ward A" if place % 3 else None,
            "view": "PA" if place % 2 else "AP",
            "age": 20.0 + place,
            "sex": "F" if place % 2 else "M",
        }
        for place in range(count)
    ]
    rows[0] |= {"note": HOSTILE, "source": HOSTILE}
    assert set(rows[0]) == set(CASE_COLUMNS)
    return rows


def answer_rows(count: int = COUNT, seed: int = 3) -> list[Row]:
    """Rows of `triage_predictions`."""
    random = np.random.default_rng(seed)
    lacking = {1: "note", 2: "picture"}
    rows = []
    for arm in ARMS:
        for place in range(count):
            if lacking.get(place) in parts_of(arm):
                continue
            level = place % len(LEVELS)
            told = (arm in FUSIONS) or (arm == "note" and level == 0) or (arm == "picture" and level == 2)
            scores = random.normal(0, 0.4, len(LEVELS)) + np.eye(len(LEVELS))[level] * (2 if told else 0)
            said = np.exp(scores) / np.exp(scores).sum()
            given = int(said.argmax())
            rows.append(
                {
                    "case_id": case_id(place),
                    "arm": arm,
                    "split": SPLITS[place % len(SPLITS)],
                    "level": LEVELS[level],
                    "predicted": LEVELS[given],
                    "probabilities": said.round(9).tolist(),
                    "x": float(random.normal() + 2 * level),
                    "y": float(random.normal()),
                    **{
                        name: float(said[given] * share) if arm in FUSIONS else None
                        for name, share in zip(BLANKS, (0.8, 0.5, 0.4), strict=True)
                    },
                }
            )
    return rows


def case_facts(count: int = COUNT) -> Row:
    """Facts of `triage_predictions`."""
    return {
        "taking_part": count,
        "levels": [{"level": level, "cases": count // 3} for level in LEVELS],
        "ordered": True,
        "map_spread": [{"arm": arm, "share": 0.25} for arm in ARMS],
    }


def synthetic_cases(note_text: Any = "full") -> Row:
    """The part `cases` of the payload."""
    import pyarrow as pa

    answers = answer_rows()
    answered = pa.table({name: [row[name] for row in answers] for name in ("case_id", "split")})
    part = cases_part(answers, case_rows(), shown_cases(answered), case_facts(), note_text)
    assert part is not None
    return part


def small_picture(shade: int) -> str:
    """A grey JPEG as a data URI."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("L", (90, 70), 40 + 3 * shade).save(file, format="JPEG")
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
