"""Drawn cases as files: pictures, and the table that joins them to notes, patients and levels."""

from __future__ import annotations

import csv
import io
import multiprocessing
import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

from medembed_pipeline.samples.case_notes import case_note, picture_findings, picture_reading
from medembed_pipeline.samples.case_plan import ABOUT, CaseCorpus, DrawnCase, drawn_cases
from medembed_pipeline.samples.phantom import draw_picture, opacities
from medembed_pipeline.threads import core_count

FOLDER: Final = "drawn"
TABLE: Final = "cases.csv"
_FEWEST_FOR_PROCESSES: Final = 200
"""Two seconds of drawing; fewer pictures are made before a process has begun."""
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


def _row_and_picture(case: DrawnCase, seed: int) -> tuple[dict[str, str], bytes]:
    picture = io.BytesIO()
    draw_picture(case, seed).save(picture, format="PNG", compress_level=4)
    return case_row(case, seed), picture.getvalue()


def _drawn(cases: list[DrawnCase], seed: int) -> Iterable[tuple[dict[str, str], bytes]]:
    """Rows and PNGs, in order. A picture is a hundred small steps of numpy: in threads they wait for Python's lock."""
    draw = partial(_row_and_picture, seed=seed)
    workers = min(4, core_count())
    if workers == 1 or len(cases) < _FEWEST_FOR_PROCESSES:
        yield from map(draw, cases)
        return
    # Not forked: this process may have threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_end_with_parent) as pool:
        yield from pool.map(draw, cases, chunksize=20)


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def drawn_files(corpus: CaseCorpus) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file: the pictures (PNG), and last the table (CSV, UTF-8)."""
    rows = []
    for row, picture in _drawn(list(drawn_cases(corpus)), corpus.seed):
        rows.append(row)
        yield row["image"], picture
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
