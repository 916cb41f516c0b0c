"""Heatmaps and box plots: plain rows in, Vega-Lite out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medembed_pipeline.pictures.specification import Drawing, Row, Spec

MOST = 60
"""Rows and columns of a heatmap; what is beyond them is left out."""


def heatmap(
    cells: Sequence[Row],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    domain: Sequence[float],
    form: str,
    row_names: Sequence[str] | None = None,
    column_names: Sequence[str] | None = None,
) -> Drawing:
    """Rows x columns of figures, faint to strong; around zero in two colours where the domain has three values.

    Parameters
    ----------
    cells
        each with `row`, `column` (of `rows` and `columns`), `value`, `words`, and, where it is true, `marked`.
    rows, columns
        in their order.
    domain
        of the values: the least and the largest; or least, zero and largest, where more is worse.
    form
        of the numbers of the scale, as d3-format has it.
    row_names, column_names
        what the axes say, where rows or columns are not names themselves.
    """
    rows, columns = rows[:MOST], columns[:MOST]
    shown = [cell for cell in cells if cell["row"] in set(rows) and cell["column"] in set(columns)]
    colors = (
        ["--heat-low", "--heat-high"] if len(domain) == 2 else ["--heat-high", "--heat-low", "--heat-below"]
    )

    def axis(values: Sequence[str], names: Sequence[str] | None, letters: float, **more: object) -> Spec:
        made: Spec = {"title": None, "labelFontSize": letters, "labelPadding": 5, "grid": False, **more}
        if names is not None:
            made["labelExpr"] = "names[datum.value]"
        return {"type": "ordinal", "sort": list(values), "axis": made, "scale": {"domain": list(values)}}

    def spec(narrow: bool) -> Spec:
        room = 300 if narrow else 560
        step = max(11, min(26, room / max(1, len(columns))))
        letters = min(11.5, 0.95 * step)
        limit = 92 if narrow else 190
        x = axis(columns, column_names, letters, orient="top", labelAngle=-90, labelLimit=limit)
        y = axis(rows, row_names, letters, labelLimit=limit)
        legend: Spec = {"format": form, "gradientLength": 150, "tickCount": 3, "direction": "horizontal"}
        color: Spec = {
            "scale": {"domain": list(domain), "range": colors, "clamp": True, "interpolate": "rgb"},
            "legend": legend,
        }
        encoding: Spec = {"x": {"field": "column", **x}, "y": {"field": "row", **y}}
        cell: Spec = {"type": "rect", "stroke": "--surface", "strokeWidth": 1}
        layers: list[Spec] = [
            {
                "name": "cells",
                "mark": cell,
                "encoding": {
                    "color": {"field": "value", "type": "quantitative", **color},
                    "tooltip": {"field": "words"},
                },
            }
        ]
        if any(one.get("marked") for one in shown):
            dot: Spec = {
                "type": "point",
                "filled": True,
                "opacity": 1,
                "color": "--surface",
                "stroke": "--text",
            }
            dot |= {"size": step, "strokeWidth": 0.8}
            layers.append({"transform": [{"filter": "datum.marked"}], "mark": {**dot, "tooltip": None}})
        made: Spec = {"data": {"name": "cells"}, "encoding": encoding, "layer": layers}
        made |= {"width": {"step": step}, "height": {"step": step}}
        names = dict(zip([*rows, *columns], [*(row_names or rows), *(column_names or columns)], strict=False))
        if row_names is not None or column_names is not None:
            made["params"] = [{"name": "names", "value": names}]
        return made

    return Drawing({"cells": shown}, spec(False), spec(True))


def boxes(rows: Sequence[Row], colors: Mapping[str, str]) -> Drawing:
    """Box plots of what is known of distributions.

    Parameters
    ----------
    rows
        each with `name`, `group`, `minimum`, `q1`, `median`, `q3`, `maximum` and `words`.
    colors
        by group.
    """
    data = [{**row, "row": at} for at, row in enumerate(rows)]
    look = {"domain": list(colors), "range": list(colors.values())}
    own: Spec = {
        "color": {"field": "group", "type": "nominal", "scale": look, "legend": None},
        "tooltip": {"field": "words"},
    }

    def along(field: str) -> Spec:
        axis = {"title": None, "tickCount": {"expr": "clamp(width / 80, 3, 8)"}}
        return {
            "field": field,
            "type": "quantitative",
            "axis": axis,
            "scale": {"zero": False, "nice": False, "padding": 8},
        }

    def spec(narrow: bool) -> Spec:
        name: Spec = {"type": "text", "baseline": "middle", "align": "left" if narrow else "right"}
        name |= {"dy": -18} if narrow else {"dx": -8}
        layers: list[Spec] = [
            {"mark": "rule", "encoding": {"x": along("minimum"), "x2": {"field": "maximum"}, **own}},
            {
                "mark": {"type": "rule", "strokeWidth": 16},
                "encoding": {"x": along("q1"), "x2": {"field": "q3"}, **own},
            },
            {
                "mark": {
                    "type": "tick",
                    "size": 20,
                    "thickness": 2.5,
                    "orient": "vertical",
                    "color": "--surface",
                },
                "encoding": {"x": along("median"), "tooltip": {"field": "words"}},
            },
            {"name": "names", "mark": name, "encoding": {"x": {"value": 0}, "text": {"field": "name"}}},
        ]
        y: Spec = {"field": "row", "type": "ordinal", "axis": None}
        return {
            "data": {"name": "rows"},
            "height": {"step": 46 if narrow else 30},
            "encoding": {"y": y},
            "layer": layers,
        }

    return Drawing({"rows": data}, spec(False), spec(True))
