"""What a head sees of a part: principal components of its vectors, by the train cases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medembed_pipeline.evaluation.vectors import FloatArray
from medembed_pipeline.threads import one_thread


@dataclass(frozen=True)
class Projection:
    """Centred vectors along a few directions, scaled by one number: then a row has a mean squared length of its width.

    Attributes
    ----------
    center
        float64 [d], the mean of the train cases: what takes the place of a partner that is blank.
    directions
        float64 [d, c].
    """

    center: FloatArray
    directions: FloatArray

    @classmethod
    def fit(cls, rows: FloatArray, components: int) -> Projection:
        """Of train rows [n, d]; as many components as there are directions, where there are fewer."""
        center = rows.mean(axis=0)
        with one_thread():
            _, lengths, found = np.linalg.svd(rows - center, full_matrices=False)
        kept = lengths[:components] > 1e-9 * max(1.0, float(lengths.max(initial=0.0)))
        directions = found[:components][kept].T
        # The largest entry of each is positive, so that no library's choice of sign matters.
        signs = np.sign(directions[np.abs(directions).argmax(axis=0), np.arange(directions.shape[1])])
        spread = np.sqrt(np.square(lengths[:components][kept]).mean() / len(rows)) if kept.any() else 1.0
        return cls(center, directions * signs / spread)

    def apply(self, rows: FloatArray) -> FloatArray:
        """float64 [n, c], from rows [n, d]."""
        return np.asarray((rows - self.center) @ self.directions)
