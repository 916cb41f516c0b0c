"""Pictures against prompts: margins, likeness, and both kinds on a map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from medembed_pipeline.pictures.figure import Picture, drawn, new_figure, quiet_grid
from medembed_pipeline.pictures.palette import BLUE, GRID, MUTED_TEXT, ORANGE, TEXT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = npt.NDArray[np.float64]
_COLORS = {1.0: ORANGE, 0.0: BLUE}
_MOST_PICTURES = 400
_NAMES = {"base": "before", "finetuned": "after"}


class Pair(Protocol):
    """What a pair of prompts must have to be drawn."""

    @property
    def pair_id(self) -> str: ...

    @property
    def positive(self) -> str: ...

    @property
    def negative(self) -> str: ...


class Seen(Protocol):
    """What a space must have to be drawn."""

    @property
    def pictures(self) -> FloatArray: ...

    @property
    def texts(self) -> Mapping[str, FloatArray]: ...


def image_text_pictures(
    pairs: Sequence[Pair],
    sides: tuple[str, str],
    belongs: Mapping[str, FloatArray],
    spaces: Mapping[str, Seen],
    *,
    label: str,
    seed: int,
) -> dict[str, Picture]:
    """The pictures that need vectors, by name.

    Parameters
    ----------
    pairs
        of prompts.
    sides
        the words for the two sides.
    belongs
        by pair, 1.0, 0.0 or NaN for each picture.
    spaces
        by model, held-out pictures and prompts.
    label
        of the model, such as "not a medical model".
    seed
        of t-SNE.
    """
    last = "finetuned" if "finetuned" in spaces else "base"
    return {
        "margins": margins_picture(pairs, sides, belongs, spaces, label),
        "likeness": likeness_picture(pairs, belongs, spaces[last], label),
        "map": map_picture(pairs, sides, belongs, spaces[last], label, seed),
    }


def margins_picture(
    pairs: Sequence[Pair],
    sides: tuple[str, str],
    belongs: Mapping[str, FloatArray],
    spaces: Mapping[str, Seen],
    label: str,
) -> Picture:
    """The distribution of the margins of each pair, by the side that labels put a picture on."""
    height = 1.5 + 1.25 * len(pairs)
    with new_figure(
        height=height,
        title="Margins of held-out pictures",
        subtitle=f"Orange: labelled {sides[0]}; blue: {sides[1]}. Right of the line a picture is nearer to {sides[0]}. "
        f"{_said(label)}",
    ) as figure:
        grid = figure.subplots(len(pairs), len(spaces), squeeze=False)
        figure.subplots_adjust(
            left=0.20, right=0.97, top=1 - 1.0 / height, bottom=0.4 / height, hspace=0.5, wspace=0.12
        )
        for column, (model, space) in enumerate(spaces.items()):
            for row, pair in enumerate(pairs):
                axes: Axes = grid[row][column]
                _plain(axes)
                margin = space.pictures @ (space.texts[pair.positive] - space.texts[pair.negative])
                edges = np.histogram_bin_edges(margin, bins=32)
                for side, color in _COLORS.items():
                    own = margin[belongs[pair.pair_id] == side]
                    if len(own):
                        axes.hist(own, bins=list(edges), color=color, alpha=0.6)
                if np.isnan(belongs[pair.pair_id]).all():
                    axes.hist(margin, bins=list(edges), color=MUTED_TEXT, alpha=0.6)
                axes.axvline(0, color=TEXT, linewidth=1)
                axes.set_yticks([])
                if row == 0:
                    axes.set_title(_NAMES.get(model, model) if len(spaces) > 1 else "", fontsize=10)
                if column == 0:
                    axes.set_ylabel(_words(pair.pair_id), rotation=0, ha="right", va="center", fontsize=9.5)
        return drawn(figure)


def likeness_picture(
    pairs: Sequence[Pair], belongs: Mapping[str, FloatArray], space: Seen, label: str
) -> Picture:
    """Cosine of every two prompts, and of every two pictures in the order of the first pair's sides."""
    texts = _texts(pairs)
    rows = np.array([space.texts[text] for text in texts])
    order = np.argsort(-np.nan_to_num(belongs[pairs[0].pair_id], nan=0.5), kind="stable")
    step = max(1, -(-len(order) // _MOST_PICTURES))
    pictures = space.pictures[order[::step]]
    with new_figure(
        height=4.6,
        title="How alike prompts are, and pictures",
        subtitle="Cosine of every two different prompts (left) and of every two pictures, by "
        f"{_words(pairs[0].pair_id)}. {_said(label)}",
    ) as figure:
        left, right = figure.subplots(1, 2)
        figure.subplots_adjust(left=0.06, right=0.94, top=0.78, bottom=0.10, wspace=0.25)
        for axes, matrix, name in (
            (left, rows @ rows.T, "prompts"),
            (right, pictures @ pictures.T, "pictures"),
        ):
            drawn_matrix = axes.imshow(matrix, cmap="cividis", vmin=-1, vmax=1, interpolation="nearest")
            axes.set_xlabel(f"{len(matrix)} {name}")
            axes.set_xticks([])
            axes.set_yticks([])
            figure.colorbar(drawn_matrix, ax=axes, fraction=0.045)
        return drawn(figure)


def map_picture(
    pairs: Sequence[Pair],
    sides: tuple[str, str],
    belongs: Mapping[str, FloatArray],
    space: Seen,
    label: str,
    seed: int,
) -> Picture:
    """PCA and t-SNE of prompts and pictures, each once, on unit vectors."""
    texts = _texts(pairs)
    rows = np.vstack([space.pictures, [space.texts[text] for text in texts]])
    asked = {pair.positive for pair in pairs}
    colors = [_COLORS.get(float(side), MUTED_TEXT) for side in belongs[pairs[0].pair_id]]
    marks = [_COLORS[1.0] if text in asked else _COLORS[0.0] for text in texts]
    count = len(space.pictures)
    with new_figure(
        height=4.8,
        title="Pictures and prompts in one space",
        subtitle=f"Dots are held-out pictures by {_words(pairs[0].pair_id)}, diamonds prompts; orange: "
        f"{sides[0]}, blue: {sides[1]}. {_said(label)}",
    ) as figure:
        panels = figure.subplots(1, 2)
        figure.subplots_adjust(left=0.03, right=0.97, top=0.78, bottom=0.06, wspace=0.08)
        for axes, (name, places) in zip(
            panels, (("PCA", _pca(rows)), ("t-SNE", _tsne(rows, seed))), strict=True
        ):
            _plain(axes)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_title(name, fontsize=10)
            if places is None:
                continue
            axes.scatter(places[:count, 0], places[:count, 1], s=9, c=colors, alpha=0.65, linewidths=0)
            axes.scatter(
                places[count:, 0],
                places[count:, 1],
                s=44,
                c=marks,
                marker="D",
                edgecolors=TEXT,
                linewidths=0.8,
            )
        return drawn(figure)


def _pca(rows: FloatArray) -> FloatArray:
    centred = rows - rows.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    places: FloatArray = left[:, :2] * sizes[:2]
    signs = np.sign(places[np.abs(places).argmax(axis=0), range(places.shape[1])])
    return places * signs


def _tsne(rows: FloatArray, seed: int) -> FloatArray | None:
    """None for too few rows."""
    if len(rows) < 8:
        return None
    from sklearn.manifold import TSNE

    model = TSNE(
        perplexity=min(30.0, (len(rows) - 1) / 3), init="pca", random_state=seed, max_iter=500, n_jobs=1
    )
    return np.asarray(model.fit_transform(rows), dtype=np.float64)


def _texts(pairs: Sequence[Pair]) -> list[str]:
    return list(dict.fromkeys([*(pair.positive for pair in pairs), *(pair.negative for pair in pairs)]))


def _words(name: str | None) -> str:
    return (name or "").replace("_", " ")


def _said(label: str) -> str:
    return f"The model is {label}." if label else ""


def _plain(axes: Any) -> None:
    quiet_grid(axes, axis="x")
    for spine in axes.spines.values():
        spine.set_color(GRID)
