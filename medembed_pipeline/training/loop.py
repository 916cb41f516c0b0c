"""The training itself."""

import hashlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from medembed_pipeline.encoder.devices import resolve_device
from medembed_pipeline.encoder.fingerprint import encoder_fingerprint
from medembed_pipeline.encoder.model import Encoder, load_encoder
from medembed_pipeline.encoder.spec import EncoderSpec
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.training import REVISION
from medembed_pipeline.training.adapters import merge_adapters
from medembed_pipeline.training.averaging import averaged, not_kept, trade_off
from medembed_pipeline.training.data import TrainingData
from medembed_pipeline.training.optimization import plain_weights
from medembed_pipeline.training.reporter import OnStep, Reporter
from medembed_pipeline.training.run import OnEpoch, Run
from medembed_pipeline.training.settings import TrainingSettings
from medembed_pipeline.training.tuning import Tuning, tuning_of
from medembed_pipeline.training.validation import EpochChoice
from medembed_pipeline.training.validation_notes import Seen, ValidationNotes


@dataclass(frozen=True)
class TrainingResult:
    """What came of a training.

    Attributes
    ----------
    encoder
        the best epoch's weights, adapters merged, averaged with the base model's by the share that was taken.
    history
        one row per epoch (epoch 0: the model that the training began with), with `epoch`, `steps`, `train_loss` (None
        for epoch 0) and the columns of `ValidationNotes.figures`, before averaging.
    best_epoch
        the epoch whose weights were averaged; 0 where no epoch was better than the beginning.
    trained_ids
        the notes trained on, sorted.
    resumed_at
        step from which it went on, 0 where it began anew.
    micro_batch
        notes that were held in memory at once in the end; 0 for whole batches.
    main_metric
        the figure that chose the epoch, as under `[verdict]`; with no labels, "passages".
    trade_off
        a row per share, see `averaging.trade_off`; empty where nothing was averaged.
    epoch_folders
        the folders of the models kept of single epochs, by epoch; below the state's folder.
    """

    encoder: Encoder
    history: list[dict[str, Any]]
    best_epoch: int
    trained_ids: list[str]
    resumed_at: int
    micro_batch: int
    main_metric: str = EpochChoice().main_metric
    trade_off: list[dict[str, Any]] = field(default_factory=list)
    epoch_folders: Mapping[int, Path] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """How much of the tuned weights is taken, 0 to 1; the rest is the base model."""
        taken = [float(row["share"]) for row in self.trade_off if row["taken"]]
        return taken[0] if taken else float(self.best_epoch > 0)

    @property
    def improved(self) -> bool:
        """Whether the encoder is another than the model that the training began with."""
        return self.best_epoch > 0 and self.share > 0


def train(
    spec: EncoderSpec,
    data: TrainingData,
    options: TrainingSettings,
    *,
    device: str = "auto",
    precision: str = "auto",
    token_budget: int | None = None,
    state_folder: Path | None = None,
    save_every_seconds: float = 60.0,
    keep_epochs_from: int | None = None,
    choice: EpochChoice = EpochChoice(),  # noqa: B008 (frozen)
    base: EncoderSpec | None = None,
    known: Mapping[str, npt.NDArray[np.float32]] | None = None,
    log_every_steps: int = 10,
    on_step: OnStep | None = None,
    on_epoch: OnEpoch | None = None,
    on_warning: Callable[[str], object] = warnings.warn,
    progress: bool = False,
) -> TrainingResult:
    """Fine-tune an encoder, and take as much of it as keeps what the base model knew.

    The epoch that is best on the validation notes is kept (of equal ones the earliest), and its weights are averaged
    with the base model's by the share that `averaging.trade_off` takes. The same spec, data, options, device and
    precision give the same weights, byte for byte, on the same CPU with the same number of threads, whether or not
    the training was stopped and resumed on the way.

    Parameters
    ----------
    spec
        base model, pooling, window. With `long_notes="windows"` each epoch trains on one random window of each note;
        otherwise on its beginning.
    data
        texts, specialties, triplets; without labels, the notes.
    options
        the recipe; what it says of where to start, of epochs to keep and of the log is the caller's to do.
    device
        `auto`, `cuda`, `mps` or `cpu`.
    precision
        `auto`, `float32` or `bfloat16`.
    token_budget
        of the validation's encoding; see `Encoder.encode`.
    state_folder
        where to keep the state from which a stopped training goes on; None for nowhere. A finished training leaves
        its state too, so that it need not be repeated when its publication fails: remove it with
        `medembed_pipeline.training.state.clear_state`.
    save_every_seconds
        the state is written after the first step that ends so long after the last time (or, for a large model, twenty
        times as long as writing takes; 0: after every step), after every epoch, and when the training is interrupted.
    keep_epochs_from
        keep the model of every epoch from this one on, as a folder of its own below the state's folder, which must
        then be given; 1 leaves out the model that the training begins with. None keeps none. What is trained, and its
        bytes, are the same.
    choice
        the figure that chooses the epoch, and what may be lost of others.
    base
        the model whose knowledge is to be kept; None where it is the one that the training begins with.
    known
        vectors of notes by id, by the very model that the training begins with; the others are computed.
    log_every_steps
        steps between two calls of `on_step`.
    on_step
        see `OnStep`.
    on_epoch
        see `OnEpoch`.
    on_warning
        called with a sentence when the micro-batch is halved for lack of GPU memory.
    progress
        show a tqdm bar.

    Raises
    ------
    MedembedError
        see `load_encoder`; the loss is not finite; the state can't be written; a GPU has too little memory for one
        note; or epochs are to be kept without a folder.
    """
    if keep_epochs_from is not None and state_folder is None:
        raise MedembedError("keep_epochs_from: epochs are kept below state_folder; give one.")
    # The caller's random numbers are not disturbed.
    gpus = [torch.cuda.current_device()] if resolve_device(device).type == "cuda" else []
    with torch.random.fork_rng(devices=gpus), _deterministic():
        torch.manual_seed(options.seed)
        encoder = load_encoder(spec, device=device, precision=precision, seed=options.seed)
        before = encoder if base is None else load_encoder(base, device=device, precision=precision)
        key = _training_key(spec, base, data, options, encoder, choice)
        tuning = tuning_of(encoder, options, starts_at_base=base is None)
        known = {} if base else known or {}
        objective = tuning.read(before, data, known, token_budget=token_budget)
        validation = ValidationNotes(encoder, data, options, choice, token_budget=token_budget, known=known)
        seen = validation.seen_by(before)
        del before
        tuning.begin()
        run = Run(
            encoder,
            options,
            objective,
            validation,
            seen,
            starts_at_base=base is None,
            key=key,
            state_folder=state_folder,
            save_every_seconds=save_every_seconds,
            on_warning=on_warning,
            keep_epochs_from=keep_epochs_from,
        )
        resumed_at = run.resume()
        with _bar(run.total_steps, resumed_at, shown=progress) as advance:
            run.until_done(Reporter(run, advance, on_step, log_every_steps), on_epoch)
        best, rows = run.position.best_epoch, []
        if run.position.best_weights is None:
            encoder = load_encoder(spec, device=device, precision=precision, seed=options.seed)
        else:
            run.put_weights(run.position.best_weights)
            merge_adapters(encoder)
            if options.average_shares:
                rows = _averaged_with_base(encoder, tuning, validation, seen, options, choice)
            tuning.end(next((row["share"] for row in rows if row["taken"]), 1.0))
    return TrainingResult(
        encoder=encoder.eval(),
        history=run.position.history,
        best_epoch=best,
        trained_ids=data.train_ids,
        resumed_at=resumed_at,
        micro_batch=run.position.micro_batch,
        main_metric=choice.main_metric if options.labels else "passages",
        trade_off=rows,
        epoch_folders=run.kept_epochs(epochs=len(run.position.history)),
    )


def _averaged_with_base(
    encoder: Encoder,
    tuning: Tuning,
    validation: ValidationNotes,
    before: Seen,
    options: TrainingSettings,
    choice: EpochChoice,
) -> list[dict[str, Any]]:
    """Give the encoder the weights of the share that is taken; the rows of all shares, see `averaging.trade_off`."""
    tuned = plain_weights(encoder)
    base = tuning.untuned(tuned)

    def figures_at(share: float) -> dict[str, Any]:
        encoder.load_state_dict(averaged(base, tuned, share))
        return validation.figures(validation.seen_by(encoder) if share else before, before)

    rows = trade_off(
        options.average_shares,
        figures_at,
        lambda row: not_kept(row, options, choice),
        gain=options.average_gain,
    )
    encoder.load_state_dict(averaged(base, tuned, next(row["share"] for row in rows if row["taken"])))
    return rows


def _training_key(
    spec: EncoderSpec,
    base: EncoderSpec | None,
    data: TrainingData,
    options: TrainingSettings,
    encoder: Encoder,
    choice: EpochChoice,
) -> str:
    """What a saved state must have been made with to be gone on with."""
    hasher = hashlib.sha256()
    for note in sorted({*data.train_ids, *data.validation_ids, *_flat(data.validation_triplets)}):
        for part in (note, data.texts[note], *sorted(data.specialties.get(note, ()))):
            hasher.update(f"{len(part)}:{part}".encode())
        hasher.update(b";")
    for triplets in (data.train_triplets, data.validation_triplets):
        hasher.update(",".join(_flat(triplets)).encode() + b";")
    hasher.update(",".join(data.validation_ids).encode())
    return digest(
        {
            "revision": REVISION,
            "base": encoder_fingerprint(spec, precision=encoder.precision, seed=options.seed),
            "keeps": encoder_fingerprint(base, precision=encoder.precision) if base else None,
            "options": options.weight_values(),
            "choice": choice.result_values(),
            "data": hasher.hexdigest(),
            "torch": torch.__version__,
            "device": encoder.device.type,
            "threads": torch.get_num_threads(),
        }
    )


def _flat(triplets: Any) -> list[str]:
    return [str(note) for triplet in triplets for note in triplet]


@contextmanager
def _deterministic() -> Iterator[None]:
    """Let torch take the deterministic kernel where it has a choice, and only warn where it hasn't."""
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    # Typed as a plain module, which hides this setting.
    deterministic: Any = torch.utils.deterministic
    filled = deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Filling every new tensor finds errors in kernels, and costs time.
    deterministic.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        deterministic.fill_uninitialized_memory = filled


@contextmanager
def _bar(total: int, done: int, *, shown: bool) -> Iterator[Callable[[float], None]]:
    from tqdm import tqdm

    with tqdm(total=total, initial=done, unit="step", desc="training", disable=not shown) as bar:

        def advance(loss: float) -> None:
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update()

        yield advance
