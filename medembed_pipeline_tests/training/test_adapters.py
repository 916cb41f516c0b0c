"""Adapters against the plain formula of LoRA, differentiated by torch."""

import pytest
import torch
from torch import nn

from medembed_pipeline.training.adapters import AdaptedLinear


def layers(*, bias: bool) -> tuple[nn.Linear, AdaptedLinear]:
    torch.manual_seed(3)
    linear = nn.Linear(12, 7, bias=bias)
    adapted = AdaptedLinear(linear, rank=3)
    with torch.no_grad():
        adapted.up.normal_()
    return linear, adapted


def plain(inputs: torch.Tensor, linear: nn.Linear, down: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    return nn.functional.linear(inputs, linear.weight, linear.bias) + 2 * (inputs @ down.T) @ up.T


@pytest.mark.parametrize("bias", [True, False])
def test_outputs_and_gradients_are_those_of_the_formula(bias: bool) -> None:
    linear, adapted = layers(bias=bias)
    inputs = torch.randn(2, 5, 12, requires_grad=True)
    towards = torch.randn(2, 5, 7)
    found = adapted(inputs)
    wanted = plain(inputs, linear, adapted.down, adapted.up)
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(adapted.merged()(inputs), wanted)
    trained = (inputs, adapted.down, adapted.up)
    for one, other in zip(
        torch.autograd.grad((found * towards).sum(), trained),
        torch.autograd.grad((wanted * towards).sum(), trained),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_it_begins_as_the_layer_it_is_made_of_and_only_the_adapter_is_trained() -> None:
    linear = nn.Linear(12, 7)
    adapted = AdaptedLinear(linear, rank=2)
    inputs = torch.randn(4, 12)
    assert torch.equal(adapted(inputs), linear(inputs))
    assert {name for name, one in adapted.named_parameters() if one.requires_grad} == {"down", "up"}


def test_under_autocast_it_works_in_bfloat16_and_learns_in_float32() -> None:
    _, adapted = layers(bias=True)
    inputs = torch.randn(64, 12)
    wanted = adapted(inputs)
    with torch.autocast("cpu", torch.bfloat16):
        found = adapted(inputs)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), wanted, atol=0.2, rtol=0.05)
    found.float().pow(2).sum().backward()
    assert adapted.down.grad is not None and adapted.down.grad.dtype == torch.float32
