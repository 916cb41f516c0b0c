"""Adapters against the plain formula of LoRA, differentiated by torch."""

from pathlib import Path

import pytest
import torch
from torch import nn

from medembed_pipeline.encoder import EncoderSpec
from medembed_pipeline.encoder.model import load_encoder
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.training.adapters import QUERY_VALUE, AdaptedLinear, add_adapters


def layers(*, bias: bool, scale: float = 2.0) -> tuple[nn.Linear, AdaptedLinear]:
    torch.manual_seed(3)
    linear = nn.Linear(12, 7, bias=bias)
    adapted = AdaptedLinear(linear, 3, scale)
    with torch.no_grad():
        adapted.up.normal_()
    return linear, adapted


def plain(inputs: torch.Tensor, linear: nn.Linear, adapted: AdaptedLinear, scale: float) -> torch.Tensor:
    product = (inputs @ adapted.down.T) @ adapted.up.T
    return nn.functional.linear(inputs, linear.weight, linear.bias) + scale * product


@pytest.mark.parametrize(("bias", "scale"), [(True, 2.0), (False, 2.0), (True, 0.5)])
def test_outputs_and_gradients_are_those_of_the_formula(bias: bool, scale: float) -> None:
    linear, adapted = layers(bias=bias, scale=scale)
    inputs = torch.randn(2, 5, 12, requires_grad=True)
    towards = torch.randn(2, 5, 7)
    found = adapted(inputs)
    wanted = plain(inputs, linear, adapted, scale)
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


def test_adapters_lie_on_the_layers_that_are_named_and_no_others(small_model: Path) -> None:
    encoder = load_encoder(EncoderSpec(str(small_model), max_tokens=16), device="cpu", precision="float32")
    with pytest.raises(MedembedError, match="no linear layer named one of"):
        add_adapters(encoder, rank=2, names={"nowhere"})
    add_adapters(encoder, rank=2, names=QUERY_VALUE)
    found = {
        name.rpartition(".")[2]
        for name, module in encoder.transformer.named_modules()
        if isinstance(module, AdaptedLinear)
    }
    assert found == {"query", "value"}
