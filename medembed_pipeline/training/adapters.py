"""LoRA: what is learned of a weight matrix is a product of two thin ones, added to it.

Reference: E. J. Hu et al., "LoRA: low-rank adaptation of large language models", ICLR 2022.

The product is added to the weight before each use, so that a layer costs one multiplication forward and one backward,
and its gradient is never computed whole: only its two thin projections are. On a CPU a step takes three fifths of
the time that it takes with the adapters beside the weight.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any, cast

import torch
from torch import nn

from medembed_pipeline.encoder.model import Encoder
from medembed_pipeline.errors import MedembedError

SCALE = 2.0
"""Of the product, whatever its rank: `lora_alpha = 2 * rank` is the common choice."""

QUERY_VALUE = frozenset({"query", "value", "q_lin", "v_lin", "q_proj", "v_proj"})
"""What the layers of an attention's queries and values are called in the models there are."""


class AdaptedLinear(nn.Linear):
    """A linear layer whose weight stays, with an adapter of some rank that is trained.

    It begins as the layer that it is made of: `up` is zero.

    Attributes
    ----------
    down
        float32 [rank, inputs].
    up
        float32 [outputs, rank].
    """

    def __init__(self, linear: nn.Linear, rank: int, scale: float = SCALE) -> None:
        super().__init__(linear.in_features, linear.out_features, linear.bias is not None, device="meta")
        self.weight = nn.Parameter(linear.weight.detach(), requires_grad=False)
        if linear.bias is not None:
            self.bias = nn.Parameter(linear.bias.detach(), requires_grad=False)
        device = linear.weight.device
        self.down = nn.Parameter(torch.empty(rank, linear.in_features, device=device))
        self.up = nn.Parameter(torch.zeros(linear.out_features, rank, device=device))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))
        self.scale = scale

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """[..., inputs] to [..., outputs]."""
        kind = inputs.device.type
        if torch.is_autocast_enabled(kind):
            inputs = inputs.to(torch.get_autocast_dtype(kind))
        return cast(
            torch.Tensor, _Adapted.apply(inputs, self.weight, self.bias, self.down, self.up, self.scale)
        )

    def merged(self) -> nn.Linear:
        """An ordinary layer that does the same."""
        linear = nn.Linear(self.in_features, self.out_features, self.bias is not None, device="meta")
        with torch.no_grad():
            linear.weight = nn.Parameter(_folded(self.weight, self.down, self.up, self.scale))
        if self.bias is not None:
            linear.bias = nn.Parameter(self.bias.detach())
        return linear


class _Adapted(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        inputs: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        down: torch.Tensor,
        up: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        ctx.save_for_backward(inputs, weight, down, up)
        ctx.scale = scale
        folded = _folded(weight, down, up, scale).to(inputs.dtype)
        return nn.functional.linear(inputs, folded, None if bias is None else bias.to(inputs.dtype))

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs, weight, down, up = ctx.saved_tensors
        # Folded once more: keeping it from every layer and piece would cost a copy of the model for each.
        to_inputs = None
        if ctx.needs_input_grad[0]:
            to_inputs = gradients[0] @ _folded(weight, down, up, ctx.scale).to(inputs.dtype)
        gradient, inputs = gradients[0].flatten(end_dim=-2), inputs.flatten(end_dim=-2)
        kind = inputs.dtype
        to_down = (gradient @ up.to(kind)).T @ inputs
        to_up = gradient.T @ (inputs @ down.to(kind).T)
        to_down, to_up = ctx.scale * to_down.to(down.dtype), ctx.scale * to_up.to(up.dtype)
        return to_inputs, None, None, to_down, to_up, None


def _folded(weight: torch.Tensor, down: torch.Tensor, up: torch.Tensor, scale: float) -> torch.Tensor:
    return torch.addmm(weight, up.to(weight.dtype), down.to(weight.dtype), alpha=scale)


def add_adapters(
    encoder: Encoder, *, rank: int, scale: float = SCALE, names: Collection[str] | None = None
) -> None:
    """Put an adapter on linear layers of the transformer; only these are trained from then on.

    Parameters
    ----------
    encoder
        whose transformer gets them.
    rank
        of each adapter.
    scale
        of its product.
    names
        last part of the names of the layers that get one; None for all.

    Raises
    ------
    MedembedError
        the transformer has no such layer.
    """
    encoder.transformer.requires_grad_(False)
    if not _replace(encoder.transformer, nn.Linear, lambda layer: AdaptedLinear(layer, rank, scale), names):
        if names is None:
            raise MedembedError(
                "training: this base model has no linear layers to put adapters on; set tuned to 'all' or 'biases'."
            )
        raise MedembedError(
            f"adapters: this base model has no linear layer named one of {sorted(names)}; put them on all layers."
        )


def merge_adapters(encoder: Encoder) -> None:
    """Add the adapters, where there are any, into the weights: the model is an ordinary one again."""
    _replace(encoder.transformer, AdaptedLinear, AdaptedLinear.merged)


def _replace(
    module: nn.Module, kind: type[nn.Module], other: Any, names: Collection[str] | None = None
) -> int:
    """Replace every module of exactly this type, and of one of these names; returns how many there were."""
    found = [
        (parent, name, child)
        for parent in module.modules()
        for name, child in parent.named_children()
        if type(child) is kind and (names is None or name in names)
    ]
    for parent, name, child in found:
        setattr(parent, name, other(child))
    return len(found)
