"""The classifier as others use it: texts in; labels, probabilities and a set out, or why a person has to look."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from medembed_pipeline.classification.errors import ClassificationError
from medembed_pipeline.classification.features import TOKEN, NoteRows, count_words
from medembed_pipeline.classification.folder import Parts, nearest_train, read_classifier
from medembed_pipeline.classification.scoring import Answers
from medembed_pipeline.encoder import EncoderSpec, encoder_fingerprint, read_spec, spec_of_settings
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.evaluation.vectors import FloatArray
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.notes.cleaning import clean_text
from medembed_pipeline.notes.identifiers import mask_identifiers

BLOCK = 1_024
"""Texts that are answered at once."""

EMPTY, FAR, UNKNOWN_WORDS, SET_TOO_LARGE, NOTHING_LEARNED = (
    "empty_text",
    "far_from_train_notes",
    "unknown_words",
    "set_too_large",
    "nothing_learned",
)
REASONS = {
    NOTHING_LEARNED: "the classifier knows no label",
    EMPTY: "the text has no word",
    UNKNOWN_WORDS: "too few of its words are known from train notes: another language, or no note",
    FAR: "it is far from all train notes",
    SET_TOO_LARGE: "too many labels are possible",
}
"""Why a text is left to people; the first that applies is given."""


@dataclass(frozen=True)
class Prediction:
    """The answer to one text.

    Attributes
    ----------
    labels
        its specialties, the likeliest first; empty where the classifier abstains.
    probabilities
        of every label, by name, calibrated.
    label_set
        the labels that hold the true ones with the promised frequency, the likeliest first.
    abstained
        None, or one of REASONS.
    nearest
        ids and cosines of the nearest train notes, the nearest first; where asked for.
    """

    labels: list[str]
    probabilities: dict[str, float]
    label_set: list[str]
    abstained: str | None
    nearest: list[tuple[str, float]] = field(default_factory=list)


class SpecialtyClassifier:
    """Answers texts. Made by `from_folder`.

    Examples
    --------
    >>> classifier = SpecialtyClassifier.from_folder("data_lake/classifiers/3f...")  # doctest: +SKIP
    >>> classifier.predict(["Chest pain on exertion."])[0].labels  # doctest: +SKIP
    ['Cardiovascular / Pulmonary']

    Attributes
    ----------
    parts
        what it is made of.
    manifest
        of its folder.
    """

    def __init__(self, parts: Parts, manifest: dict[str, Any], spec: EncoderSpec | None, device: str) -> None:
        self.parts, self.manifest = parts, manifest
        self._spec, self._device = spec, device

    @classmethod
    def from_folder(
        cls, path: str | Path, *, checkpoint: str | Path | None = None, device: str = "auto"
    ) -> SpecialtyClassifier:
        """Read a classifier, and see that its checkpoint is the one that it was made on.

        Parameters
        ----------
        path
            a folder that `specialty_classifier` has made.
        checkpoint
            folder of the checkpoint; by default where the lake has it, beside the classifiers.
        device
            `auto`, `cuda`, `mps` or `cpu`, for the encoder.

        Raises
        ------
        ClassificationError
            no classifier, a damaged one, or another checkpoint than its own (with both hashes).
        """
        folder = Path(path)
        parts, manifest = read_classifier(folder)
        return cls(parts, manifest, _encoder_spec(folder, parts, checkpoint), device)

    @cached_property
    def encoder(self) -> Any:
        """What makes the vectors; loaded with the first text."""
        from medembed_pipeline.encoder.model import load_encoder

        assert self._spec is not None
        return load_encoder(self._spec, device=self._device, precision=self.parts.encoder["precision"])

    def predict(self, texts: Sequence[str], *, explain: int = 0) -> list[Prediction]:
        """Answer some texts.

        Parameters
        ----------
        texts
            any number, of any length; they are cleaned as notes are.
        explain
            how many of the nearest train notes to name.
        """
        return list(self.predictions(texts, explain=explain))

    def predictions(self, texts: Sequence[str], *, explain: int = 0) -> Iterator[Prediction]:
        """The same, as they come, BLOCK texts at a time."""
        for start in range(0, len(texts), BLOCK):
            block = [self.cleaned(text) for text in texts[start : start + BLOCK]]
            yield from self.answer(block, self.rows(block), explain=explain)

    def cleaned(self, text: str) -> str:
        """The text as the train notes were cleaned, identifiers masked where theirs are."""
        cleaned = clean_text(text)
        return mask_identifiers(cleaned) if self.manifest.get("redact") else cleaned

    def rows(self, texts: Sequence[str], vectors: FloatArray | None = None) -> NoteRows:
        """What the classifier sees of texts.

        Parameters
        ----------
        texts
            n texts.
        vectors
            float64 [n, d] unit rows by its encoder, where they are known already.
        """
        counts = count_words(texts, words=self.parts.words).counts
        model = self.parts.features.model
        if model is None:
            return NoteRows(counts, {})
        if vectors is None:
            vectors = self.encoder.encode([text if text.strip() else "." for text in texts]).astype(
                np.float64
            )
        return NoteRows(counts, {model: vectors})

    def answers(self, rows: NoteRows) -> Answers:
        """Probabilities, labels and sets, whether or not it would abstain."""
        scores = self.parts.head.probabilities(self.parts.features.rows(rows))
        return self.parts.decision.answers(np.round(scores, 9))

    def answer(self, texts: Sequence[str], rows: NoteRows, *, explain: int = 0) -> list[Prediction]:
        """Answer texts whose rows are known."""
        labels = self.parts.labels
        if not labels:
            return [Prediction([], {}, [], NOTHING_LEARNED) for _ in texts]
        answers = self.answers(rows)
        places, similarity = self.nearest(rows, k=max(1, explain))
        why = self.abstentions(texts, rows, answers, similarity[:, 0])
        found = []
        for row, reason in enumerate(why):
            probability = answers.probabilities[row]
            order = np.argsort(-np.round(probability, 9), kind="stable").tolist()
            near = zip(places[row, :explain].tolist(), similarity[row, :explain].tolist(), strict=True)
            found.append(
                Prediction(
                    [] if reason else [labels[column] for column in order if answers.chosen[row, column]],
                    {labels[column]: round(float(probability[column]), 6) for column in order},
                    [labels[column] for column in order if answers.sets[row, column]],
                    reason,
                    []
                    if reason == EMPTY
                    else [(self.parts.train.note_ids[place], round(cosine, 6)) for place, cosine in near],
                )
            )
        return found

    def nearest(self, rows: NoteRows, *, k: int) -> tuple[Any, FloatArray]:
        """Places and cosines of the nearest train notes; see `nearest_train`."""
        features = self.parts.features
        if features.model is not None:
            return nearest_train(self.parts.train, rows.vectors[features.model], k=k)
        return nearest_train(self.parts.train, features.rows(rows), k=k)

    def abstentions(
        self, texts: Sequence[str], rows: NoteRows, answers: Answers, similarity: FloatArray
    ) -> list[str | None]:
        """Why each text is left to people; None where it is answered.

        Parameters
        ----------
        texts
            n texts.
        rows
            what is seen of them.
        answers
            to them.
        similarity
            float64 [n], of the nearest train note.
        """
        guards = self.parts.guards
        known = known_word_shares(texts, rows)
        sizes = answers.sets.sum(axis=1)
        why: list[str | None] = []
        for row, share in enumerate(known.tolist()):
            if np.isnan(share):
                why.append(EMPTY)
            elif share < guards.smallest_known_words:
                why.append(UNKNOWN_WORDS)
            elif similarity[row] < guards.smallest_similarity:
                why.append(FAR)
            else:
                why.append(SET_TOO_LARGE if sizes[row] > guards.largest_set else None)
        return why


def known_word_shares(texts: Sequence[str], rows: NoteRows) -> FloatArray:
    """The share of each text's words that are counted; NaN for a text without a word. float64 [n]."""
    known = np.asarray(rows.counts.sum(axis=1), dtype=np.float64).reshape(-1)
    every = np.array([len(re.findall(TOKEN, text)) for text in texts], dtype=np.float64)
    return np.divide(known, every, out=np.full(len(every), np.nan), where=every > 0)


def _encoder_spec(folder: Path, parts: Parts, checkpoint: str | Path | None) -> EncoderSpec | None:
    needed = parts.encoder
    if needed["kind"] == "none":
        return None
    if needed["kind"] == "base":
        spec = spec_of_settings(EncoderSettings(**needed["settings"]))
        found = encoder_fingerprint(spec, precision=needed["precision"])
        refuse_other_checkpoint(needed["fingerprint"], found, spec.base)
        return spec
    place = (
        Path(checkpoint)
        if checkpoint is not None
        else folder.parent.parent / "checkpoints" / needed["version"]
    )
    found = checkpoint_hash(place)
    refuse_other_checkpoint(needed["data_version"], found, str(place))
    return replace(read_spec(place), long_notes=needed["long_notes"])


def checkpoint_hash(folder: Path) -> str:
    """What a checkpoint holds, as one hash.

    Raises
    ------
    ClassificationError
        there is no checkpoint.
    """
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        return digest(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ClassificationError(
            f"{folder}: no checkpoint can be read there ({type(error).__name__}). Give the checkpoint that the "
            "classifier was made on."
        ) from None


def refuse_other_checkpoint(wanted: str, found: str, where: str) -> None:
    """A head on the vectors of another checkpoint says anything.

    Raises
    ------
    ClassificationError
        the hashes differ; it names both.
    """
    if wanted != found:
        raise ClassificationError(
            f"{where}: holds {found}, but the classifier was made on the checkpoint {wanted}; the vectors of another "
            "mean something else to it. Give that checkpoint, or materialize specialty_classifier."
        )
