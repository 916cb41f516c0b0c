"""No note text in DAGSTER_HOME: not after a full run, not after a failed one."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from medembed_pipeline_tests.graph.forking import ROOT
from medembed_pipeline_tests.graph.project import NOTES_ALONE, Project

REAL_NOTES = ROOT.parent / "shared" / "data" / "mtsamples.csv"


def passages(texts: list[str], words: int = 8) -> Iterator[str]:
    """Runs of eight words from the beginning, the middle and the end of every text."""
    for text in texts:
        split = text.split()
        for start in {0, len(split) // 2, max(0, len(split) - words)}:
            passage = " ".join(split[start : start + words])
            if len(passage) > 30:
                yield passage


def leaks(folder: Path, texts: list[str]) -> list[str]:
    """Files below a folder that hold a passage of a text, with white space and escapes evened out."""
    wanted = [passage.encode() for passage in dict.fromkeys(passages(texts))]
    found = []
    for path in folder.rglob("*"):
        if path.is_file():
            content = b" ".join(path.read_bytes().replace(b"\\n", b" ").replace(b'\\"', b'"').split())
            found += [f"{path.relative_to(folder)}" for passage in wanted if passage in content]
    return found


def test_the_search_finds_a_leak(tmp_path: Path) -> None:
    text = "The patient is a 71-year-old man with chest pain on exertion and short breath"
    (tmp_path / "log").write_text(f"x {text} y")
    assert leaks(tmp_path, [text]) and not leaks(tmp_path, [text[::-1]])


def test_no_text_after_a_full_run(finished_project: Project) -> None:
    texts = pd.read_parquet(Path(finished_project.lake_url) / "raw_transcriptions.parquet")["text"].tolist()
    assert len(texts) > 150
    assert leaks(finished_project.dagster_home, texts) == []


def test_no_text_after_a_failed_run(small_model: Path, tmp_path: Path) -> None:
    project = Project(tmp_path, small_model, parts=NOTES_ALONE)
    project.land_samples(60)
    sabotage = tmp_path / "sitecustomize.py"
    sabotage.write_text(
        "import medembed_pipeline.notes.assets as assets\n"
        "def broken(rows, prepared, **options):\n"
        "    raise ValueError('cannot convert ' + prepared.column('text')[0].as_py())\n"
        "assets.merge_notes = broken\n"
    )
    project.environment["PYTHONPATH"] = f"{tmp_path}:{ROOT}"
    done = project.medembed("run")
    assert done.returncode == 1
    assert "ValueError at" in done.stderr and "message is withheld" in done.stderr
    texts = pd.read_parquet(Path(project.lake_url) / "raw_transcriptions.parquet")["text"].tolist()
    assert leaks(project.dagster_home, texts) == []
    assert not any(passage in done.stdout + done.stderr for passage in passages(texts))


@pytest.mark.live
@pytest.mark.skipif(not REAL_NOTES.exists(), reason="../shared/data/mtsamples.csv is not here")
def test_no_real_note_in_the_history_after_a_full_run(small_model: Path, tmp_path: Path) -> None:
    project = Project(tmp_path, small_model, parts=NOTES_ALONE)
    # Every fourth row, of all specialties: a run on all of them takes minutes.
    pd.read_csv(REAL_NOTES)[::4].to_csv(project.landing / "mtsamples.csv", index=False)
    project.run()
    texts = (
        pd.read_parquet(Path(project.lake_url) / "raw_transcriptions.parquet")["text"]
        .drop_duplicates()
        .tolist()
    )
    assert len(texts) > 800
    assert leaks(project.dagster_home, texts) == []
