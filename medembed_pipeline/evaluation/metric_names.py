"""Names of retrieval figures, as settings write them."""

from __future__ import annotations

MetricKey = tuple[str, int | None]
"""A metric's name and its k, None where it has none."""


def metric_key(name: str) -> MetricKey:
    """`precision@5` as ("precision", 5), `map` as ("map", None)."""
    metric, _, k = name.partition("@")
    return metric, int(k) if k else None


def metric_label(name: str) -> str:
    """`precision@5` as P@5, for people."""
    metric, _, k = name.partition("@")
    short = {"precision": "P", "mrr": "MRR", "ndcg": "nDCG", "map": "MAP"}.get(metric, metric)
    return f"{short}@{k}" if k else short
