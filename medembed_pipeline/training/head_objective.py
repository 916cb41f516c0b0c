"""What a step of the head's training sees: vectors of texts that the base model has read once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

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
from medembed_pipeline.training.losses import detail_loss, similarities
from medembed_pipeline.training.objective import MOST_NOTES_AT_ONCE, BatchWork, Objective
from medembed_pipeline.training.settings import TrainingSettings

ROUNDS = 10
"""Times that the validation notes are looked at: what is an epoch elsewhere."""

PASSAGES, FURTHER, PHRASES, STRETCHES = 2048, 1024, 2048, 1024
"""Texts that are read, at most. Stretches are as long as a note's beginning: what the gate is likeliest to mistake."""

WORDS_OF_TOKENS = 0.75
"""Words in a token, nearly: so further parts of a note are about as long as the window that its beginning fills."""

PHRASES_OF_NOTE, STRETCHES_OF_NOTE = 4, 1
"""As many for each note, where there are fewer notes."""

CUT_NOTES = 10_000
"""Notes that phrases and stretches are cut out of, at most: their words are all in memory meanwhile."""

MOST_ANCHORS_AT_ONCE = 512
_TEXTS, _STEP = 11, 12
_CUT_PASSAGES, _DRAWN_NOTES, _CUT_ANCHORS, _CUT_FURTHER = range(4)
_ANCHOR_NOISE = 3.0
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
        self._detail: tuple[npt.NDArray[np.float32], torch.Tensor, torch.Tensor] | None = None
        super().__init__(encoder, base, data, options, token_budget=token_budget)
        encode = partial(encoder.encode, token_budget=token_budget)
        beyond = encoder.spec.max_tokens if encoder.spec.long_notes == "cut" else 0
        count = PASSAGES if options.passage_weight else 0
        texts, self._own = self._cut_out(
            count, beyond=beyond, words=options.passage_words, kind=_CUT_PASSAGES
        )
        self._passages = encode(texts, role="query")
        filled = round(WORDS_OF_TOKENS * encoder.spec.max_tokens)
        learned = options.labels and options.loss == "contrastive" and options.further_share > 0
        texts, self._own_further = self._cut_out(
            FURTHER if learned else 0, beyond=min(beyond, filled), words=filled, kind=_CUT_FURTHER
        )
        self._further = encode(texts)
        assert self._windows.vectors is not None
        notes = self._windows.vectors
        self._noise = options.head_noise * spread(notes)
        self._shape = within_notes(
            np.concatenate([self._passages, self._further])
            - notes[self._first_window[np.concatenate([self._own, self._own_further])]]
        )

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
        rng = np.random.default_rng((self._options.seed, _TEXTS, _DRAWN_NOTES))
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
        """See `Objective.work`. Vectors of notes and anchors are noisy: texts that are like them count as well.

        Beside the notes stand further parts of notes, with these notes' labels.
        """
        options, seed = self._options, (self._options.seed, _STEP, epoch, place)
        rng = np.random.default_rng((*seed, 1))
        read = self._windows.chosen(self._windows_of(batch, epoch)).vectors
        assert read is not None
        row = np.full(self.notes, -1, dtype=np.int64)
        row[batch] = np.arange(len(batch))
        asked = np.flatnonzero(row[self._own] >= 0)
        wanted = max(1, round(options.passage_share * len(batch)))
        asked = np.sort(rng.permutation(asked)[:wanted])
        further = rng.permutation(len(self._further))[: round(options.further_share * len(batch))]
        taught = np.concatenate([read, self._further[further]])
        (learned,) = _moved(self._noise * (_drawn(rng, taught) @ self._shape), taught)
        parts = [learned, self._passages[asked]]
        before = self._before
        if self._phrases is not None and self._phrases.vectors is not None:
            some = rng.permutation(len(before))[:MOST_ANCHORS_AT_ONCE]
            anchors, places = self._phrases.vectors[some], before.numpy()[some]
            size = _ANCHOR_NOISE * self._noise / math.sqrt(anchors.shape[1])
            held, moved = _moved(size * _drawn(rng, anchors), anchors, places)
            parts.append(held)
            before = torch.from_numpy(moved)
        return BatchWork(
            [Windows.of_vectors(part) for part in parts],
            self._loss_of(
                batch,
                row[self._own[asked]],
                before,
                taught=np.concatenate([batch, self._own_further[further]]),
                further_loss=self._loss_of_detail(batch, read),
            ),
        )

    def _loss_of_detail(
        self, batch: npt.NDArray[np.int64], read: npt.NDArray[np.float32]
    ) -> Callable[[torch.Tensor], torch.Tensor] | None:
        options, device = self._options, self._encoder.device
        if not options.detail_weight:
            return None
        if self._detail is None or not np.array_equal(self._detail[0], read):
            # Mostly every step has all notes, and one window of each.
            notes = torch.from_numpy(read).to(device)
            overlap = torch.from_numpy(jaccard(self._members[batch])).to(device)
            self._detail = read, similarities(notes), overlap
        _, before, overlap = self._detail

        def loss_of(similarity: torch.Tensor) -> torch.Tensor:
            now = similarity[: len(before), : len(before)]
            return options.detail_weight * detail_loss(now, before, overlap, temperature=options.temperature)

        return loss_of

    def _cut_out(
        self, count: int, *, beyond: int, words: int, kind: int
    ) -> tuple[list[str], npt.NDArray[np.int64]]:
        """Runs of words from beyond the beginning of train notes, at most two of each, and the places of these."""
        rng = np.random.default_rng((self._options.seed, _TEXTS, kind))
        texts: list[str] = []
        own: list[int] = []
        notes = len(self._texts) if count else 0
        for place in (*rng.permutation(notes), *rng.permutation(notes)):
            if len(own) == count:
                break
            found = passage(self._texts[place], beyond=beyond, words=words, rng=rng)
            if found is not None:
                texts.append(found)
                own.append(int(place))
        return texts, np.array(own, dtype=np.int64)

    def _read_notes(self, token_budget: int | None) -> Windows:
        if self._options.training_tokens:
            return super()._read_notes(token_budget)
        return read_whole(self._encoder, self._ids, self._texts, self._known, token_budget=token_budget)

    def _anchor_texts(self) -> list[str]:
        rng = np.random.default_rng((self._options.seed, _TEXTS, _CUT_ANCHORS))
        texts, notes = self._texts, len(self._texts)
        if notes > CUT_NOTES:
            texts = [texts[place] for place in np.sort(rng.permutation(notes)[:CUT_NOTES])]
        count = min(STRETCHES, STRETCHES_OF_NOTE * notes)
        long = stretches(texts, count, beyond=self._encoder.spec.max_tokens, rng=rng)
        return [*phrases(texts, min(PHRASES, PHRASES_OF_NOTE * notes), rng=rng), *long]


def _drawn(rng: np.random.Generator, like: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Standard normal numbers, as many as `like` has."""
    return rng.standard_normal(like.shape).astype(np.float32)


def _moved(
    noise: npt.NDArray[np.float32], *vectors: npt.NDArray[np.float32]
) -> list[npt.NDArray[np.float32]]:
    """Unit vectors of the same texts, all moved alike by noise, at unit length again."""
    moved = [each + noise for each in vectors]
    return [each / np.linalg.norm(each, axis=1, keepdims=True) for each in moved]


def within_notes(differences: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """float32 [d, d] that turns standard normal rows into noise of length 1, spread as parts of a note lie about it.

    From the covariance of the differences, shrunk towards noise that is the same in all directions by as much as they
    are too few (Ledoit & Wolf, A well-conditioned estimator for large-dimensional covariance matrices, Journal of
    Multivariate Analysis 88, 2004).

    Parameters
    ----------
    differences
        float32 [n, d] of vectors of parts from that of their note; with fewer than two, the noise has no direction.
    """
    d = differences.shape[1]
    if len(differences) < 2:
        return np.eye(d, dtype=np.float32) / np.float32(math.sqrt(d))
    from sklearn.covariance import ledoit_wolf

    covariance, _ = ledoit_wolf(differences.astype(np.float64))
    values, directions = np.linalg.eigh(covariance)
    values = np.maximum(values, 0)
    lengths = np.sqrt(values / values.sum()) if values.sum() > 0 else np.full(d, 1 / np.sqrt(d))
    return ((directions * lengths) @ directions.T).astype(np.float32)
