"""What a batch encodes, and the loss of its vectors: labels, passages, and what the base model saw."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from medembed_pipeline.encoder.model import Encoder
from medembed_pipeline.encoder.tokens import Windows
from medembed_pipeline.training.batches import Batches, note_batches, triplets_within
from medembed_pipeline.training.cuttings import passage, phrases
from medembed_pipeline.training.data import TrainingData, jaccard, membership, triplet_positions
from medembed_pipeline.training.gradients import LossOfVectors
from medembed_pipeline.training.losses import (
    anchoring_loss,
    contrastive_loss,
    passage_loss,
    similarities,
    triplet_loss,
)
from medembed_pipeline.training.settings import TrainingSettings

LossOfLabels = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

MOST_ANCHORS = 1536
"""Different phrases in one training; more would teach little more, and each costs the base model a pass."""

MOST_NOTES_AT_ONCE = 2048
"""Notes whose pairs are looked at together: 4 million of them, a few hundredths of a second."""

# Each kind of choice has random numbers of its own, so that one setting does not change what another draws.
_ANCHORS, _PASSAGES, _ANCHORS_OF_BATCH, _WINDOWS, _SAMPLE = range(1, 6)


@dataclass(frozen=True)
class BatchWork:
    """One batch, ready to be encoded.

    Attributes
    ----------
    parts
        tokenised texts: the batch's notes, its passages, its phrases.
    loss_of
        float32 [windows, d] vectors, in that order, to a scalar.
    """

    parts: Sequence[Windows]
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
        self._ids = data.train_ids
        self._texts = [data.texts[note] for note in self._ids]
        self._triplets = triplet_positions(data.train_triplets, self._ids)
        self._members = membership(self._ids, data.specialties)
        self._windows = self._read_notes(token_budget)
        self._first_window = np.searchsorted(self._windows.text_index, np.arange(len(self._texts)))
        self._window_count = np.bincount(self._windows.text_index, minlength=len(self._texts))
        self._phrases: Windows | None = None
        self._before = torch.empty(0, encoder.dimensions)
        if options.anchors_per_batch:
            texts = self._anchor_texts()
            read = encoder.tokenize(texts, role="query")
            # The first window of each: a phrase stands for itself, however a long note is read.
            read = read.chosen(np.searchsorted(read.text_index, np.arange(len(texts))))
            self._phrases = encoder.read(read, token_budget=token_budget)
            self._before = torch.from_numpy(base.encode_windows(self._phrases, token_budget=token_budget))

    @property
    def epochs(self) -> int:
        """How often the validation notes are looked at."""
        return self._options.epochs

    @property
    def takes_last(self) -> bool:
        """Whether the last epoch is taken, if it is better than the beginning, and not the best one."""
        return False

    @property
    def patience(self) -> int:
        """Epochs without a better validation score before the training stops; 0: never."""
        return self._options.early_stopping_patience

    @property
    def notes(self) -> int:
        """How many notes are trained on."""
        return len(self._texts)

    @property
    def triplets(self) -> npt.NDArray[np.int64]:
        """int64 [t, 3]: the train triplets as positions of train notes."""
        return self._triplets

    def steps_of(self, epoch: int) -> list[Batches]:
        """The steps of an epoch, each of `accumulation_steps` batches; each note once."""
        options = self._options
        batches = note_batches(
            self.triplets,
            notes=self.notes,
            notes_per_batch=options.notes_per_batch,
            seed=(options.seed, epoch),
        )
        size = options.accumulation_steps
        return [batches[first : first + size] for first in range(0, len(batches), size)]

    def work(self, batch: npt.NDArray[np.int64], *, epoch: int, place: int) -> BatchWork:
        """What a batch encodes, and its loss.

        Parameters
        ----------
        batch
            int64, ascending positions of train notes.
        epoch, place
            which epoch, and which batch of it: they decide, with the seed, whatever is drawn.
        """
        options = self._options
        notes = self._windows.chosen(self._windows_of(batch, epoch))
        passages, own = self._passages_of(batch, (options.seed, _PASSAGES, epoch, place))
        parts = [notes, self._encoder.tokenize(passages, role="query")]
        held: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)
        if self._phrases is not None:
            rng = np.random.default_rng((options.seed, _ANCHORS_OF_BATCH, epoch, place))
            number = min(options.anchors_per_batch, len(self._before))
            held = np.sort(rng.choice(len(self._before), number, replace=False))
            parts.append(self._phrases.chosen(held))
        return BatchWork(parts, self._loss_of(batch, own, self._before[torch.from_numpy(held)]))

    def at_once(
        self, known: Mapping[str, npt.NDArray[np.float32]], *, token_budget: int | None
    ) -> tuple[torch.Tensor, LossOfVectors]:
        """All notes (or a sample), passages of some, and all phrases: what the encoder makes of them, and the loss.

        Parameters
        ----------
        known
            vectors of notes by id, as this encoder would give them; the others are encoded.
        token_budget
            see `Encoder.encode`.
        """
        rng = np.random.default_rng((self._options.seed, _SAMPLE))
        count = min(len(self._texts), MOST_NOTES_AT_ONCE)
        batch = np.sort(rng.choice(len(self._texts), count, replace=False))
        passages, own = self._passages_of(batch, (self._options.seed, _SAMPLE, 1))
        unknown = [row for row in batch if self._ids[row] not in known]
        encoded = self._encoder.encode([self._texts[row] for row in unknown], token_budget=token_budget)
        vectors = {**known, **{self._ids[row]: one for row, one in zip(unknown, encoded, strict=True)}}
        found = [
            np.stack([vectors[self._ids[row]] for row in batch]),
            self._encoder.encode(passages, role="query", token_budget=token_budget),
            self._before.numpy(),
        ]
        return torch.from_numpy(np.concatenate(found)), self._loss_of(batch, own, self._before)

    def _read_notes(self, token_budget: int | None) -> Windows:
        windows = reading_windows(self._encoder, self._texts, self._options.training_tokens)
        return self._encoder.read(windows, token_budget=token_budget)

    def _anchor_texts(self) -> list[str]:
        options, rng = self._options, np.random.default_rng((self._options.seed, _ANCHORS))
        wanted = options.anchors_per_batch * options.epochs * -(-len(self._texts) // options.notes_per_batch)
        return phrases(self._texts, min(wanted, MOST_ANCHORS), rng=rng)

    def _windows_of(self, batch: npt.NDArray[np.int64], epoch: int) -> npt.NDArray[np.int64]:
        """One window of each note: the only one, or one drawn for this epoch."""
        rng = np.random.default_rng((self._options.seed, _WINDOWS, epoch))
        drawn = np.floor(rng.random(len(self._window_count)) * self._window_count).astype(np.int64)
        chosen: npt.NDArray[np.int64] = self._first_window[batch] + drawn[batch]
        return chosen

    def _passages_of(
        self, batch: npt.NDArray[np.int64], seed: tuple[int, ...]
    ) -> tuple[list[str], npt.NDArray[np.int64]]:
        """Passages of a share of the batch's notes, and the place in the batch of each one's note."""
        options, spec = self._options, self._encoder.spec
        wanted = round(options.passage_share * len(batch)) if options.passage_weight else 0
        beyond = spec.max_tokens if spec.long_notes == "cut" else 0
        rng = np.random.default_rng(seed)
        texts: list[str] = []
        own: list[int] = []
        for place in rng.permutation(len(batch)):
            if len(own) == wanted:
                break
            text = self._texts[batch[place]]
            found = passage(text, beyond=beyond, words=options.passage_words, rng=rng)
            if found is not None:
                texts.append(found)
                own.append(int(place))
        return texts, np.array(own, dtype=np.int64)

    def _loss_of(
        self,
        batch: npt.NDArray[np.int64],
        own: npt.NDArray[np.int64],
        before: torch.Tensor,
        *,
        taught: npt.NDArray[np.int64] | None = None,
        further_loss: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> LossOfVectors:
        """The loss of vectors of notes, passages and phrases; between notes and passages stand those `taught` besides.

        Parameters
        ----------
        batch
            int64 [n], positions of train notes.
        own
            int64 [p], places in the batch: the passages' notes.
        before
            float32 [h, d], where the base model has the phrases.
        taught
            int64 [n + m], positions of the train notes whose labels the first n + m vectors have, beginning with the
            batch; None for the batch alone.
        further_loss
            of the similarities, float32 [n + m, n + m], of these.
        """
        taught = batch if taught is None else taught
        options, device = self._options, self._encoder.device
        label_loss = None
        if options.labels:
            label_loss = loss_of_labels(
                options, self._members[taught], triplets_within(self._triplets, batch), device
            )
        own_notes, before = torch.from_numpy(own).to(device), before.to(device)
        first, second = len(taught), len(taught) + len(own)

        def loss_of(vectors: torch.Tensor) -> torch.Tensor:
            passages, held = vectors[first:second], vectors[second:]
            loss = anchoring_loss(
                held,
                before,
                similarity_weight=options.anchor_similarity_weight,
                vector_weight=options.anchor_vector_weight,
            )
            loss = loss + options.passage_weight * passage_loss(
                passages, vectors[: len(batch)], own_notes, temperature=options.passage_temperature
            )
            if label_loss is None:
                return loss
            notes = vectors[:first]
            similarity = similarities(notes)
            loss = loss + label_loss(notes, similarity)
            return loss if further_loss is None else loss + further_loss(similarity)

        return loss_of


def reading_windows(encoder: Encoder, texts: list[str], tokens: int) -> Windows:
    """The parts of each note that a step may read: what the encoder reads of it, in windows of at most `tokens`.

    Parameters
    ----------
    encoder
        its window, and whether it reads further ones.
    texts
        the notes.
    tokens
        of a part, special tokens included; 0 for the encoder's whole window.
    """
    spec = encoder.spec
    if not 0 < tokens < spec.max_tokens:
        return encoder.tokenize(texts)
    windows = encoder.tokenize(texts, part_tokens=tokens)
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
) -> LossOfLabels:
    """The loss that the labels teach by, as a function of the notes' vectors and the similarities of these.

    Parameters
    ----------
    options
        which loss.
    members
        float32 [n, specialties] of zeros and ones.
    triplets
        int64 [t, 3], positions in the batch.
    device
        where the vectors are.
    """
    if options.loss == "contrastive":
        overlap = torch.from_numpy(jaccard(members)).to(device)
        return lambda vectors, similarity: contrastive_loss(
            similarity, overlap, temperature=options.temperature
        )
    if not len(triplets):
        return lambda vectors, similarity: vectors.sum() * 0
    places = torch.from_numpy(triplets).to(device)
    return lambda vectors, similarity: triplet_loss(
        vectors, places, margin=options.triplet_margin, distance=options.triplet_distance
    )
