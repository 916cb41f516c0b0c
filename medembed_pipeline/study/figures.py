"""The figures of a study: the course of the search, the score by each value, and what matters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from medembed_pipeline.pictures.curves import LOOKS, bars
from medembed_pipeline.pictures.numbers import capital, is_number, number, percent, words
from medembed_pipeline.pictures.specification import Choice, Drawing, Figure, Known, Row, Spec

_STATES = ("complete", "ended early", "does not keep what must be kept")


def study_figures(asset: str, rows: Sequence[Row], known: Known) -> list[Figure]:
    """What the trials of a study are enough for.

    Parameters
    ----------
    asset
        of the study.
    rows
        a trial each.
    known
        the facts `score`, `space` and `importances` of the asset.
    """
    trials = [
        {**row, "said": _said(row), "reached": score_of(row)} for row in rows if row["state"] != "failed"
    ]
    trials = [trial for trial in trials if is_number(trial["reached"])]
    importances = known.fact(asset, "importances") or ()
    space = known.fact(asset, "space") or ()
    return [
        *([_course(trials, known.fact(asset, "score") or "score")] if trials else []),
        *([_slices(trials, space)] if trials and space else []),
        *([_importance(importances)] if importances else []),
    ]


def score_of(row: Row) -> float | None:
    """The score; of a trial that was ended early its last one on the way."""
    if is_number(row["score"]):
        return row["score"]
    return row["step_scores"][-1] if row["step_scores"] else None


def short(value: Any) -> str:
    """As short as a number can be said."""
    return f"{value:.3g}" if is_number(value) else str(value)


def _said(row: Row) -> str:
    return _STATES[1] if row["state"] == "pruned" else _STATES[0] if row["allowed"] else _STATES[2]


def _course(trials: Sequence[dict[str, Any]], score: str) -> Figure:
    points = [
        {
            "at": trial["number"],
            "value": trial["reached"],
            "series": trial["said"],
            "words": f"Trial {trial['number']}, {trial['said']}: {number(trial['reached'], 4)}",
        }
        for trial in trials
    ]
    best: list[Row] = []
    for trial in trials:
        if trial["said"] == _STATES[0] and (not best or trial["score"] > best[-1]["value"]):
            best.append({"at": trial["number"], "value": trial["score"]})
    if best:
        best.append({"at": max(trial["number"] for trial in trials), "value": best[-1]["value"]})
    x: Spec = {"field": "at", "type": "quantitative", "scale": {"nice": False, "padding": 10}}
    x["axis"] = {"title": "trial", "grid": False, "format": "d", "tickMinStep": 1}
    layers: list[Spec] = [
        {
            "data": {"name": "best"},
            "mark": {"type": "line", "interpolate": "step-after", "color": "--muted", "strokeWidth": 1.5},
            "encoding": {"x": x, "y": _SCORE},
        },
        _points(x, None),
    ]
    return Figure(
        "history",
        "The course of the search",
        f"Each trial's {score}; of one that was ended early the last on the way. The grey line is the best so far. "
        "Good: it rises, then levels off. Trial 0 has the defaults. The best of many looks better than it is: it "
        "was chosen on the notes that scored it.",
        "The course of the search",
        Drawing({"points": points, "best": best}, {"height": 220, "layer": layers}),
    )


def _slices(trials: Sequence[dict[str, Any]], space: Sequence[Mapping[str, Any]]) -> Figure:
    points = []
    ticks = []
    for one in space:
        name, options = one["name"], str(one["options"]).split(", ") if one["kind"] == "choice" else None
        for trial in trials:
            value = trial[name]
            at = options.index(str(value)) if options else _placed(value, one)
            said = f"Trial {trial['number']}, {trial['said']}: {words(name)} {short(value)}"
            points.append(
                {
                    "parameter": name,
                    "at": at,
                    "value": trial["reached"],
                    "series": trial["said"],
                    "words": f"{said}, score {number(trial['reached'], 4)}",
                }
            )
        ends = [_placed(one[end], one) for end in ("low", "high")] if not options else []
        places = range(len(options)) if options else [ends[0], sum(ends) / 2, ends[1]]
        named = options or [short(10**at if one["log"] else at) for at in places]
        ticks += [{"parameter": name, "at": at, "name": tick} for at, tick in zip(places, named, strict=True)]
    x: Spec = {
        "field": "at",
        "type": "quantitative",
        "axis": None,
        "scale": {"nice": False, "zero": False, "padding": 24},
    }
    tick: Spec = {"type": "text", "baseline": "top", "dy": 8, "fontSize": 11.5, "color": "--muted"}
    layers: list[Spec] = [
        {
            "name": "ticks",
            "data": {"name": "ticks"},
            "mark": tick,
            "encoding": {"x": x, "y": {"value": "height"}, "text": {"field": "name"}},
        },
        _points(x, 0.75),
    ]
    return Figure(
        "slices",
        "The score by each value",
        "A point is a trial. Good: the best one does not lie at an end of what was tried.",
        "The score by each value of the chosen parameter",
        Drawing({"points": points, "ticks": ticks}, {"height": 190, "layer": layers}),
        (
            Choice(
                "Parameter",
                "parameter",
                tuple((one["name"], capital(words(one["name"]))) for one in space),
                space[0]["name"],
            ),
        ),
    )


def _importance(importances: Sequence[Mapping[str, Any]]) -> Figure:
    rows = [
        {
            "name": words(one["parameter"]),
            "value": one["importance"],
            "said": percent(one["importance"]),
            "words": f"{words(one['parameter'])}: {percent(one['importance'])}",
        }
        for one in importances
    ]
    return Figure(
        "importance",
        "What matters",
        "Of the score's variance that parameters explain by themselves, the share of each (fANOVA). With few "
        "trials it is a hint.",
        "What matters",
        bars(rows),
    )


_SCORE: Spec = {
    "field": "value",
    "type": "quantitative",
    "axis": {"title": None, "tickCount": 4},
    "scale": {"zero": False, "padding": 8},
}


def _points(x: Spec, opacity: float | None) -> Spec:
    scale = {"domain": list(_STATES), "range": [color for color, _, _ in (LOOKS[0], LOOKS[3], LOOKS[1])]}
    shapes = {**scale, "range": ["circle", "triangle-down", "cross"]}
    return {
        "name": "points",
        "data": {"name": "points"},
        "mark": {"type": "point", "filled": True, "opacity": opacity or 1, "size": 60},
        "encoding": {
            "x": x,
            "y": _SCORE,
            "color": {"field": "series", "type": "nominal", "scale": scale, "legend": {"columns": 1}},
            "shape": {"field": "series", "type": "nominal", "scale": shapes, "legend": {"columns": 1}},
            "tooltip": {"field": "words"},
        },
    }


def _placed(value: float, parameter: Mapping[str, Any]) -> float:
    return math.log10(value) if parameter["log"] else value
