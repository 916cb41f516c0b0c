"""The everyday sentences as tasks: each set for itself."""

from __future__ import annotations

from pathlib import Path

from medembed_pipeline.tasks.everyday import SETS, everyday_tasks, everyday_version


def test_each_set_is_a_task_of_its_own() -> None:
    tasks = everyday_tasks()
    assert [task.name for task in tasks] == [f"everyday_{name}" for name in SETS]
    for task in tasks:
        assert task.family == "everyday_language" and len(task.anchors) >= 480
        assert all(task.texts()) and len(set(task.groups.tolist())) == len(task.anchors)


def test_the_version_is_that_of_the_sentences(tmp_path: Path) -> None:
    for name in SETS:
        (tmp_path / f"everyday_{name}.tsv").write_text(
            'anchor\tsame\tother\nA "b".\tC.\tD.\n', encoding="utf-8"
        )
    before = everyday_version(tmp_path)
    assert everyday_tasks(tmp_path)[0].anchors == ['A "b".']
    (tmp_path / "everyday_topic.tsv").write_text("anchor\tsame\tother\nE.\tF.\tG.\n", encoding="utf-8")
    assert everyday_version(tmp_path) != before
