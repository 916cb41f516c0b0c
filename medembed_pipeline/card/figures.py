"""The tables of the card: held-out figures, tasks, specialties, slices, rules."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from medembed_pipeline.card.inputs import CardFacts
from medembed_pipeline.evaluation.metric_names import MetricKey, metric_key, metric_label
from medembed_pipeline.evaluation.retrieval import RETRIEVAL_METRICS
from medembed_pipeline.training.card_parts import plain, table
from medembed_pipeline.verdict.outcomes import TASK_PREFIX

Row = Mapping[str, Any]

FIGURES: tuple[MetricKey, ...] = (*RETRIEVAL_METRICS, ("silhouette", None))
MODELS = {
    "baseline": "base model",
    "tuned": "this model",
    "difference": "difference",
    "lexical": "word matching",
}
STATES = {"worse": "worse", "kept": "kept", "not_judged": "not judged"}
HOLDS = {True: "yes", False: "no", None: "not judged"}
TASK_JUDGEMENTS = {True: "kept", False: "lost", None: "not judged"}


def held_out_table(facts: CardFacts) -> str:
    """Both models, their paired difference and word matching over all held-out notes."""
    found = {(row["model"], key_of(row)): row for row in facts.metrics if row["scope"] == "all"}
    rows = []
    for key in FIGURES:
        of_model = {model: found.get((model, key)) for model in MODELS}
        if all(one is None for one in of_model.values()):
            continue
        cells = [figure(one, sign="+" if model == "difference" else "") for model, one in of_model.items()]
        rows.append([label(key), *cells, *_counted(of_model["difference"] or of_model["tuned"])])
    return table(["metric", *MODELS.values(), "notes", "groups"], rows)


def task_table(facts: CardFacts) -> str:
    """What the model must keep: each task with its tolerance and what the verdict found of it."""
    judged = {row["rule"]: row["passed"] for row in facts.rules}
    rows = []
    for task in facts.tasks:
        change = {"value": task["difference"], "ci_low": task["ci_low"], "ci_high": task["ci_high"]}
        rows.append(
            [
                plain(task["name"].replace("_", " ")),
                plain(metric_label(task["metric"])),
                *(figure({"value": task[model]}) for model in ("baseline", "tuned")),
                figure(change, sign="+"),
                figure({"value": task["lexical"]}),
                f"{task['tolerance']:g}",
                "not measured"
                if task.get("problem")
                else TASK_JUDGEMENTS[judged.get(f"{TASK_PREFIX}{task['name']}")],
                "decides" if task["decides"] else "informs",
                *_counted(task),
            ]
        )
    columns = ["task", "metric", *MODELS.values(), "fall accepted", "judgement", "role", "items", "groups"]
    return table(columns, rows)


def specialty_table(facts: CardFacts) -> str:
    """The main metric of every specialty that has figures of its own, and whether it was judged."""
    key = metric_key(facts.main_metric)
    found = {(row["model"], row["scope"]): row for row in facts.metrics if key_of(row) == key}
    rows = [
        [plain(test["name"]), *_scope_cells(lambda model, name=test["name"]: found.get((model, name)), test)]
        for test in facts.verdict.get("specialty_tests", [])
    ]
    return table(["specialty", *_SCOPE_COLUMNS], rows)


def slice_table(facts: CardFacts) -> str:
    """The same for every value of every slice."""
    key = metric_key(facts.main_metric)
    found = {
        (row["model"], f"{row['slice']}={row['value_name']}"): row
        for row in facts.slices
        if key_of(row) == key
    }
    rows = [
        [plain(test["name"]), *_scope_cells(lambda model, name=test["name"]: found.get((model, name)), test)]
        for test in facts.verdict.get("slice_tests", [])
    ]
    return table(["slice", *_SCOPE_COLUMNS], rows)


_SCOPE_COLUMNS = ("base model", "this model", "difference", "judgement", "notes", "groups", "notes needed")


def _scope_cells(row_of: Any, test: Row) -> list[str]:
    needed = test.get("queries_needed") if test["state"] == "not_judged" else None
    return [
        *(figure(row_of(model), sign="+" if model == "difference" else "") for model in list(MODELS)[:3]),
        STATES.get(str(test["state"]), plain(test["state"])),
        plain(test["queries"]),
        plain(test["groups"]),
        "" if needed is None else plain(needed),
    ]


def judged_words(tests: Sequence[Row], what: str) -> str:
    """How many specialties or slices were judged, and with what result."""
    if not tests:
        return f"There are no {what} with figures of their own, so none was judged."
    states = Counter(str(test["state"]) for test in tests)
    return (
        f"Of {len(tests)} {what}: {states['kept']} shown to be kept, {states['worse']} shown to be worse, "
        f"{states['not_judged']} not judged, because their notes are too few or differ too much."
    )


def rule_table(facts: CardFacts) -> str:
    """The deciding rules of the verdict and what came of each."""
    rows = [
        [plain(row["rule"]), HOLDS[row["passed"]], plain(row["reason"], longest=1000)]
        for row in facts.rules
        if row["kind"] == "decides"
    ]
    return table(["rule", "holds", "reason"], rows)


def reason_of(facts: CardFacts, rule: str) -> str:
    """What was found of one rule, in a sentence; says so where there is no such rule."""
    found = next((row for row in facts.rules if row["rule"] == rule), None)
    return "Not judged." if found is None else plain(found["reason"], longest=1000)


def key_of(row: Row) -> MetricKey:
    """The metric of a row of figures."""
    return str(row["metric"]), row["k"]


def label(key: MetricKey) -> str:
    """`P@5`."""
    metric, k = key
    return metric_label(metric if k is None else f"{metric}@{k}")


def figure(row: Row | None, *, sign: str = "") -> str:
    """`0.812 [0.765, 0.852]`; `-` where undefined."""
    value = None if row is None else row["value"]
    if row is None or value is None or math.isnan(value):
        return "-"
    low, high = row.get("ci_low"), row.get("ci_high")
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return f"{value:{sign}.3f}"
    return f"{value:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def _counted(row: Row | None) -> list[str]:
    return ["-", "-"] if row is None else [plain(row["n"]), plain(row["groups"])]
