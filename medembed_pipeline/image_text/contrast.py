"""A small projection of pictures and texts into one space, trained on pairs of both. Not a medical model.

Two linear maps, one for the vectors of the image encoder and one for those of the text encoder. The loss is
InfoNCE in both directions, over all pairs at once; pictures with the very same text are all right for it. Steps
are counted by the validation pairs.

References: A. van den Oord, Y. Li, O. Vinyals, "Representation learning with contrastive predictive coding" (2018), for
InfoNCE; A. Radford et al., "Learning transferable visual models from natural language supervision" (CLIP), ICML
2021; X. Zhai et al., "LiT: zero-shot transfer with locked-image text tuning", CVPR 2022, for towers that are not
trained.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from medembed_pipeline.image_text.errors import ImageTextError
from medembed_pipeline.image_text.settings import ImageTextSettings

Matrix = npt.NDArray[np.float64]

LABEL: Final = "not a medical model"
CONFIG: Final = "medembed_image_text.json"
WEIGHTS: Final = "projection.npz"
SMALLEST: Final = 20
"""Pairs that are needed at least to train on, and two to validate on."""

_EVERY = 10


@dataclass(frozen=True)
class Projection:
    """Two linear maps into one space.

    Attributes
    ----------
    image_mean, text_mean
        float64 [inputs], taken off first.
    image_map, text_map
        float64 [inputs, dimensions].
    """

    image_mean: Matrix
    image_map: Matrix
    text_mean: Matrix
    text_map: Matrix

    def images(self, vectors: npt.ArrayLike) -> Matrix:
        """Unit vectors [n, dimensions] of the image encoder's vectors [n, inputs]."""
        return _unit((np.asarray(vectors, dtype=np.float64) - self.image_mean) @ self.image_map)

    def texts(self, vectors: npt.ArrayLike) -> Matrix:
        """Unit vectors [n, dimensions] of the text encoder's vectors [n, inputs]."""
        return _unit((np.asarray(vectors, dtype=np.float64) - self.text_mean) @ self.text_map)


def _unit(rows: Matrix) -> Matrix:
    unit: Matrix = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit


@dataclass(frozen=True)
class Trained:
    """The projection before and after training, and how it went.

    Attributes
    ----------
    before, after
        the same start, untrained and trained.
    steps
        of the kept state.
    validation_loss
        InfoNCE of the validation pairs at first and of the kept state.
    """

    before: Projection
    after: Projection
    steps: int
    validation_loss: tuple[float, float]


def train_projection(
    images: npt.ArrayLike,
    texts: npt.ArrayLike,
    same: Sequence[str],
    validation: npt.ArrayLike,
    settings: ImageTextSettings,
) -> Trained:
    """Train on pairs; the same pairs, settings and seed give the same projection.

    Parameters
    ----------
    images
        [n, inputs], the pictures' vectors.
    texts
        [n, inputs], the vectors of their readings, in the same order.
    same
        n texts; pairs with the same one are no opposites.
    validation
        bool [n], the pairs that are validated on and not trained on.
    settings
        dimensions, steps, temperature, seed.

    Raises
    ------
    ImageTextError
        too few pairs.
    """
    import torch

    pictures, words = (np.asarray(rows, dtype=np.float64) for rows in (images, texts))
    held = np.asarray(validation, dtype=bool)
    if (~held).sum() < SMALLEST or held.sum() < 2:
        raise ImageTextError(
            f"{int((~held).sum())} pictures with a reading to train on and {int(held.sum())} to validate on; "
            f"a projection needs {SMALLEST} and 2. Name a column of readings in [images] reading_column, or a "
            "model of pictures and texts in [image_text] model."
        )
    number = {text: place for place, text in enumerate(dict.fromkeys(same))}
    labels = np.array([number[text] for text in same])
    towers = [_components(rows[~held], settings.components) for rows in (pictures, words)]
    random = np.random.default_rng(settings.seed)
    starts = [
        random.standard_normal((basis.shape[1], settings.dimensions)) / np.sqrt(basis.shape[1])
        for _, basis in towers
    ]
    inputs = [
        torch.from_numpy((rows - mean) @ basis)
        for rows, (mean, basis) in zip((pictures, words), towers, strict=True)
    ]
    maps = [torch.tensor(start, requires_grad=True) for start in starts]
    optimizer = torch.optim.Adam(maps, lr=settings.learning_rate, weight_decay=1e-3)
    own, other = torch.from_numpy(~held), torch.from_numpy(held)
    targets = torch.from_numpy(labels)

    def loss(chosen: Any) -> Any:
        left, right = (
            torch.nn.functional.normalize(rows[chosen] @ weights, dim=1)
            for rows, weights in zip(inputs, maps, strict=True)
        )
        logits = left @ right.T / settings.temperature
        right_ones = (targets[chosen][:, None] == targets[chosen][None, :]).double()
        share = right_ones / right_ones.sum(dim=1, keepdim=True)
        return -((share * logits.log_softmax(1)).sum(1) + (share * logits.T.log_softmax(1)).sum(1)).mean() / 2

    with torch.no_grad():
        first = best = float(loss(other))
    kept, kept_step = [start.copy() for start in starts], 0
    for step in range(1, settings.steps + 1):
        optimizer.zero_grad()
        loss(own).backward()
        optimizer.step()
        if step % _EVERY == 0 or step == settings.steps:
            with torch.no_grad():
                now = float(loss(other))
            if now < best:
                best, kept_step = now, step
                kept = [weights.detach().numpy().copy() for weights in maps]
    before, after = (
        Projection(towers[0][0], towers[0][1] @ chosen[0], towers[1][0], towers[1][1] @ chosen[1])
        for chosen in (starts, kept)
    )
    return Trained(before, after, kept_step, (first, best))


def _components(rows: Matrix, components: int) -> tuple[Matrix, Matrix]:
    """Mean and a map onto the first principal components, of mean variance 1.

    They keep their sizes: whitened, what hardly varies counts as much as what tells pictures apart.
    """
    mean = rows.mean(axis=0)
    _, sizes, directions = np.linalg.svd(rows - mean, full_matrices=False)
    usable = min(components, int((sizes > sizes[0] * 1e-6).sum()), len(rows) - 1)
    # The sign of a component is arbitrary; fixed by its largest entry.
    chosen = directions[:usable]
    signs = np.sign(chosen[np.arange(usable), np.abs(chosen).argmax(axis=1)])
    scale = np.sqrt(np.square(sizes[:usable]).mean() / len(rows))
    return mean, (chosen * signs[:, None]).T / scale


def save_projection(folder: Path, projection: Projection, about: dict[str, Any]) -> None:
    """Write the projection and what it is into a folder; no pickle in it."""
    np.savez(
        folder / WEIGHTS,
        image_mean=projection.image_mean,
        image_map=projection.image_map,
        text_mean=projection.text_mean,
        text_map=projection.text_map,
    )
    (folder / "README.md").write_text(
        f"# A projection of pictures and texts: {LABEL}\n\nTrained by medembed_pipeline on the readings of the "
        "train split. It shows that the steps work; it knows nothing of medicine, and no decision may rest on "
        "it.\n"
    )
    (folder / CONFIG).write_text(json.dumps({"label": LABEL, **about}, indent=1, sort_keys=True))


def load_projection(folder: Path) -> tuple[Projection, dict[str, Any]]:
    """What `save_projection` wrote.

    Raises
    ------
    ImageTextError
        the folder lacks a part of it.
    """
    try:
        about = json.loads((folder / CONFIG).read_text())
        with np.load(folder / WEIGHTS, allow_pickle=False) as arrays:
            parts = [arrays[name] for name in ("image_mean", "image_map", "text_mean", "text_map")]
    except (OSError, ValueError, KeyError):
        raise ImageTextError(
            f"{folder} is no projection of medembed_pipeline; expected {CONFIG} and {WEIGHTS}."
        ) from None
    return Projection(*parts), about
