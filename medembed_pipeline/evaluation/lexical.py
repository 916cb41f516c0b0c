"""Plain word matching as a model: is an embedding better than what a search box without one would find?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def lexical_vectors(texts: Sequence[str], *, fit_on: Sequence[str]) -> Any:
    """TF-IDF weights of the words of each text.

    Logarithmic term frequency times smoothed inverse document frequency, L2-normalised: the product of two rows is
    their cosine. A text of which no word is known has a row of zeros.

    Reference: G. Salton, C. Buckley, "Term-weighting approaches in automatic text retrieval", Information Processing &
    Management 24 (1988).

    Parameters
    ----------
    texts
        n texts.
    fit_on
        texts whose words, and how many of them hold each, are known.

    Returns
    -------
    Any
        scipy.sparse.csr_matrix float64 [n, words].
    """
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfVectorizer

    if not any(text.strip() for text in fit_on):
        return csr_matrix((len(texts), 1))
    vectorizer = TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\b\w+\b").fit(fit_on)
    return vectorizer.transform(texts)
