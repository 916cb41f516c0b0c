"""The static model: what it computes, what others load, and what it is measured by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from medembed_pipeline.distillation.fit import fit
from medembed_pipeline.distillation.measuring import first_stage_row, note_rows
from medembed_pipeline.distillation.static import DistillationError, StaticModel, TokenCounter
from medembed_pipeline.evaluation.metrics_table import metrics_table

TEXTS = [
    "patient with chest pain",
    "fracture of the left wrist, pain in the wrist",
    "rash on both arms " * 300,
]


def drawn_model(folder: Path, *, tokens: int = 20) -> StaticModel:
    random = np.random.default_rng(3)
    counter = TokenCounter(folder)
    found = np.sort(random.permutation(counter.size)[:tokens])
    vectors = random.standard_normal((tokens, 16)).astype(np.float32)
    middle = vectors.mean(axis=0)
    return StaticModel(counter, found, vectors, middle / np.linalg.norm(middle))


def test_sentence_transformers_loads_the_folder_and_gives_the_same_vectors(
    small_model: Path, tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    model = drawn_model(small_model)
    model.save(tmp_path)
    theirs = SentenceTransformer(str(tmp_path), device="cpu").encode(TEXTS, show_progress_bar=False)
    # Theirs adds a thousand tokens in float32.
    np.testing.assert_allclose(model.encode(TEXTS), theirs, atol=5e-5)
    np.testing.assert_allclose(np.linalg.norm(theirs, axis=1), 1, atol=1e-6)


def test_a_text_without_a_known_token_is_the_mean_note_and_an_empty_one_nothing(small_model: Path) -> None:
    model = drawn_model(small_model, tokens=1)
    known = set(model.tokens.tolist())
    (counts,) = model.counter.counts([TEXTS[0]]).toarray()
    assert not known & set(np.flatnonzero(counts).tolist())
    found = model.encode([TEXTS[0], ""])
    np.testing.assert_allclose(found[0], model.middle, atol=1e-5)
    assert not found[1].any()


def test_a_tokenizer_of_a_former_format_counts_the_same(small_model: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(small_model).save_pretrained(tmp_path)
    words = TokenCounter(small_model)
    vocabulary = words.words(range(words.size))
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "vocab.txt").write_text("".join(f"{word}\n" for word in vocabulary), encoding="utf-8")
    assert (TokenCounter(tmp_path).counts(TEXTS) != words.counts(TEXTS)).nnz == 0


def test_a_tokenizer_that_runs_in_python_alone_is_refused(tmp_path: Path) -> None:
    from transformers import ByT5Tokenizer

    ByT5Tokenizer().save_pretrained(tmp_path)
    with pytest.raises(DistillationError, match=r"ByT5Tokenizer, runs in Python alone"):
        TokenCounter(tmp_path)


def corpus(notes: int, *, seed: int) -> tuple[csr_matrix, np.ndarray, list[str]]:
    """Counts of 60 tokens, three classes with ten tokens of their own, and vectors that show the class."""
    random = np.random.default_rng(seed)
    classes = random.integers(0, 3, notes)
    counts = random.poisson(0.3, (notes, 60))
    for note, own in enumerate(classes):
        counts[note, 10 * own : 10 * own + 10] += random.poisson(0.8, 10)
    vectors = np.eye(8)[classes] + random.normal(0, 0.1, (notes, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return csr_matrix(counts.astype(np.float64)), vectors.astype(np.float32), [f"c{own}" for own in classes]


def test_the_vectors_are_those_of_a_ridge_regression() -> None:
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import Ridge

    counts, wanted, _ = corpus(80, seed=1)
    fitted = fit(counts, wanted, [0.3], validation=counts[:5], score=lambda vectors: 0.0)
    tfidf = TfidfTransformer().fit(counts)
    oracle = Ridge(alpha=0.3, fit_intercept=False, solver="cholesky").fit(
        tfidf.transform(counts).toarray(), wanted
    )
    expected = oracle.coef_.T * tfidf.idf_[:, None]
    np.testing.assert_allclose(fitted.vectors, expected[fitted.tokens], atol=1e-5)


def test_what_was_planted_is_found_on_notes_that_were_not_learned_from() -> None:
    from medembed_pipeline.distillation.static import unit_means

    counts, wanted, _ = corpus(150, seed=2)
    others, truth, labels = corpus(80, seed=3)
    fitted = fit(counts, wanted, [0.1, 1.0], validation=others[:0], score=lambda vectors: 0.0)
    found = unit_means(others[:, fitted.tokens], fitted.vectors)
    assert (found * truth).sum(axis=1).mean() > 0.8
    ids = [f"n{row:03}" for row in range(80)]
    rows = note_rows(ids, truth, found, [[one] for one in labels], ids, confidence=0.95)
    by = {(row["model"], row["metric"], row["k"]): row["value"] for row in rows}
    assert by["static", "precision", 5] > 0.85
    table = metrics_table(ids, truth, found, [[one] for one in labels], ids).to_pylist()
    (own,) = [
        row["value"]
        for row in table
        if (row["model"], row["scope"], row["metric"], row["k"]) == ("difference", "all", "precision", 5)
    ]
    assert by["static_over_tuned", "precision", 5] == own


def test_the_best_strength_on_the_validation_notes_is_taken_and_of_equals_the_largest() -> None:
    counts, wanted, _ = corpus(60, seed=4)
    scores = iter([0.5, 0.7, 0.7, 0.6])
    fitted = fit(counts, wanted, [0.01, 0.1, 1.0, 10.0], validation=counts[:3], score=lambda _: next(scores))
    assert fitted.strength == 1.0 and fitted.scores == [0.5, 0.7, 0.7, 0.6]


def test_the_first_stage_counts_what_it_hands_on() -> None:
    random = np.random.default_rng(5)
    tuned, static = (random.standard_normal((40, 6)) for _ in range(2))
    tuned, static = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (tuned, static))
    queries = np.array([3, 17, 29])
    shares = []
    for query in queries:
        order = [np.argsort(-(rows @ rows[query]), kind="stable") for rows in (tuned, static)]
        near = [[note for note in one if note != query] for one in order]
        shares.append(len(set(near[0][:10]) & set(near[1][:15])) / 10)
    row = first_stage_row(tuned, static, queries, ["a", "b", "c"], k=15)
    assert row["value"] == pytest.approx(np.mean(shares)) and row["n"] == 3
    same = first_stage_row(tuned, tuned, queries, ["a", "b", "c"], k=15)
    assert same["value"] == 1.0
    everything = first_stage_row(tuned, static, queries, ["a", "b", "c"], k=1000)
    assert everything["value"] == 1.0
