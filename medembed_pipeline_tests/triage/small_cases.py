"""Drawn cases without their pictures: notes, columns, splits, and vectors that show the hidden states, with noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from medembed_pipeline.evaluation.vectors import FloatArray
from medembed_pipeline.images.pairing import PAIRED_CASES_SCHEMA
from medembed_pipeline.samples.case_notes import case_note
from medembed_pipeline.samples.case_plan import CaseCorpus, DrawnCase, drawn_cases
from medembed_pipeline.triage.arms import METADATA, NOTE, PICTURE
from medembed_pipeline.triage.cases import TRAIN, TriageCases, triage_cases
from medembed_pipeline.triage.folder import Parts
from medembed_pipeline.triage.making import make_parts
from medembed_pipeline.triage.metadata import fit_metadata, metadata_rows
from medembed_pipeline.triage.settings import TriageSettings

SPLITS = ("train", "train", "train", "validation", "test", "test")
QUICK = TriageSettings(tries=3, folds=2, components=16, deals=2, shuffles=2)


@dataclass(frozen=True)
class Small:
    """Cases as the room reads them, with their vectors.

    Attributes
    ----------
    paired, splits
        the tables.
    cases
        that take part.
    rows
        by part.
    """

    paired: pa.Table
    splits: pa.Table
    cases: TriageCases
    rows: dict[str, FloatArray]


def paired_rows(drawn: list[DrawnCase], seed: int = 7) -> list[dict[str, Any]]:
    """Rows of `paired_cases`; a case's id holds its place."""
    return [
        {
            "case_id": f"{place:05}",
            "image_id": f"image-{place:05}",
            "note": case_note(case, seed),
            "patient": f"patient-{case.patient}",
            "label": case.level,
            "findings": [],
            "reading": None,
            "view": case.view,
            "source": case.source,
            "age": float(case.age),
            "sex": case.sex,
            "drawn": True,
            "more": [{"column": "pulse", "value": str(70 + 20 * case.illness)}],
            "source_file": "cases.csv",
            "source_row": place + 1,
        }
        for place, case in enumerate(drawn)
    ]


def split_rows(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """A split for each patient, in turn."""
    numbers = {patient: at for at, patient in enumerate(dict.fromkeys(row["patient"] for row in rows))}
    return [
        {
            "case_id": row["case_id"],
            "split": SPLITS[numbers[row["patient"]] % len(SPLITS)],
            "group": row["patient"],
        }
        for row in rows
    ]


def small(corpus: CaseCorpus, settings: TriageSettings = QUICK, noise: float = 0.15) -> Small:
    """Drawn cases whose note shows illness and failing heart, whose picture shows extent and large heart."""
    drawn = list(drawn_cases(corpus))
    rows = paired_rows(drawn)
    paired = pa.Table.from_pylist(rows, schema=PAIRED_CASES_SCHEMA)
    splits = pa.Table.from_pylist(split_rows(rows))
    cases = triage_cases(paired, splits, settings)
    random = np.random.default_rng(corpus.seed)

    def seen(states: list[tuple[int, bool]]) -> FloatArray:
        shown = np.array([[*np.eye(3)[extent], float(flag)] for extent, flag in states])
        return np.hstack([shown, np.zeros((len(shown), 4))]) + noise * random.standard_normal((len(shown), 8))

    metadata = fit_metadata(cases.columns, settings.metadata, cases.rows(TRAIN).tolist())
    vectors = {
        METADATA: metadata_rows(metadata, cases.columns, len(cases)),
        NOTE: seen([(case.illness, case.failing_heart) for case in drawn]),
        PICTURE: seen([(case.extent, case.large_heart) for case in drawn]),
    }
    return Small(paired, splits, cases, vectors)


def parts_of_small(found: Small, settings: TriageSettings = QUICK) -> Parts:
    """The fitted arms."""
    return make_parts(found.cases, lambda metadata: found.rows, {}, settings)
