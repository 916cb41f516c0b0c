"""The figures of the tasks: their changes against what is tolerated, and where each model stands."""

from __future__ import annotations

from collections.abc import Sequence

from medembed_pipeline.pictures.charts import dumbbells, forest
from medembed_pipeline.pictures.numbers import capital, has_interval, is_number, words
from medembed_pipeline.pictures.specification import Figure, Known, Row
from medembed_pipeline.tasks.table import judgement

_METRICS = {"mrr": "MRR", "ndcg": "nDCG", "map": "MAP", "spearman": "Spearman correlation"}
_MODELS = {"baseline": "baseline", "tuned": "tuned", "lexical": "word matching", "difference": "change"}
_COLORS = {"kept": "better", "lost": "worse", "unclear": "unclear"}


def task_figures(rows: Sequence[Row], _: Known) -> list[Figure]:
    """The change of every task's main metric, and its levels, in the order of the table `task_metrics`."""
    found: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        if row["is_main"] and row["model"] in _MODELS:
            found.setdefault((row["family"], row["task"]), {})[_MODELS[row["model"]]] = row
    tasks = [models for models in found.values() if {"baseline", "tuned", "change"} <= models.keys()]
    if not tasks:
        return []
    return [
        Figure(
            "what_was_kept",
            "Change by task",
            "Tuned minus baseline in the main metric of each task, paired, with its interval; in brackets its "
            "items. The band is the fall that is tolerated. Blue: kept, the whole interval lies right of the "
            "band's left end. Vermillion: lost, the change lies left of it, and the interval does not reach zero. "
            "Grey: unclear.",
            "Change by task",
            forest([_change(**models) for models in tasks], counted="items"),
        ),
        Figure(
            "before_and_after",
            "Before and after",
            "Main metric of each task, with intervals. Word matching (TF-IDF) reads no meaning at all: a model "
            "that stays below it is no better than counting words.",
            "Tasks before and after",
            dumbbells(
                [{"name": f"{name_of(models)} ({_metric(models['change'])})", **models} for models in tasks]
            ),
        ),
    ]


def name_of(models: dict[str, Row]) -> str:
    """The task's name."""
    return capital(words(models["change"]["task"]))


def _change(**models: Row) -> Row:
    change = models["change"]
    said = (
        judgement(change["value"], change["ci_low"], change["ci_high"], change["tolerance"])
        if is_number(change["value"]) and has_interval(change)
        else "unclear"
    )
    informs = "" if change["decides"] else ", informs"
    return {
        "name": f"{name_of(models)}: {said}{informs}",
        **{key: change[key] for key in ("n", "value", "ci_low", "ci_high")},
        "before": models["baseline"]["value"],
        "after": models["tuned"]["value"],
        "tolerated": change["tolerance"],
        "verdict": _COLORS[said],
    }


def _metric(row: Row) -> str:
    name = _METRICS.get(row["metric"], words(row["metric"]))
    return name if row["k"] is None else f"{name} at {row['k']}"
