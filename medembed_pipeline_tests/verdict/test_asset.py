"""The asset on a lake with a planted truth: the verdict, its checks, the released pointer, and reruns."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import LakeResource
from medembed_pipeline.tracking import publishing
from medembed_pipeline.tracking.settings import TrackingSettings
from medembed_pipeline.tracking.tracked import TrackedRun
from medembed_pipeline.training.checkpoints import FOLDER
from medembed_pipeline.verdict import assets
from medembed_pipeline.verdict.assets import release_verdict
from medembed_pipeline.verdict.checks import release_rules
from medembed_pipeline.verdict.inputs import trained_on
from medembed_pipeline.verdict.outcomes import RULES, TASKS_RULE, VERDICT_SCHEMA
from medembed_pipeline.verdict.released import RELEASED, released_version
from medembed_pipeline_tests.verdict.planted import Notes, fill_lake, planted

FIRST, SECOND = "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"


def materialize(
    lake: Lake, config: dict[str, Any] | None = None, *, fails: bool = False
) -> dg.ExecuteInProcessResult:
    result = dg.materialize(
        [release_verdict, release_rules],
        resources={"lake": LakeResource(url=lake.url)},
        run_config={"ops": {"release_verdict": {"config": config or {}}}},
        raise_on_error=False,
    )
    assert result.success is not fails
    return result


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node("release_verdict")
    return {name: value.value for name, value in event.metadata.items()}


@pytest.fixture(scope="module")
def good() -> Notes:
    return planted()


def test_a_gain_is_deployed_released_and_shown(good: Notes, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    fill_lake(lake, good, version=FIRST)
    result = materialize(lake)
    table = lake.table("release_verdict")
    facts = table.footer.facts
    assert table.schema == VERDICT_SCHEMA.remove_metadata()
    assert (facts["verdict"], facts["checkpoint"], facts["released"]) == ("deploy", FIRST, True)
    assert {one["name"] for one in facts["specialty_tests"]} == {f"Specialty {n}" for n in range(6)}
    assert released_version(lake) == FIRST
    assert (tmp_path / FOLDER / RELEASED / "model.safetensors").read_text() == f"weights of {FIRST}"
    shown = metadata(result)
    assert shown["verdict"] == "deploy" and facts["sentence"] in shown["sentence"]
    assert shown["released_checkpoint"].endswith("checkpoints/released") and shown["kept"] is False
    assert len(shown["reasons"].records) == table.rows
    evaluations = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert list(evaluations) == [*RULES, TASKS_RULE]
    for name, one in evaluations.items():
        assert one.passed and one.severity == dg.AssetCheckSeverity.WARN, name
        assert one.description and (name == TASKS_RULE or one.metadata["evidence"].value)
    assert "Does not apply" in str(evaluations["passages_are_better"].description)


def test_a_tracker_is_told_the_rules_in_numbers_and_may_fail(
    good: Notes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[TrackedRun] = []

    class Failing:
        def tell(self, run: TrackedRun) -> None:
            told.append(run)
            raise OSError("no such server")

    settings = assets.SETTINGS.model_copy(update={"tracking": TrackingSettings(kind="mlflow")})
    monkeypatch.setattr(assets, "SETTINGS", settings)
    monkeypatch.setattr(publishing, "open_tracker", lambda *_: Failing())
    lake = Lake(str(tmp_path))
    fill_lake(lake, good, version=FIRST)
    shown = metadata(materialize(lake))
    assert (shown["verdict"], shown["tracking_failures"]) == ("deploy", 1)
    numbers = told[0].finite_numbers()
    rows = lake.table("release_verdict").read().to_pylist()
    assert numbers["released"] == 1 and told[0].settings["checkpoint"] == FIRST
    for row in rows:
        assert numbers.get(f"{row['rule']}/value") == row["value"], row["rule"]
        assert numbers.get(f"{row['rule']}/passed") == row["passed"], row["rule"]
    assert not any(str(row["reason"]) in str(told[0]) for row in rows)


def test_a_rerun_keeps_the_table_and_the_link_and_restores_a_lost_one(good: Notes, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    fill_lake(lake, good, version=FIRST)
    materialize(lake)
    link = tmp_path / FOLDER / RELEASED
    before = (link.lstat().st_mtime_ns, Path(lake.table_path("release_verdict")).stat().st_mtime_ns)
    assert metadata(materialize(lake))["kept"] is True
    assert (link.lstat().st_mtime_ns, Path(lake.table_path("release_verdict")).stat().st_mtime_ns) == before
    # As when a run was killed between the table and the link.
    link.unlink()
    assert metadata(materialize(lake))["kept"] is True
    assert released_version(lake) == FIRST


def test_a_worse_model_leaves_the_last_released_one(good: Notes, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    fill_lake(lake, good, version=FIRST)
    materialize(lake)
    harmed = planted(gain=1.0, harmed="Specialty 3", specialties=14)
    fill_lake(lake, harmed, version=SECOND)
    result = materialize(lake)
    facts = lake.table("release_verdict").footer.facts
    assert (facts["verdict"], facts["checkpoint"], facts["released"]) == ("retrain", SECOND, False)
    assert "Specialty 3" in facts["sentence"] and released_version(lake) == FIRST
    failed = {one.check_name: one for one in result.get_asset_check_evaluations() if not one.passed}
    assert "no_specialty_is_worse" in failed and "Specialty 3" in str(
        failed["no_specialty_is_worse"].description
    )
    assert all(one.severity == dg.AssetCheckSeverity.WARN and not one.blocking for one in failed.values())
    # A good model under the next version.
    fill_lake(lake, good, version=SECOND)
    materialize(lake)
    assert released_version(lake) == SECOND


def test_the_launchpads_settings_decide(good: Notes, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    fill_lake(lake, good, version=FIRST)
    materialize(lake, {"smallest_test_groups": 1000})
    assert lake.table("release_verdict").footer.facts["verdict"] == "inconclusive"
    assert released_version(lake) is None
    materialize(lake, {"main_metric": "ndcg@10"})
    facts = lake.table("release_verdict").footer.facts
    assert facts["verdict"] == "deploy" and "nDCG@10" in facts["sentence"]


def test_a_note_in_two_splits_is_found_from_the_texts(good: Notes, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    lake = Lake(str(tmp_path))
    fill_lake(lake, good, version=FIRST)
    notes, splits = lake.table("cleaned_notes").read(), lake.table("note_splits").read()
    trained = f"{10_003:032x}"
    stolen = notes.filter(pc.equal(notes["note_id"], trained))["text"][0].as_py()
    texts = notes["text"].to_pylist()
    texts[0] = stolen + " and one more word"
    changed = notes.set_column(notes.column_names.index("text"), "text", pa.array(texts))
    scored = notes["note_id"][0].as_py()
    assert trained_on(notes, splits, [scored], [trained], 0.8)["near_duplicates"] == 0
    assert trained_on(changed, splits, [scored], [trained], 0.8)["near_duplicates"] == 1
    assert trained_on(changed, splits, [scored, trained], [trained], 0.8)["notes"] == 1
    assert trained_on(changed, splits, [scored], ["f" * 32], 0.8) == dict.fromkeys(
        ("notes", "texts", "duplicate_groups", "near_duplicates"), 0
    )
    fill_lake(lake, good, version=FIRST, changed_texts=changed["text"])
    materialize(lake)
    facts = lake.table("release_verdict").footer.facts
    assert facts["verdict"] == "retrain" and "the splits leak" in facts["sentence"]
    assert "1 near duplicates" in facts["sentence"] and stolen not in facts["sentence"]


def test_evidence_of_another_checkpoint_gives_no_verdict(good: Notes, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    fill_lake(lake, good, version=FIRST)
    stale = lake.table("embedding_diagnostics")
    recipe, rows = stale.footer.recipe, stale.read()
    fill_lake(lake, planted(seed=9), version=SECOND)
    lake.write_table(recipe, rows)
    result = materialize(lake, fails=True)
    message = str(result.failure_data_for_node("release_verdict"))
    assert "embedding_diagnostics was made from another version of" in message
    assert lake.find_table("release_verdict") is None and released_version(lake) is None


def test_a_missing_table_is_named(good: Notes, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    fill_lake(lake, good)
    lake.remove("leakage_estimate.parquet")
    assert "Materialize leakage_estimate first" in str(
        materialize(lake, fails=True).failure_data_for_node("release_verdict")
    )


def test_an_object_store_has_a_pointer_file(
    good: Notes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    lake = Lake(f"memory://verdict-{os.getpid()}/lake")
    fill_lake(lake, good, version=FIRST)
    shown = metadata(materialize(lake))
    assert lake.read_json("released.json") == {"version": FIRST}
    assert shown["released_checkpoint"].endswith(f"checkpoints/{FIRST}")
    assert not lake.exists(FOLDER, RELEASED)
