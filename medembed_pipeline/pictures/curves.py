"""Curves, distributions and bars: plain rows in, Vega-Lite out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from medembed_pipeline.pictures.numbers import is_number, number, percent
from medembed_pipeline.pictures.specification import Drawing, Row, Spec

LOOKS = (
    ("--tuned", [1, 0], "circle"),
    ("--worse", [6, 3], "square"),
    ("--third", [2, 3], "triangle-up"),
    ("--fourth", [9, 3, 2, 3], "diamond"),
)
"""Colour, dashes and shape of a series by its place."""

_GRID: Spec = {"title": None, "tickCount": 4}


def curves(
    series: Mapping[str, Sequence[tuple[float, float | None]]],
    *,
    axis: str,
    whole: bool = True,
    digits: int = 4,
    marked: tuple[float, str] | None = None,
    height: int = 200,
    beside: Callable[[str, float], str] = lambda series, at: "",
) -> Drawing:
    """Lines with their points.

    Parameters
    ----------
    series
        at most as many as LOOKS, by name: places along the axis and values; what is no number is left out.
    axis
        what lies along.
    whole
        whether the axis counts, and is told in whole numbers.
    digits
        after the point, in what is said of a point.
    marked
        a place along the axis with an upright line, and its name.
    height
        of the plot, in pixels.
    beside
        what else is said of a point, by its series and place.
    """
    points: list[Row] = [
        {
            "series": name,
            "at": at,
            "value": value,
            "words": f"{name}, {axis} {at:g}: {number(value, digits)}{beside(name, at)}",
        }
        for name, places in series.items()
        for at, value in places
        if is_number(value)
    ]
    names = [name for name in series if any(point["series"] == name for point in points)]
    data: dict[str, Sequence[Row]] = {"points": points}
    x: Spec = {"field": "at", "type": "quantitative", "scale": {"nice": False, "padding": 10, "zero": False}}
    x["axis"] = {"title": axis, "grid": False, "tickCount": {"expr": "clamp(width / 60, 2, 8)"}}
    if whole:
        x["axis"] |= {"format": "d", **_whole_ticks([point["at"] for point in points])}
    y = {"field": "value", "type": "quantitative", "axis": _GRID, "scale": {"zero": False, "padding": 8}}

    def spec(narrow: bool) -> Spec:
        legend: Spec = {"columns": 1 if narrow else 0, "symbolStrokeWidth": 2}

        def look(part: int) -> Spec:
            scale = {"domain": names, "range": [one[part] for one in LOOKS[: len(names)]]}
            return {"field": "series", "type": "nominal", "scale": scale, "legend": legend}

        layers: list[Spec] = []
        if marked is not None:
            layers += [
                {
                    "data": {"name": "marked"},
                    "mark": {"type": "rule", "color": "--muted", "strokeDash": [4, 3], "strokeWidth": 1},
                    "encoding": {"x": x},
                },
                {
                    "data": {"name": "marked"},
                    "mark": {
                        "type": "text",
                        "align": "right",
                        "baseline": "top",
                        "dx": -4,
                        "fontSize": 11.5,
                        "color": "--muted",
                    },
                    "encoding": {"x": x, "y": {"value": 0}, "text": {"field": "name"}},
                },
            ]
        layers += [
            {
                "data": {"name": "points"},
                "mark": {"type": "line", "strokeWidth": 2},
                "encoding": {"x": x, "y": y, "color": look(0), "strokeDash": {**look(1), "legend": None}},
            },
            {
                "name": "points",
                "data": {"name": "points"},
                "mark": {"type": "point", "filled": True, "opacity": 1, "size": 50},
                "encoding": {
                    "x": x,
                    "y": y,
                    "color": look(0),
                    "shape": look(2),
                    "tooltip": {"field": "words"},
                },
            },
        ]
        return {"height": height, "layer": layers}

    if marked is not None:
        data["marked"] = [{"at": marked[0], "name": marked[1]}]
    return Drawing(data, spec(False), spec(True))


def _whole_ticks(places: Sequence[float]) -> Spec:
    """Whole numbers, at most nine: a number of ticks that goes by the width brings halves."""
    if not places:
        return {}
    first, last = math.floor(min(places)), math.ceil(max(places))
    least = max(1, (last - first) / 8)
    power = 10 ** math.floor(math.log10(least))
    step = next(round(times * power) for times in (1, 2, 5, 10) if times * power >= least)
    return {"values": list(range(math.ceil(first / step) * step, last + 1, step))}


def reliability(found: Mapping[str, Sequence[Row]], counted: str) -> Drawing:
    """What probabilities said, and how often they were right, beside the straight line.

    Parameters
    ----------
    found
        by series, a record per bin: `said`, `true`, and how many (`n`).
    counted
        what they are of, in the plural.
    """
    counts = {
        (name, row["said"]): f" ({row['n']:,} {counted})" for name, rows in found.items() for row in rows
    }
    series: dict[str, list[tuple[float, float | None]]] = {
        name: [(row["said"], row["true"]) for row in rows] for name, rows in found.items()
    }
    series["perfect"] = [(0, 0), (1, 1)]
    return curves(
        series, axis="said", whole=False, digits=2, beside=lambda name, at: counts.get((name, at), "")
    )


def distribution(
    series: Mapping[str, tuple[str, Sequence[float]]],
    edges: Sequence[float],
    *,
    axis: str,
    height: int = 170,
    marked: tuple[float, str] | None = None,
    span: tuple[int, int] | None = None,
    top: float | None = None,
) -> Drawing:
    """Overlaid histograms.

    Parameters
    ----------
    series
        by name: a colour, and the share of each bin.
    edges
        of the bins, one more than there are.
    axis
        what lies along.
    height
        of the plot, in pixels.
    marked
        a place along the axis with an upright line, and its name.
    span
        the first and the last bin that are drawn; else those that hold something, with one of air.
    top
        the largest share that has room; else the largest there is.
    """
    first, last = span or held(*(shares for _, shares in series.values()))
    steps: list[Row] = []
    for name, (_, shares) in series.items():
        steps += [
            {"series": name, "at": edges[place], "share": shares[place]} for place in range(first, last + 1)
        ]
        steps.append({"series": name, "at": edges[last + 1], "share": shares[last]})
    bins: list[Row] = [
        {
            "at": edges[place],
            "end": edges[place + 1],
            "words": f"{number(edges[place], 2)} to {number(edges[place + 1], 2)}: "
            + ", ".join(f"{name} {percent(shares[place], 1)}" for name, (_, shares) in series.items()),
        }
        for place in range(first, last + 1)
    ]
    look = {"domain": list(series), "range": [color for color, _ in series.values()]}
    room: Spec = {} if top is None else {"scale": {"domain": [0, top]}}
    x: Spec = {
        "field": "at",
        "type": "quantitative",
        "axis": {"title": axis, "grid": False, "tickCount": {"expr": "clamp(width / 70, 3, 9)"}},
        "scale": {"nice": False, "zero": False},
    }
    data: dict[str, Sequence[Row]] = {"steps": steps, "bins": bins}
    layers: list[Spec] = []
    if marked is not None:
        data["marked"] = [{"at": marked[0], "name": marked[1]}]
        layers += [
            {"data": {"name": "marked"}, "mark": {"type": "rule", "color": "--text"}, "encoding": {"x": x}},
            {
                "data": {"name": "marked"},
                "mark": {
                    "type": "text",
                    "align": "left",
                    "baseline": "top",
                    "dx": 5,
                    "fontSize": 11.5,
                    "color": "--muted",
                },
                "encoding": {"x": x, "y": {"value": 0}, "text": {"field": "name"}},
            },
        ]
    layers.append(
        {
            "name": "bins",
            "data": {"name": "bins"},
            "mark": {"type": "rect", "opacity": 0},
            "encoding": {
                "x": x,
                "x2": {"field": "end"},
                "y": {"value": 0},
                "y2": {"value": "height"},
                "tooltip": {"field": "words"},
            },
        }
    )

    def spec(narrow: bool) -> Spec:
        color: Spec = {
            "field": "series",
            "type": "nominal",
            "scale": look,
            "legend": {"columns": 1 if narrow else 0},
        }
        axis: Spec = {**_GRID, "format": ".3~%"}
        y: Spec = {"field": "share", "type": "quantitative", "stack": None, "axis": axis, **room}
        area: Spec = {
            "type": "area",
            "interpolate": "step-after",
            "fillOpacity": 0.3,
            "line": {"strokeWidth": 1.5},
        }
        hills: Spec = {"data": {"name": "steps"}, "mark": area, "encoding": {"x": x, "y": y, "color": color}}
        return {"height": height, "layer": [hills, *layers]}

    return Drawing(data, spec(False), spec(True))


def held(*shares: Sequence[float]) -> tuple[int, int]:
    """The first and the last bin that hold something in any of some histograms, with one of air."""
    places = [place for one in shares for place, share in enumerate(one) if share > 0]
    last = len(shares[0]) - 1
    return (max(0, min(places) - 1), min(last, max(places) + 1)) if places else (0, last)


def bars(rows: Sequence[Row], *, step: int = 26, color: str = "--tuned") -> Drawing:
    """One bar along each line, with its figure at the end.

    Parameters
    ----------
    rows
        each with `name`, `value`, `said` (the figure in words), and `words` for who points at it.
    step
        pixels from line to line.
    color
        of the bars.
    """
    data = [{**row, "row": at} for at, row in enumerate(rows)]
    shared: Spec = {
        "x": {"field": "value", "type": "quantitative", "axis": None, "scale": {"zero": True, "nice": False}}
    }
    names: Spec = {"type": "text", "align": "right", "baseline": "middle", "dx": -8, "limit": 220}
    layers: list[Spec] = [
        {
            "name": "bars",
            "mark": {"type": "bar", "color": color, "height": {"band": 0.65}},
            "encoding": {**shared, "tooltip": {"field": "words"}},
        },
        {
            "mark": {
                "type": "text",
                "align": "left",
                "baseline": "middle",
                "dx": 6,
                "fontSize": 12,
                "color": "--muted",
            },
            "encoding": {**shared, "text": {"field": "said"}},
        },
        {"name": "names", "mark": names, "encoding": {"x": {"value": 0}, "text": {"field": "name"}}},
    ]
    y: Spec = {"field": "row", "type": "ordinal", "axis": None}
    spec: Spec = {"data": {"name": "rows"}, "height": {"step": step}, "encoding": {"y": y}, "layer": layers}
    return Drawing({"rows": data}, spec)


def pillars(rows: Sequence[Row], series: Mapping[str, str], *, axis: str, height: int = 200) -> Drawing:
    """Upright bars side by side, with their figures on top.

    Parameters
    ----------
    rows
        each with `group`, `series`, `value` and `words`; groups in their order.
    series
        colours by name.
    axis
        what lies along.
    height
        of the plot, in pixels.
    """
    data = [{**row, "said": f"{row['value']:,}" if row["value"] else ""} for row in rows]
    look: Spec = {"domain": list(series), "range": list(series.values())}
    encoding: Spec = {
        "x": {
            "field": "group",
            "type": "ordinal",
            "sort": None,
            "axis": {"title": axis, "labelAngle": 0, "grid": False},
        },
        "xOffset": {"field": "series", "sort": list(series)},
        "y": {"field": "value", "type": "quantitative", "axis": _GRID},
        "color": {"field": "series", "type": "nominal", "scale": look, "legend": {}},
    }
    said: Spec = {"type": "text", "baseline": "bottom", "dy": -2, "fontSize": 10}
    layers: list[Spec] = [
        {"name": "bars", "mark": "bar", "encoding": {"tooltip": {"field": "words"}}},
        {"mark": said, "encoding": {"text": {"field": "said"}}},
    ]
    return Drawing(
        {"rows": data}, {"data": {"name": "rows"}, "height": height, "encoding": encoding, "layer": layers}
    )
