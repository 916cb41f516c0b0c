"""Logistic regressions of many labels: at the least of each label's own problem, whatever the shape of the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from medembed_pipeline.classification import heads
from medembed_pipeline.classification.heads import fit_linear_heads
from medembed_pipeline.evaluation import regression
from medembed_pipeline.evaluation.regression import logistic_regressions


def drawn(
    count: int, width: int, labels: int, seed: int, *, share: float = 0.3
) -> tuple[np.ndarray, np.ndarray]:
    """Rows, and labels that show in them; each label is carried by some rows, and not by all."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(count, width)) * random.uniform(0.05, 2.0, size=width)
    carries = rows @ random.normal(size=(width, labels)) + random.normal(size=(count, labels)) > 1 / share - 2
    carries[0], carries[1] = True, False
    return rows, carries


def gradients(
    rows: np.ndarray, carries: np.ndarray, weights: np.ndarray, bias: np.ndarray, value: float, balanced: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Lengths by label of the objective's gradient, at the solution and at zero, by the formula alone."""
    extended = np.hstack([rows, np.ones((len(rows), 1))])
    lengths = []
    for solution in (np.hstack([weights, bias[:, None]]), np.zeros((len(weights), rows.shape[1] + 1))):
        of_solution = []
        for label, own in enumerate(solution):
            truth = carries[:, label].astype(float)
            shares = (1 - truth).sum(), truth.sum()
            each = np.where(truth, len(rows) / (2 * shares[1]), len(rows) / (2 * shares[0]))
            each = each if balanced else np.ones_like(each)
            said = 1 / (1 + np.exp(-(extended @ own)))
            of_solution.append(np.linalg.norm(own + value * extended.T @ (each * (said - truth))))
        lengths.append(np.array(of_solution))
    return lengths[0], lengths[1]


@given(
    st.integers(4, 40),
    st.integers(1, 60),
    st.integers(1, 5),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_every_solution_is_where_the_gradient_is_nothing(
    count: int, width: int, labels: int, balanced: bool, sparse: bool, seed: int
) -> None:
    rows, carries = drawn(count, width, labels, seed)
    values = [300.0, 0.1, 10.0]
    given_rows: Any = scipy.sparse.csr_matrix(rows) if sparse else rows
    found = logistic_regressions(given_rows, carries, inverse_regularizations=values, balanced=balanced)
    for value, (weights, bias) in zip(values, found, strict=True):
        at, zero = gradients(rows, carries, weights, bias, value, balanced)
        assert (at <= 1e-5 * zero).all()


@pytest.mark.parametrize("width", [20, 400])
@pytest.mark.parametrize("sparse", [False, True])
def test_they_are_those_of_liblinear(width: int, sparse: bool) -> None:
    rows, carries = drawn(150, width, 40, seed=3)
    given_rows: Any = scipy.sparse.csr_matrix(rows) if sparse else rows
    ((weights, bias),) = logistic_regressions(
        given_rows, carries, inverse_regularizations=[3.0], balanced=True
    )
    assert weights.shape == (40, width) and bias.shape == (40,)
    for label in (0, 17, 39):
        oracle = LogisticRegression(
            C=3.0, class_weight="balanced", solver="liblinear", tol=1e-9, max_iter=10_000
        ).fit(rows, carries[:, label])
        np.testing.assert_allclose(weights[label], oracle.coef_[0], atol=2e-4)
        np.testing.assert_allclose(bias[label], oracle.intercept_[0], atol=2e-4)


def test_labels_that_the_rows_tell_apart_wholly_stay_finite() -> None:
    rows = np.array([[-5.0], [-4.0], [4.0], [5.0]])
    carries = np.array([[False], [False], [True], [True]])
    ((weights, bias),) = logistic_regressions(rows, carries, inverse_regularizations=[1e6], balanced=False)
    assert np.isfinite(weights).all() and 1.0 < weights[0, 0] < 100.0
    assert abs(bias[0]) < 0.1


def test_no_label_depends_on_the_others_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, carries = drawn(120, 30, 24, seed=5)
    together = logistic_regressions(rows, carries, inverse_regularizations=[1.0, 100.0], balanced=True)
    monkeypatch.setattr(regression, "LABELS_AT_ONCE", 5)
    for (weights, bias), (other, other_bias) in zip(
        together,
        logistic_regressions(rows, carries, inverse_regularizations=[1.0, 100.0], balanced=True),
        strict=True,
    ):
        np.testing.assert_allclose(weights, other, atol=1e-3)
        np.testing.assert_allclose(bias, other_bias, atol=1e-3)


def test_many_sparse_rows_are_solved_label_by_label_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, carries = drawn(200, 50, 4, seed=7)
    membership = np.hstack([carries, np.zeros((200, 1), bool)]).astype(np.float64)
    sparse = scipy.sparse.csr_matrix(rows)
    few = fit_linear_heads(sparse, membership, inverse_regularizations=[10.0, 0.3], balanced=True)
    monkeypatch.setattr(heads, "MOST_SPARSE_ROWS", 100)
    many = fit_linear_heads(sparse, membership, inverse_regularizations=[10.0, 0.3], balanced=True)
    assert few[0].weights.any(axis=1).tolist() == [True] * 4 + [False]
    for one, other in zip(few, many, strict=True):
        np.testing.assert_allclose(one.probabilities(sparse), other.probabilities(sparse), atol=0.01)
