"""The study of the recipe: what `recipe_study` searches, and what it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.settings import load_settings
from medembed_pipeline.study.declared import Prepared, Study
from medembed_pipeline.training import REVISION
from medembed_pipeline.training.recipe_trials import (
    FIGURES,
    default_values,
    fixed_values,
    recipe_objective,
    recipe_space,
    training_block,
    without_labels,
)
from medembed_pipeline.training.settings import TrainingSettings
from medembed_pipeline.training.validation import EpochChoice

if TYPE_CHECKING:
    from medembed_pipeline.lake.publishing import AssetIO

SETTINGS = load_settings()
CHOICE = EpochChoice(
    main_metric=SETTINGS.verdict.main_metric, passages_tolerance=SETTINGS.tasks.passages_tolerance
)
SPACE = recipe_space(SETTINGS.recipe_study, SETTINGS.training)
FIXED = fixed_values(SETTINGS.training, SPACE)


def prepare(work: AssetIO) -> Prepared:
    """Read what the training reads: triplets, and the texts and labels of train and validation notes."""
    from medembed_pipeline.encoder import encoder_fingerprint
    from medembed_pipeline.training.assets import known_vectors, training_data
    from medembed_pipeline.training.trained_spec import trained_spec

    training: TrainingSettings = SETTINGS.training
    encoder = work.context.resources.encoder.in_torch()
    for section in (encoder, CHOICE):
        work.uses(section)
    data = training_data(work, labels=training.labels)
    training = without_labels(data, training)
    spec = trained_spec(encoder, training)
    work.note_input("fixed_recipe", digest({**FIXED, "labels": training.labels}))
    work.note_input("base_model", encoder_fingerprint(spec, precision=encoder.precision))
    return Prepared(
        objective=recipe_objective(
            data,
            training,
            encoder,
            CHOICE,
            seeds=SETTINGS.recipe_study.seeds,
            known=known_vectors(work, data, spec, encoder),
            on_warning=work.context.log.warning,
        ),
        start=default_values(SPACE),
        facts={
            "train_notes": len(data.train_ids),
            "validation_notes": len(set(data.validation_ids)),
            "chosen_by": CHOICE.main_metric if training.labels else "passages",
        },
    )


STUDY = Study(
    name="recipe",
    about="Trials of the fine-tuning's recipe on train and validation notes; empty while [study] trials is 0.",
    space=SPACE,
    parameters={name: str(field.description) for name, field in TrainingSettings.model_fields.items()},
    figures=FIGURES,
    inputs=("triplets", "baseline_embeddings"),
    prepare=prepare,
    score="the main metric on the validation notes, of the model that a training takes",
    block=training_block,
    version=digest(
        [
            REVISION,
            FIXED,
            CHOICE.result_values(),
            SETTINGS.encoder.in_torch().result_values(),
            SETTINGS.recipe_study.seeds,
        ]
    ),
    resources=("encoder",),
)
