"""The classifier as others use it: from its folder, with any text that people send."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medembed_pipeline.classification import classify
from medembed_pipeline.classification.classifier import SpecialtyClassifier
from medembed_pipeline.classification.classifiers import IN_SERVICE, classifier_in_service
from medembed_pipeline.classification.errors import ClassificationError
from medembed_pipeline.classification.inputs import checkpoint_of_vectors
from medembed_pipeline.cli import main
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline_tests.classification.small_notes import (
    SmallNotes,
    small_notes,
    write_small_classifier,
)
from medembed_pipeline_tests.faults.harness import file_size_limit

CHEST = "The patient was seen today with chest pain, angina and a murmur."


@pytest.fixture(scope="module")
def small() -> SmallNotes:
    return small_notes()


@pytest.fixture(scope="module")
def folder(small: SmallNotes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("lake") / "classifiers" / "one"
    write_small_classifier(made, small)
    return made


@pytest.fixture(scope="module")
def classifier(folder: Path) -> SpecialtyClassifier:
    return SpecialtyClassifier.from_folder(folder)


def test_it_answers_with_labels_probabilities_and_a_set(classifier: SpecialtyClassifier) -> None:
    (found,) = classifier.predict([CHEST], explain=3)
    assert found.labels == ["Cardiology"]
    assert found.abstained is None
    assert "Cardiology" in found.label_set
    assert next(iter(found.probabilities)) == "Cardiology"
    assert set(found.probabilities) == {"Cardiology", "Dermatology", "Neurology"}
    assert len(found.nearest) == 3
    assert [cosine for _, cosine in found.nearest] == sorted((one for _, one in found.nearest), reverse=True)


def test_a_batch_is_answered_as_its_notes_are_one_by_one(
    classifier: SpecialtyClassifier, small: SmallNotes
) -> None:
    texts = small.seen.texts[:20]
    assert classifier.predict(texts) == [classifier.predict([text])[0] for text in texts]


def test_one_note_takes_milliseconds(classifier: SpecialtyClassifier) -> None:
    classifier.predict([CHEST])
    started = time.process_time()
    for _ in range(20):
        classifier.predict([CHEST])
    assert (time.process_time() - started) / 20 < 0.1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty_text"),
        (" \n\t ", "empty_text"),
        ("§ … —", "empty_text"),
        ("Der Patient klagt seit gestern über starke Schmerzen in der Brust.", "unknown_words"),
        ("患者は胸の痛みを訴えている", "unknown_words"),
        ("lorem ipsum dolor sit amet " * 10_000, "unknown_words"),
    ],
)
def test_what_it_cannot_know_it_leaves_to_people(
    classifier: SpecialtyClassifier, text: str, reason: str
) -> None:
    (found,) = classifier.predict([text])
    assert (found.abstained, found.labels) == (reason, [])


def test_fifty_thousand_words_are_answered(classifier: SpecialtyClassifier) -> None:
    (found,) = classifier.predict([f"{CHEST} " * 4_200])
    assert found.labels == ["Cardiology"]


def test_a_set_with_too_many_labels_is_left_to_people(
    classifier: SpecialtyClassifier, small: SmallNotes
) -> None:
    parts = classifier.parts
    rows = classifier.rows([CHEST])
    answers = classifier.answers(rows)
    answers.sets[:] = True
    strict = SpecialtyClassifier(
        type(parts)(**{**vars(parts), "guards": type(parts.guards)(-1.0, 0.0, 2)}), {}, None, "cpu"
    )
    assert strict.abstentions([CHEST], rows, answers, np.ones(1)) == ["set_too_large"]
    far = SpecialtyClassifier(
        type(parts)(**{**vars(parts), "guards": type(parts.guards)(0.9, 0.0, 6)}), {}, None, "cpu"
    )
    assert far.abstentions([CHEST], rows, answers, np.full(1, 0.5)) == ["far_from_train_notes"]


def test_the_same_notes_give_the_same_folder(folder: Path, small: SmallNotes, tmp_path: Path) -> None:
    write_small_classifier(tmp_path / "again", small)
    for file in sorted(folder.iterdir()):
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes(), file.name


def test_the_folder_holds_neither_pickle_nor_a_rare_word(folder: Path) -> None:
    assert {file.suffix for file in folder.iterdir()} == {".json", ".safetensors", ".md"}
    words = json.loads((folder / "words.json").read_text())
    assert words == sorted(words)


def test_a_damaged_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ClassificationError, match="no manifest"):
        SpecialtyClassifier.from_folder(tmp_path)
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in folder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    (copy / "words.json").write_text("[]")
    with pytest.raises(ClassificationError, match=r"words\.json: altered"):
        SpecialtyClassifier.from_folder(copy)


def test_another_checkpoint_is_refused_with_both_hashes(small: SmallNotes, tmp_path: Path) -> None:
    files = {"model.safetensors": "1" * 64}
    needed = {
        "kind": "checkpoint",
        "version": "abc",
        "data_version": "f" * 64,
        "long_notes": "cut",
        "precision": "float32",
    }
    write_small_classifier(tmp_path / "classifiers" / "one", small, rung="tuned", encoder=needed)
    checkpoint = tmp_path / "checkpoints" / "abc"
    checkpoint.mkdir(parents=True)
    (checkpoint / "manifest.json").write_text(json.dumps({"files": files}))
    with pytest.raises(ClassificationError) as caught:
        SpecialtyClassifier.from_folder(tmp_path / "classifiers" / "one")
    assert "f" * 64 in str(caught.value)
    assert digest(files) in str(caught.value)


def test_vectors_of_another_checkpoint_are_refused_with_both_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Behind:
        data_version = "1" * 64

    monkeypatch.setattr("medembed_pipeline.classification.inputs.measured_checkpoint", lambda work: Behind())
    with pytest.raises(ClassificationError) as caught:
        checkpoint_of_vectors(None, "2" * 64)  # type: ignore[arg-type]
    assert "1" * 64 in str(caught.value)
    assert "2" * 64 in str(caught.value)


def deploy(lake: Lake, version: str) -> str | None:
    """Publish a verdict, and have it followed."""
    facts = {"verdict": "deploy", "classifier": version}
    lake.write_table(Recipe("classifier_verdict", "1", {}, facts), pa.table({"a": [1]}), facts=facts)
    return IN_SERVICE.follow_verdict(lake)


def test_the_pointer_remembers_the_classifier_before(small: SmallNotes, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    for version in ("one", "two"):
        write_small_classifier(tmp_path / "classifiers" / version, small)
    assert classifier_in_service(lake) is None
    assert deploy(lake, "one") == deploy(lake, "one") == "one"
    assert classifier_in_service(lake, instead_of="one") is None
    deploy(lake, "two")
    found, before = classifier_in_service(lake), classifier_in_service(lake, instead_of="two")
    assert found is not None
    assert before is not None
    assert (found.version, before.version) == ("two", "one")
    # Taken back by a person, it neither comes back by itself nor counts as the one before.
    assert IN_SERVICE.put_back(lake, "one") == "two"
    assert deploy(lake, "two") == "one"
    assert classifier_in_service(lake, instead_of="one") is None


def test_a_lake_made_before_names_one_classifier_before(small: SmallNotes, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    for version in ("one", "two"):
        write_small_classifier(tmp_path / "classifiers" / version, small)
    lake.write_json({"version": "two", "before": "one"}, IN_SERVICE.file)
    before = classifier_in_service(lake, instead_of="two")
    assert before is not None and before.version == "one"


def test_an_older_verdict_that_ends_late_puts_nothing_in_service(small: SmallNotes, tmp_path: Path) -> None:
    """It was drawn before the newer one, and comes to move the pointer after it."""
    lake = Lake(str(tmp_path))
    for version in ("one", "two"):
        write_small_classifier(tmp_path / "classifiers" / version, small)
    facts = {"verdict": "deploy", "classifier": "one"}
    lake.write_table(Recipe("classifier_verdict", "1", {}, facts), pa.table({"a": [1]}), facts=facts)
    assert deploy(Lake(str(tmp_path)), "two") == "two"
    assert IN_SERVICE.follow_verdict(lake) == "two"


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_file_is_classified_row_by_row(
    classifier: SpecialtyClassifier, folder: Path, tmp_path: Path, ending: str
) -> None:
    source, output = tmp_path / "notes.csv", tmp_path / f"out.{ending}"
    with source.open("w", newline="") as file:
        csv.writer(file).writerows(
            [["id", "text"], ["a", CHEST], ["b", " "], ["c", "Völlig fremder Text hier"]]
        )
    status = main(
        ["classify", str(source), "--output", str(output), "--classifier", str(folder), "--explain", "2"]
    )
    assert status == 0
    rows: list[dict[str, Any]]
    if ending == "csv":
        with output.open(newline="") as file:
            rows = [
                {**row, "labels": row["labels"].split("; "), "nearest": row["nearest"].split("; ")}
                for row in csv.DictReader(file)
            ]
    elif ending == "jsonl":
        rows = [json.loads(line) for line in output.read_text().splitlines()]
    else:
        rows = pq.read_table(output).to_pylist()
    assert [int(row["row"]) for row in rows] == [1, 2, 3]
    assert rows[0]["labels"] == ["Cardiology"]
    assert len(rows[0]["nearest"]) == 2
    assert not rows[0]["abstained"]
    assert rows[1]["abstained"]
    assert rows[2]["abstained"] == "unknown_words"
    assert not list(tmp_path.glob(".*partial"))


def test_a_file_that_cannot_be_used_is_refused_by_name(
    classifier: SpecialtyClassifier, tmp_path: Path
) -> None:
    notes = tmp_path / "notes.csv"
    notes.write_text("a,b\n1,2\n")
    for source, output, expected in (
        (tmp_path / "none.csv", "out.csv", "no file"),
        (tmp_path, "out.csv", "no file"),
        (notes, "out.xlsx", "must end in"),
        (notes, "out.csv", "notes.csv"),
    ):
        with pytest.raises(ClassificationError, match=expected):
            classify.classify_file(source, tmp_path / output, classifier)
    assert not (tmp_path / "out.csv").exists()


def test_a_full_disk_is_said_to_be_one(folder: Path, small: SmallNotes, tmp_path: Path) -> None:
    largest = max(path.stat().st_size for path in folder.glob("*.safetensors"))
    for limit in (100, largest // 2):
        with file_size_limit(limit), pytest.raises(OSError, match="File too large"):
            write_small_classifier(tmp_path / str(limit), small)
