"""A passage of a held-out note has to find its note, of which the model has read another part.

Needs no label, so it works on anybody's notes. The passage comes from beyond the encoder's window: note and passage
share no word that the model has seen in both, only what they are about. Where notes are read whole, in windows, nothing
lies beyond: the passage is then taken from anywhere, and the question is whether a part is known in the whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from medembed_pipeline.evaluation.jackknife import group_numbers
from medembed_pipeline.tasks.task import NotAsked, RankingTask

NAME = "passages"
SMALLEST_GROUPS = 20
"""Fewer independent long notes say nothing of a model: then the passages are not asked."""


def passage_task(
    note_ids: Sequence[str],
    texts: Sequence[str],
    groups: Sequence[str],
    *,
    window: int,
    words: int,
    per_note: int,
    notes_at_most: int,
    seed: int,
    reads_all: bool = False,
    background: Sequence[str] = (),
    groups_at_least: int = 1,
) -> RankingTask | NotAsked:
    """Passages of held-out notes as queries, all held-out notes as candidates.

    A word is at least one token: what comes after the first `window` words lies beyond a window of so many tokens,
    whatever the tokenizer, so none is asked. The rest of a note is cut into as many equal parts as passages are
    wanted, and each gives one, at a place that the seed and the note's id decide: a passage stays the same whatever
    other notes there are.

    Notes of the query's group other than its own are neither right nor wrong: a near-duplicate is as good an answer,
    another note of the same patient is not. They are left out of the query's ranking.

    Parameters
    ----------
    note_ids, texts, groups
        n held-out notes.
    window
        tokens that the encoder reads of a note; 0 where it reads notes whole.
    words
        in a passage.
    per_note
        passages of one note, fewer where it is too short for as many that do not overlap.
    notes_at_most
        notes that are asked about; with more, a sample by seed and note id.
    seed
        of places and sample.
    reads_all
        whether the encoder reads long notes in several windows; then word matching reads all of them, too.
    background
        see `RankingTask`.
    groups_at_least
        with passages from notes of fewer groups there is nothing to ask.
    """
    cut = [text.split() for text in texts]
    # A passage that is most of a note would find it by being it.
    shortest = max(window, words) + words
    long_enough = [row for row, found in enumerate(cut) if len(found) >= shortest]
    behind = len({groups[row] for row in long_enough})
    if behind < max(groups_at_least, 1):
        return NotAsked(
            NAME,
            "passages",
            f"{_counted(behind)} of {len(texts)} held-out notes {'have' if behind > 1 else 'has'} the {shortest} "
            f"words that a passage {'from beyond the window ' if window else ''}takes",
            failed=False,
        )
    asked = sorted(long_enough, key=lambda row: _draw(seed, note_ids[row], "note"))[:notes_at_most]
    queries, own = [], []
    for row in sorted(asked, key=lambda row: note_ids[row]):
        rest = cut[row][window:]
        count = min(per_note, len(rest) // words)
        for part in range(count):
            first, last = part * len(rest) // count, (part + 1) * len(rest) // count - words
            start = first + int(_draw(seed, note_ids[row], str(part)) * (last - first + 1))
            queries.append(" ".join(rest[start : start + words]))
            own.append(row)
    numbers = group_numbers(groups)
    answers = np.array(own, dtype=np.int64)
    return RankingTask(
        NAME,
        "passages",
        ("mrr", None),
        queries,
        texts,
        query=np.arange(len(queries)),
        candidate=answers,
        gain=np.ones(len(queries)),
        query_groups=numbers[answers],
        candidate_groups=numbers,
        others_of_group_count=False,
        read={} if reads_all else {text: " ".join(text.split()[:window]) for text in texts},
        background=background,
        left_out=len(texts) - len(long_enough),
    )


def _counted(groups: int) -> str:
    return f"only {groups} independent one{'s' * (groups > 1)}" if groups else "none"


def _draw(seed: int, note_id: str, what: str) -> float:
    """A number from 0 to below 1 that only its arguments decide."""
    drawn = hashlib.sha256(f"{seed}:{note_id}:{what}".encode()).digest()
    # 53 bits: more would round up to 1 in a float.
    return (int.from_bytes(drawn[:8], "big") >> 11) / 2**53
