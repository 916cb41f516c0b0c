"""The assets on a small lake: from cases to a verdict; shortcuts raise their alarm; what is missing is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from medembed_pipeline.images.vectors import image_embeddings_schema
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.maintenance import removable
from medembed_pipeline.pictures.figure import Picture
from medembed_pipeline.samples.case_plan import CaseCorpus
from medembed_pipeline.triage.arms import NOTE, PICTURE
from medembed_pipeline.triage.errors import TriageError
from medembed_pipeline.triage.model import TriageModel
from medembed_pipeline.triage.models import current_model, judged_model, verify_triage_models
from medembed_pipeline_tests.triage.small_cases import Small, small
from medembed_pipeline_tests.triage.small_lake import ROOM, TABLES, materialize, write_small


@pytest.fixture(autouse=True)
def few_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are drawn in the first test alone."""
    if "from_cases_to_a_verdict" not in request.node.name:
        without_pictures(monkeypatch)


def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are of no bytes from now on."""
    monkeypatch.setattr("medembed_pipeline.pictures.drawing.picture", lambda figure: Picture(b"", b""))


@pytest.fixture(scope="module")
def drawn() -> Small:
    return small(CaseCorpus(patients=150))


@pytest.fixture()
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def changed(found: Small, **columns: Any) -> Small:
    """With other columns of `paired_cases`."""
    rows = [
        {**row, **{name: value(row) for name, value in columns.items()}} for row in found.paired.to_pylist()
    ]
    return Small(
        pa.Table.from_pylist(rows, schema=found.paired.schema), found.splits, found.cases, found.rows
    )


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node(asset)
    return {name: value.value for name, value in event.metadata.items()}


def test_from_cases_to_a_verdict_and_a_folder_that_answers_as_the_tables_say(
    lake: Lake, drawn: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_small(lake, drawn, monkeypatch)
    result = materialize(lake, *ROOM)
    checks = {one.check_name: one for one in result.get_asset_check_evaluations()}
    verdict = lake.table("triage_verdict").footer.facts
    assert verdict["verdict"] == "picture_helps" and verdict["sentence"].startswith("The picture helps: ")
    assert checks["fusion_beats_best_single"].passed and checks["triage_could_be_learned"].passed
    inputs = {row["input"] for row in lake.table("shortcut_meter").read().to_pylist()}
    assert {"words", "numbers", "source", "view", "border_only", "centre_blacked_out"} <= inputs
    pictures = {path.stem for path in Path(lake.path("pictures")).rglob("*.png")}
    assert pictures == {"arms", "reliability", "ledger", "shortcuts"}
    note = lake.table("paired_cases").strings("note")[0]
    assert note not in "".join(str(event) for event in result.all_events)

    judged = judged_model(lake, lake.table("triage_verdict"))
    assert judged is not None and judged.version == current_model(lake).version
    model = TriageModel.from_folder(judged.folder)
    count = len(drawn.cases)
    rows = {part: (np.arange(count), drawn.rows[part]) for part in (NOTE, PICTURE)}
    assert model.parts.chosen is not None and model.parts.chosen.fusion is not None
    said = {(row["case_id"], row["arm"]): row for row in lake.table("triage_predictions").read().to_pylist()}
    # The vectors came through float32.
    rows[PICTURE] = (np.arange(count), drawn.rows[PICTURE].astype(np.float32).astype(np.float64))
    for case, answer in zip(drawn.cases.case_ids, model.answer(rows, count), strict=True):
        assert answer.arm == model.parts.chosen.fusion
        wanted = said[case, answer.arm]
        assert answer.level == wanted["predicted"]
        assert list(answer.probabilities.values()) == pytest.approx(wanted["probabilities"], abs=1e-5)
    alone = model.answer({NOTE: (np.array([1]), drawn.rows[NOTE][[1]])}, 2)
    assert alone[0].level is None and alone[1].arm == NOTE
    with pytest.raises(TriageError, match="arm = 'both': the model has note, picture"):
        model.answer(rows, count, arm="both")

    without_pictures(monkeypatch)
    again = materialize(lake, *ROOM)
    assert all(metadata(again, one.key.path[-1])["kept"] is True for one in TABLES)
    assert [one.state for one in verify_triage_models(lake)] == ["ok", "ok"]
    about = current_model(lake).folder / "arms.json"
    about.write_text(about.read_text() + " ")
    with pytest.raises(TriageError, match=r"arms\.json: altered"):
        TriageModel.from_folder(about.parent)
    with pytest.raises(TriageError, match="no manifest of a triage model"):
        TriageModel.from_folder(about.parent.parent)


def test_a_source_that_tells_the_level_is_named_and_nothing_is_said_to_help(
    lake: Lake, drawn: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_small(lake, changed(drawn, source=lambda row: f"ward {row['label']}"), monkeypatch)
    result = materialize(lake, *ROOM, tries=2)
    checks = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert not checks["source_does_not_tell"].passed and checks["view_does_not_tell"].passed
    facts = lake.table("triage_verdict").footer.facts
    assert facts["verdict"] == "confounded" and "the source alone has AUC 1.000" in facts["sentence"]


def test_cases_without_a_partner_are_left_out_where_both_are_needed_and_counted(
    lake: Lake, drawn: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {row["case_id"]: at for at, row in enumerate(drawn.paired.to_pylist())}
    found = changed(
        drawn,
        note=lambda row: None if places[row["case_id"]] % 10 == 0 else row["note"],
        image_id=lambda row: None if places[row["case_id"]] % 10 == 1 else row["image_id"],
    )
    write_small(lake, found, monkeypatch)
    materialize(lake, *ROOM[:4], tries=2)
    facts = lake.table("triage_predictions").footer.facts
    lacking = {one["arm"]: one["lacking"] for one in facts["answered"]}
    assert lacking == {
        "note": 30, "picture": 30, "metadata": 0, "late_fusion": 60, "points": 60, "concatenated": 60, "gated": 60
    }  # fmt: skip
    held = lake.table("triage_metrics").footer.facts["held_out_cases"]
    assert 0 < lake.table("modality_ledger").footer.facts["complete_cases"] < held


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        (
            {"label": lambda row: "routine"},
            "only routine has 5 train patients or more; two levels are needed",
        ),
        ({"label": lambda row: None}, "have no triage level or outcome"),
        ({"label": lambda row: row["label"] if row["case_id"] < "00030" else None}, "patients"),
    ],
)
def test_what_cannot_be_learned_from_says_what_is_needed_and_the_graph_goes_on(
    lake: Lake, drawn: Small, monkeypatch: pytest.MonkeyPatch, columns: dict[str, Any], why: str
) -> None:
    write_small(lake, changed(drawn, **columns), monkeypatch)
    result = materialize(lake, *ROOM)
    checks = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert not checks["triage_could_be_learned"].passed
    assert why in str(checks["triage_could_be_learned"].description)
    assert lake.table("triage_verdict").footer.facts["verdict"] == "inconclusive"
    assert all(lake.table(one.key.path[-1]).rows == 0 for one in TABLES)


def test_without_pictures_everything_is_there_quiet_and_empty(lake: Lake, drawn: Small) -> None:
    raw = pa.table({"image_id": pa.array([], pa.string()), "picture": pa.array([], pa.binary())})
    for name, table in (
        ("paired_cases", drawn.paired.slice(0, 0)),
        ("case_splits", drawn.splits.slice(0, 0)),
        ("raw_images", raw),
        ("image_embeddings", image_embeddings_schema(4).empty_table()),
    ):
        lake.write_table(Recipe(name, "1", {}, {}), table)
    result = materialize(lake, *ROOM)
    assert all(one.passed for one in result.get_asset_check_evaluations())
    assert all(lake.table(one.key.path[-1]).rows == 0 for one in TABLES)


def test_two_labels_against_all_others_and_further_columns_of_the_tables(
    lake: Lake, drawn: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_small(lake, drawn, monkeypatch)
    chosen = {"positive": ["urgent", "emergency"], "metadata": ["age", "pulse"]}
    materialize(lake, *ROOM[:3], tries=2, **chosen)
    facts = lake.table("triage_predictions").footer.facts
    assert [one["level"] for one in facts["levels"]] == ["other", "urgent, emergency"] and facts["ordered"]
    auc = {
        row["arm"]: row["value"]
        for row in lake.table("triage_metrics").read().to_pylist()
        if row["scope_kind"] == "all" and row["figure"] == "auc"
    }
    assert auc["metadata"] > 0.65 and auc["gated"] > auc["note"]
    with pytest.raises(dg.Failure, match=r"\[triage\] metadata: no case has a column saturation"):
        materialize(lake, ROOM[0], metadata=["saturation"])


def test_models_that_are_not_current_can_go(lake: Lake) -> None:
    from medembed_pipeline.settings import Settings
    from medembed_pipeline.triage.models import MODELS

    keep = Settings().storage.keep_versions
    for number in range(keep + 1):
        lake.write_bytes(b"x", MODELS.folder, f"version{number}", MODELS.last)
    lake.write_json({"version": "version0"}, "triage_model.json")
    gone = [item.parts for item in removable(lake, Settings()) if item.parts[0] == "triage_models"]
    assert len(gone) == 1 and gone != [("triage_models", "version0")]
