"""The texts that are encoded: real notes where they lie beside the project, else samples; and a mixed corpus."""

from __future__ import annotations

import csv
import hashlib
import json
import random
from pathlib import Path

FILE = "mtsamples.csv"
SHORTEST, LONGEST = 30, 2_000
REPEATED = 1 / 3


def different_notes(data: Path, number: int) -> list[str]:
    """So many different notes, cleaned, in an order that their content has no part in.

    Parameters
    ----------
    data
        folder with `mtsamples.csv`; without it sample notes are written.
    number
        how many; fewer where the file holds fewer.
    """
    from medembed_pipeline.notes.cleaning import clean_text

    return [
        clean_text(text) for text in dict.fromkeys(row["transcription"] for row in note_rows(data, number))
    ]


def note_rows(data: Path, number: int) -> list[dict[str, str]]:
    """All rows of so many different notes, real ones where they are there; note after note."""
    from medembed_pipeline.samples.corpus import sample_rows

    rows = list(sample_rows(number, 7))
    if has_real_notes(data):
        with (data / FILE).open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["transcription"]]

    def place(text: str) -> bytes:
        return hashlib.sha256(text.encode()).digest()

    chosen = set(sorted({row["transcription"] for row in rows}, key=place)[:number])
    kept = [row for row in rows if row["transcription"] in chosen]
    return sorted(kept, key=lambda row: place(row["transcription"]))


def has_real_notes(data: Path) -> bool:
    """Whether the real notes are there."""
    return (data / FILE).is_file()


def mixed_corpus(notes: list[str], number: int) -> list[str]:
    """Texts of 30 to 2,000 words, as many short as long ones on a logarithmic scale, a third of them repeats.

    Made of the notes' words, one note after the other, so that a long text goes on with another note.
    """
    generator = random.Random(5)
    words = [word for note in notes for word in note.split()]
    different = number - int(number * REPEATED)
    texts = []
    for place in range(different):
        share = place / max(1, different - 1)
        length = round(SHORTEST * (LONGEST / SHORTEST) ** share)
        first = generator.randrange(max(1, len(words) - length))
        texts.append(" ".join(words[first : first + length]))
    texts += [generator.choice(texts[:different]) for _ in range(number - different)]
    generator.shuffle(texts)
    return texts


def write_texts(folder: Path, texts: list[str]) -> None:
    """Keep them for both sides."""
    (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")


def read_texts(folder: Path) -> list[str]:
    """What `write_texts` kept."""
    texts: list[str] = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    return texts
