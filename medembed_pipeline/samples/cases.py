"""Drawn cases as files: pictures, and the table that joins them to notes, patients and levels."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from medembed_pipeline.samples.case_notes import case_note, picture_findings, picture_reading
from medembed_pipeline.samples.case_plan import ABOUT, CaseCorpus, DrawnCase, drawn_cases
from medembed_pipeline.samples.phantom import draw_picture, opacities

FOLDER: Final = "drawn"
TABLE: Final = "cases.csv"
COLUMNS: Final = (
    "about",
    "image",
    "patient_id",
    "view",
    "source",
    "age",
    "sex",
    "note",
    "findings",
    "reading",
    "triage_level",
)


def case_row(case: DrawnCase, seed: int) -> dict[str, str]:
    """The row of a case; `about` says that it is drawn."""
    patches = opacities(case, seed)
    return {
        "about": ABOUT,
        "image": f"{_name(case)}.png",
        "patient_id": f"drawn-{case.patient:04}",
        "view": case.view,
        "source": case.source,
        "age": str(case.age),
        "sex": case.sex,
        "note": case_note(case, seed),
        "findings": "|".join(picture_findings(case, patches)),
        "reading": picture_reading(case, patches, seed),
        "triage_level": case.level,
    }


def _name(case: DrawnCase) -> str:
    return f"drawn_{case.patient:04}_{case.visit}"


def drawn_files(corpus: CaseCorpus) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file: the pictures (PNG), and last the table (CSV, UTF-8)."""
    rows = []
    for case in drawn_cases(corpus):
        row = case_row(case, corpus.seed)
        rows.append(row)
        picture = io.BytesIO()
        draw_picture(case, corpus.seed).save(picture, format="PNG", compress_level=4)
        yield row["image"], picture.getvalue()
    table = io.StringIO()
    writer = csv.DictWriter(table, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    yield TABLE, table.getvalue().encode()


def write_drawn_cases(folder: Path, corpus: CaseCorpus) -> int:
    """Write pictures and table into a folder, which is made; returns how many cases there are.

    Raises
    ------
    OSError
        the folder or a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = 0
    for name, content in drawn_files(corpus):
        (folder / name).write_bytes(content)
        written += 1
    return written - 1
