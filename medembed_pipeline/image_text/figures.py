"""The figure of the margins' worth: before and after tuning, and the controls."""

from __future__ import annotations

from collections.abc import Sequence

from medembed_pipeline.pictures.charts import dumbbells
from medembed_pipeline.pictures.specification import Figure, Known, Row

_CHANCE = 0.5
_CONTROLS = {
    "paraphrased": "Control: in other words",
    "sides_swapped": "Control: sides swapped",
    "shuffled": "Control: prompts shuffled",
}


def image_text_figures(rows: Sequence[Row], known: Known) -> list[Figure]:
    """The AUC of every pair of prompts, of all, and of the controls; nothing where labels give no AUC.

    Parameters
    ----------
    rows
        of `image_text_metrics`.
    known
        what the model is, from that table's facts.
    """
    found = {(row["arm"], row["pair_id"], row["model"]): row for row in rows if row["figure"] == "auc"}
    pairs = list(dict.fromkeys(pair for arm, pair, _ in found if arm == "as_written" and pair))
    if not pairs:
        return []
    wanted: list[tuple[str, str | None, str]] = [
        *(("as_written", pair, pair.replace("_", " ").capitalize()) for pair in pairs),
        ("as_written", None, "Mean of all pairs"),
        *((arm, None, name) for arm, name in _CONTROLS.items()),
    ]
    is_tuned = any(model == "finetuned" for _, _, model in found)
    # One model alone is drawn as the one that counts.
    models = {"baseline": "base", "tuned": "finetuned"} if is_tuned else {"tuned": "base"}
    lines = [
        {
            "name": name,
            **{shown: found.get((arm, pair, model)) for shown, model in models.items()},
            "change": found.get((arm, pair, "difference")),
            "limit": _CHANCE,
        }
        for arm, pair, name in wanted
        if any((arm, pair, model) in found for model in models.values())
    ]
    label = known.fact("image_text_metrics", "label")
    return [
        Figure(
            "auc",
            "Can the prompts tell held-out pictures apart?",
            "AUC of the margin, with intervals by patient; of the shuffled prompts, the range of the deals. Upright "
            "lines: chance. Good: pairs far to the right, in other words too, and shuffled prompts about chance."
            + (f" The model is {label}." if label else ""),
            "AUC of each pair of prompts, and of the controls",
            dumbbells(
                lines,
                limit=", chance",
                models={"baseline": "before", "tuned": "after" if is_tuned else "model"},
            ),
        )
    ]
