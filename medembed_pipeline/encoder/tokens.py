"""Texts to token ids, and token ids to batches of nearly equal length."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from medembed_pipeline.errors import MedembedError

# The tokenizer reads a whole text before it cuts it, so long notes are cut to this many characters a token
# first, and read whole in the rare case that this gives too few tokens. English notes have about 4.5.
_CHARACTERS_PER_TOKEN = 10


@dataclass(frozen=True)
class Windows:
    """The tokenised windows of some texts, flat.

    Attributes:
        token_ids: int32 [tokens], the ids of all windows one after the other, special tokens included.
        starts: int64 [windows + 1], where each window begins in `token_ids`.
        text_index: int64 [windows], the text that each window belongs to, ascending.
    """

    token_ids: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    text_index: npt.NDArray[np.int64]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """int64 [windows], tokens per window."""
        return np.diff(self.starts)

    def padded(
        self, chosen: npt.NDArray[np.int64], pad_id: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """The chosen windows as a rectangle: int64 ids [chosen, longest], and a mask True on real tokens."""
        lengths = self.lengths[chosen]
        columns = np.arange(lengths.max())
        mask = columns < lengths[:, None]
        ids = np.full(mask.shape, pad_id, dtype=np.int64)
        ids[mask] = self.token_ids[(self.starts[chosen, None] + columns)[mask]]
        return ids, mask

    def chosen(self, positions: npt.NDArray[np.int64]) -> "Windows":
        """Some of these windows, in the order of `positions`, each a text of its own."""
        lengths = self.lengths[positions]
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        places = np.repeat(self.starts[positions] - starts[:-1], lengths) + np.arange(starts[-1])
        return Windows(self.token_ids[places], starts, np.arange(len(positions)))

    def kept(self, wanted: npt.NDArray[np.bool_]) -> "Windows":
        """Those windows that are wanted, of the same texts."""
        positions = np.flatnonzero(wanted)
        return replace(self.chosen(positions), text_index=self.text_index[positions])


def joined(parts: Sequence[Windows]) -> Windows:
    """The windows of all parts, one part after the other."""
    lengths = np.concatenate([part.lengths for part in parts])
    firsts = np.cumsum([0, *(len(part.lengths) for part in parts[:-1])])
    return Windows(
        np.concatenate([part.token_ids for part in parts]),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.concatenate([part.text_index + first for part, first in zip(parts, firsts, strict=True)]),
    )


def tokenize(
    tokenizer: Any, texts: Sequence[str], *, max_tokens: int, windows: bool, chunk: int = 1024
) -> Windows:
    """Tokenise texts once, each cut to its first `max_tokens` tokens, or into windows of that size.

    Args:
        tokenizer: a fast transformers tokenizer.
        texts: the texts; an empty one gives a window of the special tokens alone.
        max_tokens: window size in tokens, special tokens included.
        windows: whether the rest of a longer text becomes further windows.
        chunk: texts handed to the tokenizer at once, which bounds its memory.
    """
    pieces: list[npt.NDArray[np.int32]] = []
    lengths: list[int] = []
    owners: list[int] = []
    for first in range(0, len(texts), chunk):
        part = list(texts[first : first + chunk])
        ids, owner = _token_lists(tokenizer, part, max_tokens=max_tokens, windows=windows)
        lengths.extend(map(len, ids))
        owners.extend(first + index for index in owner)
        pieces.append(np.fromiter((token for window in ids for token in window), dtype=np.int32))
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
    flat = np.concatenate(pieces) if pieces else np.empty(0, dtype=np.int32)
    return Windows(token_ids=flat, starts=starts, text_index=np.asarray(owners, dtype=np.int64))


def budget_batches(lengths: npt.NDArray[np.int64], token_budget: int) -> Iterator[npt.NDArray[np.int64]]:
    """Windows in batches of nearly equal length, longest first, each within a budget of tokens.

    A window longer than the budget is a batch of its own. Longest first, so that memory peaks at once.

    Args:
        lengths: int64 [windows].
        token_budget: tokens per batch, padding included.

    Yields:
        int64 positions into `lengths`; every position exactly once.
    """
    order = np.argsort(-lengths, kind="stable")
    first = 0
    while first < len(order):
        size = max(1, token_budget // max(1, int(lengths[order[first]])))
        yield order[first : first + size]
        first += size


def _token_lists(
    tokenizer: Any, texts: list[str], *, max_tokens: int, windows: bool
) -> tuple[list[list[int]], list[int]]:
    def read(some: list[str]) -> Any:
        return tokenizer(
            some,
            truncation=True,
            max_length=max_tokens,
            return_overflowing_tokens=windows,
            return_attention_mask=False,
            return_token_type_ids=False,
        )

    if windows:
        encoded = read(texts)
        if "overflow_to_sample_mapping" not in encoded:
            raise MedembedError(
                "long_notes: 'windows' needs a fast tokenizer, but this model's is slow; set it to 'cut'."
            )
        return list(encoded["input_ids"]), list(encoded["overflow_to_sample_mapping"])
    limit = max_tokens * _CHARACTERS_PER_TOKEN
    # Cut at a space: a word cut in two would end in other tokens. A window that is then not full may have
    # lost tokens to the cut, so such a text is read again whole.
    heads = [text if len(text) <= limit else text[:limit].rpartition(" ")[0] or text for text in texts]
    ids = list(read(heads)["input_ids"])
    short = [i for i, text in enumerate(texts) if len(heads[i]) < len(text) and len(ids[i]) < max_tokens]
    if short:
        for i, whole in zip(short, read([texts[i] for i in short])["input_ids"], strict=True):
            ids[i] = whole
    return ids, list(range(len(texts)))
