"""The figure of the leakage estimate: the same two models under splits that leak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medembed_pipeline.evaluation.figures import HEADLINES, figure_choice, key_of
from medembed_pipeline.pictures.charts import dumbbells
from medembed_pipeline.pictures.numbers import is_number, percent
from medembed_pipeline.pictures.specification import Figure, Known, Row

PROTOCOLS = {
    "by_patient": "Patients kept apart",
    "by_group": "Near-duplicates kept apart",
    "by_text": "Split by text",
    "by_row": "Split by row",
    "all_notes": "All notes",
    "training_notes": "Training notes",
}
"""From the one that nothing leaks through to the one that everything does."""
_UNSEEN = ("by_patient", "by_group")
_MODELS = {"baseline": "baseline", "tuned": "tuned", "difference": "change"}


def leak_figures(rows: Sequence[Row], known: Known) -> list[Figure]:
    """The chosen figure under each protocol, before and after, with the part of the gain that is memory.

    Parameters
    ----------
    rows
        of `leakage_estimate`.
    known
        `verdict` of the settings, as far as it is known.
    """
    lines: list[dict[str, Any]] = []
    for metric, k, _ in HEADLINES:
        found: dict[str, dict[str, Row]] = {}
        for row in rows:
            if (row["metric"], row["k"]) == (metric, k) and is_number(row["value"]):
                found.setdefault(row["protocol"], {})[_MODELS[row["model"]]] = row
        there = [name for name in PROTOCOLS if len(found.get(name, {})) == len(_MODELS)]
        if there and there[0] in _UNSEEN:
            gain = found[there[0]]["change"]["value"]
            lines += [
                {**_line(name, found[name], gain, true=name == there[0]), "figure": key_of(metric, k)}
                for name in there
            ]
    if not lines:
        return []
    return [
        Figure(
            "gain_by_protocol",
            "The same model under other splits",
            "How large the gain would look if the model were scored the way a leaking split scores. The top row is "
            "true. What a bar further down has beyond the true gain is memory, not skill: it is vermillion. Good: "
            "all bars alike.",
            "Leakage estimate",
            dumbbells(lines),
            (figure_choice(lines, known),),
        )
    ]


def _line(protocol: str, models: Mapping[str, Row], gain: float, *, true: bool) -> dict[str, Any]:
    shown = models["change"]["value"]
    memory = None if true or shown <= 0 else 1 - gain / shown
    said = "" if true else ", no gain" if memory is None else f", {percent(memory)} memory"
    return {
        "name": f"{PROTOCOLS[protocol]}{said}",
        **models,
        "beyond": models["baseline"]["value"] + max(gain, 0) if memory is not None and memory > 0 else None,
    }
