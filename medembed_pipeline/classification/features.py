"""What a head sees of a note: its vector, the weights of its words, or both side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medembed_pipeline.evaluation.vectors import FloatArray

TOKEN = r"(?u)\b\w+\b"


@dataclass(frozen=True)
class WordCounts:
    """How often each word occurs in each of some texts.

    Attributes
    ----------
    counts
        scipy.sparse.csr_matrix float64 [n, words].
    words
        the words, sorted, one per column.
    """

    counts: Any
    words: tuple[str, ...]


def count_words(texts: Sequence[str], *, words: Sequence[str] | None = None) -> WordCounts:
    """Count the words of some texts, lower-cased.

    Parameters
    ----------
    texts
        n texts.
    words
        those that are counted, sorted; None for all that occur.
    """
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import CountVectorizer

    if (words is None and not any(text.strip() for text in texts)) or (words is not None and not len(words)):
        return WordCounts(csr_matrix((len(texts), 0)), ())
    counter = CountVectorizer(token_pattern=TOKEN, vocabulary=words, dtype=np.float64)
    try:
        counts = counter.fit_transform(texts) if words is None else counter.transform(texts)
    except ValueError:  # texts without a single word
        return WordCounts(csr_matrix((len(texts), 0)), ())
    counts.sort_indices()
    return WordCounts(counts, tuple(counter.get_feature_names_out().tolist()))


def common_words(counts: Any, *, smallest_word_notes: int) -> npt.NDArray[np.int64]:
    """Columns of the words that enough of the notes hold, or of all that occur where none does. int64 [kept].

    Parameters
    ----------
    counts
        scipy.sparse [n, words].
    smallest_word_notes
        how many are enough.
    """
    documents = np.asarray((counts > 0).sum(axis=0)).reshape(-1)
    enough = documents >= smallest_word_notes
    return np.flatnonzero(enough if enough.any() else documents > 0).astype(np.int64)


@dataclass(frozen=True)
class WordWeights:
    """TF-IDF as it was fitted on some notes.

    Attributes
    ----------
    columns
        int64 [kept], the columns of the counts that are kept.
    idf
        float64 [kept], smoothed inverse document frequency of each.
    """

    columns: npt.NDArray[np.int64]
    idf: FloatArray

    @classmethod
    def fit(cls, counts: Any, *, smallest_word_notes: int) -> WordWeights:
        """Of the `common_words`.

        Parameters
        ----------
        counts
            scipy.sparse [n, words].
        smallest_word_notes
            see `common_words`.
        """
        columns = common_words(counts, smallest_word_notes=smallest_word_notes)
        documents = np.asarray((counts[:, columns] > 0).sum(axis=0), dtype=np.float64).reshape(-1)
        return cls(columns, np.log((1.0 + counts.shape[0]) / (1.0 + documents)) + 1.0)

    def weigh(self, counts: Any) -> Any:
        """Logarithmic term frequency times `idf`, rows of length 1; a text of unknown words has a row of zeros.

        Reference: G. Salton, C. Buckley, "Term-weighting approaches in automatic text retrieval", Information
        Processing & Management 24 (1988).

        Parameters
        ----------
        counts
            scipy.sparse [n, words], with the columns that it was fitted on.

        Returns
        -------
        Any
            scipy.sparse.csr_matrix float64 [n, kept].
        """
        from scipy.sparse import csr_matrix, diags

        rows = csr_matrix(counts[:, self.columns], dtype=np.float64, copy=True)
        rows.data = np.log(rows.data) + 1.0
        rows = csr_matrix(rows @ diags(self.idf))
        lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1), dtype=np.float64).reshape(-1))
        scale = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
        return csr_matrix(diags(scale) @ rows)


@dataclass(frozen=True)
class Scaling:
    """How vectors are centred and scaled: by one number, so that nothing depends on how the space is turned.

    Attributes
    ----------
    center
        float64 [d], subtracted.
    scale
        divides; then the mean squared length of a row that it was fitted on is 1.
    """

    center: FloatArray
    scale: float

    @classmethod
    def fit(cls, rows: FloatArray) -> Scaling:
        """From rows [n, d]."""
        center = rows.mean(axis=0) if len(rows) else np.zeros(rows.shape[1])
        scale = float(np.sqrt(np.square(rows - center).sum(axis=1).mean())) if len(rows) else 1.0
        return cls(center, scale if scale > 0 else 1.0)

    def apply(self, rows: FloatArray) -> FloatArray:
        """float64 [n, d]."""
        return np.asarray((rows - self.center) / self.scale, dtype=np.float64)


@dataclass(frozen=True)
class NoteRows:
    """Some notes as every kind of feature is made from.

    Attributes
    ----------
    counts
        scipy.sparse [n, words].
    vectors
        by model, float64 [n, d] unit rows.
    """

    counts: Any
    vectors: Mapping[str, FloatArray]

    def take(self, rows: npt.NDArray[np.int64]) -> NoteRows:
        """Some of the notes, in that order."""
        return NoteRows(self.counts[rows], {name: matrix[rows] for name, matrix in self.vectors.items()})


@dataclass(frozen=True)
class Features:
    """How notes become the rows that a linear head is fitted on.

    Attributes
    ----------
    model
        whose vectors are seen; None for none.
    scaling
        of these; None where they are seen as they are.
    words
        TF-IDF weights; None where words are not seen.
    """

    model: str | None
    scaling: Scaling | None
    words: WordWeights | None

    @classmethod
    def fit(cls, notes: NoteRows, *, model: str | None, words: bool, smallest_word_notes: int) -> Features:
        """Fitted on some notes. Where both are seen, they weigh alike: the mean squared length of either is 1."""
        return cls(
            model,
            Scaling.fit(notes.vectors[model]) if model is not None else None,
            WordWeights.fit(notes.counts, smallest_word_notes=smallest_word_notes) if words else None,
        )

    def rows(self, notes: NoteRows) -> Any:
        """numpy [n, d] where no words are seen, else scipy.sparse.csr_matrix [n, d + words]."""
        from scipy.sparse import csr_matrix, hstack

        weighed = self.words.weigh(notes.counts) if self.words is not None else None
        if self.model is None:
            return np.zeros((notes.counts.shape[0], 0)) if weighed is None else weighed
        vectors = notes.vectors[self.model]
        scaled = vectors if self.scaling is None else self.scaling.apply(vectors)
        return scaled if weighed is None else hstack([csr_matrix(scaled), weighed], format="csr")
