"""The card of a classifier: what it is, what it says, what it leaves to people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medembed_pipeline.classification.classifier import REASONS
from medembed_pipeline.classification.folder import Parts
from medembed_pipeline.classification.ladder import RUNG_OF
from medembed_pipeline.classification.probabilities import label_free_of


def classifier_card(parts: Parts, facts: Mapping[str, Any]) -> str:
    """Markdown, without a word of a note.

    Parameters
    ----------
    parts
        of the classifier.
    facts
        of the table `label_probabilities`.
    """
    if not parts.labels:
        why = facts["why_empty"]
        return f"# Specialty classifier\n\nIt has learned nothing: {why}. It leaves every text to people.\n"
    rare = facts["labels_not_predicted"]
    not_predicted = ", ".join(f"{one['label']} ({one['train_notes']})" for one in rare) or "none"
    encoder = parts.encoder
    belongs = {
        "checkpoint": f"checkpoint `{encoder.get('version')}`, {encoder.get('data_version')}",
        "base": "the base model, without a checkpoint",
        "none": "no encoder: it goes by words alone",
    }[encoder["kind"]]
    labels = "\n".join(
        f"| {label} | {threshold:.3f} | {'own' if own else 'shared'} |"
        for label, threshold, own in zip(
            parts.labels, parts.decision.thresholds, parts.decision.calibration.own, strict=True
        )
    )
    found_on = f"{facts['validation_notes']} validation notes, which neither head nor checkpoint saw"
    if parts.rung in label_free_of(facts):
        found_on = (
            f"{facts['validation_notes']} validation notes, and on train notes by heads that did not see them"
        )
    reasons = "\n".join(f"- `{name}`: {shown}." for name, shown in REASONS.items())
    return f"""# Specialty classifier

{RUNG_OF[parts.rung].shown[:1].upper()}{RUNG_OF[parts.rung].shown[1:]}; {len(parts.labels)} labels, learned from
{len(parts.train.note_ids)} train notes. It belongs to: {belongs}.

{facts["why_served"]}

```python
from medembed_pipeline.classification.classifier import SpecialtyClassifier

classifier = SpecialtyClassifier.from_folder("data_lake/classifiers/VERSION")
answer = classifier.predict(["Chest pain on exertion."])[0]
answer.labels, answer.probabilities, answer.label_set, answer.abstained
```

- **Labels**: those from their threshold on; the likeliest where none reaches it.
- **Probabilities**: calibrated on {found_on}.
- **Sets**: the labels from {parts.decision.set_threshold:.4f} on. Of the true labels of a note to come they hold
  {1 - parts.misses:.0%} on average, as long as it is drawn like these notes (conformal risk control).
- **Not predicted**, with fewer train notes than it takes: {not_predicted}.

It leaves to people, with the reason:

{reasons}

The figures on held-out notes stand in `classification_metrics`, the verdict in `classifier_verdict`.

**Keep it like the notes.** `words.json` holds words of train notes (each of at least two), and
`train_notes.safetensors` what the model sees of every train note.

| label | threshold | calibration |
|---|---|---|
{labels}
"""
