"""`medembed triage`: a folder goes the whole way with tuned encoders, or it is said what is needed."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from medembed_pipeline.cli import main
from medembed_pipeline.pictures.figure import Picture
from medembed_pipeline.triage.arms import NOTE, PICTURE
from medembed_pipeline.triage.model import TriageModel
from medembed_pipeline_tests.triage.small_tuning import MARKS, Hidden, hidden, write_folder

SETTINGS = """
[encoder]
base = "{note}"
max_tokens = 32
precision = "float32"
device = "cpu"
[image_encoder]
base = "{picture}"
device = "cpu"
[images]
minimum_side = 32
kept_side = 64
[triage]
adapter_epochs = 6
adapter_learning_rates = [0.01]
tries = 2
folds = 2
components = 2
deals = 2
shuffles = 2
"""


@pytest.fixture()
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hidden:
    """Cases in the folder `films`, and settings with tiny encoders."""
    made = hidden(tmp_path, patients=90)
    write_folder(made, tmp_path / "films")
    settings = SETTINGS.format(note=made.encoder.base, picture=made.image_encoder.base)
    (tmp_path / "small.toml").write_text(settings, encoding="utf-8")
    monkeypatch.setenv("MEDEMBED_SETTINGS", str(tmp_path / "small.toml"))
    monkeypatch.setattr("medembed_pipeline.pictures.drawing.picture", lambda figure: Picture(b"", b""))
    return made


def test_a_folder_goes_the_whole_way_with_tuned_encoders(
    found: Hidden, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    command = ["triage", "--images", str(tmp_path / "films"), "--output", str(output), "--tuned", "adapters"]
    assert main(command) == 0
    told = capsys.readouterr().out
    assert "90 cases of " in told and "note: tuned on" in told and "picture: tuned on" in told
    assert not any(mark in told for mark in MARKS)
    verdict = pq.read_table(output / "triage_verdict.parquet").to_pylist()
    assert {row["rule"] for row in verdict} >= {"fusion_beats_best_single", "source_does_not_tell"}
    model = TriageModel.from_folder(output / "triage_model", device="cpu")
    assert set(model.parts.adapters) == {NOTE, PICTURE}
    answer = model.predict([found.cases.notes[0]], [None])[0]
    assert answer.arm == NOTE and sum(answer.probabilities.values()) == pytest.approx(1.0, abs=1e-5)
    assert "tuned for the level with adapters" in (output / "triage_model" / "README.md").read_text()
    assert not [path for path in output.rglob("*") if path.suffix in (".pkl", ".pt", ".bin", ".npy")]
    monkeypatch.setattr("medembed_pipeline.triage.tuning.tune", lambda *given: pytest.fail("trained again"))
    assert main(command) == 0
    assert main([*command[:-1], "heads"]) == 0
    about = json.loads((output / "triage_model" / "arms.json").read_text())
    assert about["adapters"] == {}


def test_what_cannot_be_learned_from_says_what_is_needed(
    found: Hidden, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["triage", "--output", str(tmp_path / "out"), "--images"]
    assert main([*command, str(tmp_path / "nowhere")]) == 2
    table = tmp_path / "films" / "cases.csv"
    lines = table.read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join(line.replace(",urgent", ",routine") for line in lines), encoding="utf-8")
    assert main([*command, str(tmp_path / "films")]) == 2
    table.write_text("\n".join([lines[0], *lines[1:11]]), encoding="utf-8")
    assert main([*command, str(tmp_path / "films")]) == 2
    table.unlink()
    assert main([*command, str(tmp_path / "films")]) == 2
    told = capsys.readouterr().err
    assert "is no folder" in told
    assert "only routine has 5 train patients or more; two levels are needed" in told
    assert "have no triage level or outcome" in told
    assert not any(mark in told for mark in MARKS)
