"""The published protocol: what a split by row makes of a figure."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from medembed_pipeline.classification.row_protocol import (
    RowProtocolPreset,
    RowsPreset,
    is_row_protocol,
    protocol_page,
    protocol_table,
    read_labelled_rows,
    score_protocols,
)
from medembed_pipeline.cli import main
from medembed_pipeline.evidence.leakage.experiment_rows import ExperimentRows
from medembed_pipeline.settings import project_root

PRESET = RowProtocolPreset(rows=RowsPreset(base_vectors=False))


def rows_of(texts: int, copies: int, *, seed: int = 0) -> ExperimentRows:
    """Texts whose words say nothing of their label, each filed `copies` times under one label."""
    generator = np.random.default_rng(seed)
    words = [f"word{place}" for place in range(400)]
    made, labels = [], []
    for place in range(texts):
        text = " ".join(generator.choice(words, size=40))
        made += [text] * copies
        labels += [f"label{place % 4}"] * copies
    return ExperimentRows([f"{place:05d}" for place in range(len(made))], made, labels)


def test_what_can_only_be_remembered_is_memory() -> None:
    rows = rows_of(80, 3)
    scored = {(one.protocol, one.model): one for one in score_protocols(rows, PRESET)}
    by_row, by_text = scored["row", "tfidf"], scored["text", "tfidf"]
    assert by_row.seen_share > 0.8
    assert by_row.told_share == by_row.seen_share
    assert by_text.seen_share == 0.0
    assert by_row.figures["accuracy"][0] > 0.9
    assert by_text.figures["accuracy"][0] < 0.5
    page = protocol_page(list(scored.values()), rows, title="planted")
    assert "0.542" in page and "0.387" in page and "0.279" in page
    assert protocol_table(list(scored.values())).num_rows == len(scored) * 4


def test_texts_that_stand_once_under_each_of_their_labels_are_remembered_wrongly() -> None:
    one = rows_of(90, 2)
    labels = [label if place % 2 else f"more {label}" for place, label in enumerate(one.labels)]
    scored = {
        (one.protocol, one.model): one
        for one in score_protocols(ExperimentRows(one.ids, one.texts, labels), PRESET)
    }
    by_row, by_text = scored["row", "tfidf"], scored["text", "tfidf"]
    assert by_row.seen_share > 0.6
    assert by_row.told_share == 0.0
    # Whose text is known is answered with the label that it is known by.
    assert by_row.figures["accuracy"][0] < by_row.new_text["accuracy"][0]
    assert by_row.figures["accuracy"][0] < by_text.figures["accuracy"][0]


def test_who_knows_all_labels_of_a_text_still_has_to_guess() -> None:
    one = rows_of(100, 2)
    labels = [f"label{place % 2}" for place in range(len(one))]
    rows = ExperimentRows(one.ids, one.texts, labels)
    scored = {(one.protocol, one.model): one for one in score_protocols(rows, PRESET)}
    assert scored["row", "label_set"].figures["accuracy"][0] == pytest.approx(0.5, abs=0.2)


def test_the_preset_is_one_of_rows_and_the_command_runs_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert is_row_protocol(project_root() / "presets" / "published_classifier.toml")
    assert not is_row_protocol(project_root() / "presets" / "published.toml")
    rows = rows_of(40, 2)
    data, preset = tmp_path / "rows.csv", tmp_path / "preset.toml"
    with data.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["transcription", "medical_specialty"])
        writer.writerows(zip(rows.texts, rows.labels, strict=True))
    preset.write_text("[rows]\nbase_vectors = false\n")
    assert len(read_labelled_rows(data, RowsPreset())) == 80
    output = tmp_path / "out"
    assert main(["experiment", str(preset), "--data", str(data), "--output", str(output)]) == 0
    assert (output / "experiment.md").read_text() in capsys.readouterr().out
    preset.write_text("[rows]\nunknown = 1\n")
    assert main(["experiment", str(preset), "--data", str(data)]) == 2
    assert "unknown" in capsys.readouterr().err
