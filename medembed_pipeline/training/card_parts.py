"""What the card of a training and the card of a measured checkpoint say alike, in Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from medembed_pipeline.training.licence import KNOWN_LICENCES

TAGS = ("sentence-transformers", "feature-extraction", "clinical-notes", "medembed")
LONGEST_CELL = 300

USE = """\
```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("path/to/this/folder")
vectors = model.encode(["Chest pain on exertion.", "Fracture of the left wrist."])
similarity = model.similarity(vectors, vectors)
```"""
DIRECT_USE = (
    "Search, grouping and visual exploration of notes like those it was trained on, by cosine similarity."
)
DOWNSTREAM_USE = "Features for a classifier of specialties, and candidates for a second, slower ranking."
OUT_OF_SCOPE = (
    "Decisions about a patient: similarity here means the same specialty, not the same finding, cause or outcome. "
    "Notes of another language, hospital or kind than those it was trained on, before they were measured. Telling "
    "whether two notes are about the same person."
)
_HISTORY_COLUMNS = {
    "epoch": "epoch",
    "train_loss": "train loss",
    "validation_loss": "validation loss",
    "validation_triplet_accuracy": "triplet accuracy",
    "validation_precision_at_5": "P@5",
    "validation_map": "MAP",
    "validation_passage_mrr": "passages, MRR",
}


def front_matter(
    base: str, base_licence: str | None, *, licence: str = "", more: Mapping[str, Any] | None = None
) -> str:
    """The metadata that the Hugging Face hub reads, between its two lines of dashes.

    Parameters
    ----------
    base
        the base model's name; the hub takes only one of its own (`owner/name`).
    base_licence
        that of the base, which also counts for the model where it has none of its own.
    licence
        of the model.
    more
        further fields.
    """
    import yaml

    values: dict[str, Any] = {
        "library_name": "sentence-transformers",
        "pipeline_tag": "sentence-similarity",
        "license": licence or base_licence or "unknown",
        **({"base_model": base} if re.fullmatch(r"[\w.-]+/[\w.-]+", base) else {}),
        "tags": list(TAGS),
        **(more or {}),
    }
    return f"---\n{yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110)}---\n"


def licence_from(manifest: Mapping[str, Any]) -> str | None:
    """The licence of the base behind a checkpoint; None where it is not known."""
    return manifest.get("base_licence") or KNOWN_LICENCES.get(str(manifest.get("base", "")))


def licence_words(base_licence: str | None) -> str:
    """The base's licence for a reader."""
    return base_licence or "unknown: see base"


def window_words(encoder: Mapping[str, Any]) -> str:
    """How long a note may be, and what comes of the rest."""
    tokens = encoder.get("max_tokens", "an unknown number of")
    if encoder.get("long_notes") == "windows":
        return (
            f"Longer notes are read in windows of {tokens} tokens by this project alone: sentence-transformers itself "
            "reads the first window."
        )
    return f"It reads the first {tokens} tokens of a note; the rest counts for nothing."


def limits(encoder: Mapping[str, Any]) -> list[str]:
    """What anybody who uses the vectors has to know."""
    return [
        "It knows the specialties, the style and the language of its training notes, and their mistakes of labelling.",
        window_words(encoder),
        "The weights may carry traces of the training notes: share the folder only with people who may read those "
        "notes.",
        "Identifiers are not removed by embedding a text: keep vectors as carefully as the notes.",
    ]


def outcome_words(best_epoch: int | None, improved: bool, metric: str) -> str:
    """Which epoch the folder holds."""
    if improved:
        return f"This folder holds epoch {best_epoch}, better than the base model on the validation notes by {metric}."
    return f"No epoch beat the base model on the validation notes by {metric}, so this folder holds the base model."


def history_table(history: Sequence[Mapping[str, Any]]) -> str:
    """Losses and validation scores by epoch; what was recorded in none, such as P@5 without labels, is left out."""
    shown = [name for name in list(_HISTORY_COLUMNS)[1:] if any(row.get(name) is not None for row in history)]
    rows = [[str(row["epoch"]), *(_number(row.get(name)) for name in shown)] for row in history]
    return table([_HISTORY_COLUMNS[name] for name in ("epoch", *shown)], rows)


def values_table(values: Mapping[str, Any], name: str = "parameter") -> str:
    """Names and values, whatever they are: in the order of the names."""
    return table([name, "value"], [[plain(key), plain(values[key])] for key in sorted(values)])


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown; its cells are Markdown already (`plain` makes them of anything)."""
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def bullets(lines: Sequence[str]) -> str:
    """A list of Markdown."""
    return "\n".join(f"- {line}" for line in lines)


def plain(value: Any, *, longest: int = LONGEST_CELL) -> str:
    """Anything as one line of Markdown that shows it as it is: no markup, no line break, no table cell in it."""
    if isinstance(value, bool) or value is None:
        text = {True: "yes", False: "no", None: "none"}[value]
    elif isinstance(value, int):
        text = f"{value:,}" if abs(value) >= 10_000 else str(value)
    elif isinstance(value, (dict, list, tuple)):
        text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    else:
        text = f"{value:g}" if isinstance(value, float) else str(value)
    text = " ".join(text.split())
    if len(text) > longest:
        text = f"{text[:longest]}..."
    return re.sub(r"([\\`*_\[\]<>|~#$!])", r"\\\1", text)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
