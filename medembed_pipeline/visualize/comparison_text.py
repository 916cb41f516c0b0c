"""What `medembed visualize` prints of the metrics: a line per figure, a column per model."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

LINES = (
    ("precision", 1, "P@1"),
    ("precision", 5, "P@5"),
    ("precision", 10, "P@10"),
    ("map", None, "MAP"),
    ("ndcg", 10, "nDCG@10"),
    ("silhouette", None, "silhouette"),
    ("separation", None, "separation"),
)


def comparison_text(metrics: Sequence[tuple[str, pa.Table]], *, confidence: float) -> str:
    """The baseline's figures, and each model's with the paired difference to it and its interval.

    Parameters
    ----------
    metrics
        names and tables with the columns of `embedding_metrics`, all with the same baseline.
    confidence
        of the intervals.
    """
    found = [
        {(row["model"], row["metric"], row["k"]): row for row in table.to_pylist() if row["scope"] == "all"}
        for _, table in metrics
    ]
    header = ["", "baseline", *(name for name, _ in metrics)]
    rows = [header]
    for metric, k, label in LINES:
        if ("baseline", metric, k) not in found[0]:
            continue
        cells = [label, f"{found[0]['baseline', metric, k]['value']:.3f}"]
        for figures in found:
            tuned, change = figures["tuned", metric, k], figures["difference", metric, k]
            cells.append(
                f"{tuned['value']:.3f} ({change['value']:+.3f} [{change['ci_low']:+.3f}, {change['ci_high']:+.3f}])"
            )
        rows.append(cells)
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = [
        "  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    ]
    title = f"Value (difference to the baseline [{confidence:.0%} interval]):"
    return "\n".join([title, *(line.rstrip() for line in lines)])
