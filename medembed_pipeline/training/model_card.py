"""The README.md of a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from medembed_pipeline.encoder.spec import EncoderSpec
from medembed_pipeline.settings import TrainingSettings

if TYPE_CHECKING:
    from medembed_pipeline.training.loop import TrainingResult

_COLUMNS = {
    "epoch": "epoch",
    "train_loss": "train loss",
    "validation_loss": "validation loss",
    "validation_triplet_accuracy": "triplet accuracy",
    "validation_precision_at_5": "P@5",
    "validation_map": "MAP",
}


def model_card(
    *,
    spec: EncoderSpec,
    base: str,
    options: TrainingSettings,
    counts: Mapping[str, int],
    result: TrainingResult,
) -> str:
    """The model card in Markdown, with the front matter that the Hugging Face hub reads.

    Args:
        spec: the encoder that was trained.
        base: the base model's name.
        options: the recipe.
        counts: see `data_counts`.
        result: for the history and the best epoch.
    """
    dimensions = result.encoder.dimensions
    long_notes = "cut off there" if spec.long_notes == "cut" else "read in windows of that size"
    from medembed_pipeline.evaluation.metric_names import metric_label

    metric = metric_label(result.main_metric)
    outcome = (
        f"Epoch {result.best_epoch} was the best on the validation notes by {metric}, and is what this folder holds."
        if result.improved
        else f"No epoch beat the base model on the validation notes by {metric}, so this folder holds the base model."
    )
    # The hub takes only a name of its own here.
    front_matter = f"base_model: {base}\n" if "/" in base else ""
    return f"""---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
{front_matter}tags: [sentence-transformers, feature-extraction, clinical-notes]
---

# Clinical note embeddings

Turns a clinical note into a unit vector of {dimensions} numbers, such that notes of one specialty lie close
together (cosine similarity). Fine-tuned from `{base}`, {spec.pooling} pooling, window of {spec.max_tokens}
tokens; longer notes are {long_notes}.

## Use

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("path/to/this/folder")
vectors = model.encode(["Chest pain on exertion.", "Fracture of the left wrist."])
```

## Intended use

Search, grouping and visual exploration of clinical notes, and features for a classifier of specialties, on
notes like those it was trained on. Not for decisions about a patient: similarity here means the same
specialty, not the same finding or outcome.

## Training

| | |
|---|---|
| train notes | {counts["train_notes"]:,} |
| train triplets | {counts["train_triplets"]:,} |
| specialties | {counts["specialties"]:,} |
| validation notes | {counts["validation_notes"]:,} |
| validation triplets | {counts["validation_triplets"]:,} |
| loss | {_loss_words(options)} |
| epochs | at most {options.epochs}, {options.notes_per_batch} notes per batch |
| optimiser | AdamW, learning rate {options.learning_rate:g}, weight decay {options.weight_decay:g} |
| seed | {options.seed} |

{outcome} The notes trained on are listed by id in `trained_notes.json`; everything that made this model is in
`manifest.json`, with the sha256 of each file.

{_history_table(result)}

Triplet accuracy, P@5 and MAP are on validation notes, which chose the epoch by {metric}: they flatter it a little. The
honest figures are those on held-out test notes, in the table `embedding_metrics` beside which this
checkpoint was made.

## Limits

- It knows the specialties, the style and the language of its training notes, and their mistakes of labelling.
- Whatever a note says after its first {spec.max_tokens} tokens counts {_rest_words(spec)}.
- The weights may carry traces of the training notes: share the folder only with people who may read those
  notes.
- Identifiers are not removed by embedding a text: keep vectors as carefully as the notes.
"""


def _loss_words(options: TrainingSettings) -> str:
    if options.loss == "contrastive":
        return f"contrastive, positives weighted by label overlap, temperature {options.temperature:g}"
    return f"triplet margin, {options.triplet_distance} distance, margin {options.triplet_margin:g}"


def _rest_words(spec: EncoderSpec) -> str:
    if spec.long_notes == "cut":
        return "for nothing"
    return "only here: sentence-transformers itself reads the first window alone"


def _history_table(result: TrainingResult) -> str:
    lines = [f"| {' | '.join(_COLUMNS.values())} |", f"|{'---|' * len(_COLUMNS)}"]
    for row in result.history:
        cells = [
            str(row[name]) if name == "epoch" else "" if row[name] is None else f"{row[name]:.3f}"
            for name in _COLUMNS
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
