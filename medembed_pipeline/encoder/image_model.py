"""The image encoder itself: pictures to unit vectors, and texts too where the model has both sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from medembed_pipeline.encoder.devices import resolve_device
from medembed_pipeline.encoder.efficientnet_lite import DIMENSIONS, MEAN, SCALE, load_efficientnet_lite0
from medembed_pipeline.encoder.image_spec import ImageEncoderSpec, bundled_image_weights, resolve_image_base
from medembed_pipeline.encoder.memory import keep_freed_memory
from medembed_pipeline.encoder.spec import BUNDLED
from medembed_pipeline.errors import MedembedError

UInt8Array = npt.NDArray[np.uint8]
Vectors = npt.NDArray[np.float32]

BATCH = 32


class ImageEncoder(Protocol):
    """Pictures to vectors. Made by `load_image_encoder`."""

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        ...

    @property
    def reads_texts(self) -> bool:
        """Whether texts have vectors in the same space."""
        ...

    @property
    def network(self) -> nn.Module:
        """What sees the pictures."""
        ...

    def prepare(self, pictures: Sequence[UInt8Array]) -> torch.Tensor:
        """The pictures as the network takes them, float32 [n, 3, height, width], on its device."""
        ...

    def embed(self, prepared: torch.Tensor) -> torch.Tensor:
        """float32 [n, dimensions], L2-normalised, of what `prepare` gives; with gradients where these are on."""
        ...

    def encode(self, pictures: Sequence[UInt8Array], *, batch_size: int = BATCH) -> Vectors:
        """float32 [n, dimensions], L2-normalised, in the order of the pictures.

        A picture's vector depends on no other, up to 1e-5 in each coordinate.

        Parameters
        ----------
        pictures
            uint8 [height, width] or [height, width, 3] each.
        batch_size
            pictures at once.
        """
        ...

    def encode_texts(self, texts: Sequence[str], *, batch_size: int = BATCH) -> Vectors:
        """float32 [n, dimensions], L2-normalised.

        Raises
        ------
        MedembedError
            the model reads no texts.
        """
        ...


def load_image_encoder(spec: ImageEncoderSpec, *, device: str = "auto") -> ImageEncoder:
    """Load the encoder that `spec` describes; it computes in float32.

    Raises
    ------
    MedembedError
        see `resolve_image_base` and `resolve_device`; also when the folder lacks weights or preprocessing.
    """
    keep_freed_memory()
    where = resolve_device(device)
    if spec.base == BUNDLED:
        return _Bundled(spec.size, where)
    return _FromTransformers(spec, where)


def _rgb(picture: UInt8Array) -> UInt8Array:
    return np.repeat(picture[:, :, None], 3, axis=2) if picture.ndim == 2 else picture


def _unit(vectors: torch.Tensor) -> torch.Tensor:
    return nn.functional.normalize(vectors.float(), dim=-1)


def _encoded(encoder: ImageEncoder, pictures: Sequence[UInt8Array], batch_size: int) -> list[Vectors]:
    """The vectors of each batch."""
    found: list[Vectors] = []
    for start in range(0, len(pictures), batch_size):
        prepared = encoder.prepare(pictures[start : start + batch_size])
        with torch.inference_mode():
            found.append(encoder.embed(prepared).cpu().numpy())
    return found


class _Bundled:
    """EfficientNet-Lite0 before its classifier; pictures are made square by black margins, then scaled."""

    reads_texts = False
    dimensions = DIMENSIONS

    def __init__(self, size: int, device: torch.device) -> None:
        self._size = size
        self._device = device
        self.network = load_efficientnet_lite0(bundled_image_weights()).to(device)

    def prepare(self, pictures: Sequence[UInt8Array]) -> torch.Tensor:
        return torch.from_numpy(np.stack([self._prepared(one) for one in pictures])).to(self._device)

    def embed(self, prepared: torch.Tensor) -> torch.Tensor:
        return _unit(self.network(prepared))

    def encode(self, pictures: Sequence[UInt8Array], *, batch_size: int = BATCH) -> Vectors:
        found = _encoded(self, pictures, batch_size)
        return np.concatenate(found) if found else np.empty((0, self.dimensions), dtype=np.float32)

    def encode_texts(self, texts: Sequence[str], *, batch_size: int = BATCH) -> Vectors:
        raise MedembedError(_NO_TEXTS.format("the bundled EfficientNet-Lite0"))

    def _prepared(self, picture: UInt8Array) -> npt.NDArray[np.float32]:
        """float32 [3, size, size]."""
        from PIL import Image

        height, width = picture.shape[:2]
        side = max(height, width)
        square = Image.new("RGB", (side, side))
        square.paste(Image.fromarray(_rgb(picture)), ((side - width) // 2, (side - height) // 2))
        scaled = square.resize((self._size, self._size), Image.Resampling.BICUBIC)
        values = (np.asarray(scaled, dtype=np.float32) - MEAN) / SCALE
        return np.ascontiguousarray(values.transpose(2, 0, 1))


class _FromTransformers:
    """A vision model, or one of pictures and texts, with the preprocessing of its own files."""

    def __init__(self, spec: ImageEncoderSpec, device: torch.device) -> None:
        self._base = spec.base
        self._device = device
        self._model, self._processor, self._tokenizer, self._pooled = _load(spec)
        self._model.to(device)
        self.reads_texts = self._tokenizer is not None
        self.dimensions = self.encode([np.full((64, 64), 127, dtype=np.uint8)]).shape[1]

    @property
    def network(self) -> nn.Module:
        # Of a model of both, the side of the pictures.
        found: nn.Module = getattr(self._model, "vision_model", self._model)
        return found

    def prepare(self, pictures: Sequence[UInt8Array]) -> torch.Tensor:
        from PIL import Image

        batch = [Image.fromarray(_rgb(one)) for one in pictures]
        return torch.as_tensor(self._processor(images=batch, return_tensors="pt")["pixel_values"]).to(
            self._device
        )

    def embed(self, prepared: torch.Tensor) -> torch.Tensor:
        return _unit(self._features(prepared))

    def encode(self, pictures: Sequence[UInt8Array], *, batch_size: int = BATCH) -> Vectors:
        found = _encoded(self, pictures, batch_size)
        return np.concatenate(found) if found else np.empty((0, self.dimensions), dtype=np.float32)

    def _features(self, prepared: torch.Tensor) -> torch.Tensor:
        if hasattr(self._model, "get_image_features"):
            return _tensor(self._model.get_image_features(pixel_values=prepared))
        states = self._model(pixel_values=prepared)
        if self._pooled and getattr(states, "pooler_output", None) is not None:
            return torch.as_tensor(states.pooler_output).flatten(1)
        last = states.last_hidden_state
        # A transformer's first token stands for the picture; a convolution's fields are averaged.
        return torch.as_tensor(last[:, 0] if last.ndim == 3 else last.mean(dim=(2, 3)))

    def encode_texts(self, texts: Sequence[str], *, batch_size: int = BATCH) -> Vectors:
        if self._tokenizer is None:
            raise MedembedError(_NO_TEXTS.format(self._base))
        window = int(self._model.config.text_config.max_position_embeddings)
        # SigLIP was trained on texts that are filled up to the whole window, and without a mask.
        siglip = "siglip" in self._model.config.model_type
        found = []
        for start in range(0, len(texts), batch_size):
            inputs = self._tokenizer(
                list(texts[start : start + batch_size]),
                padding="max_length" if siglip else True,
                truncation=True,
                max_length=window,
                return_tensors="pt",
            ).to(self._device)
            given = {"input_ids": inputs["input_ids"]}
            if not siglip:
                given["attention_mask"] = inputs["attention_mask"]
            with torch.inference_mode():
                found.append(_unit(_tensor(self._model.get_text_features(**given))).cpu().numpy())
        return np.concatenate(found) if found else np.empty((0, self.dimensions), dtype=np.float32)


_NO_TEXTS = (
    "image_encoder base: {} reads no texts, so pictures cannot be compared with prompts; take a model of both, "
    "such as CLIP "
    "or SigLIP."
)


def _tensor(found: Any) -> torch.Tensor:
    """The features, which older and newer versions of transformers hand over differently."""
    return found if isinstance(found, torch.Tensor) else torch.as_tensor(found.pooler_output)


def _load(spec: ImageEncoderSpec) -> tuple[Any, Any, Any, bool]:
    """Model, preprocessing, tokenizer (None for a model without texts), and whether its pooler has weights."""
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    folder = resolve_image_base(spec)
    remote = spec.allow_remote_code
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        model, info = AutoModel.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=remote,
            dtype=torch.float32,
            output_loading_info=True,
        )
        # With PIL the same picture gives the same vector on every machine, torchvision or not.
        processor = AutoImageProcessor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=remote, backend="pil"
        )
        both = hasattr(model, "get_image_features") and hasattr(model, "get_text_features")
        tokenizer = (
            AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=remote)
            if both
            else None
        )
    except Exception as error:
        # transformers raises what its parts raise: OSError, ValueError, KeyError, SafetensorError, ...
        raise MedembedError(
            f"image_encoder base: {spec.base} can't be loaded ({type(error).__name__}: "
            f"{str(error)[:300]}); expected a model of pictures with weights, config.json and "
            "preprocessor_config.json that AutoModel reads."
        ) from error
    finally:
        transformers_logging.set_verbosity(verbosity)
        transformers_logging.enable_progress_bar()
    missing = {name for name in info["missing_keys"] if "position_ids" not in name}
    without_pooler = {name for name in missing if not name.startswith("pooler.")}
    if without_pooler:
        raise MedembedError(
            f"image_encoder base: {spec.base} lacks {len(without_pooler)} of its weights "
            f"(first: {min(without_pooler)}); expected all of them."
        )
    return model.eval(), processor, tokenizer, not missing
