"""The figures of the ledger: what notes won and lost, and which specialties are taken for which."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from medembed_pipeline.pictures.curves import distribution
from medembed_pipeline.pictures.grids import heatmap
from medembed_pipeline.pictures.numbers import is_number, percent, signed
from medembed_pipeline.pictures.specification import Choice, Figure, Known, Row

_BINS = 21
_EDGES = [-1.05 + 0.1 * at for at in range(_BINS + 1)]
_PARTS: tuple[tuple[str, str, Callable[[float], bool]], ...] = (
    ("worse", "--worse", lambda change: change < 0),
    ("unchanged", "--baseline", lambda change: change == 0),
    ("better", "--tuned", lambda change: change > 0),
)
_SMALLEST_REACH = 0.001


def ledger_figures(rows: Sequence[Row], _: Known) -> list[Figure]:
    """By how much every held-out note's precision at 10 changed; nothing where no change is defined.

    Parameters
    ----------
    rows
        of `query_results`.
    """
    known = [row for row in rows if is_number(row["change"])]
    if not known:
        return []
    changes = [row["change"] for row in known]
    series = {}
    means = []
    for name, color, belongs in _PARTS:
        own = [change for change in changes if belongs(change)]
        shares = [0.0] * _BINS
        for change in own:
            shares[round((change + 1) * 10)] += 1 / len(changes)
        series[f"{len(own):,} {name} ({percent(len(own) / len(changes))})"] = (color, shares)
        if own and name != "unchanged":
            means.append(f"{name} by {signed(sum(own) / len(own), 2)} on average")
    right = sum(row["change"] == 0 and row["precision_tuned"] == 1 for row in known)
    said = " and ".join(means)
    return [
        Figure(
            "change_by_note",
            "Change by note",
            f"How much precision at 10 changed for each of {len(changes):,} held-out "
            f"notes{': ' if said else ''}{said}; of those unchanged, {right:,} were all right before and after. "
            "Good: a heavy right side, and a thin left one; look at the left end first.",
            "Change of precision at 10 by note",
            distribution(series, _EDGES, axis="change of precision at 10"),
        )
    ]


def confusion_figures(rows: Sequence[Row], _: Known) -> list[Figure]:
    """Which specialties the wrong neighbours of each specialty are of, after and before, and the change.

    Parameters
    ----------
    rows
        of `label_confusions`.
    """
    share = {(row["model"], row["specialty"], row["wrong_specialty"]): row["share"] for row in rows}
    queries = {row["specialty"]: row["queries"] for row in rows}
    pairs = list(dict.fromkeys((row["specialty"], row["wrong_specialty"]) for row in rows))
    names = sorted({name for pair in pairs for name in pair}, key=lambda name: (-queries.get(name, 0), name))
    cells: list[Row] = []
    changes: list[Row] = []
    for one, other in pairs:
        before, after = (share.get((model, one, other), 0.0) for model in ("baseline", "tuned"))
        cell = {
            "row": one,
            "column": other,
            "words": f"Of what {one} finds, {percent(before, 1)} was wrongly {other} before, {percent(after, 1)} after",
        }
        cells += [{**cell, "model": "tuned", "value": after}, {**cell, "model": "baseline", "value": before}]
        changes.append({**cell, "value": after - before})
    reach = max(_SMALLEST_REACH, *(abs(cell["value"]) for cell in changes))
    top = max(cell["value"] for cell in cells)
    what = "Row: the specialty that searches. Column: the specialty of the wrong notes it gets among its ten nearest"
    return [
        Figure(
            "confusions",
            "Wrong neighbours, by specialty",
            f"{what}, as a share of all that it gets. Strong colour is much confusion. Good: a faint square.",
            "Confusions between specialties",
            heatmap(cells, rows=names, columns=names, domain=[0, top], form=".0%"),
            (Choice("Show", "model", (("tuned", "after"), ("baseline", "before")), "tuned"),),
        ),
        Figure(
            "confusion_changes",
            "Wrong neighbours, what has changed",
            f"{what}; blue is less confusion than before, vermillion is more. Good: much blue, little vermillion.",
            "Changes of confusions between specialties",
            heatmap(changes, rows=names, columns=names, domain=[-reach, 0, reach], form="+.0%"),
        ),
    ]
