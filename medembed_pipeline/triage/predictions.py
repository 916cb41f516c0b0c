"""The table `triage_predictions`: what every arm says of every case that it can see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from medembed_pipeline.evaluation.vectors import FloatArray
from medembed_pipeline.lake.fields import described
from medembed_pipeline.triage.arms import ARMS, FUSIONS, SINGLE, Arms, parts_of
from medembed_pipeline.triage.case_map import BLANKS, blanked, case_places
from medembed_pipeline.triage.cases import TEST, TRAIN, VALIDATION, TriageCases
from medembed_pipeline.triage.scoring import DECIMALS, numbered, triage_figures
from medembed_pipeline.triage.settings import TriageSettings

LOG_LOSS = "log_loss"
PLACE_DECIMALS = 6
"""Places on the map are rounded, too: their directions depend on all cases."""

TRIAGE_PREDICTIONS_SCHEMA = pa.schema(
    [
        described("case_id", pa.string(), "the case; joins paired_cases"),
        described("arm", pa.string(), "note, picture, metadata, late_fusion, points, concatenated or gated"),
        described("split", pa.string(), "train, validation or test; figures are of test"),
        described("level", pa.string(), "the true one"),
        described("predicted", pa.string(), "the likeliest"),
        described(
            "probabilities",
            pa.list_(pa.float64()),
            "of every level, in the order of the fact `levels`; calibrated on validation cases. Of train cases they "
            "are too good: the arm has learned from them",
        ),
        described(
            "x",
            pa.float64(),
            "place on a flat map of what the arm sees: along its direction of largest spread",
        ),
        described("y", pa.float64(), "the same, along the second"),
        *(
            described(
                name,
                pa.float64(),
                f"of a fusion, the probability of the predicted level without {without}, with the mean of the train "
                "cases instead; null for arms of one part",
                nullable=True,
            )
            for name, without in zip(BLANKS, ("the note", "the picture", "both"), strict=True)
        ),
    ]
)


@dataclass(frozen=True)
class Chosen:
    """Which arms are compared; chosen on validation cases, in the main metric.

    Attributes
    ----------
    single
        the best arm of one part.
    fusion
        the best arm of both; None where there is none.
    figures
        by arm, the metric on validation cases that have note and picture, where there are arms of both.
    metric
        which: the main one, or log loss.
    """

    single: str
    fusion: str | None
    figures: Mapping[str, float]
    metric: str

    def ranked(self) -> list[str]:
        """The arms, the best first; equal ones in the order of the tables."""
        sign = 1 if self.metric == LOG_LOSS else -1
        return sorted(self.figures, key=lambda arm: (round(sign * self.figures[arm], 9), [*ARMS].index(arm)))


def choose_arms(
    cases: TriageCases, arms: Arms, seen: Mapping[str, FloatArray], settings: TriageSettings
) -> Chosen:
    """Compare the arms on the same validation cases.

    In the main metric where all arms have it there, else in log loss; of equal ones the earlier.
    """
    made = [arm for arm in ARMS if arm in arms.heads]
    rows = cases.rows(VALIDATION, _shared_parts(made))
    groups = numbered(cases.groups[rows])
    found = {
        arm: triage_figures(_probabilities(arms, arm, seen, rows), cases.level[rows], groups, cases.levels)
        for arm in made
    }
    metric: str = settings.main_metric
    if not all(metric in figures for figures in found.values()):
        metric = LOG_LOSS
    values = {arm: float(figures[metric].value[0]) for arm, figures in found.items()}
    ranked = Chosen("", None, values, metric).ranked()
    single = next(arm for arm in ranked if arm in SINGLE)
    return Chosen(single, next((arm for arm in ranked if arm in FUSIONS), None), values, metric)


def _shared_parts(made: list[str]) -> tuple[str, ...]:
    return tuple(
        part for part in ("note", "picture") if part in {one for arm in made for one in parts_of(arm)}
    )


def complete_cases(cases: TriageCases, arms: Arms, split: str = TEST) -> Any:
    """Places of the cases of a split that every arm can see. int64 [n]."""
    return cases.rows(split, _shared_parts(list(arms.heads)))


def _probabilities(arms: Arms, arm: str, seen: Mapping[str, FloatArray], rows: Any) -> FloatArray:
    return arms.probabilities(arm, arms.logits(arm, {part: own[rows] for part, own in seen.items()}))


def predictions_table(
    cases: TriageCases, arms: Arms, seen: Mapping[str, FloatArray]
) -> tuple[pa.Table, dict[str, Any]]:
    """A row per arm and case that it can see, by arm and case; and facts.

    `answered` tells how many cases each arm lacks, `map_spread` what share of the spread of what it sees its map holds.
    """
    tables, lacking, spread = [], [], []
    names = np.array(cases.levels.names, dtype=object)
    for arm in (arm for arm in ARMS if arm in arms.heads):
        can_see = np.ones(len(cases), dtype=np.bool_)
        for part in parts_of(arm):
            can_see &= cases.has(part)
        rows = np.flatnonzero(can_see)
        own = {part: seen[part][rows] for part in parts_of(arm)}
        found = np.round(arms.probabilities(arm, arms.logits(arm, own)), DECIMALS)
        given = found.argmax(axis=1)
        lacking.append({"arm": arm, "cases": len(rows), "lacking": len(cases) - len(rows)})
        places, share = case_places(arms.inputs(arm, own), np.flatnonzero(cases.split[rows] == TRAIN))
        spread.append({"arm": arm, "share": round(share, PLACE_DECIMALS)})
        left = blanked(arms, arm, own, given) or dict.fromkeys(BLANKS)
        tables.append(
            pa.table(
                [
                    pa.array([cases.case_ids[row] for row in rows], pa.string()),
                    pa.array([arm] * len(rows), pa.string()),
                    pa.array(cases.split[rows].tolist(), pa.string()),
                    pa.array(names[cases.level[rows]].tolist(), pa.string()),
                    pa.array(names[given].tolist(), pa.string()),
                    pa.array(found.tolist(), pa.list_(pa.float64())),
                    *(pa.array(_plain(places[:, axis], PLACE_DECIMALS)) for axis in (0, 1)),
                    *(_nullable(left[name], len(rows)) for name in BLANKS),
                ],
                schema=TRIAGE_PREDICTIONS_SCHEMA,
            )
        )
    table = pa.concat_tables(tables) if tables else TRIAGE_PREDICTIONS_SCHEMA.empty_table()
    return table, {"answered": lacking, "map_spread": spread}


def _plain(values: FloatArray, decimals: int) -> FloatArray:
    """Rounded, and without a zero that has a sign."""
    return np.asarray(np.round(values, decimals) + 0.0)


def _nullable(values: FloatArray | None, count: int) -> pa.Array:
    return pa.nulls(count, pa.float64()) if values is None else pa.array(_plain(values, DECIMALS))
