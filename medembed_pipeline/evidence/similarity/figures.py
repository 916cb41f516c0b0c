"""The figures of the similarity evidence: distributions of pairs, heatmaps, and the notes at each epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medembed_pipeline.pictures.curves import distribution, held
from medembed_pipeline.pictures.grids import MOST, boxes, heatmap
from medembed_pipeline.pictures.numbers import is_number, number
from medembed_pipeline.pictures.palette import PAPER, legend_styles
from medembed_pipeline.pictures.specification import Drawing, Figure, Known, Note, Row, Spec

MOST_MAPS = 8
"""Maps of one figure; of a longer training, epochs at even distances, the first, the best and the last among them."""

_MODELS = {"baseline": "before", "tuned": "after"}
_GROUPS = {"positive": ("share a specialty", "--tuned"), "negative": ("share none", "--worse")}
_SHAPES = {"o": "circle", "^": "triangle-up", "s": "square", "D": "diamond", "x": "cross", ".": "circle"}
_COLORS = {color.lower(): name for name, color in PAPER.items()}


def similarity_figures(rows: Sequence[Row], known: Known) -> list[Figure]:
    """What the rows of `similarity_evidence` are enough for.

    Parameters
    ----------
    rows
        of the table.
    known
        the notes that it names.
    """
    of: dict[str, list[Row]] = {}
    for row in rows:
        of.setdefault(row["figure"], []).append(row)
    return [
        *_distributions(of.get("histogram", []), of.get("spread", [])),
        *_boxes(of.get("spread", [])),
        *_specialties(of.get("specialties", [])),
        *_documents(of.get("documents", []), known),
        *_maps(of.get("progress_map", []), known),
    ]


def course_values(rows: Sequence[Row]) -> dict[str, list[tuple[float, float | None]]]:
    """What `training.figures.course_figures` takes, out of the rows of `similarity_evidence`."""
    found: dict[str, list[tuple[float, float | None]]] = {}
    for row in rows:
        if row["figure"] == "progress":
            found.setdefault(row["group"], []).append((row["position"], row["value"]))
    return found


def _distributions(rows: Sequence[Row], spread: Sequence[Row]) -> list[Figure]:
    if not rows:
        return []
    bins = 1 + max(row["position"] for row in rows)
    shares = {(model, group): [0.0] * bins for model in _MODELS for group in _GROUPS}
    for row in rows:
        shares[row["model"], row["group"]][row["position"]] += row["value"]
    for counts in shares.values():
        total = sum(counts) or 1
        counts[:] = [count / total for count in counts]
    edges = [-1 + 2 * at / bins for at in range(bins + 1)]
    span, top = held(*shares.values()), max(max(counts) for counts in shares.values())
    told = {(row["model"], row["group"]): row["value"] for row in spread if row["statistic"] == "value"}
    readings = {
        "baseline": (
            "Pairs of held-out notes that share a specialty (blue) and pairs that share none (vermillion). Before "
            "and after have the same scale."
        ),
        "tuned": (
            "Good: the two hills stand apart, blue at the right. Bad: they overlap as before, or both have moved to "
            "the right together."
        ),
    }
    made = []
    for model, when in _MODELS.items():
        series = {name: (color, shares[model, group]) for group, (name, color) in _GROUPS.items()}
        margin, separation = told.get((model, "margin")), told.get((model, "separation"))
        said = f" Margin {number(margin)}, separation {number(separation, 2)}." if is_number(margin) else ""
        title = f"Similarity of pairs, {when}"
        drawing = distribution(series, edges, axis="cosine similarity", span=span, top=top)
        made.append(Figure(f"similarity_{when}", title, readings[model] + said, title, drawing))
    return made


def _boxes(spread: Sequence[Row]) -> list[Figure]:
    value = {(row["model"], row["group"], row["statistic"]): row["value"] for row in spread}
    lines = []
    for model, when in _MODELS.items():
        for group, (name, _) in _GROUPS.items():
            five = {
                one: value.get((model, group, one)) for one in ("minimum", "q1", "median", "q3", "maximum")
            }
            if all(is_number(one) for one in five.values()):
                mean, std = (value.get((model, group, one)) for one in ("mean", "std"))
                words = (
                    f"{when}, {name}: median {number(five['median'])}, middle half {number(five['q1'])} to "
                    f"{number(five['q3'])}, range {number(five['minimum'])} to {number(five['maximum'])}, mean "
                    f"{number(mean)} ± {number(std)}"
                )
                lines.append({"name": f"{when}: {name}", "group": group, "words": words, **five})
    if not lines:
        return []
    reading = (
        "The box holds the middle half, the line is the median, the whiskers reach the lowest and the highest "
        "pair. Good: after the tuning the boxes no longer overlap."
    )
    drawing = boxes(lines, {group: color for group, (_, color) in _GROUPS.items()})
    return [Figure("boxes", "The same as box plots", reading, "Box plots of similarity", drawing)]


def _specialties(rows: Sequence[Row]) -> list[Figure]:
    if not rows:
        return []
    names = sorted({name for row in rows for name in (row["group"], row["other"])})
    pairs: dict[tuple[str, str, str], Row] = {}
    for row in rows:
        # The same both ways, whether the table says it once or twice.
        pairs[row["model"], row["group"], row["other"]] = pairs[row["model"], row["other"], row["group"]] = (
            row
        )
    cells: dict[str, list[Row]] = {model: [] for model in _MODELS}
    for (model, one, other), row in pairs.items():
        if is_number(row["value"]):
            pairs_said = "" if row["n"] is None else f" ({row['n']:,} pairs)"
            said = f"{one} \N{MULTIPLICATION SIGN} {other}: {number(row['value'])}{pairs_said}"
            cells[model].append({"row": one, "column": other, "value": row["value"], "words": said})
    readings = {
        "baseline": "Mean similarity of the notes of two specialties. Before and after have the same scale.",
        "tuned": (
            "Good: a strong diagonal and a faint rest. A strong block off the diagonal is two specialties that the "
            "model cannot tell apart."
        ),
    }
    return _twins("specialties", "Specialty by specialty", readings, cells, names, None)


def _documents(rows: Sequence[Row], known: Known) -> list[Figure]:
    if not rows:
        return []
    columns = {row["other"]: row["position"] for row in rows}
    notes = sorted(columns, key=columns.__getitem__)
    names = [_note(note, known).label for note in notes]
    cells = {
        model: [
            {
                "row": row["group"],
                "column": row["other"],
                "value": row["value"],
                "marked": row["relevant"] is True,
                "words": f"{_note(row['group'], known).words} \N{MULTIPLICATION SIGN} "
                f"{_note(row['other'], known).words}: {number(row['value'])}",
            }
            for row in rows
            if row["model"] == model and row["relevant"] is not None and is_number(row["value"])
        ]
        for model in _MODELS
    }
    first = f" The first {MOST} are shown." if len(notes) > MOST else ""
    readings = {
        "baseline": (
            "Held-out notes against held-out notes, in the order of their specialties; a dot marks pairs that share "
            f"one. Before and after have the same scale.{first}"
        ),
        "tuned": "Good: strong colour where the dots are, faint elsewhere.",
    }
    return _twins("documents", "Note by note", readings, cells, notes, names)


def _twins(
    name: str,
    title: str,
    readings: Mapping[str, str],
    cells: Mapping[str, Sequence[Row]],
    places: Sequence[str],
    names: Sequence[str] | None,
) -> list[Figure]:
    """Before and after as heatmaps, on one scale from the second to the ninety-eighth percentile."""
    values = sorted(cell["value"] for model in cells for cell in cells[model])
    if not values:
        return []
    low, high = (values[int(share * (len(values) - 1))] for share in (0.02, 0.98))
    domain = [low, max(high, low + 1e-6)]
    return [
        Figure(
            f"{name}_{when}",
            f"{title}, {when}",
            readings[model],
            f"{title}, {when}",
            heatmap(
                cells[model],
                rows=places,
                columns=places,
                domain=domain,
                form=".2f",
                row_names=names,
                column_names=names,
            ),
        )
        for model, when in _MODELS.items()
    ]


def _maps(rows: Sequence[Row], known: Known) -> list[Figure]:
    if not rows:
        return []
    best = known.fact("finetuned_checkpoint", "best_epoch")
    places: dict[tuple[int, str], dict[str, float]] = {}
    for row in rows:
        places.setdefault((row["position"], row["group"]), {})[row["statistic"]] = row["value"]
    shown = evenly(sorted({epoch for epoch, _ in places}), best)
    notes = sorted({note for _, note in places})
    styles, style_of = legend_styles({note: _note(note, known).specialties for note in notes}, most=8)
    look = {
        "domain": [style.name for style in styles],
        "range": [_COLORS.get(style.color.lower(), "--pale") for style in styles],
    }
    points = [
        {
            "epoch": epoch,
            "look": styles[style_of[note]].name,
            "words": _note(note, known).words,
            **{axis: at[axis] for axis in ("x", "y")},
        }
        for (epoch, note), at in places.items()
        if epoch in shown
    ]
    kept = f"(datum.value === {best} ? ', kept' : '')" if best is not None else "''"
    header = f"(datum.value === 0 ? 'before training' : 'epoch ' + datum.value) + {kept}"

    def spec(narrow: bool) -> Spec:
        side = 132 if narrow else 190
        shapes = {**look, "range": [_SHAPES[style.marker] for style in styles]}
        legend: Spec = {"columns": 1 if narrow else 3}
        flat: Spec = {
            "type": "quantitative",
            "axis": None,
            "scale": {"zero": False, "nice": False, "padding": 6},
        }
        encoding: Spec = {
            "x": {"field": "x", **flat},
            "y": {"field": "y", **flat},
            "color": {"field": "look", "type": "nominal", "scale": look, "legend": legend},
            "shape": {"field": "look", "type": "nominal", "scale": shapes, "legend": legend},
            "tooltip": {"field": "words"},
        }
        mark: Spec = {
            "type": "point",
            "filled": True,
            "opacity": 0.85,
            "size": max(12, min(40, 6000 / len(notes))),
        }
        panel: Spec = {"width": side, "height": side, "view": {"stroke": "--line"}}
        labels: Spec = {
            "labelExpr": header,
            "labelColor": "--text",
            "labelFontSize": 12,
            "labelPadding": 4,
            "title": None,
        }
        return {
            "data": {"name": "points"},
            "facet": {"field": "epoch", "type": "ordinal", "header": labels},
            "columns": 2 if narrow else 4,
            "spacing": 14,
            "spec": {**panel, "name": "places", "mark": mark, "encoding": encoding},
        }

    return [
        Figure(
            "maps_by_epoch",
            "The map at each epoch",
            f"{len(notes):,} held-out notes on the plane of their two main directions over all epochs: the same "
            "axes and scale in every map. Much lies outside of this plane. Good: colours draw together and stay "
            "apart from one another. Bad: everything draws together.",
            "Maps of the held-out notes by epoch",
            Drawing({"points": points}, spec(False), spec(True)),
        )
    ]


def evenly(epochs: Sequence[int], best_epoch: int | None) -> list[int]:
    """At most MOST_MAPS of some epochs, at even distances; the first, the last and the best always."""
    if len(epochs) <= MOST_MAPS:
        return list(epochs)
    chosen = [epochs[round(at * (len(epochs) - 1) / (MOST_MAPS - 1))] for at in range(MOST_MAPS)]
    if best_epoch is not None and best_epoch in epochs and best_epoch not in chosen:
        # The nearest one makes room, but for the first and the last.
        inner = range(1, len(chosen) - 1)
        nearest = min(inner, key=lambda place: abs(chosen[place] - best_epoch))
        chosen[nearest] = best_epoch
    return sorted(chosen)


def _note(key: str, known: Known) -> Note:
    return known.notes.get(str(key)) or Note(str(key), ())
