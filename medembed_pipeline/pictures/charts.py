"""The kinds of chart that figures are made of: plain rows in, Vega-Lite out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medembed_pipeline.pictures.numbers import has_interval, is_number, number, signed, with_interval
from medembed_pipeline.pictures.specification import Drawing, Row, Spec

MODELS = (
    ("tuned", "--tuned", "circle"),
    ("baseline", "--baseline", "square"),
    ("word matching", "--fourth", "diamond"),
)
"""In their order from top to bottom: name, colour, shape."""

_VERDICTS = (("better", "--tuned"), ("worse", "--worse"), ("unclear", "--baseline"))
_VERDICT_SHAPES = ("circle", "triangle-down", "square")
_ACROSS: Spec = {
    "title": None,
    "tickCount": {"expr": "clamp(width / 80, 3, 8)"},
    "gridColor": {"condition": {"test": "datum.value === 0", "value": "--muted"}, "value": "--grid"},
    "labelExpr": "datum.value === 0 ? '0' : datum.label",
}


def judged(change: Row) -> str:
    """Better, worse, or neither (unclear), by a paired interval."""
    if not has_interval(change):
        return "unclear"
    return "better" if change["ci_low"] > 0 else "worse" if change["ci_high"] < 0 else "unclear"


def dumbbells(
    lines: Sequence[Mapping[str, Any]],
    *,
    digits: int = 3,
    limit: str = "",
    models: Mapping[str, str] | None = None,
) -> Drawing:
    """Before and after on one line each.

    Parameters
    ----------
    lines
        each a `name`; by `baseline`, `tuned` and `word matching` a row with `value`, `ci_low`, `ci_high`, where it is
        there; `change`, a row, too; `limit`, the place of an upright line; `beyond`, from where on the way from before
        to after counts for nothing; further keys, by which a reader chooses.
    digits
        after the point.
    limit
        what the upright line is, in words that follow the line's name.
    models
        other names of the models, by their usual ones.
    """
    named = {model: (models or {}).get(model, model) for model, _, _ in MODELS}
    marks: list[Row] = []
    rows: list[Row] = []
    place: dict[tuple[Any, ...], int] = {}
    for line in lines:
        more = {
            key: value
            for key, value in line.items()
            if key not in (*named, "name", "change", "limit", "beyond")
        }
        # Lines that stand for another choice begin at the top again.
        at = place[tuple(more.values())] = place.get(tuple(more.values()), -1) + 1
        found = {model: line[model] for model in named if line.get(model) and is_number(line[model]["value"])}
        for model, row in found.items():
            ends = (row["ci_low"], row["ci_high"]) if has_interval(row) else (row["value"], row["value"])
            said = f"{line['name']}, {named[model]}: {with_interval(row, digits)}"
            marks.append(
                {
                    **more,
                    "row": at,
                    "model": named[model],
                    "value": row["value"],
                    "low": ends[0],
                    "high": ends[1],
                    "words": said,
                }
            )
        change: Row = line.get("change") or {"value": None}
        known = is_number(change["value"])
        rows.append(
            {
                **more,
                "row": at,
                "name": line["name"],
                "from": found["baseline"]["value"]
                if len({"baseline", "tuned"} & found.keys()) == 2
                else None,
                "to": found["tuned"]["value"] if "tuned" in found else None,
                "beyond": line.get("beyond"),
                "limit": line.get("limit"),
                "limit_words": f"{line['name']}{limit}: {number(line.get('limit'), digits)}",
                "verdict": judged(change),
                "change": with_interval(change, digits, sign=True) if known else "",
                "short": signed(change["value"], digits) if known else "",
            }
        )
    shown = [one for one in MODELS if any(mark["model"] == named[one[0]] for mark in marks)]
    apart, up = (10, 24) if len(shown) == 3 else (4, 16)
    offsets = dict(
        zip((name for name, _, _ in MODELS), (-apart, 0 if len(shown) == 3 else apart, apart), strict=True)
    )

    def spec(narrow: bool) -> Spec:
        layers: list[Spec] = [
            {
                "data": {"name": "rows"},
                "mark": {"type": "rule", "strokeWidth": 7, "color": "--line"},
                "encoding": {"x": _along("from"), "x2": {"field": "to"}},
            }
        ]
        if any(row["beyond"] is not None for row in rows):
            layers.append(
                {
                    "data": {"name": "rows"},
                    "transform": [{"filter": "isValid(datum.beyond)"}],
                    "mark": {"type": "rule", "strokeWidth": 7, "color": "--worse", "opacity": 0.4},
                    "encoding": {"x": _along("beyond"), "x2": {"field": "to"}},
                }
            )
        if any(row["limit"] is not None for row in rows):
            layers.append(
                {
                    "name": "limits",
                    "data": {"name": "rows"},
                    "transform": [{"filter": "isValid(datum.limit)"}],
                    "mark": {
                        "type": "tick",
                        "thickness": 2,
                        "size": 24,
                        "color": "--text",
                        "orient": "vertical",
                    },
                    "encoding": {"x": _along("limit"), "tooltip": {"field": "limit_words"}},
                }
            )
        look = {"domain": [named[name] for name, _, _ in shown], "range": [color for _, color, _ in shown]}
        shapes = {**look, "range": [shape for _, _, shape in shown]}
        for name, _, _ in reversed(shown):
            of = {"field": "model", "equal": named[name]}
            layers += _points(name, "model", look, shapes, data="marks", of=of, offset=offsets[name])
        layers += [_names(narrow, up), _beside("short" if narrow else "change", narrow=narrow, up=up)]
        step = (60, 48) if narrow else (42, 32)
        return {"height": {"step": step[0 if len(shown) == 3 else 1]}, "encoding": _ROWS, "layer": layers}

    return Drawing({"rows": rows, "marks": marks}, spec(False), spec(True))


def forest(lines: Sequence[Mapping[str, Any]], *, digits: int = 3, counted: str = "notes") -> Drawing:
    """Differences with their intervals, one line each, on the fall that is tolerated.

    Parameters
    ----------
    lines
        each with `name`, `n`, `value`, `ci_low`, `ci_high`, `before`, `after`, `tolerated`; `verdict` where it is not
        whether the interval holds zero that decides between better, worse and unclear; further keys, by which a reader
        chooses.
    digits
        after the point, in what is said of a line that is pointed at.
    counted
        what `n` counts.
    """
    rows: list[Row] = []
    place: dict[tuple[Any, ...], int] = {}
    own = ("name", "n", "value", "ci_low", "ci_high", "before", "after", "tolerated", "verdict")
    for line in lines:
        more = {key: value for key, value in line.items() if key not in own}
        at = place[tuple(more.values())] = place.get(tuple(more.values()), -1) + 1
        ends = (line["ci_low"], line["ci_high"]) if has_interval(line) else (line["value"], line["value"])
        rows.append(
            {
                **more,
                "row": at,
                "name": f"{line['name']} ({line['n']:,})",
                "value": line["value"],
                "low": ends[0],
                "high": ends[1],
                "tolerated": -line["tolerated"] if line["tolerated"] else 0,
                "zero": 0,
                "verdict": line.get("verdict") or judged(line),
                "levels": f"{number(line['before'], 2)} → {number(line['after'], 2)}",
                "change": signed(line["value"], 2),
                "words": f"{line['name']}: {number(line['before'], digits)} to {number(line['after'], digits)}, change "
                f"{with_interval(line, digits, sign=True)}, {line['n']:,} {counted}",
            }
        )
    look = {"domain": [name for name, _ in _VERDICTS], "range": [color for _, color in _VERDICTS]}
    shapes = {**look, "range": list(_VERDICT_SHAPES)}

    def spec(narrow: bool) -> Spec:
        layers: list[Spec] = [
            {
                "data": {"name": "rows"},
                "mark": {"type": "rule", "strokeWidth": 16 if narrow else 24, "color": "--soft"},
                "encoding": {"x": _along("tolerated", "+~g"), "x2": {"field": "zero"}},
            },
            *_points("points", "verdict", look, shapes, data="rows", form="+~g"),
            _names(narrow),
            _beside("change", narrow=narrow, dx=106),
        ]
        if not narrow:
            layers.append(_beside("levels", narrow=False))
        return {"height": {"step": 42 if narrow else 24}, "encoding": _ROWS, "layer": layers}

    return Drawing({"rows": rows}, spec(False), spec(True))


_VERDICT_COLORS: list[Spec] = [
    {"test": f"datum.verdict === '{verdict}'", "value": color}
    for verdict, color in (("better", "--tuned-text"), ("worse", "--worse-text"))
]
_ROWS: Spec = {"y": {"field": "row", "type": "ordinal", "axis": None}}


def _along(field: str, form: str = "~g") -> Spec:
    return {
        "field": field,
        "type": "quantitative",
        "axis": {**_ACROSS, "format": form},
        "scale": {"zero": True, "nice": False, "padding": 10},
    }


def _points(
    name: str,
    field: str,
    look: Spec,
    shapes: Spec,
    *,
    data: str,
    of: Spec | None = None,
    offset: int = 0,
    form: str = "~g",
) -> list[Spec]:
    """Whiskers, and on them points that say themselves when they are pointed at."""
    shared: Spec = {"data": {"name": data}, "transform": [{"filter": of}] if of else []}
    legend: Spec = {"legend": {} if of else None}
    color = {"field": field, "type": "nominal", "scale": look, **legend}
    tooltip = {"field": "words"}
    return [
        {
            **shared,
            "mark": {"type": "rule", "yOffset": offset},
            "encoding": {
                "x": _along("low", form),
                "x2": {"field": "high"},
                "color": color,
                "tooltip": tooltip,
            },
        },
        {
            **shared,
            "name": name.replace(" ", "_"),
            "mark": {"type": "point", "filled": True, "opacity": 1, "size": 90, "yOffset": offset},
            "encoding": {
                "x": _along("value", form),
                "color": color,
                "shape": {"field": field, "type": "nominal", "scale": shapes, **legend},
                "tooltip": tooltip,
            },
        },
    ]


def _names(narrow: bool, up: int = 16) -> Spec:
    """The name of each line: at its left, or above it."""
    mark: Spec = {"type": "text", "baseline": "middle"}
    if narrow:
        mark |= {"align": "left", "dy": -up, "limit": {"expr": "width - 64"}}
    else:
        mark |= {"align": "right", "dx": -8, "limit": 270}
    return {
        "name": "names",
        "data": {"name": "rows"},
        "mark": mark,
        "encoding": {"x": {"value": 0}, "text": {"field": "name"}},
    }


def _beside(field: str, *, narrow: bool, dx: int = 8, up: int = 16) -> Spec:
    """A text at the right of each line, or above its end; in the colour of its verdict where it says a change."""
    mark: Spec = {"type": "text", "baseline": "middle", "align": "left", "dx": dx, "fontSize": 12.5}
    if narrow:
        mark |= {"align": "right", "dx": 0, "dy": -up}
    return {
        "name": field,
        "data": {"name": "rows"},
        "mark": mark,
        "encoding": {
            "x": {"value": "width"},
            "text": {"field": field},
            "color": {"condition": _VERDICT_COLORS if field != "levels" else [], "value": "--muted"},
        },
    }


def listing(rows: Sequence[Row], columns: Mapping[str, tuple[str, float, str]], *, step: int = 27) -> Drawing:
    """A table as a picture, for where there is none to read.

    Parameters
    ----------
    rows
        by the names of `columns`; `verdict` gives the last column its colour; a row without it is a heading.
    columns
        by name: its heading, where it stands as a share of the width, and its side (left, right).
    step
        pixels from row to row.
    """
    data = [{**dict.fromkeys(columns, ""), **row, "row": at + 1} for at, row in enumerate(rows)]
    heads = [{"row": 0, **{name: head for name, (head, _, _) in columns.items()}}]
    *_, last = columns
    layers: list[Spec] = []
    for name, (_, at, side) in columns.items():
        x = {"value": {"expr": f"{at} * width"}}
        text: Spec = {"type": "text", "align": side, "baseline": "middle", "fontSize": 12.5}
        layers.append(
            {
                "data": {"name": "heads"},
                "mark": {**text, "fontSize": 11.5, "color": "--muted"},
                "encoding": {"x": x, "text": {"field": name}},
            }
        )
        conditions: list[Spec] = [{"test": "!isValid(datum.verdict)", "value": "--text"}]
        if name == last:
            conditions += _VERDICT_COLORS
        color = {"condition": conditions, "value": "--muted" if name != "name" else "--text"}
        layers.append(
            {
                "data": {"name": "rows"},
                "mark": text,
                "encoding": {"x": x, "text": {"field": name}, "color": color},
            }
        )
    return Drawing(
        {"rows": data, "heads": heads}, {"height": {"step": step}, "encoding": _ROWS, "layer": layers}
    )
