"""Sentence triplets about everyday life, to see whether fine-tuning on notes has cost a model its general English.

Written for this project; nothing is copied from a data set. In each triplet the second sentence says the same as
the first (or is about the same subject) in other words, and the third shares its words but not its meaning: word
overlap alone points the wrong way. An encoder gets a triplet right where the first sentence lies nearer to the
second than to the third.
"""

from __future__ import annotations

from typing import NamedTuple

from medembed_pipeline.evidence.health.sentences import negation, paraphrase, topic
from medembed_pipeline.lake.fingerprint import digest


class Triplet(NamedTuple):
    """Three sentences: `anchor` is nearer in meaning to `same` than to `other`."""

    anchor: str
    same: str
    other: str


def general_triplets() -> dict[str, list[Triplet]]:
    """All triplets by the name of their set: paraphrase, topic, negation."""
    return {
        name: [Triplet(*block.splitlines()) for block in text.strip().split("\n\n")]
        for name, text in (
            ("paraphrase", paraphrase.TRIPLETS),
            ("topic", topic.TRIPLETS),
            ("negation", negation.TRIPLETS),
        )
    }


def general_pairs_version() -> str:
    """Hash of all sentences: what was scored with them is known by it."""
    return digest({name: [list(triplet) for triplet in found] for name, found in general_triplets().items()})
