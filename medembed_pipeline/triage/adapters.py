"""Adapters of a tuned encoder: what was learned of it for the level, apart from the model that it was learned with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from medembed_pipeline.lake.fingerprint import digest

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Adapters:
    """What was learned of one encoder (LoRA).

    Attributes
    ----------
    scale
        of the products.
    products
        by layer, float32 [rank, inputs] and [outputs, rank]; empty where nothing that was tried was better on
        validation cases than the levels' shares: then the encoder stays as it is.
    learning_rate, epoch
        of those that were tried, the best on validation cases; epoch 0 where the encoder stays as it is.
    course
        a record per learning rate and epoch: log loss on the cases learned from and on validation cases.
    """

    scale: float
    products: Mapping[str, tuple[Float32Array, Float32Array]] = field(default_factory=dict)
    learning_rate: float = 0.0
    epoch: int = 0
    course: tuple[Mapping[str, Any], ...] = ()

    def arrays(self) -> dict[str, Float32Array]:
        """The products as arrays: `LAYER/down`, `LAYER/up`."""
        found: dict[str, Float32Array] = {}
        for layer, (down, up) in self.products.items():
            found |= {f"{layer}/down": down, f"{layer}/up": up}
        return found

    def about(self) -> dict[str, Any]:
        """All but the arrays, JSON-able."""
        return {
            "scale": self.scale,
            "learning_rate": self.learning_rate,
            "epoch": self.epoch,
            "course": [dict(one) for one in self.course],
        }

    @classmethod
    def of(cls, about: Mapping[str, Any], arrays: Mapping[str, Any]) -> Adapters:
        """From what `about` and `arrays` gave."""
        layers = sorted({name.rpartition("/")[0] for name in arrays})
        return cls(
            scale=float(about["scale"]),
            products={layer: (arrays[f"{layer}/down"], arrays[f"{layer}/up"]) for layer in layers},
            learning_rate=float(about["learning_rate"]),
            epoch=int(about["epoch"]),
            course=tuple(about["course"]),
        )

    def fingerprint(self, base: str) -> str:
        """64 hex that identify the vectors of the tuned encoder; `base` is that of the model it was learned with."""
        if not self.products:
            return base
        arrays = {name: values.tobytes().hex() for name, values in self.arrays().items()}
        return digest({"base": base, "scale": self.scale, "products": arrays})

    def add_to(self, network: Any) -> None:
        """Add what was learned into the weights of the base model (a torch module).

        Raises
        ------
        MedembedError
            it has other layers.
        """
        from medembed_pipeline.training.adapters import add_products

        add_products(network, self.products, self.scale)
