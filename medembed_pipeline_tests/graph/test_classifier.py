"""The classifier through the real graph: planted truths are found, and a rerun changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from medembed_pipeline.classification.classifier import SpecialtyClassifier
from medembed_pipeline.classification.classifiers import classifier_in_service, current_classifier
from medembed_pipeline.classification.study import ADAPTERS, HEADS
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.lake.publishing import LakeResource, launchpad_resource
from medembed_pipeline.study.assets import study_asset
from medembed_pipeline.study.declared import Study
from medembed_pipeline_tests.graph.planted_lake import (
    SPECIALTIES,
    TUNED,
    Evidence,
    PlantedLake,
)
from medembed_pipeline_tests.graph.test_planted_truths import no_drawing

__all__ = ["no_drawing"]

GROUP = (
    "label_review",
    "label_probabilities",
    "specialty_classifier",
    "classification_metrics",
    "classification_errors",
    "classifier_verdict",
)
BEFORE_REVIEW = ("neighbors", "embedding_metrics")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, small_model: Path) -> PlantedLake:
    """Notes landed, cleaned and split, with vectors that show their specialties."""
    lake = PlantedLake.make(tmp_path_factory.mktemp("classified") / "lake", small_model)
    lake.plant(lake.notes.vectors(TUNED))
    lake.measure(assets=BEFORE_REVIEW)
    return lake


def test_a_classifier_that_knows_is_deployed_answers_as_measured_and_stays(
    prepared: PlantedLake, tmp_path: Path
) -> None:
    lake = prepared.copy(tmp_path / "lake")
    found = lake.measure(assets=GROUP)
    assert found.facts("classifier_verdict")["verdict"] == "deploy"
    served = found.facts("classification_metrics")["served"]
    assert served in ("knn_tuned", "tuned", "tuned_tfidf")
    top = found.value("classification_metrics", model=served, over=None, scope_kind="all", metric="top", k=1)
    assert top > 0.9
    assert found.checks["classifier_beats_words"]
    assert found.checks["enough_labels_are_predicted"]

    classifier = current_classifier(lake.lake)
    standing = classifier_in_service(lake.lake)
    assert standing is not None
    assert standing.version == classifier.version
    # The folder says what the tables say.
    loaded = SpecialtyClassifier.from_folder(classifier.folder, device="cpu")
    notes = found.lake.table("tuned_embeddings").read().to_pydict()
    rows = found.rows("label_probabilities")
    wanted = {(row["note_id"], row["label"]): row["probability"] for row in rows if row["split"] == "test"}
    ids = sorted({note for note, _ in wanted})
    vector_of = dict(zip(notes["note_id"], notes["embedding"], strict=True))
    texts = dict(
        zip(*found.lake.table("cleaned_notes").read(["note_id", "text"]).to_pydict().values(), strict=True)
    )
    vectors = np.array([vector_of[note] for note in ids], dtype=np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    answers = loaded.answer(
        [texts[note] for note in ids], loaded.rows([texts[note] for note in ids], vectors), explain=2
    )
    for note, answer in zip(ids, answers, strict=True):
        for label, probability in answer.probabilities.items():
            assert probability == pytest.approx(wanted[note, label], abs=1e-4)
        assert len(answer.nearest) == 2

    versions = {name: found.lake.table(name).data_version for name in GROUP if name != "specialty_classifier"}
    again = lake.measure(assets=GROUP)
    assert versions == {name: again.lake.table(name).data_version for name in versions}
    assert current_classifier(lake.lake).version == classifier.version


def crossed(
    found: Evidence, model: str, over: str | None, metric: str, k: int | None = None
) -> dict[str, Any]:
    """A row of the cross-fitted notes."""
    (row,) = found.rows(
        "classification_metrics", scope_kind="cross_fitted", model=model, over=over, metric=metric, k=k
    )
    return row


def test_a_rung_that_saw_no_label_is_judged_on_cross_fitted_notes(
    prepared: PlantedLake, tmp_path: Path
) -> None:
    """Base vectors that know specialties, of a base model that is known; words and tuned vectors that know nothing."""
    lake = prepared.copy(tmp_path / "lake")
    lake.plant(lake.notes.vectors(0.0), baseline=lake.notes.vectors(TUNED), base="bundled")
    found = lake.measure(assets=(*BEFORE_REVIEW, *GROUP))
    served = found.facts("classification_metrics")["served"]
    assert served in ("baseline", "knn_baseline", "fused")
    gain = crossed(found, served, "tfidf", "map")
    scored = len(lake.notes.ids) - lake.notes.splits.count("validation")
    assert gain["n"] == scored == found.facts("classification_metrics")["cross_fitted"]["scored"]
    assert gain["ci_low"] > 0.2
    (rule,) = found.rows("classifier_verdict", rule="classifier_beats_words")
    assert rule["passed"] and rule["value"] == pytest.approx(gain["value"])
    assert f"on {scored} notes, each judged by classifiers that saw nothing of its group" in rule["reason"]
    assert {row["model"] for row in found.rows("classification_metrics", scope_kind="cross_fitted")} == {
        "prevalence",
        "tfidf",
        "knn_baseline",
        "baseline",
        "fused",
    }
    # The folder's calibration is that of the tables, on train notes out of fold, too.
    assert found.facts("classifier_verdict")["verdict"] == "deploy"


def test_a_base_model_that_may_have_seen_labels_is_judged_on_held_out_notes_alone(
    prepared: PlantedLake, tmp_path: Path
) -> None:
    lake = prepared.copy(tmp_path / "lake")
    lake.plant(lake.notes.vectors(0.0), baseline=lake.notes.vectors(TUNED), base="a/model")
    found = lake.measure(assets=(*BEFORE_REVIEW, *GROUP))
    assert not found.rows("classification_metrics", scope_kind="cross_fitted")
    assert found.facts("classification_metrics")["cross_fitted"] is None
    (rule,) = found.rows("classifier_verdict", rule="classifier_beats_words")
    held_out = found.facts("classification_metrics")["held_out_notes"]
    assert rule["reason"].endswith(f"on {held_out} notes.")


def test_shuffled_labels_give_chance_and_nothing_is_deployed(prepared: PlantedLake, tmp_path: Path) -> None:
    lake = prepared.copy(tmp_path / "lake")
    generator = np.random.default_rng(3)
    drawn = generator.permutation(len(lake.notes.ids))
    shuffled = {note: lake.notes.specialties[row] for note, row in zip(lake.notes.ids, drawn, strict=True)}
    lake.change_notes(specialties=shuffled)
    lake.plant(lake.notes.vectors(TUNED), base="bundled")
    found = lake.measure(assets=(*BEFORE_REVIEW, *GROUP))
    assert found.facts("label_probabilities")["served"] == "tfidf"
    for rung in ("tfidf", "knn_baseline", "baseline", "fused"):
        assert crossed(found, rung, None, "top", 1)["value"] < 2 / len(SPECIALTIES)
        assert rung == "tfidf" or crossed(found, rung, "tfidf", "map")["ci_low"] < 0
    top = found.value("classification_metrics", model="tuned", over=None, scope_kind="all", metric="top", k=1)
    assert top < 2.5 / len(SPECIALTIES)
    assert found.facts("classifier_verdict")["verdict"] != "deploy"
    # Sets of what cannot be known are large, and still keep their promise.
    covered = found.value(
        "classification_metrics", model="tfidf", over=None, scope_kind="all", metric="covered"
    )
    assert covered > 0.8


def test_a_label_that_is_random_is_found_out(prepared: PlantedLake, tmp_path: Path) -> None:
    lake = prepared.copy(tmp_path / "lake")
    generator = np.random.default_rng(4)
    chosen = generator.uniform(size=len(lake.notes.ids)) < 0.2
    changed = {
        note: sorted([*names, "At random"]) if one else names
        for note, names, one in zip(lake.notes.ids, lake.notes.specialties, chosen, strict=True)
    }
    lake.change_notes(specialties=changed)
    lake.plant(lake.notes.vectors(TUNED))
    found = lake.measure(assets=(*BEFORE_REVIEW, *GROUP))
    served = found.facts("classification_metrics")["served"]
    precision = {
        row["scope"]: row["value"]
        for row in found.rows(
            "classification_metrics",
            model=served,
            over=None,
            scope_kind="label",
            metric="average_precision",
        )
    }
    assert precision["At random"] < 0.45
    assert min(value for name, value in precision.items() if name != "At random") > 0.7


def test_a_leak_is_seen(prepared: PlantedLake, tmp_path: Path) -> None:
    """Test notes that the checkpoint was trained on are not judged: whoever puts them back sees the difference."""
    lake = prepared.copy(tmp_path / "lake")
    generator = np.random.default_rng(5)
    drawn = generator.permutation(len(lake.notes.ids))
    lake.change_notes(
        specialties={
            note: lake.notes.specialties[row] for note, row in zip(lake.notes.ids, drawn, strict=True)
        }
    )
    # The checkpoint learned the (random) labels of half of the test notes by heart.
    test = [note for note, split in zip(lake.notes.ids, lake.notes.splits, strict=True) if split == "test"]
    leaked = set(test[::2])
    place = {name: column for column, name in enumerate(SPECIALTIES)}
    vectors = lake.notes.vectors(TUNED)
    for row, note in enumerate(lake.notes.ids):
        if note in leaked or lake.notes.splits[row] == "train":
            vectors[row] = 0.0
            for name in lake.notes.specialties[row]:
                vectors[row, place[name]] = 1.0
            vectors[row] /= np.linalg.norm(vectors[row])
    lake.change_splits(dict.fromkeys(leaked, "train"))
    lake.plant(vectors, version="b" * 16, seed=1)
    lake.change_splits(dict.fromkeys(leaked, "test"))
    found = lake.measure(assets=(*BEFORE_REVIEW, *GROUP))
    rows = found.rows("label_probabilities", split="test")
    source = {row["note_id"]: row["source"] for row in rows}
    assert {source[note] for note in leaked} == {"seen"}
    assert found.facts("classification_metrics")["held_out_notes"] == len(test) - len(leaked)
    right = {"seen": [0, 0], "held_out": [0, 0]}
    for note in {row["note_id"] for row in rows}:
        own = [row for row in rows if row["note_id"] == note]
        best = max(own, key=lambda row: row["tuned"])
        right[best["source"]][0] += best["carries"]
        right[best["source"]][1] += 1
    assert right["seen"][0] / right["seen"][1] > 0.9
    assert right["held_out"][0] / right["held_out"][1] < 0.5


@pytest.mark.parametrize(("study", "figure"), [(HEADS, "rung"), (ADAPTERS, "adapter_rank")])
def test_a_study_is_made_of_the_lake_and_stands_while_test_notes_change(
    prepared: PlantedLake, tmp_path: Path, study: Study, figure: str
) -> None:
    lake = prepared.copy(tmp_path / "lake")
    encoder = EncoderSettings(base=str(lake.model), max_tokens=16, device="cpu", precision="float32")

    def made() -> tuple[dict[str, Any], list[dict[str, Any]]]:
        result = dg.materialize(
            [study_asset(study)],
            resources={
                "lake": LakeResource(url=str(lake.folder)),
                "encoder": launchpad_resource("encoder", encoder),
            },
            run_config={"ops": {study.asset: {"config": {"trials": 1, "which": [study.name]}}}},
        )
        (shown,) = result.asset_materializations_for_node(study.asset)
        rows = lake.lake.table(study.asset).read().to_pylist()
        return {name: value.value for name, value in shown.metadata.items()}, rows

    shown, rows = made()
    assert [row["state"] for row in rows] == ["complete"]
    assert rows[0][figure] is not None
    assert not shown["kept"]
    assert shown["train_notes"] == lake.notes.splits.count("train")
    assert shown["validation_notes"] == lake.notes.splits.count("validation")
    (noted,) = set(lake.lake.table(study.asset).footer.recipe.inputs) - {"base_model"}
    assert noted == "train_and_validation_notes"

    def told(split: str) -> dict[str, list[str]]:
        return {
            note: list(SPECIALTIES[:1])
            for note, own in zip(lake.notes.ids, lake.notes.splits, strict=True)
            if own == split
        }

    lake.change_notes(specialties=told("test"))
    shown, again = made()
    assert shown["kept"]
    assert again == rows
    lake.change_notes(specialties=told("validation"))
    assert not made()[0]["kept"]


def test_without_labels_the_group_says_so_and_the_graph_goes_on(
    prepared: PlantedLake, tmp_path: Path
) -> None:
    lake = prepared.copy(tmp_path / "lake")
    lake.change_notes(specialties={note: [] for note in lake.notes.ids})
    found = lake.measure(assets=(*BEFORE_REVIEW, *GROUP))
    assert "nothing to learn" in found.facts("classification_metrics")["why_empty"]
    assert found.facts("classifier_verdict")["verdict"] == "inconclusive"
    classifier = SpecialtyClassifier.from_folder(current_classifier(lake.lake).folder)
    assert classifier.predict(["chest pain"])[0].abstained == "nothing_learned"
