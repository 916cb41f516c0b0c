"""What is asked and answered about cases and pictures; see `schemas`."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from medembed_pipeline.notes.cleaning import whole_characters
from medembed_pipeline.serving import schemas
from medembed_pipeline.serving.schemas import Answered, Asked, Text

Picture = Annotated[str, Field(description="base64 of a PNG or JPEG file.")]
_MOST_CASES = 4096
_MOST_PAIRS = 64
_LONGEST_PROMPT = 2000
# Mended before its length is measured: pydantic refuses to measure half a character.
Prompt = Annotated[str, AfterValidator(whole_characters), Field(min_length=1, max_length=_LONGEST_PROMPT)]


class CaseRequest(Asked):
    """A case: a note, a picture, or both; and what is known besides."""

    note: Text | None = None
    picture: Picture | None = None
    metadata: dict[str, str | int | float | None] = Field(
        {},
        max_length=1000,
        description="By the columns that the model was trained with; GET /model lists them.",
    )


class TriageRequest(Asked):
    """Cases whose level is wanted."""

    cases: list[CaseRequest] = Field(min_length=1, max_length=_MOST_CASES)


class LevelProbability(BaseModel):
    """How probable a level is, calibrated."""

    level: str
    probability: float


class ArmAnswer(BaseModel):
    """What one arm says of a case."""

    arm: str = Field(description="note, picture, metadata, late_fusion, concatenated or gated.")
    level: str = Field(description="The likeliest.")
    probabilities: list[LevelProbability] = Field(description="In the order of the levels.")


class Triaged(BaseModel):
    """The answer to one case: that of the first of the arms; nulls where no arm can see it."""

    arm: str | None = Field(
        description="Which answered: the one that the verdict names, else the best of those that can see the case."
    )
    level: str | None
    probabilities: list[LevelProbability]
    arms: list[ArmAnswer] = Field(
        description="What each says that can see the case, the one that answered first."
    )


class TriageAbout(BaseModel):
    """The triage model, and what its verdict says of it."""

    triage_model: str = Field(description="Version and hash of the model.")
    verdict: str = Field(
        description="picture_helps, use_note, use_picture, use_metadata, confounded or inconclusive."
    )
    sentence: str = Field(description="The verdict in words.")
    levels: list[str]
    ordered: bool = Field(description="Whether the levels go from the least to the most urgent.")
    bundled: bool = Field(
        description="Whether note or picture is seen by a bundled model, which is not a medical model."
    )


class TriageAnswer(Answered, TriageAbout):
    """The level of each case."""

    results: list[Triaged]


class MetadataColumnAnswer(BaseModel):
    """A column that the triage model was trained with."""

    name: str
    numbers: bool
    values: list[str] | None = Field(
        None, description="That it knows, for the scope `text`; None for a column of numbers."
    )


class TriageModelAnswer(TriageAbout):
    """What can be triaged."""

    arms: list[str] = Field(description="The one that the verdict names first, then the best first.")
    metadata: list[MetadataColumnAnswer]


class ModelAnswer(schemas.ModelAnswer):
    """What is being served; labels, splits, columns and values of metadata are for the scope `text`."""

    triage: TriageModelAnswer | None


class PromptPairRequest(Asked):
    """Two texts that say the opposite."""

    pair_id: str = Field("", max_length=200, description="Its name; else it is numbered.")
    positive: Prompt
    negative: Prompt


class ImageTextRequest(Asked):
    """Pictures, and pairs of texts that they are compared with."""

    pictures: list[Picture] = Field(min_length=1, max_length=_MOST_CASES)
    pairs: list[PromptPairRequest] = Field(
        [], max_length=_MOST_PAIRS, description="Empty: the lake's own, of `prompt_pairs`."
    )


class PairSimilarity(BaseModel):
    """A picture and a pair; above 0 the margin is, where it is nearer to the first text."""

    pair_id: str
    positive_similarity: float = Field(description="Cosine, -1 to 1.")
    negative_similarity: float
    margin: float = Field(description="The first less the second.")
    positive: str | None = Field(None, description="The lake's prompts, for the scope `text`.")
    negative: str | None = None


class ComparedPicture(BaseModel):
    """One picture with every pair."""

    pairs: list[PairSimilarity]


class ImageTextAnswer(Answered):
    """Similarities of each picture."""

    image_text_model: str = Field(description="Version of the projection, or `hub`, and hash of the encoder.")
    label: str = Field(
        description="What is to be said of the model; of the bundled one, that it is no medical one."
    )
    results: list[ComparedPicture]
