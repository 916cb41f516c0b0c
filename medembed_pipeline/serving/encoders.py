"""The encoders in use, of texts and of pictures: each is loaded once, and asked by one thread at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from medembed_pipeline.encoder import EncoderSpec, Role
from medembed_pipeline.encoder.image_spec import ImageEncoderSpec
from medembed_pipeline.lake.lake import Lake

WARMING_TEXTS = ("Chest pain on exertion.", "Fracture of the left wrist, seen in follow-up. " * 12)


class SharedEncoder:
    """An encoder that several threads may use: one at a time, for its tokenizer stands only one.

    Parameters
    ----------
    encoder
        `medembed_pipeline.encoder.model.Encoder`, or what encodes like it.
    fingerprint
        of its vectors.
    """

    def __init__(self, encoder: Any, fingerprint: str) -> None:
        self._encoder = encoder
        self._lock = threading.Lock()
        self.fingerprint = fingerprint

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return int(self._encoder.dimensions)

    def encode(self, texts: Sequence[str], role: Role = "document") -> npt.NDArray[np.float32]:
        """float32 [texts, dimensions], L2-normalised."""
        with self._lock:
            found: npt.NDArray[np.float32] = self._encoder.encode(texts, role=role)
            return found

    def tokens(self, texts: Sequence[str], role: Role = "document") -> int:
        """How many tokens of the texts are read, special ones included."""
        if not texts:
            return 0
        with self._lock:
            return int(self._encoder.tokenize(list(texts), role=role).lengths.sum())


class SharedImageEncoder:
    """The same of pictures.

    Parameters
    ----------
    encoder
        `medembed_pipeline.encoder.image_model.ImageEncoder`.
    """

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder
        self._lock = threading.Lock()

    def encode(self, pictures: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
        """float32 [pictures, dimensions], L2-normalised."""
        with self._lock:
            found: npt.NDArray[np.float32] = self._encoder.encode(pictures)
            return found

    def encode_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """float32 [texts, dimensions], L2-normalised, by a model of both."""
        with self._lock:
            found: npt.NDArray[np.float32] = self._encoder.encode_texts(texts)
            return found


_TEXTS: WeakValueDictionary[tuple[str, str], SharedEncoder] = WeakValueDictionary()
_PICTURES: WeakValueDictionary[tuple[str, str], SharedImageEncoder] = WeakValueDictionary()
"""By fingerprint and device, as long as a snapshot uses them: what the next one needs too is not loaded again."""


def _as_it_is(encoder: Any) -> None:
    """Changes nothing."""


def shared_encoder(
    spec: EncoderSpec,
    precision: str,
    fingerprint: str,
    device: str,
    *,
    lake: Lake | None = None,
    tune: Callable[[Any], None] = _as_it_is,
) -> SharedEncoder:
    """An encoder of texts, loaded and warmed where it is not in use already; raises as `load_encoder`.

    Parameters
    ----------
    spec, precision, device
        as of `load_encoder`.
    fingerprint
        of its vectors, after `tune`.
    lake
        from which an exported model is taken, where it holds it; nothing is written there.
    tune
        changes the encoder once it is loaded, in torch.
    """
    found = _TEXTS.get((fingerprint, device))
    if found is None:
        from medembed_pipeline.encoder.exported import is_exported
        from medembed_pipeline.encoder.model import load_encoder

        kept = lake if lake is not None and is_exported(lake, spec.base, precision) else None
        encoder = load_encoder(spec, device=device, precision=precision, lake=kept)
        tune(encoder)
        found = SharedEncoder(encoder, fingerprint)
        for text in WARMING_TEXTS:
            found.encode([text])
        _TEXTS[fingerprint, device] = found
    return found


def shared_image_encoder(
    spec: ImageEncoderSpec, fingerprint: str, device: str, *, tune: Callable[[Any], None] = _as_it_is
) -> SharedImageEncoder:
    """An encoder of pictures, likewise; raises as `load_image_encoder`."""
    found = _PICTURES.get((fingerprint, device))
    if found is None:
        from medembed_pipeline.encoder.image_model import load_image_encoder

        encoder = load_image_encoder(spec, device=device)
        tune(encoder)
        found = SharedImageEncoder(encoder)
        found.encode([np.eye(64, dtype=np.uint8)])
        _PICTURES[fingerprint, device] = found
    return found
