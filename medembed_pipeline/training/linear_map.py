"""A linear map of the base model's vectors, fitted before anything is fine-tuned.

Most of what labels teach is already in the base model's vectors, only not on the surface: a linear map brings it there.
It is fitted to vectors that are computed once, by the very loss of the training, so it costs seconds where an epoch
costs minutes, and the fine-tuning begins where it ends.
"""

import math

import torch
from torch import nn

from medembed_pipeline.encoder.model import Encoder
from medembed_pipeline.training.gradients import LossOfVectors
from medembed_pipeline.training.settings import TrainingSettings


def fit_linear_map(
    encoder: Encoder, vectors: torch.Tensor, loss_of: LossOfVectors, options: TrainingSettings
) -> None:
    """Fit the encoder's projection, which must be there; nothing else of it changes.

    Adam (Kingma and Ba, ICLR 2015) with a cosine decay, the whole batch in every step, beginning with the identity.

    Parameters
    ----------
    encoder
        changed in place.
    vectors
        float32 [n, d], what the encoder now makes of the texts.
    loss_of
        float32 [n, d] unit vectors to a scalar.
    options
        steps and learning rate.
    """
    projection = encoder.projection
    if projection is None:
        raise ValueError("the encoder has no projection to fit")
    vectors = vectors.to(encoder.device)
    found = torch.eye(vectors.shape[1], device=encoder.device, requires_grad=True)
    optimizer = torch.optim.Adam([found], lr=options.map_learning_rate)
    for step in range(options.map_steps):
        for group in optimizer.param_groups:
            group["lr"] = options.map_learning_rate * 0.5 * (1 + math.cos(math.pi * step / options.map_steps))
        optimizer.zero_grad()
        loss_of(nn.functional.normalize(vectors @ found.T, dim=1)).backward()
        optimizer.step()
    with torch.no_grad():
        projection.weight.copy_(found @ projection.weight)
        if projection.bias is not None:
            projection.bias.copy_(found @ projection.bias)
