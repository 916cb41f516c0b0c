"""Batches, losses, scores, schedule and options, each against its definition."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.evaluation.metrics_table import metrics_table
from medembed_pipeline.section import validate
from medembed_pipeline.training import TrainingData
from medembed_pipeline.training.batches import note_batches, triplets_within
from medembed_pipeline.training.data import jaccard, membership
from medembed_pipeline.training.losses import contrastive_loss, similarities, triplet_loss
from medembed_pipeline.training.optimization import learning_rate_at
from medembed_pipeline.training.settings import TrainingSettings
from medembed_pipeline.training.validation import retrieval_columns, triplet_accuracy


def unit(rng: np.random.Generator, count: int, dimensions: int = 6) -> np.ndarray:
    vectors = rng.normal(size=(count, dimensions))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def labels(rng: np.random.Generator, count: int, names: int = 4) -> list[set[str]]:
    return [
        {f"s{name}" for name in rng.choice(names, size=rng.integers(0, 3), replace=False)}
        for _ in range(count)
    ]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000), notes=st.integers(3, 30), count=st.integers(0, 80), size=st.integers(3, 40)
)
def test_every_note_is_in_exactly_one_batch_of_the_size(seed: int, notes: int, count: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    triplets = np.array([rng.choice(notes, 3, replace=False) for _ in range(count)], dtype=np.int64).reshape(
        -1, 3
    )
    batches = note_batches(triplets, notes=notes, notes_per_batch=size, seed=(seed, 0))
    assert sorted(np.concatenate(batches).tolist()) == list(range(notes))
    sizes = [len(batch) for batch in batches]
    assert max(sizes) <= size and max(sizes) - min(sizes) <= 1
    again = note_batches(triplets, notes=notes, notes_per_batch=size, seed=(seed, 0))
    assert [batch.tolist() for batch in batches] == [batch.tolist() for batch in again]
    for batch in batches:
        expected = {tuple(triplet) for triplet in triplets.tolist() if set(triplet) <= set(batch.tolist())}
        found = {tuple(batch[triplet].tolist()) for triplet in triplets_within(triplets, batch)}
        assert found == expected


def test_batches_hold_whole_triplets_and_are_others_each_epoch() -> None:
    rng = np.random.default_rng(1)
    triplets = np.array([rng.choice(300, 3, replace=False) for _ in range(600)])
    batches = note_batches(triplets, notes=300, notes_per_batch=48, seed=(7, 0))
    whole = sum(len(triplets_within(triplets, batch)) for batch in batches)
    at_random = sum(
        len(triplets_within(triplets, np.sort(part))) for part in np.array_split(rng.permutation(300), 7)
    )
    assert whole > 8 * max(at_random, 1)
    other = note_batches(triplets, notes=300, notes_per_batch=48, seed=(7, 1))
    assert {frozenset(batch.tolist()) for batch in batches}.isdisjoint(
        frozenset(batch.tolist()) for batch in other
    )


def contrastive_by_definition(vectors: np.ndarray, sets: list[set[str]], temperature: float) -> float:
    per_note = []
    for i, mine in enumerate(sets):
        negatives = sum(
            np.exp(float(vectors[i] @ vectors[k]) / temperature)
            for k, other in enumerate(sets)
            if k != i and not mine & other
        )
        total = weight = 0.0
        for j, other in enumerate(sets):
            if j != i and mine & other:
                overlap = len(mine & other) / len(mine | other)
                positive = np.exp(float(vectors[i] @ vectors[j]) / temperature)
                total -= overlap * np.log(positive / (positive + negatives))
                weight += overlap
        if weight:
            per_note.append(total / weight)
    return float(np.mean(per_note)) if per_note else 0.0


def overlap_of(sets: list[set[str]]) -> torch.Tensor:
    ids = [str(place) for place in range(len(sets))]
    return torch.from_numpy(jaccard(membership(ids, dict(zip(ids, sets, strict=True)))))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 14), temperature=st.floats(0.05, 1.0))
def test_contrastive_loss_is_its_definition(seed: int, count: int, temperature: float) -> None:
    rng = np.random.default_rng(seed)
    vectors, sets = unit(rng, count), labels(rng, count)
    found = contrastive_loss(
        similarities(torch.from_numpy(vectors)), overlap_of(sets), temperature=temperature
    )
    assert float(found) == pytest.approx(
        contrastive_by_definition(vectors, sets, temperature), rel=1e-4, abs=1e-5
    )


def test_the_gradient_of_similarities_is_that_of_the_product() -> None:
    vectors = torch.randn(7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert torch.autograd.gradcheck(similarities, vectors.requires_grad_())
    # Not symmetric, as the gradient of a loss over rows is.
    weights = torch.randn(7, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    found, expected = (
        torch.autograd.grad((product * weights).sum(), vectors)[0]
        for product in (similarities(vectors), vectors @ vectors.T)
    )
    torch.testing.assert_close(found, expected)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(2, 14))
def test_notes_that_share_a_label_are_never_pushed_apart(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    sets = labels(rng, count)
    overlap = overlap_of(sets)
    # The similarities alone, free to move: vectors @ vectors.T with one factor held.
    vectors = torch.from_numpy(unit(rng, count, count))
    moved = vectors.clone().requires_grad_()
    contrastive_loss(similarities(moved), overlap, temperature=0.1).backward()
    assert moved.grad is not None and torch.isfinite(moved.grad).all()
    # With orthogonal vectors the gradient at i is a sum over j of vector j times the slope in s_ij.
    moved = torch.eye(count).requires_grad_()
    contrastive_loss(similarities(moved), overlap, temperature=0.1).backward()
    assert moved.grad is not None
    off_diagonal = ~torch.eye(count, dtype=torch.bool)
    assert (moved.grad[(overlap > 0) & off_diagonal] <= 1e-7).all()
    assert (moved.grad[(overlap <= 0) & off_diagonal] >= -1e-7).all()


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_triplet_loss_against_torch(distance: str) -> None:
    rng = np.random.default_rng(3)
    vectors = torch.from_numpy(unit(rng, 12))
    triplets = torch.from_numpy(np.array([rng.choice(12, 3, replace=False) for _ in range(30)]))
    if distance == "cosine":
        oracle: Any = torch.nn.TripletMarginWithDistanceLoss(
            distance_function=lambda a, b: 1 - torch.cosine_similarity(a, b), margin=0.3
        )
    else:
        oracle = torch.nn.TripletMarginLoss(margin=0.3, eps=0)
    expected = oracle(*(vectors[triplets[:, place]] for place in range(3)))
    found = triplet_loss(vectors, triplets, margin=0.3, distance=distance)
    assert float(found) == pytest.approx(float(expected), abs=1e-5)
    assert float(found) > 0.05


def test_euclidean_triplet_loss_has_a_finite_gradient_at_equal_notes() -> None:
    vectors = torch.ones(3, 4).div(2).requires_grad_()
    triplet_loss(vectors, torch.tensor([[0, 1, 2]]), margin=0.3, distance="euclidean").backward()
    assert vectors.grad is not None and torch.isfinite(vectors.grad).all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(7, 40))
def test_retrieval_scores_against_scikit_learn(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    vectors, sets = unit(rng, count), labels(rng, count)
    ids = [str(place) for place in range(count)]
    labelled = [place for place in range(count) if sets[place]]
    members = membership(ids, dict(zip(ids, sets, strict=True)))
    found = retrieval_columns(vectors[labelled], members[labelled], main_metric="map")
    precisions, averages = [], []
    for i in labelled:
        others = [j for j in labelled if j != i]
        similarity = np.array([vectors[i] @ vectors[j] for j in others])
        relevant = np.array([bool(sets[i] & sets[j]) for j in others])
        # A note that shares its specialty with no other asks for nothing.
        if relevant.any():
            precisions.append(relevant[np.argsort(-similarity)][:5].sum() / 5)
            averages.append(average_precision_score(relevant, similarity))
    assert found["validation_precision_at_5"] == pytest.approx(np.mean(precisions) if precisions else 0)
    assert found["validation_map"] == pytest.approx(np.mean(averages) if averages else 0)
    assert found["validation_score"] == found["validation_map"]


def test_the_validation_figures_are_those_that_are_reported() -> None:
    rng = np.random.default_rng(5)
    vectors = unit(rng, 60)
    names = [[["a", "b", "c"][place % 3]] for place in range(59)] + [["alone"]]
    ids = [f"{place:02d}" for place in range(60)]
    reported = metrics_table(ids, vectors, vectors, names, ids).to_pylist()
    members = membership(ids, dict(zip(ids, names, strict=True)))
    for name, metric, k in (("precision@5", "precision", 5), ("ndcg@10", "ndcg", 10), ("map", "map", None)):
        (value,) = (
            row["value"]
            for row in reported
            if (row["model"], row["scope"], row["metric"], row["k"]) == ("tuned", "all", metric, k)
        )
        found = retrieval_columns(vectors, members, main_metric=name)["validation_score"]
        assert found == pytest.approx(value, abs=1e-9)


def test_triplet_accuracy_by_hand() -> None:
    vectors = np.array([[1, 0], [0.8, 0.6], [0, 1], [-1, 0]], dtype=np.float32)
    assert triplet_accuracy(vectors, np.array([[0, 1, 2], [0, 2, 1], [2, 1, 3], [3, 2, 0]])) == 0.75


def test_learning_rate_rises_then_falls() -> None:
    rates = [learning_rate_at(step, 20, peak=1.0, warmup_share=0.2) for step in range(20)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[4] == 1.0 and rates[12] == pytest.approx(0.5) and 0 < rates[19] < 0.02
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert learning_rate_at(0, 1, peak=1.0, warmup_share=1.0) == 1.0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("loss", "softmax"),
        ("triplet_distance", "manhattan"),
        ("temperature", 0.001),
        ("triplet_margin", 0),
        ("notes_per_batch", 2),
        ("learning_rate", float("nan")),
        ("warmup_share", 1.1),
        ("seed", -1),
    ],
)
def test_an_option_out_of_range_is_named(field: str, value: Any) -> None:
    with pytest.raises(MedembedError, match=f"{field} = "):
        validate(TrainingSettings, {field: value}, where="here")


def test_data_that_can_not_be_trained_on(data: TrainingData) -> None:
    with pytest.raises(MedembedError, match="train triplets: there are none"):
        replace(data, train_triplets=[])
    with pytest.raises(MedembedError, match="validation triplets: there are none"):
        replace(data, validation_triplets=[])
    with pytest.raises(MedembedError, match="must name three notes"):
        replace(data, train_triplets=[("note000", "note004")])
    with pytest.raises(MedembedError, match="have no text, the first is note0"):
        replace(data, texts={})
    with pytest.raises(MedembedError, match="validation notes are also trained on"):
        replace(data, validation_ids=[*data.validation_ids, data.train_ids[0]])
    with pytest.raises(MedembedError, match="carry 1 specialties"):
        replace(data, specialties={note: ["Cardiology"] for note in data.texts})
