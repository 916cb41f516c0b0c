"""Notes in whose words and vectors their labels can be read, and a classifier made of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medembed_pipeline.classification.build import build_parts
from medembed_pipeline.classification.features import NoteRows, count_words
from medembed_pipeline.classification.folder import write_classifier
from medembed_pipeline.classification.inputs import SeenNotes
from medembed_pipeline.classification.notes import ClassifierNotes, classifier_notes
from medembed_pipeline.classification.probabilities import (
    label_free_of,
    parameters_of,
    probabilities_table,
    scores_of,
)
from medembed_pipeline.classification.settings import ClassificationSettings

LABELS = ("Cardiology", "Dermatology", "Neurology")
WORDS = {
    "Cardiology": ("chest", "pain", "murmur", "angina"),
    "Dermatology": ("rash", "itching", "eczema", "lesion"),
    "Neurology": ("seizure", "headache", "tremor", "reflex"),
}
COMMON = ("patient", "was", "seen", "with", "for", "the", "and", "history", "of", "today")
SETTINGS = ClassificationSettings(smallest_label_notes=3, folds=3, far_share=0.01)


@dataclass(frozen=True)
class SmallNotes:
    """Notes, and what is seen of them."""

    notes: ClassifierNotes
    seen: SeenNotes
    specialties: dict[str, list[str]]


def small_notes(
    *, count: int = 90, seed: int = 0, words: bool = True, vectors: bool = True, shuffled: bool = False
) -> SmallNotes:
    """Notes of one label each; `words`, `vectors`: whether the label can be read in them."""
    generator = np.random.default_rng(seed)
    ids = [f"{place:04d}" for place in range(count)]
    labels = [LABELS[place % 3] for place in range(count)]
    texts, rows = [], []
    for label in labels:
        own = list(generator.choice(WORDS[label], size=4)) if words else []
        texts.append(" ".join([*generator.choice(COMMON, size=12), *own]))
        signal = np.zeros(16)
        if vectors:
            signal[LABELS.index(label)] = 2.0
        rows.append(signal + generator.normal(size=16) * 0.4)
    unit = np.array(rows)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    told = list(generator.permutation(labels)) if shuffled else labels
    splits = {
        note: ("train", "train", "train", "validation", "test", "test")[place // 3 % 6]
        for place, note in enumerate(ids)
    }
    specialties = {note: [str(label)] for note, label in zip(ids, told, strict=True)}
    notes = classifier_notes(
        ids,
        [specialties[note] for note in ids],
        splits,
        dict(zip(ids, ids, strict=True)),
        trained=[note for note, split in splits.items() if split == "train"],
        smallest_label_notes=SETTINGS.smallest_label_notes,
    )
    counted = count_words(texts)
    seen = SeenNotes(texts, NoteRows(counted.counts, {"baseline": unit, "tuned": unit}), counted.words)
    return SmallNotes(notes, seen, specialties)


def write_small_classifier(
    folder: Path, small: SmallNotes, *, rung: str = "tfidf", encoder: dict[str, Any] | None = None
) -> None:
    """A classifier's folder; by default of words alone, which needs no encoder."""
    table, facts = probabilities_table(small.notes, small.seen.rows, SETTINGS)
    parts = build_parts(
        small.notes,
        small.seen,
        SETTINGS,
        served=rung,
        parameters=parameters_of(facts),
        scores=scores_of(table, small.notes)[rung],
        label_free=rung in label_free_of(facts),
        encoder=encoder or {"kind": "none"},
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_classifier(folder, parts, card="# A card\n", more={"redact": False})
