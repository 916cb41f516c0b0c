"""Triage: what each arm reaches, what is left without its partner, what shortcuts tell, and reliability."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from medembed_pipeline.pictures.errors import PictureError
from medembed_pipeline.pictures.figure import Picture, drawn, interval_row, named_rows, new_figure
from medembed_pipeline.pictures.palette import (
    BASELINE_COLOR,
    MUTED_TEXT,
    TUNED_COLOR,
    WORSE_COLOR,
)

if TYPE_CHECKING:
    pass

Record = Mapping[str, Any]
_FIGURES = (("auc", "AUC"), ("weighted_f1", "weighted F1"), ("under_triage", "under-triage"))


def arms_picture(metrics: pa.Table) -> Picture:
    """The arms on held-out cases in AUC, weighted F1 and under-triage, those of them that there are.

    Parameters
    ----------
    metrics
        `triage_metrics`.

    Raises
    ------
    PictureError
        there is no figure over all cases.
    """
    rows = [row for row in metrics.to_pylist() if row["scope_kind"] == "all"]
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    shown = [(name, title) for name, title in _FIGURES if any(row["figure"] == name for row in rows)]
    if not shown:
        raise PictureError("triage_metrics: there is no figure over all cases.")
    height = 1.7 + 0.42 * len(arms)
    with new_figure(
        height=height,
        title="What each arm reaches",
        subtitle="On held-out cases, with intervals by patient. Blue: arms that see note and picture.",
    ) as figure:
        panels = np.atleast_1d(figure.subplots(1, len(shown), sharey=True))
        figure.subplots_adjust(left=0.15, right=0.98, top=1 - 1.1 / height, bottom=0.42 / height, wspace=0.1)
        for axes, (name, title) in zip(panels, shown, strict=True):
            found = {row["arm"]: row for row in rows if row["figure"] == name}
            for place, arm in enumerate(arms):
                if arm in found:
                    color = (
                        TUNED_COLOR
                        if arm in ("late_fusion", "points", "concatenated", "gated")
                        else BASELINE_COLOR
                    )
                    interval_row(axes, place, found[arm], color)
            named_rows(axes, [arm.replace("_", " ") for arm in arms])
            axes.set_title(title)
        return drawn(figure)


def ledger_picture(ledger: pa.Table, figure_name: str, single: str) -> Picture:
    """The paired difference of every arm and variant to the best single arm.

    Parameters
    ----------
    ledger
        `modality_ledger`.
    figure_name
        in what they are compared.
    single
        the best single arm.

    Raises
    ------
    PictureError
        there is nothing to compare.
    """
    rows = [
        row for row in ledger.to_pylist() if row["over"] == "best_single" and row["figure"] == figure_name
    ]
    if not rows:
        raise PictureError("modality_ledger: there is no arm beside the best single one.")
    height = 1.3 + 0.36 * len(rows)
    with new_figure(
        height=height,
        title=f"What a partner is worth, beside the {single} alone",
        subtitle=f"Difference in {_shown(figure_name)}, paired, with intervals by patient.",
    ) as figure:
        axes = figure.subplots()
        figure.subplots_adjust(left=0.32, right=0.96, top=1 - 0.85 / height, bottom=0.4 / height)
        axes.axvline(0, color=MUTED_TEXT, linewidth=1)
        for place, row in enumerate(rows):
            whole = row["variant"] == "as_it_is"
            interval_row(axes, place, row, TUNED_COLOR if whole else BASELINE_COLOR, signed=True)
        named_rows(axes, [_variant(row) for row in rows])
        return drawn(figure)


def _shown(figure_name: str) -> str:
    return "AUC" if figure_name == "auc" else figure_name.replace("_", " ")


def _variant(row: Record) -> str:
    arm = str(row["arm"]).replace("_", " ")
    kind, _, part = str(row["variant"]).partition("_")
    told = {
        "as": arm,
        "emap": f"{arm}, adding up alone",
        "shuffled": f"{arm}, others' {part}s",
        "blank": f"{arm}, no {part}",
    }
    return told[kind]


def shortcuts_picture(meter: pa.Table, figure_name: str) -> Picture:
    """What each input tells, against shuffled levels and the compared arm.

    Parameters
    ----------
    meter
        `shortcut_meter`.
    figure_name
        in what they are compared.

    Raises
    ------
    PictureError
        there is nothing to draw.
    """
    rows = [row for row in meter.to_pylist() if row["figure"] == figure_name]
    if not rows:
        raise PictureError(f"shortcut_meter: there is no {figure_name}.")
    height = 1.3 + 0.36 * len(rows)
    with new_figure(
        height=height,
        title="What tells the level without being a reason for it",
        subtitle=f"In {_shown(figure_name)}, with intervals by patient. Grey: shuffled levels. Red: what "
        "it is compared with.",
    ) as figure:
        axes = figure.subplots()
        figure.subplots_adjust(left=0.32, right=0.96, top=1 - 0.85 / height, bottom=0.4 / height)
        for place, row in enumerate(rows):
            if math.isfinite(row["floor_low"]):
                axes.plot(
                    [row["floor_low"], row["floor_high"]],
                    [place] * 2,
                    color=MUTED_TEXT,
                    linewidth=9,
                    alpha=0.3,
                )
            interval_row(axes, place, row, TUNED_COLOR)
            axes.plot([row["reference"]] * 2, [place - 0.3, place + 0.3], color=WORSE_COLOR, linewidth=1.5)
        named_rows(
            axes,
            [
                row["input"].replace("_", " ") + ("" if row["scope"] == "all" else f": {row['scope'][:24]}")
                for row in rows
            ],
        )
        return drawn(figure)
