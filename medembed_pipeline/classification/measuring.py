"""From the tables of the lake to the classifier's proof: its figures, its errors, its verdict."""

from __future__ import annotations

from typing import Any

import numpy as np

from medembed_pipeline.classification.calibration import reliability_bins
from medembed_pipeline.classification.classifier import SpecialtyClassifier
from medembed_pipeline.classification.classifiers import PublishedClassifier
from medembed_pipeline.classification.cross_fitting import cross_fit
from medembed_pipeline.classification.decisions import threshold_costs
from medembed_pipeline.classification.divisions import coverage_by_division
from medembed_pipeline.classification.errors_table import ERRORS_SCHEMA, confusion_records, errors_table
from medembed_pipeline.classification.features import NoteRows
from medembed_pipeline.classification.folder import read_classifier
from medembed_pipeline.classification.inputs import read_rows
from medembed_pipeline.classification.ladder import RUNG_OF
from medembed_pipeline.classification.metrics import (
    METRICS_SCHEMA,
    Measured,
    Scope,
    classification_metrics_table,
    note_scopes,
)
from medembed_pipeline.classification.notes import TEST, VALIDATION, ClassifierNotes
from medembed_pipeline.classification.probabilities import decide_ladder, label_free_of, scores_of
from medembed_pipeline.classification.rules import (
    Evidence,
    classifier_outcomes,
    classifier_sentence,
    classifier_verdict_of,
)
from medembed_pipeline.classification.scoring import BINS, Answers, Truth
from medembed_pipeline.classification.settings import ClassificationSettings, ClassifierVerdictSettings
from medembed_pipeline.encoder import spec_of_settings
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.evaluation.assets import scored_slices
from medembed_pipeline.evaluation.vectors import BoolArray, IntArray
from medembed_pipeline.lake.publishing import AssetIO, Built
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.notes.slices import ordered_values
from medembed_pipeline.training.checkpoints import checkpoint_of
from medembed_pipeline.verdict.outcomes import VERDICT_SCHEMA
from medembed_pipeline.verdict.summary import verdict_table

NOT_HELD_OUT = "no held-out note has a specialty"
NEAREST = 5
SLIDER = np.round(np.arange(0.0, 1.0, 0.02), 2)
DIVISIONS = 5


def measure(
    work: AssetIO,
    notes: ClassifierNotes,
    table: LakeTable,
    classifier: PublishedClassifier,
    standing: PublishedClassifier | None,
    settings: ClassificationSettings,
    slices: list[str],
    encoder: EncoderSettings,
) -> Built:
    """The table `classification_metrics` and its facts.

    Parameters
    ----------
    work
        the asset's.
    notes
        all notes.
    table
        `label_probabilities`.
    classifier
        the current one.
    standing
        the one in service; None where there is none, or it is the current one.
    settings
        of the room.
    slices
        names.
    encoder
        that made the vectors.
    """
    judged = notes.judged(TEST)
    if not notes.labels or not len(judged):
        why = table.footer.facts.get("why_empty", NOT_HELD_OUT)
        return METRICS_SCHEMA.empty_table(), {"why_empty": why, "served": classifier.manifest["rung"]}
    served = str(table.footer.facts["served"])
    scores = scores_of(table.read(), notes)
    label_free = label_free_of(table.footer.facts)
    decisions, choice = decide_ladder(notes, scores, settings, label_free=label_free)
    truth = notes.truth(judged)
    models = {name: Measured(truth, decisions[name].answers(own[judged])) for name, own in scores.items()}
    seen = read_rows(work, notes)
    texts = [seen.texts[row] for row in judged]
    ids = [notes.note_ids[row] for row in judged]
    scopes = note_scopes([len(text.split()) for text in texts], beyond_window(texts, encoder))
    for name, values in scored_slices(work, ids, slices).items() if slices else ():
        own = [frozenset(value) for value in values]
        for value in ordered_values(one for part in own for one in part):
            scopes.append(Scope(f"slice:{name}", value, np.array([value in part for part in own])))
    in_service = None
    if standing is not None:
        in_service = _against_standing(standing, notes, texts, judged, models[served], work, encoder)
    crossed = cross_fit(notes, seen.rows, settings, rungs=[name for name in scores if name in label_free])
    rows = classification_metrics_table(
        models,
        notes.labels,
        scopes,
        served=served,
        confidence=settings.confidence,
        in_service=in_service,
        cross_fitted=crossed,
    )
    held_back = notes.judged(VALIDATION)
    always = np.setdiff1d(notes.decided_on(label_free=served in label_free), held_back)
    return rows, {
        "served": served,
        "why_served": choice.why,
        "shown": {name: RUNG_OF[name].shown for name in models},
        "held_out_notes": len(judged),
        "labels_not_predicted": table.footer.facts["labels_not_predicted"],
        "in_service": None if standing is None else standing.version,
        "promise": 1.0 - settings.misses,
        **_shown_besides(truth, models[served].answers, notes.labels),
        "left_to_people": _abstentions(classifier, seen.rows, texts, judged),
        "cross_fitted": None
        if crossed is None
        else {
            "scored": len(crossed.rows),
            "taught": crossed.taught,
            "divisions": settings.cross_fits,
            "rungs": list(crossed.answers),
            "parameters": dict(crossed.parameters),
        },
        "divisions": coverage_by_division(
            scores[served],
            notes,
            np.sort(np.concatenate([held_back, judged])),
            always=always,
            share=len(held_back) / max(1, len(held_back) + len(judged)),
            misses=settings.misses,
            own_from=settings.calibrate_label_from,
            seeds=range(settings.seed, settings.seed + DIVISIONS),
        ),
    }


def _shown_besides(truth: Truth, answers: Answers, labels: list[str]) -> dict[str, Any]:
    """What the page shows of the served rung and no row of the table says."""
    first = np.round(answers.probabilities, 12).argmax(axis=1)
    rows = np.arange(len(first))
    _, pooled = reliability_bins(answers.probabilities.reshape(-1), truth.membership.reshape(-1), bins=BINS)
    _, top = reliability_bins(answers.probabilities[rows, first], truth.membership[rows, first], bins=BINS)
    return {
        "reliability": pooled,
        "top_reliability": top,
        "confusions": confusion_records(truth, answers, labels),
        "threshold_costs": threshold_costs(answers.probabilities, truth.membership, SLIDER),
    }


def _abstentions(
    classifier: PublishedClassifier, rows: NoteRows, texts: list[str], judged: IntArray
) -> list[dict[str, Any]]:
    """How many held-out notes are left to people, by reason."""
    why = _answered(classifier, rows, texts, judged, explain=0)
    counts: dict[str, int] = {}
    for one in why:
        if one.abstained is not None:
            counts[one.abstained] = counts.get(one.abstained, 0) + 1
    return [{"reason": name, "notes": count} for name, count in sorted(counts.items())]


def _answered(
    classifier: PublishedClassifier, rows: NoteRows, texts: list[str], chosen: IntArray, *, explain: int
) -> list[Any]:
    """What the folder says of some notes, whose vectors are those of the lake."""
    parts, manifest = read_classifier(classifier.folder)
    loaded = SpecialtyClassifier(parts, manifest, None, "cpu")
    vectors = rows.vectors[parts.features.model][chosen] if parts.features.model is not None else None
    return loaded.answer(texts, loaded.rows(texts, vectors), explain=explain)


def beyond_window(texts: list[str], encoder: EncoderSettings) -> list[bool] | None:
    """Which texts are longer than what the model reads of them; None where it reads all."""
    from transformers import AutoTokenizer

    from medembed_pipeline.encoder import resolve_base

    if encoder.long_notes == "windows":
        return None
    spec = spec_of_settings(encoder)
    tokenizer = AutoTokenizer.from_pretrained(resolve_base(spec.base))
    # More characters than ten windows of long words can hold need no counting.
    found = tokenizer([text[: 60 * spec.max_tokens] for text in texts], truncation=False, verbose=False)
    return [len(ids) > spec.max_tokens for ids in found["input_ids"]]


def _against_standing(
    standing: PublishedClassifier,
    notes: ClassifierNotes,
    texts: list[str],
    judged: IntArray,
    ours: Measured,
    work: AssetIO,
    encoder: EncoderSettings,
) -> tuple[Measured, Measured] | None:
    """The classifier in service, and ours, on the held-out notes that neither learned from; on our labels.

    A label that it does not know has probability 0 with it.
    """
    needed, place = standing.manifest["encoder"], None
    if needed["kind"] == "checkpoint":
        place = checkpoint_of(work.lake, needed["version"]).folder
    loaded = SpecialtyClassifier.from_folder(standing.folder, checkpoint=place, device=encoder.device)
    learned = set(loaded.parts.train.note_ids)
    groups = {
        group for note, group in zip(notes.note_ids, notes.groups.tolist(), strict=True) if note in learned
    }
    fresh = np.array([int(notes.groups[row]) not in groups for row in judged], dtype=np.bool_)
    if not fresh.any():
        return None
    rows = np.flatnonzero(fresh)
    theirs = loaded.answers(loaded.rows([texts[row] for row in rows]))
    column_of = {label: column for column, label in enumerate(loaded.parts.labels)}
    shape = (len(rows), len(notes.labels))
    probabilities = np.zeros(shape)
    chosen: BoolArray = np.zeros(shape, dtype=np.bool_)
    sets: BoolArray = np.zeros(shape, dtype=np.bool_)
    for column, label in enumerate(notes.labels):
        other = column_of.get(label)
        if other is not None:
            probabilities[:, column] = theirs.probabilities[:, other]
            chosen[:, column], sets[:, column] = theirs.chosen[:, other], theirs.sets[:, other]
    truth = notes.truth(judged[rows])
    own = Answers(ours.answers.probabilities[rows], ours.answers.chosen[rows], ours.answers.sets[rows])
    return Measured(truth, Answers(probabilities, chosen, sets)), Measured(truth, own)


def wrong_notes(
    work: AssetIO,
    notes: ClassifierNotes,
    table: LakeTable,
    classifier: PublishedClassifier,
    review: LakeTable,
) -> Built:
    """The table `classification_errors`, and how many notes it is of.

    Parameters
    ----------
    work
        the asset's.
    notes
        all notes.
    table
        `label_probabilities`.
    classifier
        the current one.
    review
        `label_review`.
    """
    judged = notes.judged(TEST)
    if not notes.labels or not len(judged):
        why = table.footer.facts.get("why_empty", NOT_HELD_OUT)
        return ERRORS_SCHEMA.empty_table(), {"why_empty": why}
    seen = read_rows(work, notes)
    texts = [seen.texts[row] for row in judged]
    answers = _answered(classifier, seen.rows, texts, judged, explain=NEAREST)
    parts, _ = read_classifier(classifier.folder)
    served = str(table.footer.facts["served"])
    scores = scores_of(table.read(), notes)[served][judged]
    found = review.read(["note_id", "judgement", "suggested"]).to_pydict()
    columns = work.input("cleaned_notes").read(["note_id", "specialties"]).to_pydict()
    names = dict(zip(columns["note_id"], columns["specialties"], strict=True))
    ids = [notes.note_ids[row] for row in judged]
    rows = errors_table(
        ids,
        [names[note] for note in ids],
        notes.truth(judged),
        parts.decision.answers(scores),
        notes.labels,
        nearest=[[note for note, _ in one.nearest] for one in answers],
        abstained=[one.abstained for one in answers],
        review={
            note: (judgement, suggested)
            for note, judgement, suggested in zip(
                found["note_id"], found["judgement"], found["suggested"], strict=True
            )
        },
    )
    doubted = sum(bool(value) for value in rows["label_doubted"].to_pylist())
    return rows, {"held_out_notes": len(judged), "wrong": rows.num_rows, "label_doubted": doubted}


def judge(metrics: LakeTable, classifier: PublishedClassifier, settings: ClassifierVerdictSettings) -> Built:
    """The table `classifier_verdict`: every rule, the word and the sentence."""
    facts = metrics.footer.facts
    named = {"classifier": classifier.version, "in_service": facts.get("in_service")}
    if "why_empty" in facts:
        sentence = f"Inconclusive: {facts['why_empty']}."
        return VERDICT_SCHEMA.empty_table(), {"verdict": "inconclusive", "sentence": sentence, **named}
    chosen = metrics.footer.recipe.settings["ClassificationSettings"]
    evidence = Evidence(
        rows=metrics.read().to_pylist(),
        served=str(facts["served"]),
        misses=float(chosen["misses"]),
        confidence=float(chosen["confidence"]),
        in_service=facts["in_service"] is not None,
    )
    outcomes = classifier_outcomes(evidence, settings)
    return verdict_table(outcomes), {
        "verdict": classifier_verdict_of(outcomes),
        "sentence": classifier_sentence(outcomes, evidence, settings),
        **named,
    }
