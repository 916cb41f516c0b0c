"""`medembed rollback`: what was released and can be again."""

from datetime import datetime, timezone
from pathlib import Path

import pyarrow as pa
import pytest

from medembed_pipeline.history.table import CHECKPOINT_HISTORY_SCHEMA
from medembed_pipeline.history.table import NAME as HISTORY
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.rollback import RollbackError, rollback
from medembed_pipeline.training.checkpoints import checkpoint_of, point_to
from medembed_pipeline.verdict.released import put_back, released_version
from medembed_pipeline_tests.verdict.planted import write_checkpoint


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Three checkpoints were released, a fourth never; the oldest was removed."""
    made = Lake(str(tmp_path))
    rows = [
        {
            "checkpoint": version,
            "released": released,
            "released_at": datetime(2026, 1, day, tzinfo=timezone.utc),
        }
        for day, (version, released) in enumerate(
            [("a1", True), ("b1", True), ("b2", True), ("c1", False)], 1
        )
    ]
    columns = {field.name: [row.get(field.name) for row in rows] for field in CHECKPOINT_HISTORY_SCHEMA}
    made.write_table(Recipe(HISTORY, "1", {}, {}), pa.table(columns))
    for version in ("b1", "b2", "c1"):
        write_checkpoint(made, version, ["a"])
    put_back(made, "b2")
    return made


def test_it_lists_what_was_released_and_is_still_there_the_newest_first(lake: Lake) -> None:
    assert rollback(lake, None)[:2] == [
        "b2  released 2026-01-03 00:00  released now",
        "b1  released 2026-01-02 00:00",
    ]


def test_it_puts_one_back_by_how_its_version_begins(lake: Lake) -> None:
    assert rollback(lake, "b1") == [
        "b1 is the released checkpoint now; b2 is taken back, and no verdict releases it again."
    ]
    assert released_version(lake) == "b1"
    assert rollback(lake, None)[0] == "b2  released 2026-01-03 00:00  taken back"


@pytest.mark.parametrize(
    ("wanted", "told"), [("b", "2 versions begin so"), ("a1", "no checkpoint"), ("c1", "no checkpoint")]
)
def test_what_is_not_one_of_them_is_refused(lake: Lake, wanted: str, told: str) -> None:
    with pytest.raises(RollbackError, match=told):
        rollback(lake, wanted)
    assert released_version(lake) == "b2"


def test_where_nothing_was_released_it_says_so(tmp_path: Path) -> None:
    assert rollback(Lake(str(tmp_path)), None)[0] == "There is no checkpoint in the lake that was released."


def test_the_current_checkpoint_is_put_back_until_one_is_made(lake: Lake) -> None:
    for version in ("b1", "b2"):
        point_to(lake, checkpoint_of(lake, version), Recipe("finetuned_checkpoint", "1", {}, {"x": version}))
    said = rollback(lake, None, "finetuned_checkpoint")
    assert [line.split()[0] for line in said[:2]] == ["b2", "b1"] and said[0].endswith("current")
    (told,) = rollback(lake, "b1", "finetuned_checkpoint")
    assert told.startswith("b1 is the current checkpoint until")
    pointer = lake.read_json("finetuned_checkpoint.json") or {}
    assert pointer["version"] == "b1" and pointer["recipe"]["inputs"] == {"x": "b1"}
    with pytest.raises(RollbackError, match="current one already"):
        rollback(lake, "b1", "finetuned_checkpoint")


def write(lake: Lake, name: str, value: int) -> str:
    lake.begin_work(name)
    return lake.write_table(Recipe(name, "1", {}, {"x": str(value)}), pa.table({"a": [value]})).data_version[
        :16
    ]


def test_a_table_is_put_back_whole(lake: Lake) -> None:
    first, second = write(lake, "notes", 1), write(lake, "notes", 2)
    said = rollback(lake, None, "notes")
    assert [line.split()[0] for line in said[:2]] == [second, first] and said[0].endswith("stands now")
    rollback(lake, first[:6], "notes")
    assert lake.table("notes").read().to_pydict() == {"a": [1]}
    rollback(lake, second, "notes")
    assert lake.table("notes").read().to_pydict() == {"a": [2]}
    with pytest.raises(RollbackError, match="already"):
        rollback(lake, second, "notes")
    with pytest.raises(RollbackError, match="nothing of that name"):
        rollback(lake, None, "nothing")


def test_what_is_only_added_to_is_put_back_where_it_is_damaged_alone(lake: Lake) -> None:
    name = "note_memory"
    first = write(lake, name, 1)
    write(lake, name, 2)
    with pytest.raises(RollbackError, match="only ever added to"):
        rollback(lake, first, name)
    Path(lake.table_path(name)).write_bytes(b"PAR1 cut")
    rollback(lake, first, name)
    assert lake.table(name).read().to_pydict() == {"a": [1]}
