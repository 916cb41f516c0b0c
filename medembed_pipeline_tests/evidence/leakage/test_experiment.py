"""The experiment end to end with a tiny model: presets are checked, rows are drawn and split, every epoch is scored."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.metrics import davies_bouldin_score, silhouette_score

from medembed_pipeline.encoder import EncoderSpec
from medembed_pipeline.encoder.model import load_encoder
from medembed_pipeline.evidence.leakage.command import PAGE_FILE, PICTURE_FILE, TABLE_FILE, run
from medembed_pipeline.evidence.leakage.experiment import SCORED_SETS, run_experiment, scored_sets
from medembed_pipeline.evidence.leakage.experiment_rows import (
    ExperimentRows,
    held_out_rows,
    in_training_text,
    read_rows,
)
from medembed_pipeline.evidence.leakage.preset import (
    DataPreset,
    ExperimentPreset,
    PresetError,
    SplitPreset,
    load_preset,
)
from medembed_pipeline.evidence.leakage.simulation import LeakageError
from medembed_pipeline_tests.encoder.small_models import make_bert

ROOT = Path(__file__).resolve().parents[3]
WORDS = {
    "Cardiology": ["heart", "valve", "chest", "pain", "blood", "pressure"],
    "Orthopedic": ["knee", "fracture", "left", "right", "mri", "follow"],
    "Pulmonary": ["cough", "fever", "two", "weeks", "normal", "elevated"],
}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bert(tmp_path_factory.mktemp("bert"))


def write_rows(path: Path, *, per_label: int = 30, repeated: int = 4) -> Path:
    """Descriptions with words of their label; the first `repeated` texts of a label also land under the next."""
    generator = np.random.default_rng(0)
    rows: list[tuple[str, str, str]] = []
    for label, words in WORDS.items():
        for _ in range(per_label):
            mixed = [
                *generator.choice(words, 3),
                *generator.choice(["the", "patient", "was", "seen", "of", "a"], 4),
            ]
            rows.append((" ".join(generator.permutation(mixed)), f" {label}", "unused"))
    labels = list(WORDS)
    for number, label in enumerate(labels):
        following = labels[(number + 1) % len(labels)]
        own = [row for row in rows if row[1] == f" {label}"][:repeated]
        rows += [(text, following, "unused") for text, _, _ in own]
    rows.append(("a row of a label that is not asked for", "Dentistry", "unused"))
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["description", "medical_specialty", "transcription"])
        writer.writerows(rows)
    return path


def preset_text(model: Path, *, by: str = "row", more: str = "") -> str:
    return f"""
[data]
specialties = {list(WORDS)!r}
rows_per_specialty = 30
[split]
by = "{by}"
[encoder]
base = "{model.as_posix()}"
max_tokens = 24
device = "cpu"
precision = "float32"
[training]
epochs = 2
triplets = 120
notes_per_batch = 16
learning_rate = 3e-3
{more}
"""


def by_key(table: Any) -> dict[tuple[str, int, str, Any], dict[str, Any]]:
    return {(row["scored"], row["epoch"], row["metric"], row["k"]): row for row in table.to_pylist()}


def test_the_published_preset_is_valid_and_says_what_was_published() -> None:
    preset = load_preset(ROOT / "presets" / "published.toml")
    assert (preset.data.text_column, len(preset.data.specialties), preset.data.rows_per_specialty) == (
        "description",
        6,
        150,
    )
    assert (preset.split.by, preset.split.held_out_share, preset.training.epochs) == ("row", 0.2, 6)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "[data]\nspecialties = ['a', 'b']\n[training]\nepoch = 3",
            ["training.epoch", "unknown key", "epochs"],
        ),
        (
            "[data]\nspecialties = ['a', 'b']\n[trainings]\nepochs = 3",
            ["trainings", "unknown key", "training"],
        ),
        ("[data]\nspecialties = ['a']", ["data.specialties", "at least 2"]),
        ("[data]\nspecialties = ['a', ' a']", ["data.specialties", "once"]),
        ("[data]\nspecialties = ['a', ' ']", ["data.specialties", "empty"]),
        ("[data]\nspecialties = ['a', 'b']\n[split]\nby = 'patient'", ["split.by", "'row'", "'text'"]),
        ("[data]\nspecialties = ['a', 'b']\n[split]\nheld_out_share = 1.5", ["split.held_out_share", "1.5"]),
        ("[split]\nby = 'row'", ["data", "required"]),
        ("[data\n", ["not valid TOML"]),
    ],
)
def test_a_preset_that_cannot_be_used_says_why(tmp_path: Path, text: str, told: list[str]) -> None:
    path = tmp_path / "preset.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PresetError) as refused:
        load_preset(path)
    assert str(path) in str(refused.value)
    assert all(part.lower() in str(refused.value).lower() for part in told), str(refused.value)
    with pytest.raises(PresetError, match="preset not found"):
        load_preset(tmp_path / "other.toml")


def test_rows_are_drawn_by_specialty_without_regard_to_how_a_label_is_written(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.csv")
    data = DataPreset(specialties=["cardiology", "Orthopedic"], rows_per_specialty=33)
    rows, found = read_rows(path, data, seed=1)
    assert found == {"cardiology": 34, "Orthopedic": 34}
    assert [rows.labels.count(name) for name in data.specialties] == [33, 33]
    assert rows.ids == sorted(set(rows.ids)) and len(rows.texts) == 66
    assert read_rows(path, data, seed=1)[0] == rows
    assert read_rows(path, data, seed=2)[0] != rows
    many = DataPreset(specialties=["Cardiology", "Pulmonary"], rows_per_specialty=1000)
    assert len(read_rows(path, many, seed=1)[0]) == 68


def test_a_file_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.csv")
    data = DataPreset(specialties=["Cardiology", "Dentistry"])
    with pytest.raises(LeakageError, match=r"Dentistry \(1\).*at least 4"):
        read_rows(path, data, seed=1)
    with pytest.raises(LeakageError, match=r"'body'.*description"):
        read_rows(path, data.model_copy(update={"text_column": "body"}), seed=1)
    with pytest.raises(LeakageError, match="no file"):
        read_rows(tmp_path / "other.csv", data, seed=1)


def test_splits_deal_out_whole_units_and_texts_in_training_are_found() -> None:
    texts = ["one two three"] * 3 + ["four five"] * 2 + [f"text number {number}" for number in range(35)]
    rows = ExperimentRows([f"{n:03d}" for n in range(40)], texts, ["a", "b"] * 20)
    held, units = held_out_rows(rows, SplitPreset(by="row"), seed=3)
    assert held.sum() == 8 and len(set(units)) == 40
    for by in ("text", "group"):
        held, units = held_out_rows(rows, SplitPreset(by=by), seed=3)
        assert len(set(units)) == 37
        assert all(len({held[i] for i in range(40) if units[i] == unit}) == 1 for unit in units)
        assert not (held & in_training_text(rows, held)).any()
    held = np.zeros(40, dtype=bool)
    held[[0, 3, 4, 10]] = True
    sets = scored_sets(rows, held, seed=0)
    assert sets["held_out_rows"].tolist() == [0, 3, 4, 10]
    # The text of row 0 is also in rows 1 and 2, which are trained on; that of 3 and 4 is held out as a whole.
    assert sets["new_texts"].tolist() == [3, 4, 10]
    assert len(sets["training_rows"]) == 4 and not held[sets["training_rows"]].any()
    with pytest.raises(LeakageError, match="0 held out"):
        scored_sets(rows, np.zeros(40, dtype=bool), seed=0)


def test_it_trains_and_scores_every_epoch_on_every_set(bert: Path, tmp_path: Path) -> None:
    (tmp_path / "preset.toml").write_text(preset_text(bert), encoding="utf-8")
    preset = load_preset(tmp_path / "preset.toml")
    rows, _ = read_rows(write_rows(tmp_path / "rows.csv"), preset.data, seed=preset.random.seed)
    lines: list[str] = []
    result = run_experiment(rows, preset, on_line=lines.append)
    found = by_key(result.table)
    assert {(scored, epoch) for scored, epoch, _, _ in found} == {
        (scored, epoch) for scored in SCORED_SETS for epoch in (0, 1, 2)
    }
    held, _ = held_out_rows(rows, preset.split, seed=preset.random.seed)
    assert result.facts["rows"] == 90 and result.facts["held_out_rows"] == held.sum() == 18
    assert result.facts["different_texts"] == len(set(rows.texts))
    in_training = {rows.texts[row] for row in np.flatnonzero(~held)}
    assert result.facts["held_out_rows_with_text_in_training"] == sum(
        rows.texts[row] in in_training for row in np.flatnonzero(held)
    )
    # It learns what it is shown.
    for metric, k in (("precision", 5), ("map", None)):
        assert found["training_rows", 2, metric, k]["change"] > 0.1
    assert "epoch 2 is scored" in lines and any("step" in line for line in lines)
    _assert_epoch_0_against_oracles(found, rows, preset, held)
    for row in found.values():
        before = found[row["scored"], 0, row["metric"], row["k"]]
        assert row["change"] == pytest.approx(row["value"] - before["value"], abs=1e-9)


def _assert_epoch_0_against_oracles(
    found: dict[tuple[str, int, str, Any], dict[str, Any]],
    rows: ExperimentRows,
    preset: ExperimentPreset,
    held: np.ndarray,
) -> None:
    spec = EncoderSpec(preset.encoder.base, "mean", preset.encoder.max_tokens)
    vectors = load_encoder(spec, device="cpu", precision="float32").encode(rows.texts).astype(np.float64)
    for name, members in (("all_rows", np.arange(len(rows))), ("held_out_rows", np.flatnonzero(held))):
        labels = [rows.labels[row] for row in members]
        own = vectors[members]
        hits = []
        for query in range(len(members)):
            similarity = np.rint((own @ own[query]) * 1e9)
            order = [row for row in np.argsort(-similarity, kind="stable") if row != query][:5]
            hits.append(np.mean([labels[row] == labels[query] for row in order]))
        assert found[name, 0, "precision", 5]["value"] == pytest.approx(np.mean(hits), abs=1e-9)
        expected = silhouette_score(own, labels, metric="cosine")
        assert found[name, 0, "silhouette", None]["value"] == pytest.approx(expected, abs=1e-6)
        expected = davies_bouldin_score(own, labels)
        assert found[name, 0, "davies_bouldin", None]["value"] == pytest.approx(expected, abs=1e-6)
        assert found[name, 0, "precision", 5]["n"] == len(members)


def test_the_command_prints_and_writes_its_table(
    bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "small.toml"
    path.write_text(preset_text(bert, by="text"), encoding="utf-8")
    data = write_rows(tmp_path / "rows.csv")
    output = tmp_path / "out" / "experiment"
    assert run(path, data, output) == 0
    printed = capsys.readouterr().out
    assert sorted(file.name for file in output.iterdir()) == sorted(
        [TABLE_FILE, PAGE_FILE, f"{PICTURE_FILE}.png", f"{PICTURE_FILE}.svg"]
    )
    page = (output / PAGE_FILE).read_text(encoding="utf-8")
    assert page in printed and "of which 0 have their very text in training" in page
    found = by_key(pq.read_table(output / TABLE_FILE))
    shown = found["all_rows", 2, "precision", 5]
    assert f"| {shown['value']:.3f} [{shown['change_low']:+.3f}, {shown['change_high']:+.3f}] |" in page
    gains = [found[name, 2, "precision", 5]["change"] for name in ("training_rows", "held_out_rows")]
    assert (
        f"- P@5 after 2 epochs: {gains[0]:+.3f} on training rows, {gains[1]:+.3f} on as many held-out" in page
    )
    if gains[0] > 0:
        assert f"{1 - gains[1] / gains[0]:.0%} of the gain on training rows is memory" in page
    # Without a leak held-out rows all have new texts.
    assert found["held_out_rows", 2, "map", None]["value"] == found["new_texts", 2, "map", None]["value"]
    # No text of a row leaves the file.
    texts, _ = read_rows(data, load_preset(path).data, seed=7)
    assert not any(text in printed for text in texts.texts)
