"""The first part of the card: the sections of the model card of the Hugging Face hub."""

from __future__ import annotations

from medembed_pipeline.card.figures import (
    held_out_table,
    judged_words,
    rule_table,
    slice_table,
    specialty_table,
    task_table,
)
from medembed_pipeline.card.inputs import CardFacts
from medembed_pipeline.card.settings import CardSettings
from medembed_pipeline.card.stated import stated
from medembed_pipeline.card.words import (
    MEASURING,
    NO_EXTERNAL_TEST,
    attracted,
    base_words,
    goes_by,
    scored_words,
    specialties_scored,
    summary,
    verdict_words,
)
from medembed_pipeline.evaluation.metric_names import metric_label
from medembed_pipeline.training.card_parts import (
    DIRECT_USE,
    DOWNSTREAM_USE,
    OUT_OF_SCOPE,
    USE,
    bullets,
    history_table,
    licence_from,
    licence_words,
    limits,
    outcome_words,
    plain,
    values_table,
)

SENTENCE_BERT = """\
```bibtex
@inproceedings{reimers-2019-sentence-bert,
  title = "Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks",
  author = "Reimers, Nils and Gurevych, Iryna",
  booktitle = "Proceedings of the 2019 Conference on Empirical Methods in Natural Language Processing",
  year = "2019",
  url = "https://arxiv.org/abs/1908.10084",
}
```"""
GLOSSARY = (
    "P@k: share of the k nearest notes that share a specialty with the query.",
    "MAP, MRR, nDCG@10: how high the relevant notes stand in the ranking of all held-out notes.",
    "Silhouette: how much nearer a note lies to its own specialty than to the next.",
    "Word matching: TF-IDF, which no model learns; what it reaches is no merit of a model.",
    "Group: notes that are near-duplicates of one another or of one patient; the unit that intervals go by.",
    "Judged: with so few notes, or so much spread, a fall can neither be shown nor excluded; that is not judged.",
)


def hub_part(facts: CardFacts, settings: CardSettings) -> str:
    """Model details to contact, in the order of the hub's template."""
    return "\n\n".join(
        [
            _details(facts, settings),
            _uses(facts),
            _training(facts),
            evaluation(facts),
            _environment(facts),
            _technical(facts),
            _closing(facts, settings),
        ]
    )


def _details(facts: CardFacts, settings: CardSettings) -> str:
    manifest = facts.manifest
    base = licence_words(licence_from(manifest))
    lines = [
        f"**Developed by:** {stated(settings, 'developer')}",
        f"**Funded by:** {stated(settings, 'funding')}",
        "**Model type:** text encoder (transformer) with pooling to one unit vector a text",
        f"**Language(s):** {stated(settings, 'language')}",
        f"**License:** {stated(settings, 'licence')}; of the base model: {base}",
        f"**Finetuned from model:** {base_words(facts)}",
        f"**Version:** checkpoint `{facts.checkpoint}`",
    ]
    return f"## Model Details\n\n### Model Description\n\n{summary(facts)}\n\n{bullets(lines)}"


def _uses(facts: CardFacts) -> str:
    encoder = facts.manifest.get("encoder") or {}
    return f"""## Uses

### Direct Use

{DIRECT_USE}

### Downstream Use

{DOWNSTREAM_USE}

### Out-of-Scope Use

{OUT_OF_SCOPE}

## Bias, Risks, and Limitations

{bullets([*limits(encoder), "It was measured on notes of the same source as it was trained on. " + NO_EXTERNAL_TEST])}

### Recommendations

Look at the specialties and slices below that are worse or not judged before you rely on the model for them. Measure it
again on your own notes, and after the notes have changed.

## How to Get Started with the Model

{USE}"""


def _training(facts: CardFacts) -> str:
    manifest = facts.manifest
    best, metric = manifest.get("best_epoch"), metric_label(str(manifest.get("chosen_by", "unknown")))
    outcome = (
        "Which epoch was chosen is not recorded."
        if best is None
        else outcome_words(best, bool(manifest.get("improved_on_base")), metric)
    )
    learned = " with their specialties" if facts.learned_from_labels else "; no label was learned from"
    history = f"\n\n{history_table(facts.history)}" if facts.history else ""
    return f"""## Training Details

### Training Data

Clinical notes{learned}. The notes trained on are listed by id in `trained_notes.json`; no text of them is in this
folder.

{_values(manifest.get("counts"), "training data")}

### Training Procedure

{outcome} Scores by epoch are of validation notes, which chose the epoch: they flatter it a little.{history}

#### Preprocessing

{_values(manifest.get("encoder"), "encoder")}

#### Training Hyperparameters

- **Training regime:** {plain(manifest.get("precision") or "not recorded")}
- **Seed:** {plain(manifest.get("seed", "not recorded"))}

{_values(manifest.get("training"), "training")}

#### Speeds, Sizes, Times

Not measured."""


def evaluation(facts: CardFacts, *, slices: bool = True) -> str:
    """Testing data, factors, metrics and results.

    Parameters
    ----------
    facts
        of the card.
    slices
        whether the values of slices, and sentences that may name them, are shown.
    """
    label, tests = metric_label(facts.main_metric), facts.verdict
    parts = [
        f"""## Evaluation

### Testing Data, Factors & Metrics

#### Testing Data

{scored_words(facts)} {NO_EXTERNAL_TEST}

#### Factors

{specialties_scored(facts)} {judged_words(tests.get("specialty_tests", []), "specialties")}
{judged_words(tests.get("slice_tests", []), "slices")}

#### Metrics

{MEASURING} The release verdict goes by {goes_by(facts)}. Values with their {facts.confidence:.0%} intervals.

### Results

{held_out_table(facts) if facts.metrics else "No held-out note has a specialty, so nothing was scored by specialties."}

What the model must keep, each task for itself:

{task_table(facts) if facts.tasks else "No task was asked."}"""
    ]
    if tests.get("specialty_tests"):
        parts.append(f"{label} by specialty:\n\n{specialty_table(facts)}")
    if slices and tests.get("slice_tests"):
        parts.append(f"{label} by slice:\n\n{slice_table(facts)}")
    parts.append(f"#### Summary\n\nVerdict: **{verdict_words(facts)}.**")
    if slices:
        parts.append(f"{plain(tests.get('sentence', ''), longest=5000)}\n\n{rule_table(facts)}")
    return "\n\n".join(parts)


def _environment(facts: CardFacts) -> str:
    lines = [
        f"**Hardware Type:** {plain(facts.manifest.get('device') or 'not recorded')}",
        "**Hours used:** not measured",
        "**Carbon Emitted:** not measured",
    ]
    return f"## Environmental Impact\n\n{bullets(lines)}"


def _technical(facts: CardFacts) -> str:
    manifest = facts.manifest
    packages = {
        name: version or "not installed" for name, version in (manifest.get("packages") or {}).items()
    }
    packages["python"] = manifest.get("python") or "not recorded"
    measured = facts.precision or "a number format that is not recorded"
    return f"""## Technical Specifications

### Model Architecture and Objective

The architecture of {base_words(facts)}, trained so that {attracted(facts)} attract each other.

### Compute Infrastructure

Trained on {plain(manifest.get("device") or "a device that is not recorded")} with \
{plain(manifest.get("threads", "an unknown number of"))} threads; vectors were measured in {measured}.

#### Software

{values_table(packages, "package")}

### Data Versions

What it was trained from:

{_values(manifest.get("data_versions"), "input")}

What it was measured on:

{values_table(facts.versions, "table")}"""


def _closing(facts: CardFacts, settings: CardSettings) -> str:
    is_sentence_bert = str(facts.manifest.get("base", "")).startswith("sentence-transformers/")
    citation = SENTENCE_BERT if is_sentence_bert else "See the card of the base model."
    return f"""## Citation

Of the base model:

{citation}

## Glossary

{bullets(GLOSSARY)}

## More Information

`manifest.json` in this folder tells how the checkpoint was made, with the sha256 of each file but this one; this file
ends in a comment with its own. `medembed verify` checks both. When the checkpoint was released, and what earlier ones
gave, is in the table `checkpoint_history`.

## Model Card Contact

{stated(settings, "contact")}"""


def _values(values: object, name: str) -> str:
    return values_table(values, name) if isinstance(values, dict) and values else "Not recorded."
