"""The vectors of a text's tokens to one."""

import torch

from medembed_pipeline.encoder.modules import PoolingName

# sentence-transformers' own lower limit of a divisor: without a token to pool, the vector is zero.
_SMALLEST_SUM = 1e-9


def pool(
    states: torch.Tensor, mask: torch.Tensor, pooling: PoolingName, *, left_out: int = 0
) -> torch.Tensor:
    """One vector for each row of token vectors, as sentence-transformers' Pooling computes it.

    Parameters
    ----------
    states
        float32 [batch, tokens, dimensions].
    mask
        bool [batch, tokens], True on real tokens; padding may be on either side.
    pooling
        see `EncoderSpec.pooling`.
    left_out
        real tokens at the beginning of each row that are not pooled.

    Returns
    -------
    torch.Tensor
        float32 [batch, dimensions].
    """
    pooled = mask & (mask.cumsum(1) > left_out) if left_out else mask
    rows = torch.arange(len(states), device=states.device)
    if pooling == "cls":
        return states[rows, pooled.int().argmax(1)]
    if pooling == "lasttoken":
        return states[rows, mask.shape[1] - 1 - pooled.int().flip(1).argmax(1)]
    if pooling == "max":
        return states.masked_fill(~pooled.unsqueeze(-1), -torch.inf).amax(1)
    weights = pooled.unsqueeze(-1).to(states.dtype)
    if pooling == "weightedmean":
        # A token weighs as much as its place says, counted with what is left out.
        weights = weights * mask.cumsum(1).unsqueeze(-1).to(states.dtype)
    total = weights.sum(1).clamp(min=_SMALLEST_SUM)
    return (states * weights).sum(1) / (total.sqrt() if pooling == "mean_sqrt_len_tokens" else total)
