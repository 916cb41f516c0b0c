"""Notes without labels, and labels that are not to be learned from: a run ends in an honest verdict."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline_tests.graph.project import NOTES_ALONE, Project
from medembed_pipeline_tests.graph.test_end_to_end import TABLES

NOTES = 150
BY_SPECIALTY = (
    "embedding_metrics",
    "leakage_estimate",
    "label_review",
    "query_results",
    "label_confusions",
    "similarity_evidence",
)


def facts(project: Project, table: str) -> dict[str, Any]:
    return dict(Lake(project.lake_url).table(table).footer.facts)


def card(project: Project) -> str:
    lake = Path(project.lake_url)
    version = json.loads((lake / "finetuned_checkpoint.json").read_text())["version"]
    return (lake / "checkpoints" / version / "README.md").read_text()


def rules(project: Project) -> dict[str, dict[str, Any]]:
    rows = pq.read_table(Path(project.lake_url) / "release_verdict.parquet").to_pylist()
    return {row["rule"]: row for row in rows}


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory: pytest.TempPathFactory, small_model: Path) -> tuple[Project, str]:
    """A project on notes of text alone, and what its run printed."""
    project = Project(tmp_path_factory.mktemp("unlabelled"), small_model, parts=NOTES_ALONE)
    project.land_samples(NOTES)
    (landed,) = project.landing.iterdir()
    pd.read_csv(landed)[["transcription"]].to_csv(landed, index=False)
    return project, project.run()


def test_notes_without_a_label_column_end_in_a_verdict_on_passages(unlabelled: tuple[Project, str]) -> None:
    project, output = unlabelled
    assert "check there_are_labels_to_learn_from: warn. 0 specialties can be told apart" in output
    headline = output[output.index("Held-out test notes") :]
    assert "passages" in headline and "P@5" not in headline and "nan" not in output.casefold()
    verdict = facts(project, "release_verdict")
    assert verdict["judged_on"] == "passages"
    assert "judged on passages, since no held-out note has a specialty" in verdict["sentence"]
    gain = rules(project)["passages_are_better"]
    assert gain["kind"] == "decides" and gain["value"] is not None
    for rule in ("no_specialty_is_worse", "no_specialty_collapsed"):
        assert rules(project)[rule]["kind"] == "information"
    # What needs no label is judged all the same.
    for rule in ("effective_rank_is_kept", "no_hub_alarm", "notes_stay_reachable", "scored_notes_are_unseen"):
        assert rules(project)[rule]["passed"] is not None


def test_tables_about_specialties_are_empty_and_say_why(unlabelled: tuple[Project, str]) -> None:
    project, output = unlabelled
    # The columns of the landed file are those that were left in it.
    made = {name: columns for name, columns in TABLES.items() if name != "raw_transcriptions"}
    for table, columns in made.items():
        assert set(pd.read_parquet(Path(project.lake_url) / f"{table}.parquet").columns) >= columns, table
    for table in BY_SPECIALTY:
        assert Lake(project.lake_url).table(table).rows == 0, table
        assert facts(project, table)["why_empty"] == "no held-out note has a specialty", table
    failed = dict(re.findall(r"check (\w+): (\w+)\.", output))
    assert set(failed.values()) == {"warn"}
    about_specialties = {"tuned_model_is_better", "few_labels_look_wrong", "no_specialty_is_worse"}
    assert not about_specialties & failed.keys()


def test_card_and_page_of_unlabelled_notes_promise_nothing_of_specialties(
    unlabelled: tuple[Project, str],
) -> None:
    project, _ = unlabelled
    text = card(project)
    assert "such that the parts of a note lie close together" in text
    assert "nothing was scored by specialties" in text and "nan" not in text.casefold().split()
    assert (Path(project.lake_url) / "report.html").stat().st_size > 100_000


def test_labels_that_are_not_learned_from_are_judged_as_what_must_be_kept(
    tmp_path: Path, small_model: Path
) -> None:
    project = Project(tmp_path, small_model, parts=NOTES_ALONE)
    project.configure(training="labels = false")
    project.land_samples(NOTES)
    output = project.run()
    headline = output[output.index("Held-out test notes") :]
    assert "passages" in headline and "P@5" in headline
    verdict = facts(project, "release_verdict")
    assert verdict["judged_on"] == "passages"
    assert "since no label was learned from" in verdict["sentence"] and "P@5" in verdict["sentence"]
    found = rules(project)
    assert found["passages_are_better"]["kind"] == found["main_metric_is_kept"]["kind"] == "decides"
    assert "main_metric_is_better" not in found
    assert "no label was learned from" in card(project)
