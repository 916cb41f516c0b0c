"""The table `triage_metrics`: every arm on held-out cases, over all of them and by slice."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from medembed_pipeline.classification.calibration import reliability_bins
from medembed_pipeline.classification.scoring import BINS
from medembed_pipeline.evaluation.jackknife import Jackknife, intervals
from medembed_pipeline.evaluation.vectors import FloatArray
from medembed_pipeline.lake.fields import described
from medembed_pipeline.notes.slices import NONE, SliceError, ordered_values, value_of_each
from medembed_pipeline.triage.cases import TEST, TriageCases
from medembed_pipeline.triage.scoring import numbered, range_of, triage_figures
from medembed_pipeline.triage.settings import TriageSettings

ALL = "all"
DECIMALS = 9

NUMBERS = [
    described("figure", pa.string(), "auc, accuracy, weighted_f1, ...: see docs/triage.md"),
    described("value", pa.float64(), "the figure; one that cannot be had has no row"),
    described("ci_low", pa.float64(), "lower end of the interval by patient; NaN where there is none"),
    described("ci_high", pa.float64(), "upper end"),
    described("n", pa.int64(), "held-out cases behind it"),
    described("groups", pa.int64(), "patients behind it"),
]
TRIAGE_METRICS_SCHEMA = pa.schema(
    [
        described("arm", pa.string(), "note, picture, metadata, late_fusion, points, concatenated or gated"),
        described("scope_kind", pa.string(), "all, or slice:<column>"),
        described("scope", pa.string(), "all, or the value of the slice"),
        *NUMBERS,
    ]
)


def number_rows(
    figures: Mapping[str, Jackknife], cases: int, *, confidence: float, is_difference: bool = False
) -> Iterator[dict[str, Any]]:
    """The columns NUMBERS of each figure that is defined."""
    for figure, found in figures.items():
        if not math.isfinite(found.value[0]):
            continue
        lowest, highest = range_of(figure, is_difference=is_difference)
        ends = intervals(found, confidence=confidence, lowest=lowest, highest=highest)
        yield {
            "figure": figure,
            "value": rounded(found.value[0]),
            "ci_low": rounded(ends.low[0]),
            "ci_high": rounded(ends.high[0]),
            "n": cases,
            "groups": int(found.groups[0]),
        }


def rounded(value: float) -> float:
    """To as many digits as no number of threads changes."""
    return round(float(value), DECIMALS) + 0.0


def metrics_table(
    cases: TriageCases,
    said: Mapping[str, Mapping[str, Sequence[float]]],
    settings: TriageSettings,
) -> tuple[pa.Table, dict[str, Any]]:
    """Every arm on the held-out cases that it can see.

    Parameters
    ----------
    cases
        that take part.
    said
        by arm and case id, the probabilities of the levels.
    settings
        slices and confidence.

    Returns
    -------
    tuple[pa.Table, dict[str, Any]]
        A table with TRIAGE_METRICS_SCHEMA, and the fact `reliability`, a record per arm and bin of the likeliest level.
    """
    rows: list[dict[str, Any]] = []
    reliability: list[dict[str, Any]] = []
    held = cases.rows(TEST)
    scopes = [(ALL, ALL, np.ones(len(cases), dtype=np.bool_)), *_slices(cases, settings)]
    for arm, by_case in said.items():
        own = np.array([row for row in held if cases.case_ids[row] in by_case], dtype=np.int64)
        found: FloatArray = np.array([by_case[cases.case_ids[row]] for row in own]).reshape(
            len(own), len(cases.levels.names)
        )
        for kind, scope, inside in scopes:
            chosen = inside[own]
            part = own[chosen]
            figures = triage_figures(
                found[chosen], cases.level[part], numbered(cases.groups[part]), cases.levels
            )
            named = {"arm": arm, "scope_kind": kind, "scope": scope}
            rows += [
                {**named, **numbers}
                for numbers in number_rows(figures, len(part), confidence=settings.confidence)
            ]
        given = found.argmax(axis=1)
        right = (given == cases.level[own]).astype(np.float64)
        _, bins = reliability_bins(found[np.arange(len(own)), given], right, bins=BINS)
        reliability += [{"arm": arm, **record} for record in bins]
    table = pa.Table.from_pylist(rows, schema=TRIAGE_METRICS_SCHEMA)
    return table, {
        "held_out_cases": len(held),
        "held_out_patients": _patients(cases),
        "reliability": reliability,
    }


def _patients(cases: TriageCases) -> int:
    return len(np.unique(cases.groups[cases.rows(TEST)]))


def _slices(cases: TriageCases, settings: TriageSettings) -> list[tuple[str, str, np.ndarray]]:
    """Every value of every slice, and which cases have it; a column of too many different words is left out."""
    found: list[tuple[str, str, np.ndarray]] = []
    for name in settings.slices:
        cells = [None if cell is None else str(cell) for cell in cases.columns[name]]
        try:
            values = value_of_each(pa.chunked_array([pa.array(cells, pa.string())]), name)
        except SliceError:
            continue
        own = np.array([value or NONE for value in values], dtype=object)
        found += [(f"slice:{name}", value, own == value) for value in ordered_values(own.tolist())]
    return found
