"""The history in a lake: added to by every verdict, whole or an error, and longer-lived than its checkpoints."""

import shutil
import threading
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import pytest

from medembed_pipeline.cli import main
from medembed_pipeline.history.assets import checkpoint_history
from medembed_pipeline.history.publishing import add_judgement, find_history
from medembed_pipeline.history.table import HistoryError, judgements
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import LakeResource
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.maintenance import removable, verify_lake
from medembed_pipeline.settings import Settings
from medembed_pipeline.verdict.released import follow_verdict, put_back
from medembed_pipeline_tests.history.small_history import day, judge, judgement

NAME = "checkpoint_history"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def materialize(lake: Lake) -> dict[str, Any]:
    """The metadata; raises what the asset failed with."""
    result = dg.materialize(
        [checkpoint_history], resources={"lake": LakeResource(url=lake.url)}, raise_on_error=False
    )
    if not result.success:
        failure = next(event for event in result.all_events if event.is_step_failure)
        raise AssertionError(str(failure.step_failure_data.error))
    (found,) = result.asset_materializations_for_node(NAME)
    return {name: value.value for name, value in found.metadata.items()}


def judged(lake: Lake) -> list[tuple[str, str]]:
    return [(one["checkpoint"], one["verdict"]) for one in judgements(lake.table(NAME).read())]


def test_every_verdict_is_added_and_a_rerun_adds_nothing(lake: Lake) -> None:
    judge(lake, "aaaa", 1)
    assert not materialize(lake)["kept"]
    version = lake.table(NAME).data_version
    assert materialize(lake)["kept"] and lake.table(NAME).data_version == version
    judge(lake, "bbbb", 2, "retrain", tuned=0.4)
    shown = materialize(lake)
    assert judged(lake) == [("aaaa", "deploy"), ("bbbb", "retrain")]
    assert shown["judgements_kept"] == 2 and shown["judgements"].records[0].data["checkpoint"] == "bbbb"
    rows = lake.table(NAME).read().to_pylist()
    assert {row["precision"] for row in rows} == {"bfloat16"} and rows[0]["judged_at"] == day(1)
    assert {row["task"] for row in rows} == {"notes", "passages"}


def test_a_checkpoint_that_was_taken_back_is_not_released_by_a_later_judgement(lake: Lake) -> None:
    for version, number in (("aaaa", 1), ("bbbb", 2)):
        judge(lake, version, number)
        materialize(lake)
        follow_verdict(lake)
    put_back(lake, "aaaa")
    judge(lake, "bbbb", 3, tuned=0.8)
    materialize(lake)
    follow_verdict(lake)
    found = [
        (one["checkpoint"], one["verdict"], one["released"], one["released_at"])
        for one in judgements(lake.table(NAME).read())
    ]
    assert found == [
        ("aaaa", "deploy", True, day(1)),
        ("bbbb", "deploy", True, day(2)),
        ("bbbb", "deploy", False, None),
    ]
    judge(lake, "aaaa", 4, tuned=0.9)
    materialize(lake)
    assert judgements(lake.table(NAME).read())[-1]["released"]


def test_tasks_that_were_not_measured_are_left_out(lake: Lake) -> None:
    judge(lake, "aaaa", 1, tasks=False)
    materialize(lake)
    assert set(lake.table(NAME).read()["task"].to_pylist()) == {"notes"}


def test_figures_of_another_verdict_are_refused(lake: Lake) -> None:
    judge(lake, "aaaa", 1)
    verdict = Path(lake.table_path("release_verdict")).read_bytes()
    judge(lake, "bbbb", 2, tuned=0.4)
    Path(lake.table_path("release_verdict")).write_bytes(verdict)
    with pytest.raises(AssertionError, match="drawn from another embedding_metrics than stands"):
        materialize(lake)
    assert not lake.exists(f"{NAME}.parquet")


def test_older_work_that_ends_late_adds_its_rows_and_takes_none_away(lake: Lake) -> None:
    older, newer = Lake(lake.url), Lake(lake.url)
    older.begin_work(NAME)
    newer.begin_work(NAME)
    add_judgement(newer, Recipe(NAME, "1", {}, {"run": "newer"}), judgement("b", 2), [figure()])
    add_judgement(older, Recipe(NAME, "1", {}, {"run": "older"}), judgement("a", 1), [figure()])
    assert judged(lake) == [("a", "deploy"), ("b", "deploy")]


def test_many_at_once_lose_nothing(lake: Lake) -> None:
    def add(number: int) -> None:
        own = Lake(lake.url)
        own.begin_work(NAME)
        add_judgement(
            own, Recipe(NAME, "1", {}, {"run": str(number)}), judgement(f"c{number}", number), [figure()]
        )

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [checkpoint for checkpoint, _ in judged(lake)] == [f"c{number}" for number in range(8)]


def figure() -> dict[str, Any]:
    numbers = dict.fromkeys(("baseline", "tuned", "difference", "ci_low", "ci_high"), 0.5)
    return {"task": "notes", "metric": "map", "k": None, "is_main": True, "n": 4, **numbers}


@pytest.mark.parametrize("fault", ["removed", "cut short", "altered"])
def test_a_lost_history_is_said_at_once_and_begun_anew_only_by_command(
    lake: Lake, fault: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEDEMBED_DATA_LAKE", lake.url)
    judge(lake, "aaaa", 1)
    materialize(lake)
    file = Path(lake.table_path(NAME))
    if fault == "removed":
        file.unlink()
    elif fault == "cut short":
        file.write_bytes(file.read_bytes()[:500])
    else:
        other = Lake(f"{lake.url}-other")
        judge(other, "cccc", 4)
        materialize(other)
        footer = lake.table(NAME).footer
        rows = other.table(NAME).read()
        pq.write_table(rows.replace_schema_metadata({"medembed": footer.to_json()}), file)
    damaged = file.read_bytes() if file.exists() else None
    judge(lake, "bbbb", 2)
    with pytest.raises(AssertionError, match="medembed history --start-over"):
        materialize(lake)
    (found,) = [one for one in verify_lake(lake) if one.name == f"{NAME}.parquet" and one.is_error]
    assert "cannot be made again" in found.detail
    assert main(["history"]) == 2 and "not known of the time before" in capsys.readouterr().err
    assert (file.read_bytes() if file.exists() else None) == damaged
    assert main(["history", "--start-over"]) == 0 and "An empty history was begun" in capsys.readouterr().out
    materialize(lake)
    assert judged(lake) == [("bbbb", "deploy")]


def test_a_whole_history_is_not_started_over(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEDEMBED_DATA_LAKE", lake.url)
    assert main(["history", "--start-over"]) == 2 and "no history yet" in capsys.readouterr().err
    assert main(["history"]) == 0 and "No checkpoint has been judged yet" in capsys.readouterr().out
    judge(lake, "aaaa", 1)
    materialize(lake)
    assert main(["history", "--start-over"]) == 2 and "is whole and holds 3 rows" in capsys.readouterr().err
    assert main(["history", "--checkpoint", "aa"]) == 0 and "precision@5 (decides)" in capsys.readouterr().out
    assert judged(lake) == [("aaaa", "deploy")]


def test_it_outlives_its_checkpoints_and_is_never_pruned(lake: Lake) -> None:
    judge(lake, "aaaa", 1)
    materialize(lake)
    shutil.rmtree(Path(lake.path("checkpoints", "aaaa")))
    judge(lake, "aaaa", 2, "retrain", manifest=False)
    materialize(lake)
    assert judged(lake) == [("aaaa", "deploy"), ("aaaa", "retrain")]
    assert {one["base"] for one in judgements(lake.table(NAME).read())} == {"all-MiniLM-L6-v2"}
    assert all(NAME not in "/".join(item.parts) for item in removable(lake, Settings()))
    assert find_history(lake) is not None


def test_an_unreadable_history_is_no_empty_one(lake: Lake) -> None:
    judge(lake, "aaaa", 1)
    materialize(lake)
    Path(lake.table_path(NAME)).unlink()
    with pytest.raises(HistoryError, match="is gone"):
        find_history(lake)
