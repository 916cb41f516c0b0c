"""A static model: texts to vectors by looking tokens up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.evaluation.vectors import FloatArray

_BLOCK = 1024
_UNKNOWN = 1e-3
"""Length of the vector of a token that no train note holds, as a share of the others': it counts where nothing else
does."""


class DistillationError(MedembedError):
    """A static model cannot be made or read."""


class TokenCounter:
    """Counts the tokens of texts, whole, however long they are.

    Parameters
    ----------
    folder
        of a model, whose tokenizer it is.

    Raises
    ------
    DistillationError
        the folder has no tokenizer that Hugging Face's tokenizers can run.
    """

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        file = folder / "tokenizer.json"
        self._tokenizer = Tokenizer.from_file(str(file)) if file.is_file() else _converted(folder)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    @property
    def size(self) -> int:
        """Tokens of the vocabulary."""
        return int(self._tokenizer.get_vocab_size())

    def words(self, tokens: Sequence[int]) -> list[str]:
        """How tokens are written."""
        return [str(self._tokenizer.id_to_token(token)) for token in tokens]

    def counts(self, texts: Sequence[str]) -> Any:
        """scipy.sparse.csr_matrix float64 [texts, size]: how often each text holds each token."""
        from scipy.sparse import csr_matrix

        tokens: list[npt.NDArray[np.int64]] = []
        for first in range(0, len(texts), _BLOCK):
            block = list(texts[first : first + _BLOCK])
            found = self._tokenizer.encode_batch_fast(block, add_special_tokens=False)
            tokens += [np.array(one.ids, dtype=np.int64) for one in found]
        places = np.concatenate([[0], np.cumsum([len(one) for one in tokens])]).astype(np.int64)
        columns = np.concatenate(tokens) if tokens else np.empty(0, dtype=np.int64)
        counted = csr_matrix((np.ones(len(columns)), columns, places), shape=(len(texts), self.size))
        counted.sum_duplicates()
        return counted

    def write(self, file: Path) -> None:
        """Write `tokenizer.json`."""
        file.write_text(self._tokenizer.to_str(), encoding="utf-8")


def _converted(folder: Path) -> Any:
    """The tokenizer of a folder that has only the files of former formats (`vocab.txt`, `spiece.model`)."""
    from transformers import AutoTokenizer

    found = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if not found.is_fast:
        raise DistillationError(
            f"{folder}: its tokenizer, {type(found).__name__}, runs in Python alone; a static model is made for those "
            "that can be written as tokenizer.json."
        )
    return found.backend_tokenizer


@dataclass(frozen=True)
class StaticModel:
    """A vector for each token.

    Attributes
    ----------
    counter
        of tokens.
    tokens
        int64 [t], those that train notes hold, ascending.
    vectors
        float32 [t, d], theirs.
    middle
        float32 [d], unit vector of the mean train note: what a text is given of which no token is known.
    """

    counter: TokenCounter
    tokens: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float32]
    middle: npt.NDArray[np.float32]

    @property
    def table(self) -> npt.NDArray[np.float32]:
        """float32 [vocabulary, d]."""
        length = np.linalg.norm(self.vectors, axis=1).mean() if len(self.vectors) else 1.0
        table = np.tile((_UNKNOWN * length * self.middle).astype(np.float32), (self.counter.size, 1))
        table[self.tokens] = self.vectors
        return table

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """float32 [n, d] unit vectors: the direction of the mean of a text's token vectors; zeros for an empty text."""
        return unit_means(self.counter.counts(texts), self.table)

    def save(self, folder: Path) -> None:
        """Write a folder that `sentence_transformers.SentenceTransformer` loads.

        Parameters
        ----------
        folder
            there, and empty.
        """
        from safetensors.numpy import save

        own = folder / "0_StaticEmbedding"
        own.mkdir()
        (folder / "1_Normalize").mkdir()
        (own / "model.safetensors").write_bytes(save({"embedding.weight": self.table}))
        self.counter.write(own / "tokenizer.json")
        kinds = ("StaticEmbedding", "Normalize")
        modules = [
            {
                "idx": at,
                "name": str(at),
                "path": f"{at}_{kind}",
                "type": f"sentence_transformers.models.{kind}",
            }
            for at, kind in enumerate(kinds)
        ]
        for name, content in (
            ("modules.json", modules),
            ("config_sentence_transformers.json", {"similarity_fn_name": "cosine"}),
        ):
            (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def unit_means(counts: Any, table: npt.NDArray[np.float32] | FloatArray) -> npt.NDArray[np.float32]:
    """float32 [n, d] unit vectors of texts whose tokens are counted [n, vocabulary]; zeros where there is none."""
    sums = np.asarray(counts @ table, dtype=np.float64)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.divide(sums, lengths, out=np.zeros_like(sums), where=lengths > 0).astype(np.float32)
