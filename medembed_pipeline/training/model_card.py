"""The first README.md of a checkpoint: what is known when its training ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medembed_pipeline.evaluation.metric_names import metric_label
from medembed_pipeline.training.card_parts import (
    DIRECT_USE,
    DOWNSTREAM_USE,
    OUT_OF_SCOPE,
    USE,
    bullets,
    front_matter,
    history_table,
    licence_words,
    limits,
    outcome_words,
    plain,
    values_table,
)


def first_card(
    *,
    base: str,
    base_licence: str | None,
    dimensions: int,
    encoder: Mapping[str, Any],
    training: Mapping[str, Any],
    counts: Mapping[str, int],
    history: Sequence[Mapping[str, Any]],
    best_epoch: int,
    improved: bool,
    main_metric: str,
) -> str:
    """The model card in Markdown, with the front matter that the Hugging Face hub reads.

    Parameters
    ----------
    base
        the base model's name.
    base_licence
        its licence, None where it is not known.
    dimensions
        of the vectors.
    encoder
        pooling, window and the like, as in the manifest.
    training
        names and values of the recipe, as in the manifest.
    counts
        see `data_counts`.
    history
        losses and validation scores, a row per epoch.
    best_epoch
        the one that the folder holds.
    improved
        whether it is better than the base model.
    main_metric
        what chose it.
    """
    metric = metric_label(main_metric)
    return f"""{front_matter(base, base_licence)}
# Clinical note embeddings

Turns a clinical note into a unit vector of {dimensions} numbers, such that notes of one specialty lie close
together (cosine similarity). Fine-tuned from {plain(base)} (licence: {licence_words(base_licence)}).

**Nothing has been measured on held-out notes yet: the figures come with the asset `model_card`, which writes this
file anew.**

## Uses

{DIRECT_USE} {DOWNSTREAM_USE}

Out of scope: {OUT_OF_SCOPE}

## Bias, Risks, and Limitations

{bullets(limits(encoder))}

## How to Get Started with the Model

{USE}

## Training Details

{values_table(counts, "training data")}

{outcome_words(best_epoch, improved, metric)} The notes trained on are listed by id in `trained_notes.json`; everything
that made this model is in `manifest.json`, with the sha256 of each file.

{history_table(history)}

The scores are on validation notes, which chose the epoch by {metric}: they flatter it a little.

{values_table(encoder, "encoder")}

{values_table(training, "training")}
"""
