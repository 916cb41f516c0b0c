"""What is tuned: a head over the base model, or the transformer itself. Each begins and ends in its own way."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from medembed_pipeline.encoder.lower_layers import LowerLayers
from medembed_pipeline.encoder.model import Encoder
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.training.adapters import add_adapters
from medembed_pipeline.training.data import TrainingData
from medembed_pipeline.training.gradients import LossOfVectors
from medembed_pipeline.training.head import put_on_head, take_off_head, unmoved, write_out_head
from medembed_pipeline.training.head_objective import HeadObjective
from medembed_pipeline.training.linear_map import fit_linear_map
from medembed_pipeline.training.objective import Objective
from medembed_pipeline.training.optimization import (
    freeze_all_but_head,
    freeze_lowest,
    frozen_layers,
    plain_weights,
    switch_dropout_off,
    tune_biases,
)
from medembed_pipeline.training.settings import TrainingSettings

TRIED_NOTES = 8

Known = Mapping[str, npt.NDArray[np.float32]]
Weights = dict[str, torch.Tensor]


class Tuning(Protocol):
    """One way to tune an encoder, which it changes in place. Its steps are called once each, in this order."""

    def read(
        self, before: Encoder, data: TrainingData, known: Known, *, token_budget: int | None
    ) -> Objective:
        """What is to be learned; the texts are read here, as far as they need not be read again and again.

        Parameters
        ----------
        before
            the base model, whose knowledge is to be kept.
        data
            what is trained on.
        known
            vectors of notes by id, by the encoder as it is; the others are computed.
        token_budget
            see `Encoder.encode`.
        """
        ...

    def begin(self) -> None:
        """Put on what is trained, and leave a gradient to nothing else."""
        ...

    def untuned(self, tuned: Weights) -> Weights:
        """The weights by the same names of an encoder that is the base model."""
        ...

    def end(self, share: float) -> None:
        """Make an ordinary encoder of it, of which so much is tuned."""
        ...


def tuning_of(encoder: Encoder, options: TrainingSettings, *, starts_at_base: bool) -> Tuning:
    """The way that the settings say.

    Parameters
    ----------
    encoder
        that the training begins with.
    options
        the recipe.
    starts_at_base
        whether it is the base model itself, and not a checkpoint of it.

    Raises
    ------
    MedembedError
        a head is to be trained and the base model itself has one, or the checkpoint that the training goes on from has
        one of another kind; or the transformer is to be trained below the head of such a checkpoint.
    """
    if options.tuned == "head":
        return HeadTuning(encoder, options, starts_at_base=starts_at_base)
    return LayerTuning(encoder, options, starts_at_base=starts_at_base)


class HeadTuning:
    """A head that is trained upon vectors which the transformer has read once."""

    def __init__(self, encoder: Encoder, options: TrainingSettings, *, starts_at_base: bool) -> None:
        if starts_at_base and len(encoder.head):
            raise MedembedError(
                f"base: {encoder.spec.base} has layers after unit length, as a checkpoint of tuned = 'head' has; name "
                "the model that it was made from and set warm_start to true, or set tuned to 'adapters'."
            )
        self._encoder, self._options = encoder, options
        self._head = take_off_head(encoder)
        encoder.reads_whole = True

    def read(
        self, before: Encoder, data: TrainingData, known: Known, *, token_budget: int | None
    ) -> Objective:
        """See `Tuning`."""
        objective = HeadObjective(
            self._encoder, before, data, self._options, token_budget=token_budget, known=known
        )
        self._head = self._head or objective.first_head()
        return objective

    def begin(self) -> None:
        """See `Tuning`."""
        put_on_head(self._encoder, self._head)
        freeze_all_but_head(self._encoder)

    def untuned(self, tuned: Weights) -> Weights:
        """See `Tuning`."""
        return unmoved(tuned)

    def end(self, share: float) -> None:
        """See `Tuning`."""
        if not share:
            put_on_head(self._encoder, None)
        write_out_head(self._encoder)
        self._encoder.reads_whole = False


class LayerTuning:
    """The transformer's highest layers, through adapters, their biases or all their weights, and a linear map."""

    def __init__(self, encoder: Encoder, options: TrainingSettings, *, starts_at_base: bool) -> None:
        if not starts_at_base and len(encoder.head):
            raise MedembedError(
                "warm_start: the checkpoint is a head over the base model, which cannot be gone on from by tuning the "
                "transformer; set warm_start to false, or tuned to 'head'."
            )
        self._encoder, self._options, self._starts_at_base = encoder, options, starts_at_base
        self._frozen = frozen_layers(encoder, options.tuned_share)
        self._base: Weights = {}
        self._map: tuple[torch.Tensor, LossOfVectors] | None = None

    def read(
        self, before: Encoder, data: TrainingData, known: Known, *, token_budget: int | None
    ) -> Objective:
        """See `Tuning`."""
        options = self._options
        if self._starts_at_base and self._frozen and not options.dropout:
            # What is the same in the base model, at every step and at every share is computed once.
            read_once(
                self._encoder, self._frozen, [data.texts[note] for note in data.train_ids[:TRIED_NOTES]]
            )
        objective = Objective(self._encoder, before, data, options, token_budget=token_budget)
        if options.average_shares:
            self._base = plain_weights(before)
        if self._starts_at_base and self._encoder.projection is not None and options.map_steps:
            self._map = objective.at_once(known, token_budget=token_budget)
        return objective

    def begin(self) -> None:
        """See `Tuning`."""
        encoder, options = self._encoder, self._options
        if self._map is not None:
            fit_linear_map(encoder, *self._map, options)
        encoder.head.requires_grad_(False)
        if options.tuned == "adapters":
            add_adapters(encoder, rank=options.lora_rank, frozen_layers=self._frozen)
        elif options.tuned == "biases":
            tune_biases(encoder)
        freeze_lowest(encoder, self._frozen)
        if not options.dropout:
            switch_dropout_off(encoder)

    def untuned(self, tuned: Weights) -> Weights:
        """See `Tuning`."""
        return self._base

    def end(self, share: float) -> None:
        """See `Tuning`."""
        self._encoder.lower = None


def read_once(encoder: Encoder, layers: int, texts: list[str]) -> None:
    """Let the encoder read texts once with its lowest layers, unless going on from there gives other vectors.

    So it is in families whose layers do more than follow one another: DeBERTa has a convolution beside its first one.
    """
    windows = encoder.tokenize(texts)
    whole = encoder.encode_windows(windows)
    encoder.lower = LowerLayers(encoder.transformer, layers)
    if not np.allclose(encoder.encode_windows(encoder.read(windows)), whole, atol=1e-4):
        encoder.lower = None
