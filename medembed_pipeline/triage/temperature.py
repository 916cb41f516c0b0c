"""One number by which an arm's logits are divided, so that its probabilities are as often right as they say."""

from __future__ import annotations

from typing import Final

import numpy as np

from medembed_pipeline.evaluation.vectors import FloatArray, IntArray
from medembed_pipeline.triage.heads import log_softmax

_LARGEST: Final = 20.0


def fit_temperature(logits: FloatArray, level: IntArray) -> float:
    """The temperature with the lowest log loss on cases that the head has not seen; it changes no order of levels.

    Reference: C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks", ICML 2017.

    Parameters
    ----------
    logits
        float64 [n, levels].
    level
        int64 [n].

    Returns
    -------
    float
        Between 1/20 and 20; 1 without a case.
    """
    from scipy.optimize import minimize_scalar

    if not len(level):
        return 1.0
    rows = np.arange(len(level))

    def loss(log: float) -> float:
        return -float(log_softmax(logits / np.exp(log))[rows, level].mean())

    ends = (-np.log(_LARGEST), np.log(_LARGEST))
    return float(np.exp(minimize_scalar(loss, bounds=ends, method="bounded").x))
