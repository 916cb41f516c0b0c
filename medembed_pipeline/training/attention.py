"""The gradient of attention in bfloat16 on a CPU, where torch's own is slow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class PlainAttentionGradient(TorchFunctionMode):
    """While entered, attention in bfloat16 goes backward by plain matrix products, on a CPU.

    Forward is torch's own kernel. Its gradient (torch 2.13) takes five times as long as the forward pass there: with
    128 tokens a third of a whole training step. The weights of attention are computed once more on the way back, so no
    more is kept than with torch's kernel. Attention in float32, with dropout, causal or grouped, or with a learned
    mask, stays torch's.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Called by torch in place of each of its functions."""
        given = dict(kwargs or {})
        if func is functional.scaled_dot_product_attention and len(args) == 3:
            mask, scale = given.get("attn_mask"), given.get("scale")
            others = {name: value for name, value in given.items() if name not in ("attn_mask", "scale")}
            if not any(others.values()) and _is_plain(args, mask):
                return _Attention.apply(*args, mask, scale)
        return func(*args, **given)


def _is_plain(args: Sequence[torch.Tensor], mask: torch.Tensor | None) -> bool:
    query, key, value = args
    return (
        query.device.type == "cpu"
        and query.dtype == torch.bfloat16
        and query.requires_grad
        and query.shape[:-2] == key.shape[:-2] == value.shape[:-2]
        and query.dtype == key.dtype == value.dtype
        and (mask is None or not mask.requires_grad)
    )


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None,
        scale: float | None,
    ) -> torch.Tensor:
        found = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale)
        ctx.save_for_backward(query, key, value, mask, found)
        ctx.scale = query.shape[-1] ** -0.5 if scale is None else scale
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, value, mask, found = ctx.saved_tensors
        gradient = gradients[0]
        scaled = query * ctx.scale
        scores = scaled @ key.transpose(-2, -1)
        if mask is not None:
            scores = scores.masked_fill_(~mask, -torch.inf) if mask.dtype == torch.bool else scores.add_(mask)
        weights = scores.softmax(dim=-1)
        to_value = weights.transpose(-2, -1) @ gradient
        # What each weight does to the sum of its row is what the whole row gives (Dao et al., FlashAttention, NeurIPS
        # 2022, appendix B.2).
        shared = (gradient * found).sum(dim=-1, keepdim=True)
        to_scores = weights.mul_((gradient @ value.transpose(-2, -1)).sub_(shared))
        return (to_scores @ key).mul_(ctx.scale), to_scores.transpose(-2, -1) @ scaled, to_value, None, None
