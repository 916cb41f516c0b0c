"""How heads of the classifier compare on a lake's notes, by their own figures and by paired intervals.

`python -m medembed_pipeline_tests.classification.measure_heads data_lake`

TF-IDF with and without balanced classes, base vectors, and both fused with each weight that is tried. Everything is
fitted on train notes and scored on them out of fold, calibration and thresholds by the other folds. Then the same heads
are scored on validation and held-out notes, as the ladder does it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping

import numpy as np

from medembed_pipeline.classification.calibration import cross_calibrated
from medembed_pipeline.classification.decisions import fit_thresholds, predicted_labels
from medembed_pipeline.classification.features import NoteRows, count_words
from medembed_pipeline.classification.fusion import fuse, mean_of_logits
from medembed_pipeline.classification.ladder import RUNG_OF, TrainNotes, climb
from medembed_pipeline.classification.notes import TEST, VALIDATION, ClassifierNotes, classifier_notes
from medembed_pipeline.classification.probabilities import decide_rung
from medembed_pipeline.classification.scoring import Answers, Truth, overall_figures
from medembed_pipeline.classification.serving import CHOICES
from medembed_pipeline.classification.settings import ClassificationSettings
from medembed_pipeline.evaluation.inputs import rows_of, texts_of
from medembed_pipeline.evaluation.jackknife import difference, group_numbers, intervals
from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, unit_rows
from medembed_pipeline.evidence.labels.folds import stratified_group_folds
from medembed_pipeline.lake.lake import Lake

SETTINGS = ClassificationSettings()
REFERENCE, BALANCED, VECTORS = "tfidf, none", "tfidf, balanced", "base vectors, balanced"


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lake", help="a data lake with cleaned_notes, note_splits and baseline_embeddings")
    lake = Lake(parser.parse_args().lake)
    notes, rows = read(lake)
    learned = notes.learned_from()
    train = TrainNotes(
        rows.take(learned), notes.membership[learned], group_numbers(notes.groups[learned].tolist())
    )
    scores, climbs = {}, {}
    for name, rung, settings in (
        (REFERENCE, "tfidf", SETTINGS.model_copy(update={"class_weight": "none"})),
        (BALANCED, "tfidf", SETTINGS),
        (VECTORS, "baseline", SETTINGS),
    ):
        climbs[name] = climbed = climb(RUNG_OF[rung], train, settings)
        scores[name] = climbed.fitted.probabilities(rows)
        scores[name][learned] = climbed.out_of_fold
        print(f"{name}: C = {climbed.fitted.parameter:g}", flush=True)
    for weight in SETTINGS.fused_weights:
        scores[f"fused, {weight:g}"] = mean_of_logits(scores[VECTORS], scores[BALANCED], weight=weight)
    both = fuse(RUNG_OF["fused"], climbs[VECTORS], climbs[BALANCED], train.membership, SETTINGS)
    print(f"fused: the weight of the vectors = {both.fitted.parameter:g}", flush=True)
    truth = notes.truth(learned)
    show(
        f"{len(learned)} train notes, out of fold",
        truth,
        {name: out_of_fold(own[learned], truth) for name, own in scores.items()},
    )
    known, asked = notes.judged(VALIDATION), notes.judged(TEST)
    decisions = {
        name: decide_rung(notes, own, SETTINGS, label_free=True)[0].decision for name, own in scores.items()
    }
    for what, inside in (("validation", known), ("held-out", asked)):
        answers = {name: decisions[name].answers(own[inside]) for name, own in scores.items()}
        show(f"{len(inside)} {what} notes", notes.truth(inside), answers)
        show_promises(notes.truth(inside), answers)
    return 0


def read(lake: Lake) -> tuple[ClassifierNotes, NoteRows]:
    """The notes, by splits as if a checkpoint had been trained on the train notes, with words and base vectors."""
    table = lake.table("cleaned_notes")
    columns = table.read(["note_id", "specialties"]).to_pydict()
    splits = lake.table("note_splits").read().to_pydict()
    split_of = dict(zip(splits["note_id"], splits["split"], strict=True))
    notes = classifier_notes(
        columns["note_id"],
        columns["specialties"],
        split_of,
        dict(zip(splits["note_id"], splits["group"], strict=True)),
        trained=[note for note, split in split_of.items() if split == "train"],
        smallest_label_notes=SETTINGS.smallest_label_notes,
    )
    vectors = unit_rows(rows_of(lake.table("baseline_embeddings"), notes.note_ids), name="base vectors")
    return notes, NoteRows(count_words(texts_of(table, notes.note_ids)).counts, {"baseline": vectors})


def out_of_fold(scores: FloatArray, truth: Truth) -> Answers:
    """Calibrated, and given labels, by the notes of the other folds."""
    member, own_from = truth.membership, SETTINGS.calibrate_label_from
    fold_of = stratified_group_folds(member, truth.groups, folds=5, seed=99)
    (calibrated,) = cross_calibrated(scores, member, fold_of, own_from=[own_from])
    chosen: BoolArray = np.zeros(member.shape, dtype=np.bool_)
    for fold in range(5):
        inside = fold_of == fold
        thresholds = fit_thresholds(calibrated[~inside])
        chosen[inside] = predicted_labels(calibrated[inside], thresholds)
    return Answers(calibrated, chosen, chosen)


def show(title: str, truth: Truth, answers: Mapping[str, Answers]) -> None:
    """A table: each figure, and its difference to both arms of TF-IDF."""
    found = {name: overall_figures(truth, one) for name, one in answers.items()}
    keys = [CHOICES[name][0] for name in ("macro_f1", "map", "top_1", "log_loss")]
    print(f"\n{title}\n\n| | macro-F1 | mAP | top-1 | log loss |\n|---|---|---|---|---|")
    for name, own in found.items():
        print(f"| {name} | {' | '.join(f'{own[key].value[0]:.3f}' for key in keys)} |")
        for other in (REFERENCE, BALANCED):
            if name in (REFERENCE, other) or (name == VECTORS and other == REFERENCE):
                continue
            cells = []
            for key in keys:
                change = difference(own[key], found[other][key])
                ends = intervals(change, confidence=SETTINGS.confidence)
                cells.append(f"{change.value[0]:+.3f} [{ends.low[0]:+.3f}, {ends.high[0]:+.3f}]")
            print(f"| over {other} | {' | '.join(cells)} |")
    sys.stdout.flush()


def show_promises(truth: Truth, answers: Mapping[str, Answers]) -> None:
    """A table: what the sets hold, how large they are, and both calibration errors."""
    print("\n| | sets hold | labels a set | calibration error | of the likeliest |\n|---|---|---|---|---|")
    for name, one in answers.items():
        own = overall_figures(truth, one)
        covered, size, error, top = (
            own[key, None].value[0]
            for key in ("covered", "set_size", "calibration_error", "top_calibration_error")
        )
        print(f"| {name} | {covered:.1%} | {size:.2f} | {error:.4f} | {top:.3f} |")


if __name__ == "__main__":
    sys.exit(main())
