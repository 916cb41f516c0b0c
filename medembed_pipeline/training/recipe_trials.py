"""A trial of the recipe: a whole training, scored by what it would be released for. Loads no torch by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.study.space import Real, Space, Values, Whole
from medembed_pipeline.study.trial import Objective, Trial
from medembed_pipeline.training.data import TrainingData
from medembed_pipeline.training.settings import RecipeStudySettings, TrainingSettings
from medembed_pipeline.training.trained_spec import trained_spec
from medembed_pipeline.training.validation import EpochChoice

if TYPE_CHECKING:
    from medembed_pipeline.training.loop import TrainingResult

FIGURES = {
    "best_epoch": "the epoch whose weights were averaged, by its validation score; 0: the base model",
    "share_of_tuned": "how much of the tuned weights was taken; 0: the base model",
    "validation_map": "MAP of the validation notes, with what was taken",
    "validation_passage_mrr": "MRR with which a passage finds its validation note, with what was taken",
    "validation_similarities_kept": "correlation of phrases' similarities with the base model's, with what was taken",
    "validation_rank_kept": "effective rank as a share of the base model's, with what was taken",
}
"""What a trial notes besides its score, with several seeds their mean."""

_LOGARITHMIC = {
    "head_learning_rate",
    "head_steps",
    "head_units",
    "learning_rate",
    "lora_rank",
    "temperature",
    "passage_weight",
    "anchor_similarity_weight",
    "anchor_vector_weight",
}


def recipe_space(ranges: RecipeStudySettings, training: TrainingSettings) -> Space:
    """What is searched, as far as it plays a part for what is tuned.

    Raises
    ------
    StudyError
        nothing is left to search.
    """
    kinds = {name: field.annotation for name, field in TrainingSettings.model_fields.items()}
    parameters: list[Real | Whole] = []
    for name, (low, high) in ranges.ranges().items():
        if not _plays_a_part(name, training.tuned):
            continue
        log = name in _LOGARITHMIC and low > 0
        if kinds[name] is int:
            parameters.append(Whole(name, int(low), int(high), log=log))
        else:
            parameters.append(Real(name, low, high, log=log))
    return Space(parameters)


def _plays_a_part(name: str, tuned: str) -> bool:
    """Whether a value of the recipe counts for what is tuned."""
    if name == "lora_rank":
        return tuned == "adapters"
    if name.startswith("head_"):
        return tuned == "head"
    return tuned != "head" or name not in ("learning_rate", "epochs", "map_steps")


def with_values(training: TrainingSettings, values: Values, *, seed: int) -> TrainingSettings:
    """The recipe of one training: that of `[training]`, with the values that are tried."""
    return TrainingSettings.model_validate(
        {**training.model_dump(), **values, "seed": seed, "warm_start": False, "keep_epochs": False}
    )


def default_values(space: Space) -> Values:
    """The project's defaults of what is searched, as far as they lie in the space."""
    return space.held(TrainingSettings().model_dump())


def fixed_values(training: TrainingSettings, space: Space) -> dict[str, Any]:
    """What every trial has of the recipe in force; what is searched is no part of it."""
    return {name: value for name, value in training.weight_values().items() if name not in space.names}


def recipe_objective(
    data: TrainingData,
    training: TrainingSettings,
    encoder: EncoderSettings,
    choice: EpochChoice,
    *,
    seeds: int = 1,
    known: Mapping[str, npt.NDArray[np.float32]] | None = None,
    on_warning: Callable[[str], object] = lambda sentence: None,
) -> Objective:
    """An objective that trains, and scores what that training would publish.

    The score of a training is the validation score of the model it takes: the best epoch, averaged with the base model
    by the best share that keeps what must be kept. So the constraints are inside each trial, and its score is one that
    a release could have. Where nothing is averaged (`average_shares = []`) nothing inside keeps them: the trial then
    says how far it lies beyond each (`Trial.limit`), and is not the best unless it keeps all.

    An epoch is a step that is reported, with the validation score of its weights before averaging.

    Parameters
    ----------
    data
        the train and validation notes; of test notes it holds none.
    training
        the recipe in force, for what is not searched.
    encoder
        base model, device, precision.
    choice
        the main metric, and what may be lost of passages.
    seeds
        trainings of a trial, by the seeds from `training.seed` on; a score for each.
    known
        see `train`.
    on_warning
        see `train`.
    """

    def objective(values: Values, trial: Trial) -> list[float]:
        from medembed_pipeline.training.averaging import beyond
        from medembed_pipeline.training.loop import train

        rows = []
        for place in range(seeds):
            options = with_values(training, values, seed=training.seed + place)

            def on_epoch(row: dict[str, Any], first: bool = place == 0) -> None:
                if row["epoch"] == 0:
                    return  # The base model: it is the same in every trial.
                if first:
                    trial.report(row["validation_score"], row["epoch"])
                else:
                    trial.looked()

            result = train(
                trained_spec(encoder, options),
                data,
                options,
                device=encoder.device,
                precision=encoder.precision,
                token_budget=encoder.token_budget,
                choice=choice,
                known=known,
                on_epoch=on_epoch,
                on_warning=on_warning,
            )
            trial.looked(sum(row["share"] > 0 for row in result.trade_off))
            rows.append(
                {**taken_row(result), "best_epoch": result.best_epoch, "share_of_tuned": result.share}
            )
        for name in FIGURES:
            noted = [row[name] for row in rows if row[name] is not None]
            if noted:
                trial.figure(name, sum(noted) / len(noted))
        limits = [beyond(row, training, choice) for row in rows]
        for name in limits[0]:
            trial.limit(name, max(one[name] for one in limits))
        return [row["validation_score"] for row in rows]

    return objective


def taken_row(result: TrainingResult) -> dict[str, Any]:
    """The validation figures of the model that a training takes."""
    taken = [row for row in result.trade_off if row["taken"]]
    return taken[0] if taken else result.history[result.best_epoch]


def training_block(values: Values) -> str:
    """The values as a part of `medembed.toml`, to the last digit."""
    return "\n".join(["[training]", *(f"{name} = {value}" for name, value in values.items())])


def without_labels(data: TrainingData, training: TrainingSettings) -> TrainingSettings:
    """The recipe for notes that have no triplet: labels off, as the training itself does it."""
    return training if data.train_triplets else training.model_copy(update={"labels": False})
