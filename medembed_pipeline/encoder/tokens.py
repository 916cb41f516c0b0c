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

    Attributes
    ----------
    token_ids
        int32 [tokens], the ids of all windows one after the other, special tokens included.
    starts
        int64 [windows + 1], where each window begins in `token_ids`.
    text_index
        int64 [windows], the text that each window belongs to, ascending.
    prompt_tokens
        tokens of the prompt that each window repeats; 0 where texts are cut, and have one window.
    left_out
        tokens at the beginning of each window that are not pooled.
    states
        float32 [tokens, hidden], what the lowest layers of an encoder make of them (`Encoder.read`); None: not known.
    vectors
        float32 [windows, d], the unit vectors that an encoder's head begins with (`Encoder.read`); None: not known.
    """

    token_ids: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    text_index: npt.NDArray[np.int64]
    prompt_tokens: int = 0
    left_out: int = 0
    states: npt.NDArray[np.float32] | None = None
    vectors: npt.NDArray[np.float32] | None = None

    @classmethod
    def of_vectors(cls, vectors: npt.NDArray[np.float32]) -> "Windows":
        """Texts of which nothing but their vectors is known, float32 [texts, d]: a window of one token each."""
        count = len(vectors)
        return cls(np.zeros(count, dtype=np.int32), np.arange(count + 1), np.arange(count), vectors=vectors)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """int64 [windows], tokens per window."""
        return np.diff(self.starts)

    @property
    def weights(self) -> npt.NDArray[np.int64]:
        """int64 [windows], tokens per window that say something of the text: what a window counts by."""
        return self.lengths - self.prompt_tokens

    def padded(
        self, chosen: npt.NDArray[np.int64], pad_id: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """The chosen windows as a rectangle: int64 ids [chosen, longest], and a mask True on real tokens."""
        mask, places = self._rectangle(chosen)
        ids = np.full(mask.shape, pad_id, dtype=np.int64)
        ids[mask] = self.token_ids[places]
        return ids, mask

    def padded_states(self, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.float32] | None:
        """float32 [chosen, longest, hidden]: the states in that rectangle, 0 where there is padding."""
        if self.states is None:
            return None
        mask, places = self._rectangle(chosen)
        states = np.zeros((*mask.shape, self.states.shape[1]), dtype=np.float32)
        states[mask] = self.states[places]
        return states

    def _rectangle(
        self, chosen: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
        """Where the rectangle has real tokens, bool [chosen, longest], and their places among all tokens."""
        lengths = self.lengths[chosen]
        columns = np.arange(lengths.max())
        mask = columns < lengths[:, None]
        return mask, (self.starts[chosen, None] + columns)[mask]

    def chosen(self, positions: npt.NDArray[np.int64]) -> "Windows":
        """Some of these windows, in the order of `positions`, each a text of its own."""
        lengths = self.lengths[positions]
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        places = np.repeat(self.starts[positions] - starts[:-1], lengths) + np.arange(starts[-1])
        return replace(
            self,
            token_ids=self.token_ids[places],
            starts=starts,
            text_index=np.arange(len(positions)),
            states=None if self.states is None else self.states[places],
            vectors=None if self.vectors is None else self.vectors[positions],
        )

    def kept(self, wanted: npt.NDArray[np.bool_]) -> "Windows":
        """Those windows that are wanted, of the same texts."""
        positions = np.flatnonzero(wanted)
        return replace(self.chosen(positions), text_index=self.text_index[positions])


def tokenize(
    tokenizer: Any,
    texts: Sequence[str],
    *,
    max_tokens: int,
    windows: bool,
    prompt: str = "",
    include_prompt: bool = True,
    chunk: int = 1024,
) -> Windows:
    """Tokenise texts once, each cut to its first `max_tokens` tokens, or into windows of that size.

    Parameters
    ----------
    tokenizer
        a fast transformers tokenizer.
    texts
        the texts; an empty one gives a window of the special tokens (and the prompt) alone.
    max_tokens
        window size in tokens, special tokens and prompt included.
    windows
        whether the rest of a longer text becomes further windows, each of which begins with the prompt.
    prompt
        put before each text, as it stands.
    include_prompt
        whether the prompt's tokens are pooled.
    chunk
        texts handed to the tokenizer at once, which bounds its memory.
    """
    frame = _frame(tokenizer, prompt) if windows and prompt else None
    pieces: list[npt.NDArray[np.int32]] = []
    lengths: list[int] = []
    owners: list[int] = []
    for first in range(0, len(texts), chunk):
        part = list(texts[first : first + chunk])
        if frame is not None:
            ids, owner = _prompted_windows(tokenizer, part, frame, max_tokens=max_tokens)
        else:
            part = [prompt + text for text in part] if prompt else part
            ids, owner = _token_lists(tokenizer, part, max_tokens=max_tokens, windows=windows)
        lengths.extend(map(len, ids))
        owners.extend(first + index for index in owner)
        pieces.append(np.fromiter((token for window in ids for token in window), dtype=np.int32))
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
    flat = np.concatenate(pieces) if pieces else np.empty(0, dtype=np.int32)
    return Windows(
        token_ids=flat,
        starts=starts,
        text_index=np.asarray(owners, dtype=np.int64),
        prompt_tokens=len(frame.prompt_ids) if frame is not None else 0,
        left_out=0 if include_prompt else prompt_length(tokenizer, prompt),
    )


def prompt_length(tokenizer: Any, prompt: str) -> int:
    """Tokens of a prompt with the special tokens before it: what sentence-transformers leaves out of the pooling.

    0 for an empty prompt. It is measured on the prompt by itself, as there: a prompt whose last blank would become one
    token with the first word of a text counts a token more.
    """
    if not prompt:
        return 0
    ids = tokenizer(prompt)["input_ids"]
    return len(ids) - (ids[-1] in tokenizer.all_special_ids)


def budget_batches(lengths: npt.NDArray[np.int64], token_budget: int) -> Iterator[npt.NDArray[np.int64]]:
    """Windows in batches of nearly equal length, longest first, each within a budget of tokens.

    A window longer than the budget is a batch of its own. Longest first, so that memory peaks at once.

    Parameters
    ----------
    lengths
        int64 [windows].
    token_budget
        tokens per batch, padding included.

    Yields
    ------
    npt.NDArray[np.int64]
        int64 positions into `lengths`; every position exactly once.
    """
    order = np.argsort(-lengths, kind="stable")
    first = 0
    while first < len(order):
        size = max(1, token_budget // max(1, int(lengths[order[first]])))
        yield order[first : first + size]
        first += size


@dataclass(frozen=True)
class _Frame:
    """What stands in each window around its part of a text: token ids, and the prompt that they begin with."""

    prompt: str
    before: list[int]
    prompt_ids: list[int]
    after: list[int]


def _frame(tokenizer: Any, prompt: str) -> _Frame:
    if not tokenizer.is_fast:
        raise _slow_tokenizer()
    # A word follows, so that the prompt becomes the tokens that it is in front of a text.
    read = tokenizer(prompt + "a", return_special_tokens_mask=True, return_offsets_mapping=True)
    ids, special = list(read["input_ids"]), list(read["special_tokens_mask"])
    first, last = special.index(0), len(special) - special[::-1].index(0)
    begin = first + _tokens_before(read["offset_mapping"][first:last], len(prompt))
    return _Frame(prompt, ids[:first], ids[first:begin], ids[last:])


def _tokens_before(offsets: list[tuple[int, int]], character: int) -> int:
    return sum(end <= character for _, end in offsets)


def _prompted_windows(
    tokenizer: Any, texts: list[str], frame: _Frame, *, max_tokens: int
) -> tuple[list[list[int]], list[int]]:
    read = tokenizer(
        [frame.prompt + text for text in texts],
        add_special_tokens=False,
        return_offsets_mapping=True,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )
    room = max_tokens - len(frame.before) - len(frame.after)
    ids: list[list[int]] = []
    owners: list[int] = []
    for owner, (tokens, offsets) in enumerate(zip(read["input_ids"], read["offset_mapping"], strict=True)):
        # The first window is as the tokenizer has it: a short text has the very tokens that it has when cut.
        begin = _tokens_before(offsets, len(frame.prompt))
        head, rest = tokens[:begin], tokens[begin:]
        while True:
            size = room - len(head)
            ids.append([*frame.before, *head, *rest[:size], *frame.after])
            owners.append(owner)
            head, rest = frame.prompt_ids, rest[size:]
            if not rest:
                break
    return ids, owners


def _slow_tokenizer() -> MedembedError:
    return MedembedError(
        "long_notes: 'windows' needs a fast tokenizer, but this model's is slow; set it to 'cut'."
    )


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
            raise _slow_tokenizer()
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
