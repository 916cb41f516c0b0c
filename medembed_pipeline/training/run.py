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
from medembed_pipeline.training.adapters import merge_adapters
from medembed_pipeline.training.batches import Batches
from medembed_pipeline.training.gradients import add_gradient, random_state, set_random_state
from medembed_pipeline.training.head import write_out_head
from medembed_pipeline.training.objective import Objective
from medembed_pipeline.training.optimization import (
    learning_rate_at,
    make_optimizer,
    trainable_parameters,
)
from medembed_pipeline.training.settings import TrainingSettings
from medembed_pipeline.training.state import Position, epoch_folder, keep_epoch, load_state, save_state
from medembed_pipeline.training.validation_notes import Seen, ValidationNotes

OnEpoch = Callable[[dict[str, Any]], None]
"""Called with each row of the history as it is made."""


class Run:
    """A training that can be interrupted anywhere.

    `position`, the trained parameters and the optimiser change only together, in `_moving`; at any other
    moment they are those of the last whole step, and can be saved.
    """

    def __init__(
        self,
        encoder: Encoder,
        options: TrainingSettings,
        objective: Objective,
        validation: ValidationNotes,
        base: Seen,
        *,
        starts_at_base: bool,
        key: str,
        state_folder: Path | None,
        save_every_seconds: float,
        on_warning: Callable[[str], object],
        keep_epochs_from: int | None = None,
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

        self._objective = objective
        self._validation = validation
        self._base = base
        self._starts_at_base = starts_at_base
        # Steps of all epochs are known beforehand, so that the learning rate knows where it is.
        self._plan = [objective.steps_of(epoch) for epoch in range(objective.epochs)]
        self.total_steps = sum(map(len, self._plan))

        self._trained = trainable_parameters(encoder)
        self._optimizer = make_optimizer(encoder, options)
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

        Parameters
        ----------
        report
            called after every step with its loss.
        on_epoch
            see `OnEpoch`.
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

    def _step(self, batches: Batches) -> float:
        options, position = self.options, self.position
        began = time.monotonic()
        self.encoder.train()
        while True:
            set_random_state(self.encoder.device, position.random_state)
            self._optimizer.zero_grad(set_to_none=True)
            try:
                losses = [
                    self._add_batch(batch, place, 1 / len(batches)) for place, batch in enumerate(batches)
                ]
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
            self.steps_done, self.total_steps, peak=options.peak, warmup_share=options.warmup_share
        )
        with self._moving():
            if options.max_gradient_norm:
                torch.nn.utils.clip_grad_norm_(self._trained.values(), options.max_gradient_norm)
            for group in self._optimizer.param_groups:
                group["lr"] = rate * group["faster"]
            self._optimizer.step()
            position.step += 1
            position.step_losses.append(loss)
            position.random_state = random_state(self.encoder.device)
        self.training_seconds += time.monotonic() - began
        return loss

    def _add_batch(self, batch: npt.NDArray[np.int64], place: int, scale: float) -> float:
        position = self.position
        place += position.step * self.options.accumulation_steps
        work = self._objective.work(batch, epoch=position.epoch, place=place)
        self.notes_done += len(batch)
        return add_gradient(
            self.encoder, work.parts, work.loss_of, scale=scale, micro_batch=position.micro_batch
        )

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
        known = position.epoch == 0 and self._starts_at_base
        seen = self._base if known else self._validation.seen_by(self.encoder)
        row: dict[str, Any] = {
            "epoch": position.epoch,
            "steps": self.steps_done,
            "train_loss": float(np.mean(position.step_losses)) if position.step_losses else None,
            **self._validation.figures(seen, self._base),
        }
        score = row["validation_score"]
        # Before the row: an epoch of the history is an epoch that is kept.
        kept = self.kept_epochs(epochs=position.epoch + 1).get(position.epoch)
        if kept is not None:
            keep_epoch(kept, self._save_encoder)
        with self._moving():
            position.history.append(row)
            position.step_losses = []
            if score > (
                position.history[0]["validation_score"] if self._objective.takes_last else position.best_score
            ):
                position.best_score = score
                position.best_epoch = position.epoch
                # The base model's weights are on disk already.
                position.best_weights = self._weights() if position.epoch else None
        if on_epoch is not None:
            on_epoch(row)

    def _out_of_patience(self) -> bool:
        patience = self._objective.patience
        return bool(patience) and self.position.epoch - self.position.best_epoch >= patience

    def _weights(self) -> dict[str, torch.Tensor]:
        return {name: parameter.detach().to("cpu", copy=True) for name, parameter in self._trained.items()}

    def _save_encoder(self, folder: Path) -> None:
        """Write the encoder as it now is, as an ordinary model: what is not one yet becomes one in a copy."""
        encoder = self.encoder
        if self.options.tuned in ("adapters", "head"):
            encoder = copy.deepcopy(encoder)
            merge_adapters(encoder)
            write_out_head(encoder)
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
