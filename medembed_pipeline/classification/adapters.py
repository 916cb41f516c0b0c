"""The top of the ladder: the base model with adapters (LoRA) and a classification head, trained on the train notes.

It is what the published results use, and is there to be compared with. It is not served: a classifier of ours goes
by the vectors of the checkpoint that everything else goes by, and a second model would double what a service loads.

Reference: E. J. Hu et al., "LoRA: low-rank adaptation of large language models", ICLR 2022.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from medembed_pipeline.classification.heads import LinearHead
from medembed_pipeline.classification.settings import ClassificationSettings
from medembed_pipeline.encoder import EncoderSpec
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray

OnEpoch = Callable[[int, float], None]
"""Called after each epoch with its number and its mean loss."""


def adapter_scores(
    spec: EncoderSpec,
    texts: Sequence[str],
    membership: FloatArray,
    learned: IntArray,
    settings: ClassificationSettings,
    *,
    device: str,
    precision: str,
    token_budget: int | None = None,
    on_epoch: OnEpoch = lambda epoch, loss: None,
) -> FloatArray:
    """Train adapters and head on some notes, and score all of them.

    Binary cross-entropy over the labels, AdamW, a linear rise and half a cosine of the learning rate, no dropout. The
    first window of a note is trained on; it is scored as the spec reads long notes. The same seed gives the same
    scores on the same machine.

    Parameters
    ----------
    spec
        of the base model.
    texts
        n notes.
    membership
        float64 [n, labels].
    learned
        rows that are trained on.
    settings
        epochs, rank, scale, layers, learning rate, seed.
    device, precision
        as in `load_encoder`.
    token_budget
        tokens a batch of scoring; None for the device's default.
    on_epoch
        told how far it is.

    Returns
    -------
    FloatArray
        float64 [n, labels], before calibration; NaN for the rows trained on, whose scores would be memory.
    """
    import torch
    from torch import nn

    from medembed_pipeline.encoder.model import load_encoder
    from medembed_pipeline.training.adapters import QUERY_VALUE, add_adapters, merge_adapters
    from medembed_pipeline.training.labelled import train_with_head
    from medembed_pipeline.training.optimization import switch_dropout_off, trainable_parameters

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        encoder = load_encoder(replace(spec, long_notes="cut"), device=device, precision=precision)
        add_adapters(
            encoder,
            rank=settings.adapter_rank,
            scale=settings.adapter_scale,
            names=QUERY_VALUE if settings.adapter_layers == "query_value" else None,
        )
        head = nn.Linear(encoder.dimensions, membership.shape[1]).to(encoder.device)
        with torch.no_grad():
            share = np.clip(membership[learned].mean(axis=0), 1e-3, 1 - 1e-3)
            head.weight.zero_()
            head.bias.copy_(torch.from_numpy(np.log(share / (1 - share))).float())
    switch_dropout_off(encoder)
    windows = encoder.tokenize([texts[row] for row in learned])
    truth = torch.from_numpy(membership[learned]).float().to(encoder.device)

    def loss(logits: torch.Tensor, batch: IntArray) -> torch.Tensor:
        return nn.functional.binary_cross_entropy_with_logits(logits, truth[batch], reduction="sum")

    def after_epoch(epoch: int, mean: float) -> bool:
        on_epoch(epoch, mean)
        return True

    encoder.train()
    train_with_head(
        lambda batch: encoder.embed(windows, batch),
        list(trainable_parameters(encoder).values()),
        head,
        loss,
        len(learned),
        epochs=settings.adapter_epochs,
        learning_rate=settings.adapter_learning_rate,
        seed=settings.seed,
        after_epoch=after_epoch,
    )
    merge_adapters(encoder)
    encoder.eval()
    encoder.spec = spec
    asked = np.setdiff1d(np.arange(len(texts)), learned)
    vectors = encoder.encode([texts[row] for row in asked], token_budget=token_budget)
    found = np.full(membership.shape, np.nan)
    fitted = LinearHead(
        head.weight.detach().double().cpu().numpy() * math.sqrt(encoder.dimensions),
        head.bias.detach().double().cpu().numpy(),
    )
    found[asked] = fitted.probabilities(vectors.astype(np.float64))
    return found
