"""Heads: from the vectors of a case to a score for each level. Small, and fitted to the end, so that seeds say all.

A linear head adds up what its parts say. Points do, too, and then any level may follow from the sum: so whoever does
better knows that one part counts only with another. One hidden layer over both, and the gated head, can hold that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from medembed_pipeline.evaluation.vectors import FloatArray, IntArray
from medembed_pipeline.threads import one_thread

Kind = Literal["linear", "hidden", "points", "gated"]
MOST_STEPS = 200
_START = 0.3


@dataclass(frozen=True)
class Head:
    """What was learned.

    Attributes
    ----------
    kind
        linear: `x V + b`; hidden: `tanh(x U + c) V + b`; points: of two parts, the points
        `p = [tanh(x A + a), tanh(y B + d)] P` and `tanh(p U + c) V + b`; gated: of two parts,
        `(z tanh(x A + a) + (1 - z) tanh(y B + d)) V + b` with the gate `z = sigmoid([x, y] G + g)`.
    weights
        the arrays of these formulas, by name.
    """

    kind: Kind
    weights: Mapping[str, FloatArray]

    def logits(self, parts: Sequence[FloatArray]) -> FloatArray:
        """float64 [n, levels], of the parts that it was fitted on, [n, d] each."""
        hidden, _ = _hidden(self.kind, self.weights, parts)
        return np.asarray(hidden @ self.weights["V"] + self.weights["b"])


def fit_head(
    kind: Kind,
    parts: Sequence[FloatArray],
    level: IntArray,
    levels: int,
    *,
    units: int,
    decay: float,
    seed: int,
) -> Head:
    """Fit by maximum likelihood with weight decay (L-BFGS, one thread).

    Reference for the gate: J. Arevalo et al., "Gated multimodal units for information fusion", ICLR workshop 2017.

    Parameters
    ----------
    kind
        of head.
    parts
        [n, d] each; one, or two.
    level
        int64 [n], below `levels`.
    levels
        how many there are.
    units
        of the hidden layer.
    decay
        half of it times the sum of the squared weights, without offsets, is added to the mean log loss.
    seed
        of where the weights start.
    """
    from scipy.optimize import minimize

    shapes = weight_shapes(kind, [part.shape[1] for part in parts], levels, units)
    start = _start(shapes, seed)
    objective = loss_and_gradient(kind, parts, level, shapes, decay)
    with one_thread():
        found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": MOST_STEPS})
    return Head(kind, _unpacked(found.x, shapes))


def loss_and_gradient(
    kind: Kind,
    parts: Sequence[FloatArray],
    level: IntArray,
    shapes: Mapping[str, tuple[int, ...]],
    decay: float,
) -> Callable[[FloatArray], tuple[float, FloatArray]]:
    """The function that is minimised: weights as one row -> mean log loss with decay, and its gradient."""
    truth = np.eye(shapes["b"][0])[level]
    both = np.hstack(parts)

    def objective(packed: FloatArray) -> tuple[float, FloatArray]:
        weights = _unpacked(packed, shapes)
        hidden, inner = _hidden(kind, weights, parts)
        logits = hidden @ weights["V"] + weights["b"]
        logs = log_softmax(logits)
        error = (np.exp(logs) - truth) / len(truth)
        back = error @ weights["V"].T
        slopes = {"V": hidden.T @ error, "b": error.sum(axis=0)}
        if kind == "hidden":
            below = back * (1 - hidden**2)
            slopes |= {"U": both.T @ below, "c": below.sum(axis=0)}
        elif kind == "points":
            both_said, points = inner
            below = back * (1 - hidden**2)
            slopes |= {"U": points.T @ below, "c": below.sum(axis=0)}
            of_points = below @ weights["U"].T
            slopes["P"] = both_said.T @ of_points
            below = of_points @ weights["P"].T * (1 - both_said**2)
            width = below.shape[1] // 2
            for weight, offset, part, own in (
                ("A", "a", parts[0], below[:, :width]),
                ("B", "d", parts[1], below[:, width:]),
            ):
                slopes |= {weight: part.T @ own, offset: own.sum(axis=0)}
        elif kind == "gated":
            first, second, gate = inner
            for weight, offset, part, below in (
                ("A", "a", parts[0], back * gate * (1 - first**2)),
                ("B", "d", parts[1], back * (1 - gate) * (1 - second**2)),
                ("G", "g", both, back * (first - second) * gate * (1 - gate)),
            ):
                slopes |= {weight: part.T @ below, offset: below.sum(axis=0)}
        loss = -float((truth * logs).sum()) / len(truth)
        for name, values in weights.items():
            if values.ndim == 2:
                loss += decay / 2 * float(np.square(values).sum())
                slopes[name] = slopes[name] + decay * values
        return loss, np.concatenate([slopes[name].reshape(-1) for name in shapes])

    return objective


def log_softmax(logits: FloatArray) -> FloatArray:
    """float64 [n, levels], logs of probabilities."""
    # scipy's own took a third of the time that a head is fitted in.
    below = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(below - np.log(np.exp(below).sum(axis=1, keepdims=True)))


def _hidden(
    kind: Kind, weights: Mapping[str, FloatArray], parts: Sequence[FloatArray]
) -> tuple[FloatArray, tuple[FloatArray, ...]]:
    if kind in ("points", "gated"):
        first = np.tanh(parts[0] @ weights["A"] + weights["a"])
        second = np.tanh(parts[1] @ weights["B"] + weights["d"])
        if kind == "points":
            said = np.hstack([first, second])
            points = said @ weights["P"]
            return np.tanh(points @ weights["U"] + weights["c"]), (said, points)
        gate = 0.5 * (1 + np.tanh((np.hstack(parts) @ weights["G"] + weights["g"]) / 2))
        return gate * first + (1 - gate) * second, (first, second, gate)
    both = np.hstack(parts)
    return (np.tanh(both @ weights["U"] + weights["c"]) if kind == "hidden" else both), ()


def weight_shapes(kind: Kind, widths: Sequence[int], levels: int, units: int) -> dict[str, tuple[int, ...]]:
    """The shape of each array of a head, by name: of parts of some widths."""
    total = sum(widths)
    own: dict[str, tuple[int, ...]] = {}
    if kind == "hidden":
        own = {"U": (total, units), "c": (units,)}
    elif kind in ("points", "gated"):
        own = {"A": (widths[0], units), "a": (units,), "B": (widths[1], units), "d": (units,)}
        if kind == "gated":
            own |= {"G": (total, units), "g": (units,)}
        else:
            own |= {"P": (2 * units, 1), "U": (1, units), "c": (units,)}
    return {**own, "V": (total if kind == "linear" else units, levels), "b": (levels,)}


def _start(shapes: Mapping[str, tuple[int, ...]], seed: int) -> FloatArray:
    random = np.random.default_rng(seed)
    return np.concatenate(
        [
            (_START * random.standard_normal(shape)).reshape(-1) if len(shape) == 2 else np.zeros(shape)
            for shape in shapes.values()
        ]
    )


def _unpacked(packed: FloatArray, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, FloatArray]:
    found, at = {}, 0
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        found[name] = packed[at : at + size].reshape(shape)
        at += size
    return found
