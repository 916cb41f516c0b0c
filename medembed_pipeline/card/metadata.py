"""The front matter of the card: what the Hugging Face hub reads, with the held-out figures as its `model-index`."""

from __future__ import annotations

import math
from typing import Any

from medembed_pipeline.card.figures import FIGURES, Row, key_of, label
from medembed_pipeline.card.inputs import CardFacts
from medembed_pipeline.card.settings import CardSettings
from medembed_pipeline.evaluation.metric_names import MetricKey, metric_label
from medembed_pipeline.training.card_parts import front_matter, licence_from

DECIMALS = 6


def card_metadata(facts: CardFacts, settings: CardSettings) -> str:
    """The front matter, between its two lines of dashes."""
    results = [*_held_out(facts), *_tasks(facts)]
    index = [{"name": f"clinical-note-embeddings-{facts.checkpoint}", "results": results}]
    return front_matter(
        str(facts.manifest.get("base", "")),
        licence_from(facts.manifest),
        licence=settings.licence,
        more={
            **({"language": settings.language} if settings.language else {}),
            **({"model-index": index} if results else {}),
        },
    )


def _held_out(facts: CardFacts) -> list[dict[str, Any]]:
    tuned = {key_of(row): row for row in facts.metrics if (row["model"], row["scope"]) == ("tuned", "all")}
    metrics = [
        _metric(_name(key), tuned[key]["value"], f"{label(key)} of this model")
        for key in FIGURES
        if key in tuned and _is_number(tuned[key])
    ]
    if not metrics:
        return []
    task = {"type": "information-retrieval", "name": "Finding notes of the same specialty"}
    dataset = {"type": "private-clinical-notes", "name": "Held-out notes", "split": "test"}
    return [{"task": task, "dataset": dataset, "metrics": metrics}]


def _tasks(facts: CardFacts) -> list[dict[str, Any]]:
    return [
        {
            "task": {"type": "information-retrieval", "name": f"Task {one['name']}"},
            "dataset": {"type": f"medembed-{one['family']}".replace("_", "-"), "name": str(one["name"])},
            "metrics": [
                _metric(str(one["metric"]), one["tuned"], f"{metric_label(one['metric'])} of this model")
            ],
        }
        for one in facts.tasks
        if not one.get("problem") and _is_number({"value": one["tuned"]})
    ]


def _metric(name: str, value: float, shown: str) -> dict[str, Any]:
    return {"type": name, "value": round(float(value), DECIMALS), "name": shown}


def _name(key: MetricKey) -> str:
    metric, k = key
    return metric if k is None else f"{metric}@{k}"


def _is_number(row: Row) -> bool:
    return row["value"] is not None and math.isfinite(row["value"])
