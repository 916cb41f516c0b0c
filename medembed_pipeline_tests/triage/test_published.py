"""The published protocol on drawn cases: with replacement rows are seen before, and the figure is too good."""

from __future__ import annotations

from pathlib import Path

import pytest

from medembed_pipeline.cli import main
from medembed_pipeline.evidence.leakage.preset import RandomPreset
from medembed_pipeline.samples.case_plan import CaseCorpus
from medembed_pipeline.triage.published import (
    ONCE,
    PATIENTS,
    REPLACED,
    DrawnRowsPreset,
    PublishedTriagePreset,
    is_published_triage,
    published_page,
    score_protocols,
)
from medembed_pipeline_tests.triage.small_cases import QUICK, small

ROOT = Path(__file__).resolve().parents[2]


def test_drawn_with_replacement_the_figure_is_better_than_on_patients_kept_apart() -> None:
    found = small(CaseCorpus(patients=90), noise=0.6)
    preset = PublishedTriagePreset(
        drawn_rows=DrawnRowsPreset(rows_per_level=120), random=RandomPreset(seed=3)
    )
    scored = {(one.protocol, one.arm): one for one in score_protocols(found.cases, found.rows, preset, QUICK)}
    assert len(scored) == 9
    replaced, once, patients = (scored[protocol, "concatenated"] for protocol in (REPLACED, ONCE, PATIENTS))
    assert replaced.seen_share > 0.7 and once.seen_share == patients.seen_share == 0
    assert once.seen_patient_share > 0.3 and patients.seen_patient_share == 0
    assert replaced.rows == 72 and patients.rows == 60
    assert replaced.weighted_f1[0] > patients.weighted_f1[0] + 0.05
    page = published_page(list(scored.values()), found.cases, title="published_triage")
    assert "both 98.3 in its results file" in page and page.count("\n| ") == 4


def test_the_preset_is_known_by_its_table_and_a_missing_folder_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert is_published_triage(ROOT / "presets" / "published_triage.toml")
    assert not is_published_triage(ROOT / "presets" / "published_classifier.toml")
    where = ["--data", str(tmp_path / "nowhere"), "--output", str(tmp_path / "out")]
    assert main(["experiment", str(ROOT / "presets" / "published_triage.toml"), *where]) == 2
    assert main(["triage", "--images", str(tmp_path / "nowhere"), "--output", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("nowhere is no folder") == 2
