"""The gradient of one batch, in one pass or in micro-batches."""

from collections.abc import Callable

import numpy as np
import torch

from medembed_pipeline.encoder.model import Encoder
from medembed_pipeline.encoder.tokens import Windows, budget_batches

LossOfVectors = Callable[[torch.Tensor], torch.Tensor]

# Tokens in one forward or backward call on a CPU. More is no faster there, and Python, which sees to an
# interruption, has no say during a call.
_CPU_TOKENS = 2048


def add_gradient(
    encoder: Encoder,
    windows: Windows,
    loss_of: LossOfVectors,
    *,
    scale: float,
    micro_batch: int,
) -> float:
    """Add the gradient of a batch's loss to the parameters' gradients.

    The batch goes through the encoder in pieces of nearly equal length, but the loss sees it whole: first the
    vectors, then the loss's gradient at the vectors, then each piece backward from there. With micro-batches no
    activations are kept on the way to the vectors, and each piece goes forward a second time (gradient cache:
    Gao et al., Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup, 2021): memory is that
    of one piece, time is a third more.

    Args:
        encoder: in training mode.
        windows: the batch, tokenised; its windows may be of very different lengths.
        loss_of: float32 [windows, d] vectors, in their order, to a scalar.
        scale: factor on the gradient.
        micro_batch: windows of the greatest length whose activations are held at once; 0 for all.

    Returns:
        The loss, unscaled.
    """
    lengths = windows.lengths
    longest = int(lengths.max())
    keep_activations = micro_batch == 0 or micro_batch * longest >= int(lengths.sum())
    if keep_activations and encoder.device.type == "cpu":
        budget = _CPU_TOKENS
    else:
        budget = longest * (micro_batch or len(lengths))
    parts = list(budget_batches(lengths, budget))
    by_length = np.concatenate(parts)
    states = []
    pieces = []
    with torch.set_grad_enabled(keep_activations):
        for part in parts:
            states.append(random_state(encoder.device))
            pieces.append(encoder.embed(windows, part))
    after = random_state(encoder.device)
    # Back from the order by length.
    back = torch.from_numpy(np.argsort(by_length)).to(encoder.device)
    vectors = torch.cat([piece.detach() for piece in pieces])[back].requires_grad_()
    loss = loss_of(vectors)
    (gradient,) = torch.autograd.grad(loss * scale, vectors)
    while parts:
        part, state, piece = parts.pop(), states.pop(), pieces.pop()
        if not keep_activations:
            # The same dropout masks as in the first pass.
            set_random_state(encoder.device, state)
            piece = encoder.embed(windows, part)
        piece.backward(gradient[torch.from_numpy(part).to(encoder.device)])
    set_random_state(encoder.device, after)
    return loss.item()


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
