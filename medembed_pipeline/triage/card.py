"""The card of a triage model: what it is, what it says, and what it does not."""

from __future__ import annotations

from medembed_pipeline.triage.arms import ARMS
from medembed_pipeline.triage.folder import Parts


def triage_card(parts: Parts, facts: dict[str, int]) -> str:
    """Markdown, without a word of a note.

    Parameters
    ----------
    parts
        of the model.
    facts
        counts of the cases.
    """
    if parts.why_empty is not None or parts.chosen is None:
        return f"# Triage model\n\nIt has learned nothing: {parts.why_empty}.\n"
    arms = "\n".join(
        f"| {arm} | {ARMS[arm]} | {parts.arms.temperatures[arm]:.3f} |"
        for arm in ARMS
        if arm in parts.arms.heads
    )
    absent = "".join(f"\n- `{arm}` was not made: {why}." for arm, why in parts.arms.absent.items())
    order = "from the least to the most urgent" if parts.levels.ordered else "without an order"
    return f"""# Triage model

Heads on {_vectors(parts)} of note and picture, fitted on the train cases of {facts["patients"]} patients in all.
Levels, {order}: {", ".join(parts.levels.names)}.

```python
from medembed_pipeline.triage.model import TriageModel

model = TriageModel.from_folder("data_lake/triage_models/VERSION")
answer = model.predict(["Short of breath since Monday."], [None])[0]
answer.level, answer.probabilities, answer.arm
```

The best arm of one part on validation cases is `{parts.chosen.single}`, of both `{parts.chosen.fusion}`. Whether the
picture helps says the table `triage_verdict`; the figures on held-out cases stand in `triage_metrics` and
`modality_ledger`, and what tells the level without being a reason for it in `shortcut_meter`.
**It is no medical device.**

| arm | what it sees | temperature |
|---|---|---|
{arms}
{absent}{_tuned(parts)}
"""


def _vectors(parts: Parts) -> str:
    return "vectors of tuned encoders" if parts.adapters else "frozen vectors"


def _tuned(parts: Parts) -> str:
    """What the encoders have learned, a line each."""
    if not parts.adapters:
        return ""
    lines = [
        f"- of the {part}: {len(own.products)} layers, learning rate {own.learning_rate:g}, {own.epoch} epochs."
        if own.products
        else f"- of the {part}: as it was; nothing that was tried was better on validation cases."
        for part, own in parts.adapters.items()
    ]
    return "\n".join(
        ["\n\nThe encoders were tuned for the level with adapters (LoRA), each by itself:\n", *lines]
    )
