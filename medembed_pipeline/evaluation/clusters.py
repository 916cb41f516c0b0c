"""How well the specialties separate as clusters: cosine silhouette and Davies-Bouldin index, with and without each
group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medembed_pipeline.evaluation.class_cells import cells_of
from medembed_pipeline.evaluation.davies_bouldin import davies_bouldin_indices
from medembed_pipeline.evaluation.jackknife import Jackknife, undefined
from medembed_pipeline.evaluation.silhouette import silhouettes
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray


def single_label_classes(membership: FloatArray) -> IntArray:
    """Class of each note for the cluster figures: its specialty's column, or -1 where it takes no part.

    A note takes part where it carries exactly one specialty and at least one other note carries exactly that
    one.

    Parameters
    ----------
    membership
        float64 [n, m] specialty sets.

    Returns
    -------
    IntArray
        int64 [n].
    """
    if not membership.size:
        return np.full(len(membership), -1, dtype=np.int64)
    classes = np.where(membership.sum(axis=1) == 1, membership.argmax(axis=1), -1)
    sizes = np.bincount(classes[classes >= 0], minlength=membership.shape[1])
    return np.where((classes >= 0) & (sizes[classes] >= 2), classes, -1)


@dataclass(frozen=True)
class ClusterFigures:
    """Both figures: column 0 over all, then each class; NaN where undefined."""

    silhouette: Jackknife
    davies_bouldin: Jackknife


def cluster_figures(
    vectors: Mapping[str, FloatArray],
    classes: IntArray,
    groups: IntArray,
    *,
    class_count: int,
    group_count: int,
    contrasts: Sequence[tuple[str, str]] = (),
) -> dict[str, ClusterFigures]:
    """Cosine silhouette and Davies-Bouldin index of several models, with and without each group.

    silhouette: a note's value is (b - a) / max(a, b), with a its mean cosine distance to the other notes of
    its class and b the smallest mean distance to another class; 0 where both are 0. The mean distance of a
    note to a class is 1 - (note . sum of the class) / size, so that the sums of the classes give the exact
    value without a matrix of all pairs. A class's figure is the mean over its notes, the overall figure the
    mean over all notes.

    davies_bouldin: Euclidean, on the unit vectors. A class's figure is R_i = max over j of (s_i + s_j) /
    d_ij, with s the mean distance of the notes of a class to its centroid, and d the distance of two
    centroids; the overall figure is the mean over the classes. Lower is better. It is NaN where two centroids
    coincide (scikit-learn skips that pair, which flatters a collapsed model).

    A class of which a group leaves fewer than two notes is gone with it, and its other note takes no part. What a
    group does in several classes at once is added up; else the figures without a group are exact.

    References: P. J. Rousseeuw, "Silhouettes", J. Comput. Appl. Math. 20 (1987); D. L. Davies, D. W. Bouldin,
    "A cluster separation measure", IEEE TPAMI 1 (1979).

    Parameters
    ----------
    vectors
        by model, float64 [n, d] unit rows of the same notes.
    classes
        int64 [n], the class of each note, -1 where it takes no part (see `single_label_classes`).
    groups
        int64 [n], group of each note, below group_count.
    class_count
        classes are numbered below this.
    contrasts
        pairs (model, other) whose paired difference is wanted.

    Returns
    -------
    dict[str, ClusterFigures]
        By model, and by "model-other" for each contrast.
    """
    taking_part = np.flatnonzero(classes >= 0)
    taking_part = taking_part[np.lexsort((groups[taking_part], classes[taking_part]))]
    present, class_of = np.unique(classes[taking_part], return_inverse=True)
    columns = np.concatenate([[0], 1 + present])
    names = [*vectors, *(f"{one}-{other}" for one, other in contrasts)]
    if len(present) < 2:
        nothing = undefined(group_count, 1 + class_count)
        return {name: ClusterFigures(nothing, nothing) for name in names}
    parts = {
        model: cells_of(rows[taking_part], class_of.reshape(-1), groups[taking_part])
        for model, rows in vectors.items()
    }
    found, scatters = silhouettes(parts, group_count, contrasts)
    indices = davies_bouldin_indices(parts, scatters, group_count, contrasts)
    return {
        name: ClusterFigures(
            *(_spread(figures[name], columns, 1 + class_count) for figures in (found, indices))
        )
        for name in names
    }


def _spread(found: Jackknife, columns: IntArray, width: int) -> Jackknife:
    """The figures in their columns among `width`; the others are undefined."""
    wide = undefined(len(found.left_out), width)
    wide.value[columns] = found.value
    wide.left_out[:, columns] = found.left_out
    wide.double_counted[columns] = found.double_counted
    wide.groups[columns] = found.groups
    return wide
