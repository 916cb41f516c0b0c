"""Training of an encoder and a head on labelled rows: what every fine-tuning for labels has in common."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from medembed_pipeline.evaluation.vectors import IntArray
from medembed_pipeline.training.optimization import learning_rate_at

ROWS_PER_BATCH = 32
HEAD_FASTER = 10.0
"""How many times the learning rate of the encoder is that of the head, which begins with nothing."""
WARMUP_SHARE = 0.1
WEIGHT_DECAY = 0.01


def train_with_head(
    embed: Callable[[IntArray], torch.Tensor],
    trained: Sequence[nn.Parameter],
    head: nn.Linear,
    loss: Callable[[torch.Tensor, IntArray], torch.Tensor],
    count: int,
    *,
    epochs: int,
    learning_rate: float,
    seed: int,
    after_epoch: Callable[[int, float], bool],
) -> None:
    """Train weights of an encoder, and a linear head on its vectors, in place.

    AdamW, a linear rise and half a cosine of the learning rate. The head sees unit vectors times the square root of
    their length, so that each number of them is about one.

    Parameters
    ----------
    embed
        places among the rows, int64 [m] -> their unit vectors, float32 [m, d], with gradients.
    trained
        the encoder's parameters that learn.
    head
        d numbers in; it starts as it is given.
    loss
        logits [m, labels] and the places that they are of -> the sum of their losses.
    count
        of rows.
    epochs
        at most; the learning rate falls over all of them.
    learning_rate
        of the encoder, at its peak; the head's is HEAD_FASTER times that.
    seed
        of the order of the rows.
    after_epoch
        told the number of the epoch, from 1, and its mean loss; returns whether to go on.
    """
    scale = math.sqrt(head.in_features)
    optimizer = torch.optim.AdamW(
        [
            {"params": list(trained), "faster": 1.0},
            {"params": list(head.parameters()), "faster": HEAD_FASTER},
        ],
        lr=learning_rate,
        weight_decay=WEIGHT_DECAY,
    )
    generator = np.random.default_rng(seed)
    batches = math.ceil(count / ROWS_PER_BATCH)
    total, step = epochs * batches, 0
    for epoch in range(epochs):
        losses = []
        for batch in np.array_split(generator.permutation(count), batches):
            rate = learning_rate_at(step, total, peak=learning_rate, warmup_share=WARMUP_SHARE)
            for group in optimizer.param_groups:
                group["lr"] = rate * group["faster"]
            own = loss(head(embed(batch) * scale), batch)
            optimizer.zero_grad()
            (own / len(batch)).backward()
            optimizer.step()
            losses.append(float(own.detach()))
            step += 1
        if not after_epoch(epoch + 1, sum(losses) / count):
            return
