"""The validation notes, and the figures of an encoder on them: what chooses the epoch, and how far it may go."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from medembed_pipeline.encoder.model import Encoder
from medembed_pipeline.evaluation.jackknife import intervals, mean_jackknife
from medembed_pipeline.evaluation.vectors import effective_rank
from medembed_pipeline.training.batches import note_batches, triplets_within
from medembed_pipeline.training.cuttings import passage, phrases
from medembed_pipeline.training.data import TrainingData, membership, triplet_positions
from medembed_pipeline.training.known_vectors import read_whole
from medembed_pipeline.training.losses import similarities
from medembed_pipeline.training.objective import loss_of_labels
from medembed_pipeline.training.settings import TrainingSettings
from medembed_pipeline.training.validation import (
    SCORED_NOTES,
    SMALLEST_PASSAGES,
    EpochChoice,
    passage_rank_scores,
    retrieval_columns,
    similarities_kept,
    triplet_accuracy,
)

PHRASES = 300
"""Phrases of validation notes whose similarities are compared: 44,850 pairs."""


@dataclass(frozen=True)
class Seen:
    """What an encoder makes of the validation texts.

    Attributes
    ----------
    notes
        float32 [n, d], of all validation notes.
    passages
        float32 [p, d].
    phrases
        float32 [q, d].
    """

    notes: npt.NDArray[np.float32]
    passages: npt.NDArray[np.float32]
    phrases: npt.NDArray[np.float32]


class ValidationNotes:
    """Notes that nothing was learned from, and what is asked about them.

    Parameters
    ----------
    known
        vectors of notes by id, by this very encoder, which an encoder that reads whole need not read.
    """

    def __init__(
        self,
        encoder: Encoder,
        data: TrainingData,
        options: TrainingSettings,
        choice: EpochChoice,
        *,
        token_budget: int | None,
        known: Mapping[str, npt.NDArray[np.float32]] | None = None,
    ) -> None:
        self._options = options
        self._choice = choice
        self._token_budget = token_budget
        wanted = sorted(set(data.validation_ids))
        if len(wanted) > SCORED_NOTES:
            chosen = np.random.default_rng(options.seed).choice(len(wanted), SCORED_NOTES, replace=False)
            wanted = [wanted[place] for place in sorted(chosen)]
        in_triplets = {str(note) for triplet in data.validation_triplets for note in triplet}
        note_ids = sorted(in_triplets.union(wanted))
        place = {note: position for position, note in enumerate(note_ids)}
        self._wanted = np.array([place[note] for note in wanted], dtype=np.int64)
        self._scored = np.array(
            [place[note] for note in wanted if data.specialties.get(note)], dtype=np.int64
        )
        texts = [data.texts[note] for note in note_ids]
        self._members = membership(note_ids, data.specialties)
        self._triplets = triplet_positions(data.validation_triplets, note_ids)
        # The same batches after every epoch, so that the losses can be compared.
        self._batches = note_batches(
            self._triplets,
            notes=len(note_ids),
            notes_per_batch=options.notes_per_batch,
            seed=(options.seed,),
        )
        spec = encoder.spec
        rng = np.random.default_rng((options.seed, len(note_ids)))
        beyond = spec.max_tokens if spec.long_notes == "cut" else 0
        cut = [
            (position, passage(texts[row], beyond=beyond, words=options.passage_words, rng=rng))
            for position, row in enumerate(self._wanted)
        ]
        passages = [text for _, text in cut if text is not None]
        self._passages = len(passages)
        self._own = np.array([position for position, text in cut if text is not None], dtype=np.int64)
        asked = [*passages, *phrases([texts[row] for row in self._wanted], PHRASES, rng=rng)]
        if encoder.reads_whole:
            self._notes = read_whole(encoder, note_ids, texts, known or {}, token_budget=token_budget)
        else:
            self._notes = encoder.read(encoder.tokenize(texts), token_budget=token_budget)
        # What is searched with, as in the training and in the tasks.
        self._asked = encoder.read(encoder.tokenize(asked, role="query"), token_budget=token_budget)

    def seen_by(self, encoder: Encoder) -> Seen:
        """What the encoder, as it now is, makes of the texts."""
        notes = encoder.encode_windows(self._notes, token_budget=self._token_budget)
        asked = encoder.encode_windows(self._asked, token_budget=self._token_budget)
        return Seen(notes, asked[: self._passages], asked[self._passages :])

    def figures(self, seen: Seen, base: Seen) -> dict[str, float | None]:
        """The validation columns of a row; those of the labels are None where these are not learned from.

        Parameters
        ----------
        seen
            by the encoder in question.
        base
            by the base model.
        """
        passages = self.passage_scores(seen)
        found: dict[str, float | None] = {
            "validation_loss": None,
            "validation_triplet_accuracy": None,
            "validation_precision_at_5": None,
            "validation_map": None,
            "validation_passage_mrr": float(passages.mean()) if len(passages) else None,
            "validation_passage_change_low": _low(passages - self.passage_scores(base)),
            "validation_similarities_kept": similarities_kept(seen.phrases, base.phrases),
            "validation_rank_kept": _rank(seen.notes[self._wanted]) / _rank(base.notes[self._wanted]),
        }
        if self._options.labels:
            found |= {
                "validation_loss": self._loss(seen.notes),
                "validation_triplet_accuracy": triplet_accuracy(seen.notes, self._triplets),
                **retrieval_columns(
                    seen.notes[self._scored],
                    self._members[self._scored],
                    main_metric=self._choice.main_metric,
                ),
            }
        else:
            found["validation_score"] = found["validation_passage_mrr"] or 0.0
        return found

    def passage_scores(self, seen: Seen) -> npt.NDArray[np.float64]:
        """float64 [p]: reciprocal rank of each passage's own note among the validation notes."""
        return passage_rank_scores(seen.passages, seen.notes[self._wanted], self._own)

    def _loss(self, vectors: npt.NDArray[np.float32]) -> float:
        losses = []
        for batch in self._batches:
            loss_of = loss_of_labels(
                self._options,
                self._members[batch],
                triplets_within(self._triplets, batch),
                torch.device("cpu"),
            )
            of_batch = torch.from_numpy(vectors[batch])
            losses.append(float(loss_of(of_batch, similarities(of_batch))))
        return float(np.mean(losses))


def _low(changes: npt.NDArray[np.float64]) -> float | None:
    """Lower end of the 95% interval of the mean change; None with fewer than SMALLEST_PASSAGES."""
    if len(changes) < SMALLEST_PASSAGES:
        return None
    found = intervals(mean_jackknife(changes, np.arange(len(changes))))
    return float(found.low[0])


def _rank(vectors: npt.NDArray[np.float32]) -> float:
    return effective_rank(vectors.astype(np.float64))
