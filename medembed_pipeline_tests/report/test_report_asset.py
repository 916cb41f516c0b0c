"""The asset `report`: one whole file, made anew only when what it shows has changed, and no text that is not wanted."""

import json
import re
import zlib
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from medembed_pipeline.evaluation.settings import SliceSettings
from medembed_pipeline.evaluation.slices import SLICE_METRICS_SCHEMA
from medembed_pipeline.history.table import note_figures, with_judgement
from medembed_pipeline.images.pairing import PAIRED_CASES_SCHEMA
from medembed_pipeline.images.pixels import png_bytes
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import LakeResource
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.report.assets import report
from medembed_pipeline.report.inputs import shown_tables
from medembed_pipeline.report.page_file import PAGE
from medembed_pipeline.report.verification import verify_report
from medembed_pipeline.triage.predictions import TRIAGE_PREDICTIONS_SCHEMA
from medembed_pipeline_tests.history.small_history import judgement, metric_rows
from medembed_pipeline_tests.report import small_tables as small
from medembed_pipeline_tests.report.small_lake import (
    OPTIONAL,
    VERSION,
    everything_in,
    make_lake,
    packed_parts,
    write,
    write_raw,
)
from medembed_pipeline_tests.report.synthetic_cases import answer_rows, case_facts, case_rows


def materialize(folder: Path, **config: Any) -> dict[str, Any]:
    """Make the page; returns its metadata and data version."""
    result = dg.materialize(
        [report],
        resources={"lake": LakeResource(url=str(folder))},
        run_config={"ops": {"report": {"config": config}}},
        raise_on_error=False,
    )
    if not result.success:
        failure = next(event for event in result.all_events if event.is_step_failure)
        raise AssertionError(str(failure.step_failure_data.error))
    found = result.asset_materializations_for_node("report")[0]
    metadata = {name: value.value for name, value in found.metadata.items()}
    return {**metadata, "data_version": (found.tags or {})["dagster/data_version"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_lake(tmp_path / "lake")
    return tmp_path / "lake"


def test_the_page_holds_payload_and_texts(folder: Path) -> None:
    made = materialize(folder)
    page = (folder / PAGE).read_bytes()
    parts = packed_parts(page)
    payload = json.loads(parts["payload"])
    assert json.loads(parts["texts"]) == small.texts()
    assert payload["models"] == {"baseline": "all-MiniLM-L6-v2", "tuned": f"checkpoint {VERSION[:8]}"}
    assert payload["scored"] == "held-out test notes" and payload["notes"]["id"] == small.ids()
    assert (
        set(payload["tables"]) == set(shown_tables()) & set(payload["tables"]) and len(payload["tables"]) == 8
    )
    assert payload["notes"]["source"][3] == "notes.csv:4"
    assert payload["history"][0]["validation_map"] == 0.4
    assert payload["made"]["settings"]["encoder"]["base"] == "model"
    assert payload["made"]["settings"]["report"]["note_text"] == "full"
    assert set(payload["made"]["versions"]) >= {"cleaned_notes", "neighbors", "release_verdict"}
    assert made["notes"] == small.NOTES and made["path"] == str(folder / PAGE) and not made["kept"]
    assert made["size_megabytes"] == round(len(page) / 1e6, 2)
    assert b"/somewhere/private" not in page and "/somewhere/private" not in everything_in(page)
    assert str(folder) not in everything_in(page)
    assert [finding.state for finding in verify_report(Lake(str(folder)))] == ["ok"]


def test_slices_and_history_are_shown(folder: Path) -> None:
    lake = Lake(str(folder))
    landed = sorted({row for own in source_rows(lake).values() for row in own})
    sites = ["North" if number % 2 else "" for number in range(len(landed))]
    raw = {
        "row_id": landed,
        "source_file": ["notes.csv"] * len(landed),
        "source_row": list(range(1, len(landed) + 1)),
        "site": sites,
    }
    write(lake, "raw_transcriptions", pa.table(raw))
    first = materialize(folder)
    settings = {"SliceSettings": SliceSettings(slices=["site"]).result_values()}
    rows = SLICE_METRICS_SCHEMA.empty_table()
    lake.write_table(Recipe("slice_metrics", "1", settings, {}), rows)
    figures = note_figures(pa.Table.from_pylist(metric_rows()), "precision@5")
    history = with_judgement(None, judgement("aaaa", 1), figures)
    lake.write_table(Recipe("checkpoint_history", "1", {}, {}), history)
    assert materialize(folder)["data_version"] != first["data_version"]
    payload = json.loads(packed_parts((folder / PAGE).read_bytes())["payload"])
    (site,) = payload["slices"]
    north = {row for row, site in zip(landed, sites, strict=True) if site}
    said = [[0] if north & set(source_rows(lake)[note_id]) else [] for note_id in payload["notes"]["id"]]
    assert (site["name"], site["values"], site["of"]) == ("site", ["North"], said)
    assert payload["tables"]["checkpoint_history"]["judged_at"][0] == "2026-03-02T09:30:00Z"
    assert payload["made"]["settings"]["slices"]["slices"] == ["site"]

    # Rows that are gone leave the page without the slices' colours, and not the reader without a page.
    write(lake, "raw_transcriptions", pa.table(raw).slice(1))
    materialize(folder)
    assert json.loads(packed_parts((folder / PAGE).read_bytes())["payload"])["slices"] == []


def source_rows(lake: Lake) -> dict[str, list[str]]:
    columns = lake.table("cleaned_notes").read(["note_id", "source_rows"]).to_pydict()
    return dict(zip(columns["note_id"], columns["source_rows"], strict=True))


def test_a_rerun_keeps_the_file(folder: Path) -> None:
    first = materialize(folder)
    status = (folder / PAGE).stat()
    again = materialize(folder)
    assert again["kept"] and again["data_version"] == first["data_version"]
    assert (folder / PAGE).stat().st_ino == status.st_ino
    assert (folder / PAGE).stat().st_mtime_ns == status.st_mtime_ns


def test_the_same_inputs_give_the_same_bytes(folder: Path) -> None:
    first = materialize(folder)
    page = (folder / PAGE).read_bytes()
    (folder / PAGE).unlink()
    again = materialize(folder)
    assert not again["kept"] and again["data_version"] == first["data_version"]
    assert (folder / PAGE).read_bytes() == page


@pytest.mark.parametrize("change", ["table", "fact", "source", "setting", "checkpoint"])
def test_whatever_the_page_shows_makes_it_anew(folder: Path, change: str) -> None:
    first = materialize(folder)
    lake, config = Lake(str(folder)), {}
    if change == "table":
        write(lake, "leakage_estimate", small.evidence()["leakage_estimate"].slice(0, 0))
    elif change == "fact":
        write(
            lake,
            "leakage_estimate",
            small.evidence()["leakage_estimate"],
            facts={"memorization_share_by_row": 0.5},
        )
    elif change == "source":
        write_raw(lake, "renamed.csv")
    elif change == "setting":
        config = {"note_text": "masked"}
    else:
        history = folder / "checkpoints" / VERSION
        history.rename(folder / "checkpoints" / "b44d0123456789ab")
        pointer = json.loads((folder / "finetuned_checkpoint.json").read_text())
        lake.write_json({**pointer, "version": "b44d0123456789ab"}, "finetuned_checkpoint.json")
    again = materialize(folder, **config)
    assert not again["kept"] and again["data_version"] != first["data_version"]


def test_facts_of_the_last_run_do_not_make_it_anew(folder: Path) -> None:
    materialize(folder)
    write(Lake(str(folder)), "cleaned_notes", small.cleaned_notes(), facts={"texts_cleaned_now": 3})
    assert materialize(folder)["kept"]


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize(("note_text", "word"), [("masked", True), ("none", False)])
def test_text_that_is_not_wanted_is_nowhere(folder: Path, note_text: str, word: bool, beside: bool) -> None:
    materialize(folder, note_text=note_text, notes_in_page=3 if beside else 100)
    for path in folder.glob("report*"):
        content = path.read_bytes()
        assert (path.suffix == ".js") <= (beside and word)
        for form in (content, *_unpacked(content)):
            assert small.PHONE.encode() not in form
            assert word or small.SECRET.encode() not in form
    texts = packed_parts((folder / PAGE).read_bytes())["texts"]
    assert bool(texts) is (word and not beside)


def _unpacked(content: bytes) -> list[bytes]:
    """Everything base64 in a file, decoded, and decompressed where it is compressed."""
    import base64

    found = []
    for text in re.findall(rb"[A-Za-z0-9+/]{40,}={0,2}", content):
        decoded = base64.b64decode(text + b"=" * (-len(text) % 4))
        found.append(decoded)
        if decoded[:2] == b"\x1f\x8b":
            found.append(zlib.decompress(decoded, 31))
    return found


@pytest.mark.parametrize("note_text", ["full", "masked", "none"])
def test_cases_of_triage_are_shown_as_the_settings_say(folder: Path, note_text: str) -> None:
    without = materialize(folder, note_text=note_text)
    lake = Lake(str(folder))
    more = {
        "patient": "p",
        "label": "urgent",
        "findings": [],
        "reading": "kestrel",
        "drawn": True,
        "more": [],
    }
    places = {"source_file": "cases.csv", "source_row": 1}
    cases = sorted(({**row, **more, **places} for row in case_rows()), key=lambda row: row["case_id"])
    cases[0]["note"] = f"{small.SECRET} {small.PHONE}"
    write(lake, "paired_cases", pa.Table.from_pylist(cases, schema=PAIRED_CASES_SCHEMA))
    answers = pa.Table.from_pylist(answer_rows(), schema=TRIAGE_PREDICTIONS_SCHEMA)
    write(lake, "triage_predictions", answers, facts=case_facts())
    picture = png_bytes(np.arange(300, dtype=np.uint8).reshape(15, 20))
    write(lake, "raw_images", pa.table({"image_id": ["picture-4"], "picture": [picture]}))
    made = materialize(folder, note_text=note_text)
    assert made["data_version"] != without["data_version"]
    page = (folder / PAGE).read_bytes()
    payload = json.loads(packed_parts(page)["payload"])
    found = payload["cases"]
    assert sorted(found["id"]) == [case["case_id"] for case in cases] and len(found["arms"]) == 7
    assert set(payload.get("pictures", {})) == (set() if note_text == "none" else {"picture-4"})
    shown = json.dumps(found["note"])
    assert (small.SECRET in shown) == (note_text != "none") and (small.PHONE in shown) == (
        note_text == "full"
    )
    assert note_text == "full" or small.PHONE not in everything_in(page)
    assert note_text != "none" or small.SECRET not in everything_in(page)
    assert "kestrel" not in everything_in(page)
    assert {"triage_predictions", "paired_cases"} <= set(payload["made"]["versions"])
    assert not {"triage_predictions", "paired_cases"} & set(payload["tables"])
    assert materialize(folder, note_text=note_text)["kept"]


def test_many_notes_have_their_text_beside_the_page(folder: Path) -> None:
    first = materialize(folder, notes_in_page=small.NOTES - 1)
    texts = Path(first["texts"])
    assert texts.parent == folder and texts.name in (folder / PAGE).read_text()
    assert any(small.SECRET.encode() in form for form in _unpacked(texts.read_bytes()))
    page = (folder / PAGE).read_bytes()
    assert not packed_parts(page)["texts"] and small.SECRET not in everything_in(page)
    assert {finding.state for finding in verify_report(Lake(str(folder)))} == {"ok"}

    masked = materialize(folder, notes_in_page=small.NOTES - 1, note_text="masked")
    assert masked["texts"] != first["texts"] and Path(masked["texts"]).exists()
    # An earlier page is kept, and its texts with it; but not one that shows more than the one that stands.
    assert not texts.exists()
    materialize(folder, notes_in_page=small.NOTES)
    assert {path.name for path in folder.glob("report_texts*")} == {Path(masked["texts"]).name}


def test_a_page_whose_texts_are_gone_is_made_again(folder: Path) -> None:
    texts = Path(materialize(folder, notes_in_page=0)["texts"])
    texts.unlink()
    assert not materialize(folder, notes_in_page=0)["kept"] and texts.exists()


def test_metadata_hold_no_text(folder: Path) -> None:
    assert small.SECRET not in json.dumps({key: str(value) for key, value in materialize(folder).items()})


def test_evidence_that_is_not_there_is_left_out(tmp_path: Path) -> None:
    make_lake(tmp_path, without=OPTIONAL)
    materialize(tmp_path)
    payload = json.loads(packed_parts((tmp_path / PAGE).read_bytes())["payload"])
    assert set(payload["tables"]) == {"embedding_metrics"}
    assert [one["key"] for one in payload["maps"]] == ["umap-2", "pca-3"]


def test_what_is_needed_and_not_there_is_named(folder: Path) -> None:
    (folder / "neighbors.parquet").unlink()
    with pytest.raises(AssertionError, match="Materialize neighbors first"):
        materialize(folder)
    assert not (folder / PAGE).exists()


def test_tables_made_from_older_inputs_are_counted(folder: Path) -> None:
    assert materialize(folder)["tables_made_from_other_inputs"] == 0
    lake = Lake(str(folder))
    changed = small.note_splits().set_column(1, "split", small.note_splits()["split"].combine_chunks()[::-1])
    write(lake, "note_splits", changed)
    # All that was written after note_splits names its version as an input.
    others = [name for name in shown_tables() if lake.exists(f"{name}.parquet")]
    assert materialize(folder)["tables_made_from_other_inputs"] == len(others) - 2


def test_a_failing_page_leaves_the_old_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    materialize(folder)
    page = (folder / PAGE).read_bytes()

    def fail(*_: Any, **__: Any) -> bytes:
        raise RuntimeError(small.SECRET)

    monkeypatch.setattr("medembed_pipeline.report.writing.render_page", fail)
    with pytest.raises(AssertionError) as caught:
        materialize(folder, note_text="none")
    assert small.SECRET not in str(caught.value) and (folder / PAGE).read_bytes() == page
