"""Going on from the current checkpoint instead of from the base model."""

from dataclasses import dataclass, replace

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.training.checkpoints import FOLDER, MANIFEST, POINTER, Checkpoint, checkpoint_of
from medembed_pipeline.training.data import TrainingData

INPUT = "warm_start"


@dataclass(frozen=True)
class WarmStart:
    """Where a training begins.

    Attributes
    ----------
    checkpoint
        the one whose weights it begins with.
    data_version
        its data version, part of the new checkpoint's recipe; None where it began with the base model.
    """

    checkpoint: Checkpoint
    data_version: str | None


def warm_start(lake: Lake, recipe: Recipe) -> WarmStart | None:
    """The current checkpoint as the start of a training; None where there is none, or one of another base model.

    A rerun of the very training that made the current checkpoint begins where that one began, so that it is
    recognised as done, and not trained on top of itself.

    Parameters
    ----------
    lake
        where the checkpoints are.
    recipe
        of the checkpoint to be, without its start.
    """
    pointer = lake.read_json(POINTER)
    if pointer is None or not lake.exists(FOLDER, pointer["version"], MANIFEST):
        return None
    made_from = Recipe(**pointer["recipe"])
    if made_from.inputs["base_model"] != recipe.inputs["base_model"]:
        return None
    current = checkpoint_of(lake, pointer["version"])
    inputs = {name: version for name, version in made_from.inputs.items() if name != INPUT}
    if replace(made_from, inputs=inputs).digest == recipe.digest:
        return WarmStart(current, made_from.inputs.get(INPUT))
    return WarmStart(current, current.data_version)


def without_trained_notes(data: TrainingData, trained_ids: list[str]) -> TrainingData:
    """The same data, validated only on notes that the earlier checkpoint was not trained on."""
    trained = set(trained_ids)
    return replace(
        data,
        validation_triplets=[
            triplet for triplet in data.validation_triplets if not trained.intersection(triplet)
        ],
        validation_ids=[note for note in data.validation_ids if note not in trained],
    )
