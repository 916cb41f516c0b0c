"""The gradient of one batch, in one pass or in micro-batches."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from medembed_pipeline.encoder.model import Encoder
from medembed_pipeline.encoder.tokens import Windows

LossOfVectors = Callable[[torch.Tensor], torch.Tensor]


def add_gradient(
    encoder: Encoder,
    windows: Windows,
    chosen: npt.NDArray[np.int64],
    loss_of: LossOfVectors,
    *,
    scale: float,
    micro_batch: int,
) -> float:
    """Add the gradient of a batch's loss to the parameters' gradients.

    With micro-batches, the vectors are computed without activations first, the loss's gradient at the vectors
    next, and then each micro-batch again with activations (gradient cache: Gao et al., Scaling Deep
    Contrastive Learning Batch Size under Memory Limited Setup, 2021). Memory is that of one micro-batch, and
    the loss still sees the whole batch.

    Args:
        encoder: in training mode.
        windows: tokenised notes.
        chosen: int64 [n], the batch's windows.
        loss_of: float32 [n, d] vectors, in the order of `chosen`, to a scalar.
        scale: factor on the gradient.
        micro_batch: windows at once; 0 for all.

    Returns:
        The loss, unscaled.
    """
    if micro_batch <= 0 or micro_batch >= len(chosen):
        loss = loss_of(encoder.embed(windows, chosen))
        (loss * scale).backward()
        return float(loss.detach())
    # By length, so that a micro-batch of short notes is not padded to the longest.
    by_length = np.argsort(-windows.lengths[chosen], kind="stable")
    parts = [by_length[first : first + micro_batch] for first in range(0, len(chosen), micro_batch)]
    states = []
    pieces = []
    with torch.no_grad():
        for part in parts:
            states.append(random_state(encoder.device))
            pieces.append(encoder.embed(windows, chosen[part]))
    # Back from the order by length to that of `chosen`.
    back = torch.from_numpy(np.argsort(by_length)).to(encoder.device)
    vectors = torch.cat(pieces)[back].requires_grad_()
    loss = loss_of(vectors)
    (gradient,) = torch.autograd.grad(loss * scale, vectors)
    for part, state in zip(parts, states, strict=True):
        # The same dropout masks as in the first pass.
        set_random_state(encoder.device, state)
        rows = torch.from_numpy(part).to(encoder.device)
        encoder.embed(windows, chosen[part]).backward(gradient[rows])
    return float(loss.detach())


def random_state(device: torch.device) -> list[torch.Tensor]:
    """The random generators' states that dropout depends on: the CPU's and, there, the GPU's."""
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    elif device.type == "mps":
        states.append(torch.mps.get_rng_state())
    return states


def set_random_state(device: torch.device, states: list[torch.Tensor]) -> None:
    """Go back to what `random_state` returned."""
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)
    elif device.type == "mps":
        torch.mps.set_rng_state(states[1])
