"""Baseline and tuned map side by side, coloured by specialty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.lake import compute as pc
from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.figure import Picture, drawn, new_figure, shorten
from medembed_pipeline.pictures.palette import GRID, MUTED_TEXT, NO_SPECIALTY, OTHER, TEXT, legend_styles

METHOD_NAMES = {
    "pca": "PCA",
    "tsne": "t-SNE",
    "umap": "UMAP",
    "aligned_umap": "AlignedUMAP",
    "joint_pca": "Joint PCA",
}
ALIGNED_METHODS = frozenset({"aligned_umap", "joint_pca"})
"""Maps that hold both models in the same coordinates."""

MOST_VECTOR_NOTES = 5_000
"""With more notes, the points of an SVG are one embedded picture: it opens, and stays small."""

_INDEPENDENT = "Nearness has a meaning; axes, empty space and the size of a cluster have none."
_READING = {
    "pca": "The first two of many principal components: much lies outside of this plane.",
    "tsne": _INDEPENDENT,
    "umap": _INDEPENDENT,
    "aligned_umap": "Same coordinates on both sides: a note that keeps its neighbours stays near its place.",
    "joint_pca": "Same coordinates on both sides: what moves has moved, but much lies outside of this plane.",
}
_MODELS = (("baseline", "Baseline"), ("tuned", "Tuned"))


def maps_picture(
    projections: pa.Table,
    specialties: Mapping[str, Sequence[str]],
    *,
    method: str = "umap",
    quality: pa.Table | None = None,
) -> Picture:
    """The 2-D maps of both models by one method.

    The tuned map is turned and mirrored as a whole (orthogonal Procrustes) so that notes lie towards the same
    side as on the baseline map: the orientation of a map is arbitrary, and no distance changes by it.

    Parameters
    ----------
    projections
        the `projections` table, or `aligned_projections`.
    specialties
        the specialties of each note by note_id; a note that is missing here has none.
    method
        a key of METHOD_NAMES.
    quality
        the table of `map_quality_table`, for the panel titles.

    Raises
    ------
    PictureError
        the method is unknown, or one of the models has no 2-D map by it.
    """
    if method not in METHOD_NAMES:
        raise PictureError(f"method = '{method}': expected one of {', '.join(METHOD_NAMES)}.")
    note_ids, places = map_places(projections, method)
    own = {note_id: specialties.get(note_id) or () for note_id in note_ids}
    styles, style_of = legend_styles(own)
    style_numbers = np.array([style_of[note_id] for note_id in note_ids])
    subtitle = (
        f"{METHOD_NAMES[method]} of {len(note_ids):,} notes, same colours on both sides. A note of several "
        f"specialties shows its most frequent one.\n{_READING[method]}"
    )
    frame = np.vstack(list(places.values())) if method in ALIGNED_METHODS else None
    with new_figure(height=4.62, title="Notes before and after fine-tuning", subtitle=subtitle) as figure:
        size = float(np.clip(9000 / len(note_ids), 3, 30))
        for left, (model, name) in zip((0.02, 0.388), _MODELS, strict=True):
            axes = figure.add_axes((left, 0.02, 0.355, 0.69))
            axes.set_title(name, pad=6)
            axes.set_title(
                _quality_text(quality, model, method),
                loc="right",
                fontsize=9,
                fontweight="normal",
                color=MUTED_TEXT,
                pad=6,
            )
            coordinates = places[model]
            # The rarest on top, notes without a specialty and the grey rest below.
            for number in sorted(
                range(len(styles)), key=lambda n: (_is_named(styles[n].name), -styles[n].notes)
            ):
                mine = coordinates[style_numbers == number]
                style = styles[number]
                named = _is_named(style.name)
                axes.scatter(
                    mine[:, 0],
                    mine[:, 1],
                    s=size * (1.0 if named else 0.7),
                    c=style.color,
                    marker=style.marker,
                    linewidths=0.3 if named else (0.7 if style.name == OTHER else 0),
                    edgecolors="white" if named else None,
                    alpha=0.9 if named else 0.8,
                    rasterized=len(note_ids) > MOST_VECTOR_NOTES,
                )
            square_frame(axes, coordinates if frame is None else frame)
        legend = figure.add_axes((0.75, 0.02, 0.24, 0.69))
        legend.axis("off")
        handles = [
            legend.scatter(
                [],
                [],
                s=42,
                c=style.color,
                marker=style.marker,
                label=f"{shorten(style.name, 22)} ({style.notes:,})",
            )
            for style in styles
        ]
        box = legend.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(-0.02, 1.02),
            frameon=False,
            fontsize=9,
            labelcolor=TEXT,
            handletextpad=0.3,
            labelspacing=0.62,
            borderpad=0,
            title="specialty (notes shown)",
            title_fontsize=9,
            alignment="left",
        )
        box.get_title().set_color(MUTED_TEXT)
        return drawn(figure)


def turned_onto(
    reference: npt.NDArray[np.float64], points: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """`points`, centred, turned and mirrored to fit `reference` best; both [n, d], row by row the same notes.

    Orthogonal Procrustes (Schoenemann 1966): no scaling, so all distances stay.
    """
    centered = points - points.mean(axis=0)
    left, _, right = np.linalg.svd(centered.T @ (reference - reference.mean(axis=0)))
    return centered @ (left @ right)


def map_places(projections: pa.Table, method: str) -> tuple[list[str], dict[str, npt.NDArray[np.float64]]]:
    """Sorted note ids, and where they lie on the 2-D map of each model, [n, 2], as `maps_picture` shows it.

    Raises
    ------
    PictureError
        a model has no such map, or the two hold different notes.
    """
    flat = projections.filter(
        pc.and_(pc.equal(projections["method"], method), pc.equal(projections["dimensions"], 2))
    )
    places: dict[str, npt.NDArray[np.float64]] = {}
    ids: list[list[str]] = []
    for model, _ in _MODELS:
        mine = flat.filter(pc.equal(flat["model"], model)).sort_by("note_id")
        if len(mine) == 0:
            raise PictureError(
                f"projections: no 2-D {method} map of the model '{model}'. Materialize projections with it."
            )
        ids.append(mine["note_id"].to_pylist())
        places[model] = np.column_stack([mine["x"].to_numpy(), mine["y"].to_numpy()]).astype(np.float64)
    if ids[0] != ids[1]:
        raise PictureError(
            f"projections: the {method} maps hold different notes "
            f"({len(ids[0])} and {len(ids[1])}). Materialize projections again."
        )
    if method not in ALIGNED_METHODS:
        places["tuned"] = turned_onto(places["baseline"], places["tuned"])
    return ids[0], places


def square_frame(axes: object, coordinates: npt.NDArray[np.float64]) -> None:
    """A square frame around all notes, the same scale along both axes."""
    low, high = coordinates.min(axis=0), coordinates.max(axis=0)
    middle, reach = (low + high) / 2, max(float((high - low).max()) / 2 * 1.05, 1e-9)
    axes.set(  # type: ignore[attr-defined]
        xlim=(middle[0] - reach, middle[0] + reach),
        ylim=(middle[1] - reach, middle[1] + reach),
        xticks=[],
        yticks=[],
        aspect="equal",
        anchor="N",
    )
    for spine in axes.spines.values():  # type: ignore[attr-defined]
        spine.set(visible=True, color=GRID)


def _quality_text(quality: pa.Table | None, model: str, method: str) -> str:
    if quality is None:
        return ""
    for row in quality.to_pylist():
        if (row["model"], row["method"], row["dimensions"]) == (model, method, 2):
            return f"trustworthiness {row['trustworthiness']:.2f}"
    return ""


def _is_named(name: str) -> bool:
    return name not in (OTHER, NO_SPECIALTY)
