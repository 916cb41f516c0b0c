"""How sure the labels are, and how near the two models come to the best that these labels allow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from medembed_pipeline.lake import compute as pc
from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.figure import Picture, drawn, new_figure, quiet_grid
from medembed_pipeline.pictures.palette import (
    BASELINE_COLOR,
    MUTED_TEXT,
    NEARLY_BLACK,
    ORANGE,
    TEXT,
    TUNED_COLOR,
    WORSE_COLOR,
)

_JUDGEMENTS = (
    ("looks_wrong", "looks wrong", "another specialty is likely, the given one is not", WORSE_COLOR),
    ("several_specialties", "several specialties", "the given one and a further one are likely", ORANGE),
    ("agrees", "agrees", "not enough speaks against the label", BASELINE_COLOR),
)
_BINS = 40
_NAMES = {"precision": "precision", "mrr": "MRR", "ndcg": "nDCG", "map": "MAP"}


def label_quality_picture(review: pa.Table) -> Picture:
    """Distribution of the label quality of each judgement.

    Parameters
    ----------
    review
        the table `label_review`; columns label_quality and judgement. Notes without judgement are left out.

    Raises
    ------
    PictureError
        columns are missing, or no note is judged.
    """
    missing = sorted({"label_quality", "judgement"}.difference(review.column_names))
    if missing:
        raise PictureError(f"label_review: the columns {', '.join(missing)} are missing.")
    judged = review.filter(pc.is_valid(review["judgement"]))
    if not len(judged):
        raise PictureError("label_review: no note is judged, so there is nothing to draw.")
    edges = np.linspace(0, 1, _BINS + 1)
    height = 5.4
    with new_figure(
        height=height,
        title="How sure the labels are",
        subtitle=(
            f"{len(judged):,} labelled notes by the quality of their label: 0 suspicious, 1 sure "
            "(cleanlab, from probabilities of models\nthat did not see the note). "
            "Each panel has its own scale. The table label_review begins with those that look wrong."
        ),
    ) as figure:
        panels = figure.subplots(3, 1, sharex=True)
        figure.subplots_adjust(
            left=0.085, right=0.98, top=1 - 1.32 / height, bottom=0.55 / height, hspace=0.62
        )
        for axes, (judgement, name, meaning, color) in zip(panels, _JUDGEMENTS, strict=True):
            part = judged.filter(pc.equal(judged["judgement"], judgement))
            counts, _ = np.histogram(part["label_quality"].to_numpy(), bins=edges)
            quiet_grid(axes, axis="y")
            axes.spines["left"].set_visible(False)
            axes.bar(edges[:-1], counts, width=np.diff(edges) * 0.9, align="edge", color=color)
            axes.set_ylim(0, max(1, int(counts.max())) * 1.08)
            axes.yaxis.get_major_locator().set_params(integer=True, nbins=3)
            axes.set_title(f"{name}: {len(part):,} ({len(part) / len(judged):.1%})", color=TEXT, pad=6)
            axes.text(
                1,
                1.07,
                meaning,
                transform=axes.transAxes,
                ha="right",
                va="bottom",
                color=MUTED_TEXT,
                fontsize=9.5,
            )
        panels[-1].set_xlim(0, 1)
        panels[-1].set_xlabel("label quality")
        panels[1].set_ylabel("notes")
        return drawn(figure)


def ceiling_picture(ceilings: Sequence[dict[str, Any]], metrics: pa.Table) -> Picture:
    """Both models on held-out notes, and the best that any model could reach with these labels.

    Parameters
    ----------
    ceilings
        records metric, k, ceiling, ceiling_with_label_noise, n (the fact `ceilings` of `label_review`).
    metrics
        the table `embedding_metrics`; rows of scope `all`.

    Raises
    ------
    PictureError
        no figure has a ceiling and both models.
    """
    values = {
        (row["model"], row["metric"], row["k"]): row["value"]
        for row in metrics.to_pylist()
        if row["scope"] == "all"
    }
    lines = [
        (row, values["baseline", row["metric"], row["k"]], values["tuned", row["metric"], row["k"]])
        for row in ceilings
        if {("baseline", row["metric"], row["k"]), ("tuned", row["metric"], row["k"])} <= values.keys()
    ]
    if not lines:
        raise PictureError(
            "label_review and embedding_metrics: no figure with a ceiling and both models. Materialize both."
        )
    height = 1.9 + 0.5 * len(lines)
    with new_figure(
        height=height,
        title="The models under the label ceiling",
        subtitle=(
            f"{lines[0][0]['n']:,} held-out queries. No model can pass the solid line. A model that knows what "
            "every note is about, but not how\nit was misfiled, is expected at the dotted line, "
            "if the notes that look wrong are wrong."
        ),
    ) as figure:
        axes = figure.subplots()
        figure.subplots_adjust(left=0.14, right=0.71, top=1 - 1.3 / height, bottom=0.42 / height)
        quiet_grid(axes, axis="x")
        axes.spines[["left", "bottom"]].set_visible(False)
        for position, (row, before, after) in enumerate(lines):
            for name, style in (("ceiling", "-"), ("ceiling_with_label_noise", ":")):
                axes.plot(
                    [row[name]] * 2,
                    [position - 0.36, position + 0.36],
                    style,
                    color=NEARLY_BLACK,
                    linewidth=2.2,
                    zorder=2,
                )
            axes.plot(
                [before, after], [position] * 2, color="#C9CED6", linewidth=6, solid_capstyle="butt", zorder=1
            )
            for value, color, marker in ((before, BASELINE_COLOR, "s"), (after, TUNED_COLOR, "o")):
                axes.plot(
                    value,
                    position,
                    marker,
                    color=color,
                    markersize=8.5,
                    markeredgecolor="white",
                    markeredgewidth=0.8,
                    zorder=3,
                )
            texts = (
                f"{before:.3f}",
                f"{after:.3f}",
                f"{row['ceiling_with_label_noise']:.3f}",
                f"{row['ceiling']:.3f}",
            )
            for place, text, color in zip(_COLUMN_PLACES, texts, _COLUMN_COLORS, strict=True):
                axes.annotate(
                    text,
                    (place, position),
                    xycoords=("axes fraction", "data"),
                    va="center",
                    ha="right",
                    fontsize=9.5,
                    color=color,
                    annotation_clip=False,
                )
        names = [
            _NAMES.get(row["metric"], row["metric"]) + (f"@{row['k']}" if row["k"] else "")
            for row, *_ in lines
        ]
        axes.set_yticks(range(len(lines)), names, color=TEXT)
        axes.set_ylim(len(lines) - 0.45, -0.55)
        axes.set_xlim(0, 1.015)
        heads = ("baseline", "tuned", "dotted", "solid")
        for place, text, color in zip(_COLUMN_PLACES, heads, _COLUMN_COLORS, strict=True):
            axes.annotate(
                text,
                (place, 1),
                xycoords="axes fraction",
                xytext=(0, 5),
                textcoords="offset points",
                ha="right",
                fontsize=9,
                color=color,
                annotation_clip=False,
            )
        head = 1 - 1.12 / height
        for place, text, color in (
            (0.14, "■ baseline", BASELINE_COLOR),
            (0.245, "● tuned", TUNED_COLOR),
            (0.33, "┃ label ceiling", NEARLY_BLACK),
            (0.475, "┊ with label errors", NEARLY_BLACK),
        ):
            figure.text(place, head, text, color=color, fontsize=9.5, fontweight="bold", va="center")
        return drawn(figure)


_COLUMN_PLACES = (1.13, 1.23, 1.33, 1.43)
_COLUMN_COLORS = (MUTED_TEXT, TUNED_COLOR, TEXT, TEXT)
