"""What is trained, and how far each step goes."""

import math
from typing import Any

import torch
from torch import nn

from medembed_pipeline.encoder.lower_layers import layer_stack
from medembed_pipeline.encoder.model import Encoder
from medembed_pipeline.training.settings import TrainingSettings


def frozen_layers(encoder: Encoder, tuned_share: float) -> int:
    """How many of the transformer's lowest layers stay as they are.

    Parameters
    ----------
    encoder
        whose transformer it is about; where its layers cannot be told apart, as in ALBERT, none stay.
    tuned_share
        of its layers that is trained, above 0; at least one is.
    """
    stack = layer_stack(encoder.transformer)
    return 0 if stack is None else len(stack[1]) - max(1, round(tuned_share * len(stack[1])))


def freeze_lowest(encoder: Encoder, layers: int) -> None:
    """Keep the token embeddings and the lowest transformer layers as they are, without a backward pass.

    Parameters
    ----------
    encoder
        changed in place.
    layers
        how many (`frozen_layers`); 0 for nothing, embeddings included.
    """
    stack = layer_stack(encoder.transformer)
    if not layers or stack is None:
        return
    lowest = tuple(f"{stack[0]}.{layer}." for layer in range(layers))
    for name, parameter in encoder.transformer.named_parameters():
        if name.startswith(lowest) or "embed" in name:
            parameter.requires_grad = False


def freeze_all_but_head(encoder: Encoder) -> None:
    """Train the head alone."""
    encoder.requires_grad_(False)
    encoder.head.requires_grad_(True)


def tune_biases(encoder: Encoder) -> None:
    """Train the biases and normalisation layers of the transformer, and the projection; everything else stays.

    Ben Zaken et al., BitFit (ACL 2022). No gradient of a weight matrix is computed, which is a third of the work.
    """
    for name, parameter in encoder.transformer.named_parameters():
        parameter.requires_grad = parameter.ndim == 1 and "embed" not in name


def switch_dropout_off(encoder: Encoder) -> None:
    """Make training deterministic in its activations, and let attention use its fast kernels on a CPU."""
    for module in encoder.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        # Attention in some families applies its dropout by a number, not by a module.
        if isinstance(getattr(module, "attention_dropout", None), float):
            setattr(module, "attention_dropout", 0.0)  # noqa: B010


def plain_weights(encoder: Encoder) -> dict[str, torch.Tensor]:
    """A copy of all weights by name, of an encoder without adapters."""
    return {name: weights.detach().clone() for name, weights in encoder.state_dict().items()}


def trainable_parameters(encoder: Encoder) -> dict[str, nn.Parameter]:
    """The parameters with a gradient, by name."""
    return {name: parameter for name, parameter in encoder.named_parameters() if parameter.requires_grad}


def make_optimizer(encoder: Encoder, options: TrainingSettings) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter, 2019), without decay on biases, normalisation layers (all the 1-D) and projection.

    Each group holds as `faster` how many times the learning rate of the step is its own.
    """
    trained = trainable_parameters(encoder)
    projection = [weights for name, weights in trained.items() if name.startswith("projection.")]
    others = [weights for name, weights in trained.items() if not name.startswith("projection.")]
    groups: list[dict[str, Any]] = [
        {
            "params": [each for each in others if each.ndim > 1],
            "weight_decay": options.weight_decay,
            "faster": 1.0,
        },
        {"params": [each for each in others if each.ndim <= 1], "weight_decay": 0.0, "faster": 1.0},
        {
            "params": projection,
            "weight_decay": 0.0,
            "faster": options.map_learning_rate / options.peak,
        },
    ]
    fused = encoder.device.type in ("cpu", "cuda")
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=options.peak, fused=fused)


def learning_rate_at(step: int, total: int, *, peak: float, warmup_share: float) -> float:
    """The learning rate of a step: a linear rise to `peak`, then half a cosine down to nearly 0.

    Parameters
    ----------
    step
        0 to total - 1.
    total
        steps of the whole training.
    peak
        the highest rate.
    warmup_share
        share of the steps that rise.
    """
    rising = math.ceil(total * warmup_share)
    if step < rising:
        return peak * (step + 1) / rising
    return peak * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, total - rising)))
