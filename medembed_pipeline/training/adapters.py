"""LoRA: what is learned of a weight matrix is a product of two thin ones, added to it.

Reference: E. J. Hu et al., "LoRA: low-rank adaptation of large language models", ICLR 2022.

The product is added to the weight before each use, so that a layer costs one multiplication forward and one backward,
and its gradient is never computed whole: only its two thin projections are. On a CPU a step takes three fifths of
the time that it takes with the adapters beside the weight.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn.utils import parametrize

from medembed_pipeline.encoder.lower_layers import layer_stack
from medembed_pipeline.encoder.model import Encoder
from medembed_pipeline.errors import MedembedError

SCALE = 2.0
"""Of the product, whatever its rank: `lora_alpha = 2 * rank` is the common choice."""

QUERY_VALUE = frozenset({"query", "value", "q_lin", "v_lin", "q_proj", "v_proj"})
"""What the layers of an attention's queries and values are called in the models there are."""

Products = Mapping[str, tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]
"""By the name of a layer, its adapter: down, float32 [rank, inputs], and up, float32 [outputs, rank]."""


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


class _AdaptedWeight(nn.Module):
    """An adapter of a convolution, whose weight is taken as a matrix of one row per channel that comes out."""

    def __init__(self, weight: torch.Tensor, rank: int, scale: float) -> None:
        super().__init__()
        outputs = weight.shape[0]
        self.down = nn.Parameter(torch.empty(rank, weight.numel() // outputs, device=weight.device))
        self.up = nn.Parameter(torch.zeros(outputs, rank, device=weight.device))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))
        self.scale = scale

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Of the shape of the weight."""
        return _folded(weight.flatten(1), self.down, self.up, self.scale).view_as(weight)


def add_adapters(
    encoder: Encoder,
    *,
    rank: int,
    scale: float = SCALE,
    names: Collection[str] | None = None,
    frozen_layers: int = 0,
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
    frozen_layers
        lowest layers of the transformer that get none.

    Raises
    ------
    MedembedError
        the transformer has no such layer.
    """
    encoder.transformer.requires_grad_(False)
    stack = layer_stack(encoder.transformer) if frozen_layers else None
    parts = [encoder.transformer] if stack is None else list(stack[1])[frozen_layers:]
    if not sum(
        _replace(part, nn.Linear, lambda layer: AdaptedLinear(layer, rank, scale), names) for part in parts
    ):
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


def adapt_last_blocks(network: nn.Module, blocks: int, *, rank: int, scale: float = SCALE) -> None:
    """Put an adapter on every linear layer and convolution of the last blocks; only these are trained from then on.

    Convolutions whose channels are apart (depthwise) keep their weights: these are thin already.

    Parameters
    ----------
    network
        of texts or of pictures. Its blocks are its outermost stack of layers: the layers of a transformer, the
        stages of a ResNet.
    blocks
        how many; all of them where there are fewer.
    rank
        of each adapter.
    scale
        of its product.

    Raises
    ------
    MedembedError
        it has no blocks that can be recognised.
    """
    stacks = [
        (name.count("."), -len(module), name, module)
        for name, module in network.named_modules()
        if name and isinstance(module, nn.ModuleList | nn.Sequential) and len(module) > 1
        if all(_adaptable(block) for block in module)
    ]
    if not stacks:
        raise MedembedError(
            "adapters: this base model has no blocks of linear layers or convolutions that can be recognised, and so "
            "cannot be tuned; take another one, or leave it as it is."
        )
    network.requires_grad_(False)
    *_, stack = min(stacks, key=lambda one: one[:3])
    for block in list(cast(Any, stack))[-blocks:]:
        for parent, name, layer in _adaptable(block):
            if isinstance(layer, nn.Linear):
                setattr(parent, name, AdaptedLinear(layer, rank, scale))
            else:
                parametrize.register_parametrization(
                    layer, "weight", _AdaptedWeight(cast(torch.Tensor, layer.weight), rank, scale)
                )


def _adaptable(block: nn.Module) -> list[tuple[nn.Module, str, nn.Module]]:
    """Parent, name and layer of all that can get an adapter in a block."""
    return [
        (parent, name, child)
        for parent in block.modules()
        for name, child in parent.named_children()
        if type(child) is nn.Linear or (isinstance(child, nn.Conv2d) and child.groups == 1)
    ]


def adapter_products(network: nn.Module) -> Products:
    """What the adapters of a network have learned, copied; `add_products` adds it to the model that it began as."""
    return {
        name.removesuffix(".parametrizations.weight.0"): (_copied(layer.down), _copied(layer.up))
        for name, layer in network.named_modules()
        if isinstance(layer, AdaptedLinear | _AdaptedWeight)
    }


def _copied(weights: torch.Tensor) -> npt.NDArray[np.float32]:
    return np.array(weights.detach().float().cpu().numpy())


def add_products(network: nn.Module, products: Products, scale: float) -> None:
    """Add what adapters have learned into the weights of a network without any.

    Raises
    ------
    MedembedError
        it has other layers than the network that they were learned with.
    """
    with torch.no_grad():
        for name, (down, up) in products.items():
            try:
                weight = cast(torch.Tensor, network.get_submodule(name).weight)
                added = torch.from_numpy(up).to(weight) @ torch.from_numpy(down).to(weight)
                weight.add_(added.view_as(weight), alpha=scale)
            except (AttributeError, RuntimeError):
                raise MedembedError(
                    f"adapters: the model has no layer {name} of the size that they were learned for; it is another "
                    "one than they were learned with."
                ) from None


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
