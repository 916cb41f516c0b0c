"""The task that needs no label: a passage of a long note has to find the note it was taken from.

A model that puts whole specialties into one place can no longer tell the notes of one specialty apart. The passage
comes from beyond the window, so no word of it was read when the note's vector was made: what finds the note is what
the beginning of a note says about its rest.
"""

from __future__ import annotations

from collections.abc import Sequence

from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.tasks.kinds import RankingTask, TaskError

SMALLEST_GROUPS = 20
"""With fewer long notes the task says nothing, and is not measured."""


def passage_task(
    note_ids: Sequence[str],
    texts: Sequence[str],
    groups: Sequence[str],
    copies: Sequence[str],
    *,
    words: int,
    window: int | None,
    seed: int,
) -> RankingTask:
    """One passage of every note that is long enough; all notes are the corpus.

    A word has at least one token, so what stands behind `window` words stands behind `window` tokens.

    Args:
        note_ids: n ids of the held-out notes.
        texts: n texts.
        groups: the unit of sampling of each note.
        copies: what near-duplicates share: finding a copy is finding the note.
        words: length of a passage.
        window: tokens of a note that the models read; None where they read notes whole. The passage is then taken from
            anywhere in the note.
        seed: of the places, which depend on the note's id and nothing else.

    Raises:
        TaskError: notes of fewer than SMALLEST_GROUPS groups are long enough.
    """
    queries: list[str] = []
    asking: list[int] = []
    for note, text in enumerate(texts):
        found = text.split()
        first = window if window is not None else 0
        # A passage that is most of a note would find it by being it.
        if len(found) < max(first + words, 2 * words):
            continue
        places = len(found) - words - first + 1
        drawn = int(digest([seed, note_ids[note]])[:12], 16) / 16**12
        start = first + int(drawn * places)
        queries.append(" ".join(found[start : start + words]))
        asking.append(note)
    behind = len({groups[note] for note in asking})
    if behind < SMALLEST_GROUPS:
        beyond = "" if window is None else f" beyond the window of {window} tokens"
        raise TaskError(
            f"passages: {behind} independent held-out notes have {words} words{beyond}; at least "
            f"{SMALLEST_GROUPS} are needed to measure it"
        )
    members: dict[str, list[int]] = {}
    for note, copy in enumerate(copies):
        members.setdefault(copy, []).append(note)
    return RankingTask(
        name="passages",
        family="passages",
        queries=queries,
        corpus=list(texts),
        relevant=[dict.fromkeys(members[copies[note]], 1.0) for note in asking],
        query_groups=[groups[note] for note in asking],
        corpus_groups=list(groups),
    )
