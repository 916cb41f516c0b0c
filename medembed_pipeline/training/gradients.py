"""The gradient of one batch, in one pass or in micro-batches."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from medembed_pipeline.encoder.model import Encoder
from medembed_pipeline.encoder.tokens import Windows, budget_batches
from medembed_pipeline.training.attention import PlainAttentionGradient

LossOfVectors = Callable[[torch.Tensor], torch.Tensor]

# Tokens in one forward or backward call on a CPU. More is no faster there, and Python, which sees to an
# interruption, has no say during a call.
_CPU_TOKENS = 2048


def add_gradient(
    encoder: Encoder,
    parts: Sequence[Windows],
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

    Parameters
    ----------
    encoder
        in training mode.
    parts
        the batch, tokenised: kinds of texts apart, since they may differ greatly in length.
    loss_of
        float32 [windows, d] vectors, those of one part after those of the other, to a scalar.
    scale
        factor on the gradient.
    micro_batch
        windows of the greatest length whose activations are held at once; 0 for all.

    Returns
    -------
    float
        The loss, unscaled.
    """
    longest = max((int(part.lengths.max()) for part in parts if len(part.lengths)), default=0)
    count = sum(len(part.lengths) for part in parts)
    keep_activations = micro_batch == 0 or micro_batch * longest >= sum(len(part.token_ids) for part in parts)
    whole = keep_activations and encoder.device.type == "cpu"
    budget = _CPU_TOKENS if whole else longest * (micro_batch or count)
    pieces = [_Piece(part, chosen) for part in parts for chosen in budget_batches(part.lengths, budget)]
    firsts = np.repeat(
        np.cumsum([0, *(len(part.lengths) for part in parts[:-1])]),
        [sum(piece.windows is part for piece in pieces) for part in parts],
    )
    places = [piece.chosen + first for piece, first in zip(pieces, firsts, strict=True)]
    states = []
    outputs = []
    with torch.set_grad_enabled(keep_activations), PlainAttentionGradient():
        for piece in pieces:
            states.append(random_state(encoder.device))
            outputs.append(encoder.embed(piece.windows, piece.chosen))
    after = random_state(encoder.device)
    # Back from the order by length.
    back = torch.from_numpy(np.argsort(np.concatenate(places))).to(encoder.device)
    vectors = torch.cat([output.detach() for output in outputs])[back].requires_grad_()
    loss = loss_of(vectors)
    (gradient,) = torch.autograd.grad(loss * scale, vectors)
    while pieces:
        piece, place, state, output = pieces.pop(), places.pop(), states.pop(), outputs.pop()
        if not keep_activations:
            # The same dropout masks as in the first pass.
            set_random_state(encoder.device, state)
            with PlainAttentionGradient():
                output = encoder.embed(piece.windows, piece.chosen)
        output.backward(gradient[torch.from_numpy(place).to(encoder.device)])
    set_random_state(encoder.device, after)
    return loss.item()


class _Piece(NamedTuple):
    """Windows of one part that go through the encoder together."""

    windows: Windows
    chosen: npt.NDArray[np.int64]


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
