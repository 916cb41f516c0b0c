"""Sentences that both parts of the card say."""

from __future__ import annotations

from medembed_pipeline.card.inputs import CardFacts
from medembed_pipeline.evaluation.metric_names import metric_label
from medembed_pipeline.training.card_parts import plain

VERDICTS = {
    "deploy": "deploy: every rule of the release verdict holds",
    "retrain": "retrain: a rule of the release verdict is broken, and this verdict releases nothing",
    "inconclusive": "inconclusive: a rule could not be judged, and this verdict releases nothing",
}
STAGES = {
    "deploy": "Released by the verdict on the notes below.",
    "retrain": "Not released by the verdict on the notes below.",
    "inconclusive": "Not released by the verdict on the notes below.",
}
NO_EXTERNAL_TEST = "There was no test at another site, no test over time in use, and no test with users."
MEASURING = (
    "Only held-out test notes are scored. A text, its near-duplicates and, where the notes say whose they are, the "
    "notes of a patient lie in one split; the rule splits\\_do\\_not\\_leak tells whether that held. Two notes are "
    "relevant to each other when their sets of specialties meet. In the intervals whole groups come and go; the "
    "difference between the models is paired."
)


def summary(facts: CardFacts) -> str:
    """What the model does, in a sentence or two."""
    dimensions = facts.manifest.get("dimensions")
    size = f" of {dimensions} numbers" if dimensions else ""
    not_better = facts.manifest.get("improved_on_base") is False
    but = " No epoch of its training was better than that model, so it is that model." if not_better else ""
    return (
        f"Turns a clinical note into a unit vector{size}, such that {attracted(facts)} lie close together (cosine "
        f"similarity). Fine-tuned from {base_words(facts)}.{but}"
    )


def attracted(facts: CardFacts) -> str:
    """What the training draws together."""
    return "notes that share a specialty" if facts.learned_from_labels else "the parts of a note"


def goes_by(facts: CardFacts) -> str:
    """What the verdict looks for a gain in."""
    if facts.judged_on_passages:
        return "the passages, since no label was learned from or no held-out note has one"
    return metric_label(facts.main_metric)


def base_words(facts: CardFacts) -> str:
    """The base model's name."""
    return plain(facts.manifest.get("base") or "a base model that its manifest does not name")


def scored_words(facts: CardFacts) -> str:
    """How many notes were scored, and how many lay in each split."""
    scored = facts.metric_facts.get("scored_notes", 0)
    excluded = facts.metric_facts.get("notes_excluded_as_trained_on", 0)
    unlabelled = facts.metric_facts.get("notes_without_specialty", 0)
    by_split = ", ".join(
        f"{facts.split_notes.get(split, 0):,} {split}" for split in ("train", "validation", "test")
    )
    if not scored:
        return (
            f"{unlabelled:,} held-out test notes, none of which has a specialty; passages of them were scored. Notes "
            f"by split when they were: {by_split}. Of the test notes, {excluded:,} whose group was trained on are left "
            "out."
        )
    return (
        f"{scored:,} held-out test notes were scored. Notes by split when they were: {by_split}. Of the test notes, "
        f"{unlabelled:,} without a specialty and {excluded:,} whose group was trained on are left out."
    )


def specialties_scored(facts: CardFacts) -> str:
    """How many specialties have figures of their own."""
    number = len(facts.verdict.get("specialty_tests", []))
    small = facts.metric_facts.get("specialties_too_small")
    rest = f"; {small} have too few held-out notes" if small else ""
    return f"{number} specialties have figures of their own{rest}."


def verdict_words(facts: CardFacts) -> str:
    """The verdict's word, and what it means."""
    return VERDICTS.get(str(facts.verdict.get("verdict")), plain(facts.verdict.get("verdict")))


def stage_words(facts: CardFacts) -> str:
    """Whether the verdict released the model."""
    return STAGES.get(str(facts.verdict.get("verdict")), "Unknown.")
