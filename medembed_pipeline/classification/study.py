"""The studies of this room: of the heads of the ladder, and of the adapters. Neither sees a test note."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medembed_pipeline.classification import REVISION
from medembed_pipeline.classification.inputs import INPUTS, read_notes, read_rows
from medembed_pipeline.classification.serving import CHOICES
from medembed_pipeline.classification.settings import ClassificationSettings
from medembed_pipeline.classification.trials import (
    ADAPTERS_SPACE,
    FIGURES,
    HEAD_SPACE,
    HEAD_START,
    PUBLISHED,
    StudyNotes,
    adapters_block,
    adapters_objective,
    fixed_values,
    head_block,
    head_objective,
)
from medembed_pipeline.evaluation.vectors import FloatArray
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.publishing import AssetIO
from medembed_pipeline.settings import load_settings
from medembed_pipeline.study.declared import Prepared, Study

SETTINGS = load_settings()
SCORE = (
    f"{CHOICES[SETTINGS.classification.choose_by][1]} of the calibrated answers to the validation notes"
    f"{', with its sign turned' if SETTINGS.classification.choose_by == 'log_loss' else ''}"
)
PARAMETERS = {
    **{name: str(field.description) for name, field in ClassificationSettings.model_fields.items()},
    "rung": "the rung of the ladder: what is seen of a note, and what is learned of it",
    "inverse_regularization": "C of the logistic regressions; plays no part where neighbours vote",
    "neighbors": "how many train notes vote; plays no part in logistic regressions",
}


def seen_notes(work: AssetIO) -> StudyNotes:
    """The train and validation notes; what is held of them is noted, and other notes may come and go."""
    # Read by work of its own: the study depends on these notes, not on the tables that they stand in.
    reading = AssetIO(work.context, work.lake, REVISION)
    notes = read_notes(reading, SETTINGS.classification)
    rows = read_rows(reading, notes)
    found = StudyNotes.of(notes, rows.texts, rows.rows)
    work.note_input("train_and_validation_notes", found.version(notes.labels))
    return found


def _facts(seen: StudyNotes) -> dict[str, int]:
    return {
        "train_notes": len(seen.train.membership),
        "validation_notes": len(seen.truth.membership),
        "labels": seen.train.membership.shape[1],
    }


def prepare_heads(work: AssetIO) -> Prepared:
    """Read the notes as the ladder does."""
    seen = seen_notes(work)
    return Prepared(head_objective(seen, SETTINGS.classification), HEAD_START, facts=_facts(seen))


def prepare_adapters(work: AssetIO) -> Prepared:
    """Read the notes as the ladder does; the encoder is the base model."""
    from medembed_pipeline.classification.adapters import adapter_scores
    from medembed_pipeline.encoder import encoder_fingerprint, spec_of_settings

    encoder = work.context.resources.encoder.in_torch()
    work.uses(encoder)
    spec = spec_of_settings(encoder)
    work.note_input("base_model", encoder_fingerprint(spec, precision=encoder.precision))
    seen = seen_notes(work)

    def scores(texts: Sequence[str], membership: FloatArray, tried: ClassificationSettings) -> FloatArray:
        labels = np.zeros((len(texts), membership.shape[1]))
        labels[: len(membership)] = membership
        return adapter_scores(
            spec,
            texts,
            labels,
            np.arange(len(membership)),
            tried,
            device=encoder.device,
            precision=encoder.precision,
            token_budget=encoder.token_budget,
        )

    return Prepared(
        adapters_objective(seen, SETTINGS.classification, scores),
        ADAPTERS_SPACE.held(ClassificationSettings().model_dump()),
        also=PUBLISHED,
        facts=_facts(seen),
    )


HEADS = Study(
    name="classifier",
    about="Trials of the classifier's heads on train and validation notes; empty while [study] trials is 0.",
    space=HEAD_SPACE,
    parameters=PARAMETERS,
    figures=FIGURES,
    inputs=INPUTS,
    prepare=prepare_heads,
    score=SCORE,
    block=head_block,
    version=digest([REVISION, fixed_values(SETTINGS.classification, HEAD_SPACE)]),
)
ADAPTERS = Study(
    name="classifier_adapters",
    about="Trials of adapters (LoRA) with a head on train and validation notes; empty while [study] trials is 0.",
    space=ADAPTERS_SPACE,
    parameters=PARAMETERS,
    figures=FIGURES,
    inputs=INPUTS,
    prepare=prepare_adapters,
    score=SCORE,
    block=adapters_block,
    version=digest(
        [
            REVISION,
            fixed_values(SETTINGS.classification, ADAPTERS_SPACE),
            SETTINGS.encoder.in_torch().result_values(),
        ]
    ),
    resources=("encoder",),
)
