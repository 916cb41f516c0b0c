"""The gradient of attention, against torch's own."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import torch
from torch.nn import functional

from medembed_pipeline.training.attention import PlainAttentionGradient


def _gradients(
    dtype: torch.dtype, mask: torch.Tensor | None, *, plain: bool, **more: Any
) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(3)
    query, key, value = (torch.randn(4, 3, 20, 8).to(dtype).requires_grad_() for _ in range(3))
    with PlainAttentionGradient() if plain else contextlib.nullcontext():
        found = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, **more)
    found.backward(torch.randn(4, 3, 20, 8).to(dtype))
    return found.detach(), *(one.grad.detach() for one in (query, key, value) if one.grad is not None)


def _masks() -> dict[str, torch.Tensor | None]:
    real = torch.ones(4, 1, 1, 20, dtype=torch.bool)
    real[1, ..., 7:] = False
    return {"none": None, "bool": real, "added": torch.zeros(4, 1, 1, 20).masked_fill(~real, -torch.inf)}


@pytest.mark.parametrize("scale", [None, 0.7])
@pytest.mark.parametrize("kind", ["none", "bool", "added"])
def test_it_is_the_exact_gradient_to_the_digits_of_bfloat16(kind: str, scale: float | None) -> None:
    mask = _masks()[kind]
    exact = _gradients(torch.float32, mask, plain=False, scale=scale)
    low = None if mask is None or mask.dtype == torch.bool else mask.bfloat16()
    ours = _gradients(torch.bfloat16, mask if low is None else low, plain=True, scale=scale)
    theirs = _gradients(torch.bfloat16, mask if low is None else low, plain=False, scale=scale)
    torch.testing.assert_close(ours[0], theirs[0])
    for true, own, peer in zip(exact, ours, theirs, strict=True):
        error, known = (own.float() - true).norm() / true.norm(), (peer.float() - true).norm() / true.norm()
        assert error < 0.02 and error < 2 * known


def test_other_attention_stays_torchs() -> None:
    for dtype, more in ((torch.float32, {}), (torch.bfloat16, {"is_causal": True})):
        ours, theirs = (_gradients(dtype, None, plain=plain, **more) for plain in (True, False))
        for one, other in zip(ours, theirs, strict=True):
            assert torch.equal(one, other)
