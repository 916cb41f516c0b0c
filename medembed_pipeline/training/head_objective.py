"""What a step of the head's training sees: vectors of texts that the base model has read once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch

from medembed_pipeline.encoder.model import Encoder
from medembed_pipeline.encoder.tokens import Windows
from medembed_pipeline.training.batches import Batches
from medembed_pipeline.training.cuttings import passage, phrases, stretches
from medembed_pipeline.training.data import TrainingData, jaccard
from medembed_pipeline.training.head import GatedHead, spread
from medembed_pipeline.training.known_vectors import read_whole
from medembed_pipeline.training.losses import detail_loss
from medembed_pipeline.training.objective import MOST_NOTES_AT_ONCE, BatchWork, Objective
from medembed_pipeline.training.settings import TrainingSettings

ROUNDS = 10
"""Times that the validation notes are looked at: what is an epoch elsewhere."""

PASSAGES, PHRASES, STRETCHES = 2048, 2048, 1024
"""Texts that are read, at most. Stretches are as long as a note's beginning: what the gate is likeliest to mistake."""

PHRASES_OF_NOTE, STRETCHES_OF_NOTE = 4, 1
"""As many for each note, where there are fewer notes."""

CUT_NOTES = 10_000
"""Notes that phrases and stretches are cut out of, at most: their words are all in memory meanwhile."""

MOST_ANCHORS_AT_ONCE = 512
_TEXTS, _STEP = 11, 12
_FURTHER = 3.0
"""How much noisier anchors are than notes: what is like them must stay where it is, from afar."""


class HeadObjective(Objective):
    """Makes the steps of a head's training; see `Objective`.

    Parameters
    ----------
    known
        vectors of train notes by id, by this very encoder; the others are read.
    """

    def __init__(
        self,
        encoder: Encoder,
        base: Encoder,
        data: TrainingData,
        options: TrainingSettings,
        *,
        token_budget: int | None,
        known: Mapping[str, npt.NDArray[np.float32]],
    ) -> None:
        self._known = known
        super().__init__(encoder, base, data, options, token_budget=token_budget)
        rng = np.random.default_rng((options.seed, _TEXTS))
        beyond = encoder.spec.max_tokens if encoder.spec.long_notes == "cut" else 0
        texts: list[str] = []
        own: list[int] = []
        notes = len(self._texts) if options.passage_weight else 0
        for place in (*rng.permutation(notes), *rng.permutation(notes)):
            if len(own) == PASSAGES:
                break
            found = passage(self._texts[place], beyond=beyond, words=options.passage_words, rng=rng)
            if found is not None:
                texts.append(found)
                own.append(int(place))
        self._passages = encoder.encode(texts, role="query", token_budget=token_budget)
        self._own = np.array(own, dtype=np.int64)
        assert self._windows.vectors is not None
        self._noise = options.head_noise * spread(self._windows.vectors)

    @property
    def epochs(self) -> int:
        """Rounds; see `Objective.epochs`."""
        return ROUNDS

    @property
    def takes_last(self) -> bool:
        """The last round: the learning rate falls to nothing, and by the few validation notes luck would choose."""
        return True

    @property
    def patience(self) -> int:
        """None: the learning rate falls until the last round, which is the one that is taken."""
        return 0

    def first_head(self) -> GatedHead:
        """A head that changes nothing yet, and whose gate tells the train notes from the anchors."""
        notes, head = self._windows.vectors, GatedHead(self._encoder.dimensions, self._options.head_units)
        assert notes is not None
        rng = np.random.default_rng((self._options.seed, _TEXTS, 1))
        sample = np.sort(rng.permutation(len(notes))[: 2 * MOST_NOTES_AT_ONCE])
        anchors = self._phrases.vectors if self._phrases is not None else None
        head.begin(notes[sample], notes[:0] if anchors is None else anchors, seed=self._options.seed)
        return head

    def steps_of(self, epoch: int) -> list[Batches]:
        """The steps of a round, each of a sample of the notes, or all of them."""
        done, due = (round(self._options.head_steps * part / ROUNDS) for part in (epoch, epoch + 1))
        rng = np.random.default_rng((self._options.seed, _STEP, epoch))
        return [[np.sort(rng.permutation(self.notes)[:MOST_NOTES_AT_ONCE])] for _ in range(due - done)]

    def work(self, batch: npt.NDArray[np.int64], *, epoch: int, place: int) -> BatchWork:
        """See `Objective.work`. Vectors of notes and anchors are noisy: texts that are like them count as well."""
        options, seed = self._options, (self._options.seed, _STEP, epoch, place)
        rng = np.random.default_rng((*seed, 1))
        notes = self._windows.chosen(self._windows_of(batch, epoch))
        assert notes.vectors is not None
        as_read = torch.from_numpy(notes.vectors)
        notes = Windows.of_vectors(self._noisy(rng, self._noise, notes.vectors)[0])
        row = np.full(self.notes, -1, dtype=np.int64)
        row[batch] = np.arange(len(batch))
        asked = np.flatnonzero(row[self._own] >= 0)
        wanted = max(1, round(options.passage_share * len(batch)))
        asked = np.sort(rng.permutation(asked)[:wanted])
        parts = [notes, Windows.of_vectors(self._passages[asked])]
        before = self._before
        if self._phrases is not None and self._phrases.vectors is not None:
            some = rng.permutation(len(before))[:MOST_ANCHORS_AT_ONCE]
            anchors, places = self._phrases.vectors[some], before.numpy()[some]
            held, moved = self._noisy(rng, _FURTHER * self._noise, anchors, places)
            parts.append(Windows.of_vectors(held))
            before = torch.from_numpy(moved)
        loss_of = self._loss_of(batch, row[self._own[asked]], before)
        if not (options.labels and options.detail_weight):
            return BatchWork(parts, loss_of)
        overlap = torch.from_numpy(jaccard(self._members[batch])).to(self._encoder.device)
        as_read = as_read.to(overlap)

        def with_detail(vectors: torch.Tensor) -> torch.Tensor:
            lost = detail_loss(vectors[: len(batch)], as_read, overlap, temperature=options.temperature)
            return loss_of(vectors) + options.detail_weight * lost

        return BatchWork(parts, with_detail)

    def _read_notes(self, token_budget: int | None) -> Windows:
        if self._options.training_tokens:
            return super()._read_notes(token_budget)
        return read_whole(self._encoder, self._ids, self._texts, self._known, token_budget=token_budget)

    def _anchor_texts(self) -> list[str]:
        rng = np.random.default_rng((self._options.seed, _TEXTS, 2))
        texts, notes = self._texts, len(self._texts)
        if notes > CUT_NOTES:
            texts = [texts[place] for place in np.sort(rng.permutation(notes)[:CUT_NOTES])]
        count = min(STRETCHES, STRETCHES_OF_NOTE * notes)
        long = stretches(texts, count, beyond=self._encoder.spec.max_tokens, rng=rng)
        return [*phrases(texts, min(PHRASES, PHRASES_OF_NOTE * notes), rng=rng), *long]

    @staticmethod
    def _noisy(
        rng: np.random.Generator, size: float, *vectors: npt.NDArray[np.float32]
    ) -> list[npt.NDArray[np.float32]]:
        """Unit vectors of the same texts, all moved alike by noise of the length `size`, at unit length again."""
        shape = vectors[0].shape
        noise = (size / np.sqrt(shape[1]) * rng.standard_normal(shape)).astype(np.float32)
        moved = [each + noise for each in vectors]
        return [each / np.linalg.norm(each, axis=1, keepdims=True) for each in moved]
