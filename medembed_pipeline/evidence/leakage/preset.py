"""What an experiment is: which rows, how they are split, how the model is trained. Read from a preset file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.section import Section
from medembed_pipeline.training.settings import TrainingRecipe

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class PresetError(MedembedError):
    """A preset that cannot be used: the message names the file, the key, the value, and what is allowed."""


class DataPreset(Section):
    """Which rows of the file take part."""

    text_column: str = Field("description", min_length=1, description="Column that holds the text.")
    label_column: str = Field("medical_specialty", min_length=1, description="Column that holds the label.")
    specialties: list[str] = Field(
        min_length=2, max_length=100, description="Labels that take part, at least two."
    )
    rows_per_specialty: int = Field(
        150, ge=4, le=1_000_000, description="Rows drawn of each; all of them where there are fewer."
    )

    @field_validator("specialties")
    @classmethod
    def _different(cls, specialties: list[str]) -> list[str]:
        if len({name.strip() for name in specialties}) < len(specialties):
            raise ValueError("each specialty may stand here once")
        if not all(name.strip() for name in specialties):
            raise ValueError("a specialty's name is empty")
        return [name.strip() for name in specialties]


class SplitPreset(Section):
    """Which rows are held out."""

    by: Literal["row", "text", "group"] = Field(
        "row", description="What is dealt out as a whole: a row, all rows of a text, all near-duplicates."
    )
    held_out_share: float = Field(0.2, gt=0, lt=1, description="Share that is not trained on.")


class EncoderPreset(Section):
    """The model."""

    base: str = Field(
        "bundled", min_length=1, description="'bundled', a model hub id, or a folder, as under [encoder]."
    )
    pooling: Literal["mean", "cls"] = Field("mean", description="How token vectors become one vector.")
    max_tokens: int = Field(128, ge=16, le=32_768, description="Tokens of a text that are read.")
    device: Literal["auto", "cuda", "mps", "cpu"] = Field("auto", description="Where the model runs.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Of the matrix products; 'auto': bfloat16 where the hardware has it."
    )


class TrainingPreset(TrainingRecipe):
    """How it is trained, with the keys of [training]; every epoch is kept and scored."""

    learning_rate: float = Field(3e-4, gt=0, le=1, description="Of AdamW, at its peak.")
    tuned: Literal["biases", "adapters", "all"] = Field("all", description="What of the model is trained.")
    tuned_share: float = Field(
        1.0, gt=0, le=1, description="Share of the transformer's layers that is trained."
    )
    epochs: int = Field(6, ge=1, le=100, description="Passes over the training rows.")
    triplets: int = Field(2000, ge=1, le=10_000_000, description="Triplets drawn from the rows trained on.")


class EvaluationPreset(Section):
    """The intervals."""

    confidence: float = Field(0.95, gt=0.5, lt=1, description="Confidence of the intervals.")


class RandomPreset(Section):
    """The seed of everything that is drawn."""

    seed: int = Field(7, ge=0, le=2**31 - 1, description="Of rows, split, triplets and training.")


class ExperimentPreset(Section):
    """All tables of a preset file."""

    data: DataPreset
    split: SplitPreset = SplitPreset()
    encoder: EncoderPreset = EncoderPreset()
    training: TrainingPreset = TrainingPreset()
    evaluation: EvaluationPreset = EvaluationPreset()
    random: RandomPreset = RandomPreset()


def load_preset(path: Path) -> ExperimentPreset:
    """Read and check a preset file.

    Raises
    ------
    PresetError
        the file is missing, is not TOML, or holds an unknown key or a value out of range.
    """
    if not path.is_file():
        raise PresetError(f"preset not found: {path}. Give a TOML file, such as presets/published.toml.")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PresetError(f"{path} is not valid TOML: {error}.") from None
    try:
        return ExperimentPreset.model_validate(values)
    except ValidationError as error:
        raise PresetError(f"{path}: " + "; ".join(_problem(item) for item in error.errors())) from None


def _problem(item: Any) -> str:
    key = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        known: dict[str, Any] = dict(ExperimentPreset.model_fields)
        fields = known[item["loc"][0]].annotation.model_fields if item["loc"][0] in known else known
        return f"{key}: unknown key; expected one of {', '.join(fields)}"
    message = str(item["msg"]).removeprefix("Value error, ")
    if isinstance(item["input"], dict):
        return f"{key}: {message}"
    return f"{key} = {item['input']!r}: {message}"
