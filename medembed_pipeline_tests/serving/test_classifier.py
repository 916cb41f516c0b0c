"""The classifier in service answers on the snapshot's own vectors; one of other vectors does not answer at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medembed_pipeline.serving.client import ServingClient
from medembed_pipeline.serving.parts import read_parts
from medembed_pipeline.training.checkpoints import checkpoint_of
from medembed_pipeline_tests.serving.conftest import running
from medembed_pipeline_tests.serving.small_lake import ENCODER, SmallLake, new_note

LABELS = ["Cardiology", "Orthopedic", "Radiology"]


def put_classifier_in_service(small: SmallLake, version: str, encoder: dict[str, Any]) -> Path:
    """A classifier of random weights."""
    from medembed_pipeline.classification.calibration import Calibration
    from medembed_pipeline.classification.classifiers import IN_SERVICE
    from medembed_pipeline.classification.features import Features, WordWeights
    from medembed_pipeline.classification.folder import FOLDER, Guards, Parts, TrainRows, write_classifier
    from medembed_pipeline.classification.heads import LinearHead
    from medembed_pipeline.classification.serving import Decision
    from medembed_pipeline.lake.model_folder import MANIFEST

    random = np.random.default_rng(1)
    words = ("chest", "fever", "heart", "pain", "seen", "valve", "with")
    by_words = encoder["kind"] == "none"
    width = len(words) if by_words else 32
    rows = random.normal(size=(5, width))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    if by_words:
        from scipy.sparse import csr_matrix

        rows = csr_matrix(rows)
    weights = WordWeights(np.arange(len(words)), np.ones(len(words))) if by_words else None
    parts = Parts(
        rung="tfidf" if by_words else "tuned",
        labels=LABELS,
        features=Features(None if by_words else "tuned", None, weights),
        words=words,
        head=LinearHead(random.normal(size=(3, width)), np.zeros(3)),
        decision=Decision(
            Calibration(np.ones(3), np.zeros(3), np.zeros(3), np.zeros(3, dtype=np.bool_)),
            np.full(3, 0.5),
            0.4,
        ),
        guards=Guards(-1.0, 0.2, 3),
        train=TrainRows([f"{number:032x}" for number in range(5)], rows),
        encoder=encoder,
        misses=0.2,
    )
    with small.lake.staged_folder(FOLDER, version, last=MANIFEST) as folder:
        write_classifier(folder, parts, card="# A classifier", more={})
    if IN_SERVICE.version(small.lake) != version:
        IN_SERVICE.put_back(small.lake, version)
    return Path(small.lake.path(FOLDER, version))


def of_checkpoint(small: SmallLake, version: str, precision: str = "float32") -> dict[str, Any]:
    return {
        "kind": "checkpoint",
        "version": version,
        "data_version": checkpoint_of(small.lake, version).data_version,
        "long_notes": "cut",
        "precision": precision,
    }


@pytest.mark.parametrize("kind", ["checkpoint", "none"])
def test_it_answers_as_the_classifier_does(small: SmallLake, tmp_path: Path, kind: str) -> None:
    from medembed_pipeline.classification.classifier import REASONS, SpecialtyClassifier

    encoder = of_checkpoint(small, "aaaa") if kind == "checkpoint" else {"kind": "none"}
    folder = put_classifier_in_service(small, "c1", encoder)
    texts = [*(new_note(seed) for seed in range(4)), small.texts[7], "zz yy xx ww vv uu"]
    expected = SpecialtyClassifier.from_folder(folder, device="cpu").predict(texts)
    with running(small, tmp_path) as made, ServingClient(made.url, retries=0) as client:
        answer = client.classify(texts)
        assert answer.classifier == made.service.snapshot().parts.classifier == client.model().classifier
        assert answer.set_misses == 0.2
    for own, result in zip(expected, answer.results, strict=True):
        found = {one.label: one.probability for one in result.probabilities}
        assert list(found.values()) == sorted(found.values(), reverse=True)
        np.testing.assert_allclose(
            [found[label] for label in LABELS], [own.probabilities[label] for label in LABELS], atol=2e-5
        )
        assert (result.labels, result.label_set) == (own.labels, own.label_set)
        assert result.reason == ("" if own.abstained is None else REASONS[own.abstained])
        assert result.abstains == (own.abstained is not None)
    assert [one.abstains for one in answer.results].count(True) >= 1


@pytest.mark.parametrize("other", ["checkpoint", "precision"])
def test_one_of_other_vectors_is_not_asked(small: SmallLake, other: str) -> None:
    encoder = (
        of_checkpoint(small, "bbbb") if other == "checkpoint" else of_checkpoint(small, "aaaa", "bfloat16")
    )
    put_classifier_in_service(small, "c1", encoder)
    assert read_parts(small.lake, ENCODER).classifier == ""


def test_a_rollback_takes_the_classifier_of_its_own_checkpoint(small: SmallLake) -> None:
    put_classifier_in_service(small, "c1", of_checkpoint(small, "bbbb"))
    before = read_parts(small.lake, ENCODER)
    small.release("bbbb")
    after = read_parts(small.lake, ENCODER)
    assert before.classifier == "" and after.classifier.startswith("c1:")
    put_classifier_in_service(small, "c2", {"kind": "none"})
    assert read_parts(small.lake, ENCODER).classifier.startswith("c2:")
    assert read_parts(small.lake, ENCODER).id != after.id


def test_without_one_in_service_there_is_none(small: SmallLake) -> None:
    assert read_parts(small.lake, ENCODER).classifier == ""
