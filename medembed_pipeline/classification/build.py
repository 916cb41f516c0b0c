"""The classifier that is served, fitted on all train notes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from medembed_pipeline.classification.features import Features, NoteRows, common_words
from medembed_pipeline.classification.folder import Guards, Parts, TrainRows, nearest_train
from medembed_pipeline.classification.fusion import fit_rung
from medembed_pipeline.classification.heads import Head, PrevalenceHead
from medembed_pipeline.classification.inputs import SeenNotes, lowest_similarity
from medembed_pipeline.classification.ladder import RUNG_OF
from medembed_pipeline.classification.notes import VALIDATION, ClassifierNotes
from medembed_pipeline.classification.probabilities import decide_rung
from medembed_pipeline.classification.serving import decide
from medembed_pipeline.classification.settings import ClassificationSettings
from medembed_pipeline.evaluation.vectors import FloatArray


def build_parts(
    notes: ClassifierNotes,
    seen: SeenNotes,
    settings: ClassificationSettings,
    *,
    served: str,
    parameters: Mapping[str, float],
    scores: FloatArray,
    label_free: bool,
    encoder: dict[str, Any],
) -> Parts:
    """Fit the served rung on the train notes; calibration, thresholds and sets as `decide_rung` finds them.

    Parameters
    ----------
    notes, seen
        all notes.
    settings
        of the room.
    served
        a rung.
    parameters
        that were chosen, by rung.
    scores
        float64 [n, labels], of that rung in `label_probabilities`.
    label_free
        whether its features never saw a label.
    encoder
        what makes its vectors.
    """
    rung, learned = RUNG_OF[served], notes.learned_from()
    # The other words stay out of the folder, names among them.
    kept = common_words(seen.rows.counts[learned], smallest_word_notes=settings.smallest_word_notes)
    rows = NoteRows(seen.rows.counts[:, kept], seen.rows.vectors)
    train = rows.take(learned)
    fitted = fit_rung(rung, train, notes.membership[learned], parameters, settings)
    features, head = fitted.features, fitted.head
    judged = notes.judged(VALIDATION)
    decided, _ = decide_rung(notes, scores, settings, label_free=label_free)
    known = TrainRows([notes.note_ids[row] for row in learned], _unit_rows(features, train))
    _, similarity = nearest_train(known, _unit_rows(features, rows.take(judged)), k=1)
    return Parts(
        rung=served,
        labels=notes.labels,
        features=features,
        words=tuple(seen.words[column] for column in kept),
        head=head,
        decision=decided.decision,
        guards=Guards(
            lowest_similarity(similarity[:, 0], share=settings.far_share),
            settings.smallest_known_words,
            settings.largest_set,
        ),
        train=known,
        encoder=encoder,
        misses=settings.misses,
    )


def nothing_learned(notes: ClassifierNotes, settings: ClassificationSettings) -> Parts:
    """A classifier without a label: it leaves every text to people."""
    head: Head = PrevalenceHead(np.zeros(0))
    scores = np.zeros((0, 0))
    return Parts(
        rung="none",
        labels=[],
        features=Features(None, None, None),
        words=(),
        head=head,
        decision=decide(
            scores,
            notes.truth(np.zeros(0, dtype=np.int64)),
            misses=settings.misses,
            own_from=settings.calibrate_label_from,
            seed=settings.seed,
        ).decision,
        guards=Guards(-1.0, settings.smallest_known_words, settings.largest_set),
        train=TrainRows([], np.zeros((0, 1))),
        encoder={"kind": "none"},
        misses=settings.misses,
    )


def _unit_rows(features: Features, notes: NoteRows) -> Any:
    """What distances are measured on: the vectors as they are, else the weights of the words."""
    return notes.vectors[features.model] if features.model is not None else features.rows(notes)
