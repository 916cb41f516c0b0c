"""What a batch encodes, and the loss of its vectors: labels, passages, and what the base model saw."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from medembed_pipeline.encoder.model import Encoder
from medembed_pipeline.encoder.tokens import Windows, joined, tokenize
from medembed_pipeline.settings import TrainingSettings
from medembed_pipeline.training.batches import triplets_within
from medembed_pipeline.training.cuttings import passage, phrases
from medembed_pipeline.training.data import TrainingData, jaccard, membership, triplet_positions
from medembed_pipeline.training.gradients import LossOfVectors
from medembed_pipeline.training.losses import anchoring_loss, contrastive_loss, passage_loss, triplet_loss

MOST_ANCHORS = 4096
"""Different phrases in one training; more would teach little more, and each costs the base model a pass."""

# Each kind of choice has random numbers of its own, so that one setting does not change what another draws.
_ANCHORS, _PASSAGES, _ANCHORS_OF_BATCH, _WINDOWS = range(1, 5)


@dataclass(frozen=True)
class BatchWork:
    """One batch, ready to be encoded.

    Attributes:
        windows: tokenised texts: the batch's notes, then its passages, then its phrases.
        loss_of: float32 [windows, d] vectors, in that order, to a scalar.
    """

    windows: Windows
    loss_of: LossOfVectors


class Objective:
    """Makes the batches of one training.

    The encoder is the base model when this is made: what it then makes of the phrases is what they are held to.
    """

    def __init__(
        self,
        encoder: Encoder,
        base: Encoder,
        data: TrainingData,
        options: TrainingSettings,
        *,
        token_budget: int | None,
    ) -> None:
        self._encoder = encoder
        self._options = options
        self._texts = [data.texts[note] for note in data.train_ids]
        self._triplets = triplet_positions(data.train_triplets, data.train_ids)
        self._members = membership(data.train_ids, data.specialties)
        self._windows = reading_windows(encoder, self._texts, options.training_tokens)
        self._first_window = np.searchsorted(self._windows.text_index, np.arange(len(self._texts)))
        self._window_count = np.bincount(self._windows.text_index, minlength=len(self._texts))
        self._phrases: Windows | None = None
        if options.anchors_per_batch:
            rng = np.random.default_rng((options.seed, _ANCHORS))
            wanted = (
                options.anchors_per_batch * options.epochs * -(-len(self._texts) // options.notes_per_batch)
            )
            texts = phrases(self._texts, min(wanted, MOST_ANCHORS), rng=rng)
            self._phrases = encoder.tokenize(texts)
            self._before = torch.from_numpy(base.encode(texts, token_budget=token_budget))

    @property
    def notes(self) -> int:
        """How many notes are trained on."""
        return len(self._texts)

    @property
    def triplets(self) -> npt.NDArray[np.int64]:
        """int64 [t, 3]: the train triplets as positions of train notes."""
        return self._triplets

    def work(self, batch: npt.NDArray[np.int64], *, epoch: int, place: int) -> BatchWork:
        """What a batch encodes, and its loss.

        Args:
            batch: int64, ascending positions of train notes.
            epoch, place: which epoch, and which batch of it: they decide, with the seed, whatever is drawn.
        """
        notes = self._windows.chosen(self._windows_of(batch, epoch))
        passages, own = self._passages_of(batch, (self._options.seed, _PASSAGES, epoch, place))
        parts = [notes, passages]
        before = torch.empty(0, self._encoder.dimensions)
        if self._phrases is not None:
            rng = np.random.default_rng((self._options.seed, _ANCHORS_OF_BATCH, epoch, place))
            number = min(self._options.anchors_per_batch, len(self._before))
            held = np.sort(rng.choice(len(self._before), number, replace=False))
            parts.append(self._phrases.chosen(held))
            before = self._before[torch.from_numpy(held)]
        return BatchWork(joined(parts), self._loss_of(batch, own, before))

    def _windows_of(self, batch: npt.NDArray[np.int64], epoch: int) -> npt.NDArray[np.int64]:
        """One window of each note: the only one, or one drawn for this epoch."""
        rng = np.random.default_rng((self._options.seed, _WINDOWS, epoch))
        drawn = np.floor(rng.random(len(self._window_count)) * self._window_count).astype(np.int64)
        chosen: npt.NDArray[np.int64] = self._first_window[batch] + drawn[batch]
        return chosen

    def _passages_of(
        self, batch: npt.NDArray[np.int64], seed: tuple[int, ...]
    ) -> tuple[Windows, npt.NDArray[np.int64]]:
        """Passages of some notes of the batch, and the place in it of each one's note."""
        options, spec = self._options, self._encoder.spec
        texts: list[str] = []
        own: list[int] = []
        wanted = round(options.passage_share * len(batch))
        if options.passage_weight and wanted:
            rng = np.random.default_rng(seed)
            beyond = spec.max_tokens if spec.long_notes == "cut" else 0
            for place in rng.permutation(len(batch)):
                found = passage(
                    self._texts[batch[place]], beyond=beyond, words=options.passage_words, rng=rng
                )
                if found is not None:
                    texts.append(found)
                    own.append(int(place))
                if len(own) == wanted:
                    break
        return self._encoder.tokenize(texts), np.array(own, dtype=np.int64)

    def _loss_of(
        self, batch: npt.NDArray[np.int64], own: npt.NDArray[np.int64], before: torch.Tensor
    ) -> LossOfVectors:
        options, device = self._options, self._encoder.device
        label_loss = None
        if options.labels:
            label_loss = loss_of_labels(
                options, self._members[batch], triplets_within(self._triplets, batch), device
            )
        own_notes, before = torch.from_numpy(own).to(device), before.to(device)
        first, second = len(batch), len(batch) + len(own)

        def loss_of(vectors: torch.Tensor) -> torch.Tensor:
            notes, passages, held = vectors[:first], vectors[first:second], vectors[second:]
            loss = anchoring_loss(
                held,
                before,
                similarity_weight=options.anchor_similarity_weight,
                vector_weight=options.anchor_vector_weight,
            )
            loss = loss + options.passage_weight * passage_loss(
                passages, notes, own_notes, temperature=options.passage_temperature
            )
            return loss if label_loss is None else loss + label_loss(notes)

        return loss_of


def reading_windows(encoder: Encoder, texts: list[str], tokens: int) -> Windows:
    """The parts of each note that a step may read: what the encoder reads of it, in windows of at most `tokens`.

    Args:
        encoder: its window, and whether it reads further ones.
        texts: the notes.
        tokens: of a part, special tokens included; 0 for the encoder's whole window.
    """
    spec = encoder.spec
    if not 0 < tokens < spec.max_tokens:
        return encoder.tokenize(texts)
    windows = tokenize(encoder.tokenizer, texts, max_tokens=tokens, windows=True)
    if spec.long_notes == "windows":
        return windows
    place = np.arange(len(windows.text_index)) - np.searchsorted(windows.text_index, windows.text_index)
    # A part that holds little is not worth its note's turn, but for a note that has no other.
    full = windows.lengths >= tokens // 2
    return windows.kept((place == 0) | (full & (place < spec.max_tokens // tokens)))


def loss_of_labels(
    options: TrainingSettings,
    members: npt.NDArray[np.float32],
    triplets: npt.NDArray[np.int64],
    device: torch.device,
) -> LossOfVectors:
    """The loss that the labels teach by, as a function of the notes' vectors.

    Args:
        options: which loss.
        members: float32 [n, specialties] of zeros and ones.
        triplets: int64 [t, 3], positions in the batch.
        device: where the vectors are.
    """
    if options.loss == "contrastive":
        overlap = torch.from_numpy(jaccard(members)).to(device)
        return lambda vectors: contrastive_loss(vectors, overlap, temperature=options.temperature)
    if not len(triplets):
        return lambda vectors: vectors.sum() * 0
    places = torch.from_numpy(triplets).to(device)
    return lambda vectors: triplet_loss(
        vectors, places, margin=options.triplet_margin, distance=options.triplet_distance
    )
