"""A small stand-in for an encoder: a text's vector is the sum of its words' vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

DIMENSIONS = 64


class WordModel:
    """Each word has a direction of its own, decided by its letters and the model's name.

    Attributes
    ----------
    texts
        everything that was encoded, in order.
    """

    def __init__(self, name: str = "model", *, noise: float = 0.0) -> None:
        self._name = name
        self._noise = noise
        self.texts: list[str] = []

    def encode(self, texts: Sequence[str], **_: object) -> np.ndarray:
        """Vectors float32 [n, DIMENSIONS], L2-normalised."""
        self.texts += texts
        return np.array([self._vector(text) for text in texts], dtype=np.float32).reshape(-1, DIMENSIONS)

    def _vector(self, text: str) -> np.ndarray:
        vector = sum(
            (_direction("word", word) for word in text.casefold().split()), np.full(DIMENSIONS, 1e-3)
        )
        vector = vector / np.linalg.norm(vector) + self._noise * _direction(self._name, text)
        return np.asarray(vector / np.linalg.norm(vector))


def _direction(kind: str, text: str) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(f"{kind}:{text}".encode()).digest()[:8], "big")
    return np.random.default_rng(seed).standard_normal(DIMENSIONS) / np.sqrt(DIMENSIONS)
