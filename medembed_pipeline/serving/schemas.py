"""What is asked and answered, as the OpenAPI document shows it and the client reads it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(description="A note as it stands; it is cleaned as the stored notes were.")]
MOST_HITS = 200
_MOST_TEXTS = 4096


class Asked(BaseModel):
    """What every request body has in common: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class EmbedRequest(Asked):
    """Texts whose vectors are wanted."""

    texts: list[Text] = Field(min_length=1, max_length=_MOST_TEXTS)
    role: Literal["document", "query"] = Field(
        "document", description="`query` for a short question, where the base model has a prompt for it."
    )
    encoding: Literal["float", "base64"] = Field(
        "float", description="`base64`: the little-endian float32 bytes of each vector."
    )


class Answered(BaseModel):
    """What every answer says of itself."""

    snapshot: str = Field(description="Names everything that the answer was made from.")
    checkpoint: str = Field(description="Version of the released checkpoint.")


class EmbedAnswer(Answered):
    """A vector per text, of unit length."""

    dimensions: int
    vectors: list[list[float] | str]


class Range(Asked):
    """Numbers from one to another, both included."""

    at_least: float | None = Field(None, allow_inf_nan=False)
    at_most: float | None = Field(None, allow_inf_nan=False)


class FilterRequest(Asked):
    """What a note must be to be found: all of it, and one value of each list."""

    labels: list[str] = Field([], max_length=1000)
    splits: list[str] = Field([], max_length=10)
    columns: dict[str, list[str] | Range] = Field(
        {}, max_length=50, description="By column of the landing files; GET /model lists them."
    )


class SearchRequest(Asked):
    """Notes whose nearest are wanted: texts, or ids of stored notes."""

    texts: list[Text] = Field([], max_length=_MOST_TEXTS)
    note_ids: list[str] = Field(
        [], max_length=_MOST_TEXTS, description="Of stored notes, instead of texts; none finds itself."
    )
    hits: int = Field(10, ge=1, le=MOST_HITS, description="How many, for each.")
    filters: FilterRequest = Field(FilterRequest(), description="Needs a key of the scope `text`.")
    role: Literal["document", "query"] = "document"
    include_text: bool = Field(False, description="With the stored notes' texts, for the scope `text`.")


class Place(BaseModel):
    """A place on the map of GET /map."""

    x: float
    y: float


class Hit(BaseModel):
    """A note that was found; all but id and similarity is for the scope `text`."""

    note_id: str
    similarity: float = Field(description="Cosine, -1 to 1.")
    labels: list[str] | None = None
    split: str | None = None
    columns: dict[str, list[str]] | None = None
    place: Place | None = None
    text: str | None = None


class Found(BaseModel):
    """What was found for one note."""

    stored_as: str | None = Field(
        None, description="Id of the stored note that has this very text, whose stored vector then is used."
    )
    place: Place | None = Field(
        None,
        description="Its own place for a stored note; else the mean of its nearest notes' places, by similarity.",
    )
    hits: list[Hit]


class SearchAnswer(Answered):
    """The nearest notes of each, the nearest first; equal similarities in the order of the ids."""

    results: list[Found]


class ClassifyRequest(Asked):
    """Notes whose labels are wanted."""

    texts: list[Text] = Field(min_length=1, max_length=_MOST_TEXTS)


class LabelProbability(BaseModel):
    """How probable a label is."""

    label: str
    probability: float


class Classified(BaseModel):
    """What the classifier says of one note."""

    probabilities: list[LabelProbability] = Field(description="The most probable first.")
    labels: list[str] = Field(description="Those that it gives; none where it abstains.")
    label_set: list[str] = Field(description="Those that hold the true ones as often as it promises.")
    abstains: bool = Field(description="Whether a person should look instead.")
    reason: str = Field(description="Why it abstains.")


class ClassifyAnswer(Answered):
    """Labels of each text."""

    classifier: str = Field(description="Version and hash of the classifier.")
    set_misses: float = Field(
        description="Share of its true labels that the set of a note lacks at most, on average, as was found on "
        "validation notes."
    )
    results: list[Classified]


class ValueCount(BaseModel):
    """A value, and how many notes say it."""

    value: str
    notes: int


class ColumnAnswer(BaseModel):
    """A column that notes can be filtered by."""

    name: str
    values: list[ValueCount] | None = Field(description="None where there are too many to offer.")
    at_least: float | None = None
    at_most: float | None = None


class ModelAnswer(Answered):
    """What is being served."""

    checkpoint_files: str = Field(description="Hash of the checkpoint's files.")
    encoder: str = Field(description="Hash of all that decides a vector.")
    dimensions: int
    max_tokens: int
    long_notes: Literal["cut", "windows"]
    precision: str = Field(description="What computes the vectors: float32, bfloat16, openvino-bfloat16, ...")
    notes: int
    made_at: str
    map: str = Field(description="How the map was made: umap, tsne or pca.")
    classifier: str | None
    unanswered: dict[str, str] = Field(description="By path of a question that cannot be answered now, why.")
    scope: Literal["ids", "text"] = Field(description="Of the key that asks.")
    labels: list[ValueCount] | None = None
    splits: list[ValueCount] | None = None
    columns: list[ColumnAnswer] | None = None


class MapAnswer(Answered):
    """The map: a place per note, in the order of the ids."""

    method: str
    note_ids: list[str]
    xy: str = Field(description="base64 of little-endian float32, x and y of each note in turn.")
    label_names: list[str]
    labels: list[int] = Field(description="Position in label_names of each note's first label; -1 for none.")


class StateAnswer(BaseModel):
    """Whether the service is there, or ready."""

    status: Literal["ok", "not_ready"]
    reason: str = ""
    snapshot: str | None = None


class Problem(BaseModel):
    """What is wrong, without anything that was sent."""

    kind: str
    message: str


class ErrorAnswer(BaseModel):
    """Every answer that is none."""

    error: Problem


class OpenAIEmbeddingsRequest(BaseModel):
    """As https://platform.openai.com/docs/api-reference/embeddings/create has it."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    input: str | list[str] | list[int] | list[list[int]]
    model: str = Field("", max_length=500)
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(None, ge=1)
    user: str | None = None


class OpenAIEmbedding(BaseModel):
    """One vector."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class OpenAIUsage(BaseModel):
    """Tokens that were read."""

    prompt_tokens: int
    total_tokens: int


class OpenAIEmbeddingsAnswer(BaseModel):
    """As OpenAI answers; `snapshot` is ours."""

    object: Literal["list"] = "list"
    data: list[OpenAIEmbedding]
    model: str
    usage: OpenAIUsage
    snapshot: str
