"""A head over the base model's vectors that moves notes, and leaves everything else where it is.

What labels teach is in the base model's vectors already, only not on the surface: a small network brings it there. The
same vectors tell a note from a phrase of it. So the network has a gate that shuts on whatever is no note: phrases,
questions and terms keep the very vector that the base model gives them.

    f(v) = v + W2 relu(W1 v + b - 2 relu(-(g.v + c)))        v, f(v) of unit length

It is written as three Dense layers, which sentence-transformers loads, since v = relu(v) - relu(-v).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from medembed_pipeline.encoder.dense import Dense
from medembed_pipeline.encoder.model import Encoder
from medembed_pipeline.encoder.modules import DenseLayer
from medembed_pipeline.errors import MedembedError

_SHUTS = 2.0
"""How fast the gate shuts: a unit is taken off by so much for each logit by which a text looks like no note."""
_FIRST_WEIGHTS = 4.0
"""Spread of what the units see at first, so that each has about one kind of note before it."""
_GATE_PENALTY = 100.0
"""Inverse penalty of the gate's logistic regression: unit vectors need weights far from zero."""


class GatedHead(nn.Module):
    """See the module; the identity until it is fitted.

    Parameters
    ----------
    dimensions
        of the vectors.
    units
        of the network.

    Attributes
    ----------
    mixed
        whether the network's products are in bfloat16 while it is trained, as the encoder's are that it is put on.
    """

    gate: torch.Tensor
    gate_bias: torch.Tensor

    def __init__(self, dimensions: int, units: int) -> None:
        super().__init__()
        self.mixed = False
        self.units_in = nn.Parameter(torch.zeros(units, dimensions))
        self.units_bias = nn.Parameter(torch.zeros(units))
        self.units_out = nn.Parameter(torch.zeros(dimensions, units))
        self.register_buffer("gate", torch.zeros(dimensions))
        self.register_buffer("gate_bias", torch.zeros(1))

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """float32 [n, d] unit vectors to float32 [n, d], which are not yet brought to unit length."""
        shut = nn.functional.relu(-(vectors @ self.gate + self.gate_bias))
        mixed = self.mixed and self.training
        with torch.autocast(vectors.device.type, dtype=torch.bfloat16, enabled=mixed):
            seen = vectors @ self.units_in.T
            units = nn.functional.relu(seen + self.units_bias - _SHUTS * shut[:, None])
            moved = units @ self.units_out.T
        return vectors + moved

    def begin(self, notes: npt.NDArray[np.float32], others: npt.NDArray[np.float32], *, seed: int) -> None:
        """Draw the network's first weights, and fit the gate; without others it stays open.

        Parameters
        ----------
        notes
            float32 [n, d], unit vectors of what is to be moved.
        others
            float32 [m, d], of what is to stay.
        seed
            of the weights.
        """
        middle = notes.mean(axis=0)
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randn(self.units_in.shape, generator=generator)
        scale = _FIRST_WEIGHTS / (spread(notes) * math.sqrt(self.units_in.shape[1]))
        with torch.no_grad():
            self.units_in.copy_(drawn * scale)
            self.units_bias.copy_(-self.units_in @ torch.from_numpy(middle).to(self.units_in))
            if len(others):
                weights, bias = _gate(notes, others)
                self.gate.copy_(torch.from_numpy(weights))
                self.gate_bias.fill_(bias)

    def layers(self) -> list[Dense]:
        """The same as three Dense layers."""
        d, units = self.units_in.shape[1], self.units_in.shape[0]
        same, shuts = torch.eye(d), torch.full((units, 1), -_SHUTS)
        weights_in, weights_out = self.units_in.detach().cpu(), self.units_out.detach().cpu()
        kept = torch.cat([torch.eye(2 * d), torch.zeros(2 * d, 1)], dim=1)
        first = torch.cat([same, -same, -self.gate[None].cpu()])
        second = torch.cat([kept, torch.cat([weights_in, -weights_in, shuts], dim=1)])
        third = torch.cat([same, -same, weights_out], dim=1)
        zeros = torch.zeros(2 * d)
        return [
            _dense(first, torch.cat([zeros, -self.gate_bias.cpu()]), "ReLU"),
            _dense(second, torch.cat([zeros, self.units_bias.detach().cpu()]), "ReLU"),
            _dense(third, None, "Identity"),
        ]

    @classmethod
    def of_layers(cls, layers: Sequence[nn.Module]) -> "GatedHead | None":
        """The head that `layers` were made of; None where they are no such ones."""
        linear = [layer.linear for layer in layers if isinstance(layer, Dense)]
        if len(linear) != 3 or linear[0].bias is None or linear[1].bias is None:
            return None
        d = linear[0].in_features
        units = linear[1].out_features - 2 * d
        if linear[0].out_features != 2 * d + 1 or units < 1 or linear[2].out_features != d:
            return None
        head = cls(d, units)
        with torch.no_grad():
            head.gate.copy_(-linear[0].weight[-1])
            head.gate_bias.copy_(-linear[0].bias[-1:])
            head.units_in.copy_(linear[1].weight[2 * d :, :d])
            head.units_bias.copy_(linear[1].bias[2 * d :])
            head.units_out.copy_(linear[2].weight[:, 2 * d :])
        made = zip(head.layers(), linear, strict=True)
        return head if all(torch.equal(ours.linear.weight, theirs.weight) for ours, theirs in made) else None


def spread(vectors: npt.NDArray[np.float32]) -> float:
    """Root of the mean squared distance of vectors from their middle: 0.8 or so in spaces that are well used."""
    return float(np.sqrt(((vectors - vectors.mean(axis=0)) ** 2).sum(axis=1).mean())) or 1.0


def take_off_head(encoder: Encoder) -> GatedHead | None:
    """Take the head off a checkpoint that is trained on; None where it has none.

    Raises
    ------
    MedembedError
        its head is of another kind.
    """
    if not len(encoder.head):
        return None
    head = GatedHead.of_layers(list(encoder.head))
    if head is None:
        raise MedembedError(
            "warm_start: the checkpoint has layers after unit length that are no head of this training; set "
            "warm_start to false, or tuned to 'adapters'."
        )
    put_on_head(encoder, None)
    return head


def put_on_head(encoder: Encoder, head: GatedHead | None) -> None:
    """Let the encoder's vectors pass a head that can be trained, or none."""
    if head is not None:
        head.mixed = encoder.precision == "bfloat16"
    encoder.head = nn.ModuleList([head.to(encoder.device)] if head is not None else [])
    encoder.spec = replace(encoder.spec, head=())


def write_out_head(encoder: Encoder) -> None:
    """Make an ordinary encoder of one with a head that can be trained; any other stays as it is."""
    for head in encoder.head:
        if isinstance(head, GatedHead):
            layers = head.layers()
            stated = tuple(
                DenseLayer(layer.linear.out_features, type(layer.activation).__name__) for layer in layers
            )
            encoder.head = nn.ModuleList(layers).to(encoder.device)
            encoder.spec = replace(encoder.spec, head=stated)


def unmoved(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights of an encoder whose head changes nothing, and is otherwise the given one."""
    return {
        name: torch.zeros_like(value) if name.endswith("units_out") else value
        for name, value in weights.items()
    }


def _dense(weights: torch.Tensor, bias: torch.Tensor | None, activation: str) -> Dense:
    linear = nn.Linear(weights.shape[1], weights.shape[0], bias=bias is not None)
    with torch.no_grad():
        linear.weight.copy_(weights)
        if bias is not None:
            linear.bias.copy_(bias)
    return Dense(linear, activation)


def _gate(
    notes: npt.NDArray[np.float32], others: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], float]:
    """Weights float32 [d] and bias: the logit of being a note rather than something else, each counting alike."""
    from sklearn.linear_model import LogisticRegression

    is_note = np.repeat([1, 0], [len(notes), len(others)])
    fitted = LogisticRegression(C=_GATE_PENALTY, max_iter=3000, class_weight="balanced").fit(
        np.concatenate([notes, others]).astype(np.float64), is_note
    )
    return fitted.coef_[0].astype(np.float32), float(fitted.intercept_[0])
