"""The corpus: the same everywhere, as mixed as it claims to be, and written whole or not at all."""

import csv
import hashlib
import itertools
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.notes import settings
from medembed_pipeline.samples import corpus
from medembed_pipeline.samples.corpus import ABOUT, COLUMNS, sample_rows, write_sample_corpus

DOCUMENT_TYPES = set(settings.DOCUMENT_TYPES)
# Changes whenever the words or the way they are drawn change: then pin the new one, on purpose.
FIRST_ROWS = "e9c0b786906cf755b1b89a6f2c7902adc95fcfd6e9cb12d83661e7cf187e670d"
NOTES = 3000

Notes = dict[str, set[str]]


def _hash(rows: list[dict[str, str]]) -> str:
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _first(rows: Iterator[dict[str, str]], count: int = 50) -> list[dict[str, str]]:
    return list(itertools.islice(rows, count))


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    return list(sample_rows(NOTES, 7))


@pytest.fixture(scope="module")
def notes(rows: list[dict[str, str]]) -> Notes:
    found: Notes = {}
    for row in rows:
        found.setdefault(row["transcription"], set()).add(row["medical_specialty"])
    return found


def _shingles(text: str) -> set[str]:
    words = text.lower().split()
    return {" ".join(words[place : place + 5]) for place in range(len(words) - 4)}


def _jaccard(one: str, other: str) -> float:
    left, right = _shingles(one), _shingles(other)
    return len(left & right) / len(left | right)


def test_first_rows_are_pinned() -> None:
    assert _hash(_first(sample_rows(600, 7))) == FIRST_ROWS


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_same_rows_under_another_hash_seed(hash_seed: str) -> None:
    script = (
        "import hashlib, itertools, json\n"
        "from medembed_pipeline.samples.corpus import sample_rows\n"
        "rows = list(itertools.islice(sample_rows(600, 7), 50))\n"
        "print(hashlib.sha256(json.dumps(rows).encode()).hexdigest())\n"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=root,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == FIRST_ROWS


def test_a_larger_corpus_begins_with_the_smaller_one() -> None:
    small = list(sample_rows(95, 3))
    assert _first(sample_rows(400, 3), len(small)) == small


def test_another_seed_is_another_corpus() -> None:
    one = {row["transcription"] for row in sample_rows(100, 1)}
    other = {row["transcription"] for row in sample_rows(100, 2)}
    assert not one & other


def test_number_of_notes_is_exact(notes: Notes) -> None:
    assert len(notes) == NOTES


def test_rows_are_made_one_at_a_time() -> None:
    assert next(sample_rows(10**12, 7))["about"] == ABOUT


@pytest.mark.parametrize("count", [0, -3])
def test_no_notes_is_an_error_before_anything_is_written(count: int, tmp_path: Path) -> None:
    with pytest.raises(MedembedError, match=f"at least 1.*got {count}"):
        write_sample_corpus(tmp_path / "corpus.csv", notes=count)
    assert not list(tmp_path.iterdir())


def test_twelve_specialties_each_with_notes_enough() -> None:
    counts: Counter[str] = Counter()
    seen = set()
    for row in sample_rows(600, 7):
        counts[row["medical_specialty"]] += 1
        seen.add(row["medical_specialty"])
    specialties = seen - DOCUMENT_TYPES
    assert len(specialties) >= 12
    assert min(counts[name] for name in specialties) >= 10
    assert max(counts[name] for name in specialties) < 0.25 * 600


def test_shares_of_labels(notes: Notes) -> None:
    specialties = [labels - DOCUMENT_TYPES for labels in notes.values()]
    assert {len(found) for found in specialties} == {0, 1, 2}
    assert 0.09 < sum(len(found) == 2 for found in specialties) / NOTES < 0.16
    assert 0.05 < sum(not found for found in specialties) / NOTES < 0.11
    both = sum(bool(labels & DOCUMENT_TYPES) and bool(labels - DOCUMENT_TYPES) for labels in notes.values())
    assert 0.25 < both / NOTES < 0.6
    assert set.union(*notes.values()) >= DOCUMENT_TYPES


def test_a_note_occurs_once_under_each_of_its_labels(rows: list[dict[str, str]], notes: Notes) -> None:
    assert len(rows) == sum(len(labels) for labels in notes.values())
    assert 1.3 * NOTES < len(rows) < 2 * NOTES


def test_near_duplicates_are_near_and_the_rest_is_not(notes: Notes) -> None:
    texts = list(notes)[:600]
    near = []
    for start in range(0, len(texts), 10):
        block = texts[start : start + 10]
        likeness = [_jaccard(block[-1], text) for text in block[:-1]]
        if max(likeness) > 0.5:
            near.append(max(likeness))
            assert notes[block[likeness.index(max(likeness))]] == notes[block[-1]]
    assert 0.03 < len(near) / len(texts) < 0.07
    assert min(near) > 0.8
    # All pairs, but only notes that share a rare shingle can be alike.
    owners: dict[str, list[int]] = {}
    shingles = [_shingles(text) for text in texts]
    for place, found in enumerate(shingles):
        for shingle in found:
            owners.setdefault(shingle, []).append(place)
    common: Counter[tuple[int, int]] = Counter()
    for places in owners.values():
        common.update(itertools.combinations(places, 2))
    alike = [
        pair
        for pair, count in common.items()
        if count / (len(shingles[pair[0]]) + len(shingles[pair[1]]) - count) >= 0.5
    ]
    assert len(alike) == len(near)


def test_texts_look_dictated(notes: Notes) -> None:
    texts = list(notes)
    lengths = sorted(len(text.split()) for text in texts)
    assert 110 <= lengths[NOTES // 2] <= 150
    assert 300 <= lengths[int(NOTES * 0.99)] <= 450
    assert not any(re.search(r"[{}|]", text) for text in texts)
    assert all(re.match(r"[A-Za-z ]+(:, | ?: , )", text) for text in texts)
    assert sum("SUBJECTIVE" in text for text in texts) > 0.1 * NOTES
    negated = sum(
        bool(re.search(r"denies|[Tt]here is no|has had no|[Nn]egative for", text)) for text in texts
    )
    assert negated > 0.4 * NOTES
    assert (
        sum(bool(re.search(r"\b(um|uh|er|scratch that|new line|comma)\b", text)) for text in texts)
        > 0.1 * NOTES
    )
    assert sum(bool(re.search(r"[Bb]lood pressure \d+/\d+", text)) for text in texts) > 0.3 * NOTES


def test_first_sentence_does_not_name_the_specialty(notes: Notes) -> None:
    for text, labels in notes.items():
        start = " ".join(text.split()[:12]).lower()
        assert not any(label.lower() in start for label in labels - DOCUMENT_TYPES)


def test_identifiers_are_there_and_fake(notes: Notes) -> None:
    together = "\n".join(notes)
    phones = re.findall(r"\d{3}-\d{4}", together)
    assert phones and all(phone.startswith("555-01") for phone in phones)
    assert re.search(r"MRN:? \d{8}", together) and re.search(r"\d\d/\d\d/20\d\d", together)
    assert set(re.findall(r"@([\w.]+\w)", together)) == {"example.org"}


def test_a_changed_copy_keeps_its_fake_identifiers() -> None:
    identifiers = "555-0123, MRN: 00012345, 10/21/2019, sample.person23@example.org"
    changed = {
        corpus._changed(f"Walks 12 blocks, slowly. {identifiers}.", Random(seed)) for seed in range(200)
    }
    assert len(changed) > 5
    assert all(text.endswith(f" {identifiers}.") for text in changed)


def test_keywords_begin_with_the_label(rows: list[dict[str, str]]) -> None:
    assert all(row["keywords"].startswith(row["medical_specialty"].lower() + ", ") for row in rows)


def test_file_reads_back_and_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "landing" / "sample.csv"
    write_sample_corpus(path, notes=40, seed=5)
    with path.open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert read == list(sample_rows(40, 5))
    assert tuple(read[0]) == COLUMNS and COLUMNS[0] == "about"
    assert {row["about"] for row in read} == {"synthetic sample note, not a real patient"}
    before = path.read_bytes()
    write_sample_corpus(path, notes=40, seed=5)
    assert path.read_bytes() == before
    assert [found.name for found in path.parent.iterdir()] == ["sample.csv"]


def test_a_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sample.csv"
    path.write_text("old")

    def broken(notes: int, seed: int) -> Iterator[dict[str, str]]:
        yield from _first(sample_rows(5, seed), 3)
        raise OSError("disk full")

    monkeypatch.setattr(corpus, "sample_rows", broken)
    with pytest.raises(OSError, match="disk full"):
        write_sample_corpus(path, notes=5)
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["sample.csv"]
