"""The figure of triage: whether the probabilities of the likeliest level are right."""

from __future__ import annotations

from collections.abc import Sequence

from medembed_pipeline.pictures.curves import LOOKS, reliability
from medembed_pipeline.pictures.specification import Figure, Known, Row


def triage_figures(_rows: Sequence[Row], known: Known) -> list[Figure]:
    """The reliability of the compared arms, or where these are not known of as many as can be told apart.

    Parameters
    ----------
    _rows
        of `triage_metrics`.
    known
        its fact `reliability`, a record per arm and bin; `single` and `fusion` of `modality_ledger`, where known.
    """
    return reliability_figures(
        known.fact("triage_metrics", "reliability") or (),
        [arm for name in ("single", "fusion") if (arm := known.fact("modality_ledger", name))],
    )


def reliability_figures(rows: Sequence[Row], compared: Sequence[str] = ()) -> list[Figure]:
    """See `triage_figures`; none where nothing was said."""
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    shown = [arm for arm in arms if arm in compared] or arms[: len(LOOKS) - 1]
    if not shown:
        return []
    found = {arm.replace("_", " "): [row for row in rows if row["arm"] == arm] for arm in shown}
    return [
        Figure(
            "reliability",
            "Are the probabilities right?",
            "Along: what was said of the likeliest level. Up: how often it was right. Good: on the straight line.",
            "Reliability of the triage probabilities",
            reliability(found, "cases"),
        )
    ]
