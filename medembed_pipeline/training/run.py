"""One training under way: steps, epochs, and where it stands."""

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from medembed_pipeline.encoder.folder import save_encoder
from medembed_pipeline.encoder.model import Encoder
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.settings import TrainingSettings
from medembed_pipeline.training.batches import triplet_batches
from medembed_pipeline.training.data import TrainingData, jaccard, membership, triplet_positions
from medembed_pipeline.training.gradients import add_gradient, random_state, set_random_state
from medembed_pipeline.training.losses import contrastive_loss, triplet_loss
from medembed_pipeline.training.optimization import (
    learning_rate_at,
    make_optimizer,
    merge_adapters,
    trainable_parameters,
)
from medembed_pipeline.training.state import Position, epoch_folder, keep_epoch, load_state, save_state
from medembed_pipeline.training.validation import SCORED_NOTES, retrieval_columns, triplet_accuracy

OnEpoch = Callable[[dict[str, Any]], None]
"""Called with each row of the history as it is made."""

Batches = list[npt.NDArray[np.int64]]


class Run:
    """A training that can be interrupted anywhere.

    `position`, the trained parameters and the optimiser change only together, in `_moving`; at any other
    moment they are those of the last whole step, and can be saved.
    """

    def __init__(
        self,
        encoder: Encoder,
        data: TrainingData,
        options: TrainingSettings,
        *,
        key: str,
        token_budget: int | None,
        state_folder: Path | None,
        save_every_seconds: float,
        on_warning: Callable[[str], object],
        keep_epochs_from: int | None = None,
        main_metric: str,
    ) -> None:
        self.encoder = encoder
        self.options = options
        self.notes_done = 0
        self.training_seconds = 0.0
        self._key = key
        self._state_folder = state_folder
        self._save_every_seconds = save_every_seconds
        self._on_warning = on_warning
        self._keep_epochs_from = keep_epochs_from

        train_ids = data.train_ids
        self._triplets = triplet_positions(data.train_triplets, train_ids)
        self._members = membership(train_ids, data.specialties)
        self._windows = encoder.tokenize([data.texts[note] for note in train_ids])
        self._first_window = np.searchsorted(self._windows.text_index, np.arange(len(train_ids)))
        self._window_count = np.bincount(self._windows.text_index, minlength=len(train_ids))
        self._validation = _Validation(encoder, data, options, token_budget, main_metric)
        # Steps of all epochs are known beforehand, so that the learning rate knows where it is.
        self._plan = [self._steps_of(epoch) for epoch in range(options.epochs)]
        self.total_steps = sum(map(len, self._plan))

        self._trained = trainable_parameters(encoder)
        self._optimizer = make_optimizer(
            encoder, learning_rate=options.learning_rate, weight_decay=options.weight_decay
        )
        self.position = Position(micro_batch=options.micro_batch, random_state=random_state(encoder.device))
        self._whole = True
        self._saved_at = time.monotonic()
        self._save_took = 0.0

    @property
    def steps_done(self) -> int:
        """Steps of the optimiser since the very beginning."""
        return sum(map(len, self._plan[: self.position.epoch])) + self.position.step

    def resume(self) -> int:
        """Go to the saved position, if there is one of this very training; returns the steps already done."""
        saved = load_state(self._state_folder, key=self._key) if self._state_folder else None
        if saved is None:
            return 0
        if not all(folder.is_dir() for folder in self.kept_epochs(epochs=len(saved[0].history)).values()):
            # A model of an epoch that is done is gone: only training anew brings it back.
            return 0
        self.position, weights, optimizer = saved
        self.put_weights(weights)
        self._optimizer.load_state_dict(optimizer)
        return self.steps_done

    def kept_epochs(self, *, epochs: int) -> dict[int, Path]:
        """Where the models are kept of those of the first `epochs` epochs (epoch 0 among them) that are kept."""
        if self._keep_epochs_from is None or self._state_folder is None:
            return {}
        return {
            epoch: epoch_folder(self._state_folder, key=self._key, epoch=epoch)
            for epoch in range(self._keep_epochs_from, epochs)
        }

    def until_done(self, report: Callable[[float], None], on_epoch: OnEpoch | None) -> None:
        """Train to the end, or until patience ends; when interrupted, save what is whole.

        Args:
            report: called after every step with its loss.
            on_epoch: see `OnEpoch`.
        """
        position = self.position
        try:
            self._validate_if_due(on_epoch)
            while position.epoch < len(self._plan) and not self._out_of_patience():
                steps = self._plan[position.epoch]
                while position.step < len(steps):
                    report(self._step(steps[position.step]))
                    self._save_if_due()
                with self._moving():
                    position.epoch += 1
                    position.step = 0
                self._validate_if_due(on_epoch)
                self._save()
        except BaseException:
            if self._whole:
                # What interrupted the training is what the person has to read.
                with suppress(MedembedError):
                    self._save()
            raise

    def put_weights(self, weights: dict[str, torch.Tensor]) -> None:
        """Set the trained parameters."""
        with torch.no_grad():
            for name, parameter in self._trained.items():
                parameter.copy_(weights[name])

    def _steps_of(self, epoch: int) -> list[Batches]:
        batches = triplet_batches(
            self._triplets,
            notes_per_batch=self.options.notes_per_batch,
            seed=(self.options.seed, epoch),
        )
        size = self.options.accumulation_steps
        return [batches[first : first + size] for first in range(0, len(batches), size)]

    def _step(self, batches: Batches) -> float:
        options, position = self.options, self.position
        began = time.monotonic()
        self.encoder.train()
        while True:
            set_random_state(self.encoder.device, position.random_state)
            self._optimizer.zero_grad(set_to_none=True)
            try:
                losses = [self._add_batch(batch, 1 / len(batches)) for batch in batches]
                break
            except torch.cuda.OutOfMemoryError:
                self._halve_micro_batch()
        loss = float(np.mean(losses))
        if not np.isfinite(loss):
            raise MedembedError(
                f"training: the loss is {loss} at step {self.steps_done + 1} of {self.total_steps}; lower "
                "learning_rate, or set precision to 'float32'."
            )
        rate = learning_rate_at(
            self.steps_done, self.total_steps, peak=options.learning_rate, warmup_share=options.warmup_share
        )
        with self._moving():
            if options.max_gradient_norm:
                torch.nn.utils.clip_grad_norm_(self._trained.values(), options.max_gradient_norm)
            for group in self._optimizer.param_groups:
                group["lr"] = rate
            self._optimizer.step()
            position.step += 1
            position.step_losses.append(loss)
            position.random_state = random_state(self.encoder.device)
        self.training_seconds += time.monotonic() - began
        return loss

    def _add_batch(self, batch: npt.NDArray[np.int64], scale: float) -> float:
        notes, places = np.unique(self._triplets[batch], return_inverse=True)
        self.notes_done += len(notes)
        loss_of = _loss(self.options, self._members[notes], places.reshape(-1, 3), self.encoder.device)
        return add_gradient(
            self.encoder,
            self._windows,
            self._windows_of(notes),
            loss_of,
            scale=scale,
            micro_batch=self.position.micro_batch,
        )

    def _windows_of(self, notes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """One window of each note: the only one, or one drawn for this epoch."""
        rng = np.random.default_rng((self.options.seed, self.position.epoch, 1))
        drawn = np.floor(rng.random(len(self._window_count)) * self._window_count).astype(np.int64)
        chosen: npt.NDArray[np.int64] = self._first_window[notes] + drawn[notes]
        return chosen

    def _halve_micro_batch(self) -> None:
        before = self.position.micro_batch or self.options.notes_per_batch
        if before == 1:
            raise MedembedError(
                f"training: out of GPU memory with a single note of {self.encoder.spec.max_tokens} tokens; "
                "lower max_tokens, choose a smaller base model, freeze layers, or set device to 'cpu'."
            )
        self.position.micro_batch = before // 2
        torch.cuda.empty_cache()
        self._on_warning(
            f"out of GPU memory: trying again with {before // 2} notes at once instead of {before} "
            f"(step {self.steps_done + 1} of {self.total_steps})"
        )

    def _validate_if_due(self, on_epoch: OnEpoch | None) -> None:
        position = self.position
        if len(position.history) > position.epoch:
            return
        row: dict[str, Any] = {
            "epoch": position.epoch,
            "steps": self.steps_done,
            "train_loss": float(np.mean(position.step_losses)) if position.step_losses else None,
            **self._validation.scores(),
        }
        score = row["validation_score"]
        # Before the row: an epoch of the history is an epoch that is kept.
        kept = self.kept_epochs(epochs=position.epoch + 1).get(position.epoch)
        if kept is not None:
            keep_epoch(kept, self._save_encoder)
        with self._moving():
            position.history.append(row)
            position.step_losses = []
            if score > position.best_score:
                position.best_score = score
                position.best_epoch = position.epoch
                # The base model's weights are on disk already.
                position.best_weights = self._weights() if position.epoch else None
        if on_epoch is not None:
            on_epoch(row)

    def _out_of_patience(self) -> bool:
        patience = self.options.early_stopping_patience
        return bool(patience) and self.position.epoch - self.position.best_epoch >= patience

    def _weights(self) -> dict[str, torch.Tensor]:
        return {name: parameter.detach().to("cpu", copy=True) for name, parameter in self._trained.items()}

    def _save_encoder(self, folder: Path) -> None:
        """Write the encoder as it now is, as an ordinary model: adapters are merged in a copy."""
        encoder = self.encoder
        if self.options.lora_rank:
            encoder = copy.deepcopy(encoder)
            merge_adapters(encoder)
        save_encoder(encoder, folder)

    def _save_if_due(self) -> None:
        # A large model takes long to write: then at most a twentieth of the time goes into that.
        least = max(self._save_every_seconds, 20 * self._save_took) if self._save_every_seconds else 0.0
        if time.monotonic() - self._saved_at >= least:
            self._save()

    def _save(self) -> None:
        if self._state_folder is None:
            return
        began = time.monotonic()
        save_state(
            self._state_folder,
            key=self._key,
            position=self.position,
            weights={name: parameter.detach() for name, parameter in self._trained.items()},
            optimizer=self._optimizer.state_dict(),
        )
        self._saved_at = time.monotonic()
        self._save_took = self._saved_at - began

    @contextmanager
    def _moving(self) -> Iterator[None]:
        # Not in a `finally`: after an interruption in here nothing may be saved any more.
        self._whole = False
        yield
        self._whole = True


class _Validation:
    """The validation notes, and the scores of the encoder on them as it now is."""

    def __init__(
        self,
        encoder: Encoder,
        data: TrainingData,
        options: TrainingSettings,
        token_budget: int | None,
        main_metric: str,
    ) -> None:
        self._main_metric = main_metric
        self._encoder = encoder
        self._options = options
        self._token_budget = token_budget
        labelled = sorted({note for note in data.validation_ids if data.specialties.get(note)})
        if len(labelled) > SCORED_NOTES:
            chosen = np.random.default_rng(options.seed).choice(len(labelled), SCORED_NOTES, replace=False)
            labelled = [labelled[place] for place in sorted(chosen)]
        in_triplets = {str(note) for triplet in data.validation_triplets for note in triplet}
        note_ids = sorted(in_triplets.union(labelled))
        place = {note: position for position, note in enumerate(note_ids)}
        self._scored = np.array([place[note] for note in labelled], dtype=np.int64)
        self._texts = [data.texts[note] for note in note_ids]
        self._members = membership(note_ids, data.specialties)
        self._triplets = triplet_positions(data.validation_triplets, note_ids)
        # The same batches after every epoch, so that the losses can be compared.
        self._batches = triplet_batches(
            self._triplets, notes_per_batch=options.notes_per_batch, seed=(options.seed,)
        )

    def scores(self) -> dict[str, float]:
        """The validation columns of a row of the history."""
        vectors = self._encoder.encode(self._texts, token_budget=self._token_budget)
        losses = []
        for batch in self._batches:
            notes, places = np.unique(self._triplets[batch], return_inverse=True)
            loss_of = _loss(self._options, self._members[notes], places.reshape(-1, 3), torch.device("cpu"))
            losses.append(float(loss_of(torch.from_numpy(vectors[notes]))))
        return {
            "validation_loss": float(np.mean(losses)),
            "validation_triplet_accuracy": triplet_accuracy(vectors, self._triplets),
            **retrieval_columns(
                vectors[self._scored], self._members[self._scored], main_metric=self._main_metric
            ),
        }


def _loss(
    options: TrainingSettings,
    members: npt.NDArray[np.float32],
    triplets: npt.NDArray[np.int64],
    device: torch.device,
) -> Callable[[torch.Tensor], torch.Tensor]:
    """The loss of one batch as a function of its notes' vectors alone."""
    if options.loss == "contrastive":
        overlap = torch.from_numpy(jaccard(members)).to(device)
        return lambda vectors: contrastive_loss(vectors, overlap, temperature=options.temperature)
    places = torch.from_numpy(triplets).to(device)
    return lambda vectors: triplet_loss(
        vectors, places, margin=options.triplet_margin, distance=options.triplet_distance
    )
