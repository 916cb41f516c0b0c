import itertools
import random
import re
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medembed_pipeline.notes.duplicates import (
    DuplicatesError,
    _links,
    duplicate_groups,
    jaccard_of_pairs,
    near_pairs,
    signatures,
)
from medembed_pipeline.notes.shingles import UInt32Array, hashed_words, shingle_sets
from medembed_pipeline_tests.notes.plain_shingles import plain_set

MTSAMPLES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "mtsamples.csv"
VOCABULARY = [f"word{number}" for number in range(400)]


def _text(generator: random.Random, words: int) -> str:
    return " ".join(generator.choices(VOCABULARY, k=words))


def _changed(text: str, generator: random.Random, changes: int) -> str:
    words = text.split()
    for position in generator.sample(range(len(words)), changes):
        words[position] = generator.choice(VOCABULARY)
    return " ".join(words)


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return {tuple(words[start : start + 5]) for start in range(len(words) - 4)}


def _jaccard(one: str, two: str) -> float:
    left, right = _shingles(one), _shingles(two)
    return len(left & right) / len(left | right)


def _sets(texts: list[str]) -> list[UInt32Array]:
    return [own for words in hashed_words(texts) for own in shingle_sets(words).divided()]


def _ids(count: int) -> list[str]:
    return [f"{number * 7919 % 100_003:08x}" for number in range(count)]


def _near(ids: list[str], signed: np.ndarray, *, threshold: float = 0.8) -> list[tuple[str, str]]:
    """Pairs of ids, the smaller first."""
    rows = zip(*(side.tolist() for side in near_pairs(signed, threshold=threshold)), strict=True)
    return [(min(ids[one], ids[other]), max(ids[one], ids[other])) for one, other in rows]


def test_signatures_are_those_of_datasketch() -> None:
    from datasketch import MinHash

    generator = random.Random(1)
    texts = [_text(generator, words) for words in (1, 3, 9, 30, 500)] + ["", "... !"]
    for text, signature in zip(texts, signatures(texts, permutations=64), strict=True):
        oracle = MinHash(num_perm=64, seed=1, scheme="affine32", hashfunc=int)
        # datasketch mixes the 32-bit hashes itself, so it gets them unmixed.
        oracle.update_batch(plain_set(text))
        np.testing.assert_array_equal(signature, oracle.hashvalues)


def test_the_estimate_is_unbiased_and_as_sharp_as_the_theory_says() -> None:
    generator = random.Random(2)
    pairs = [
        (text, _changed(text, generator, changes))
        for changes in (2, 5, 12, 30)
        for text in [_text(generator, 300) for _ in range(60)]
    ]
    left, right = signatures([one for one, _ in pairs]), signatures([two for _, two in pairs])
    estimated = (left == right).mean(axis=1)
    exact = np.array([_jaccard(one, two) for one, two in pairs])
    deviations = (estimated - exact) / np.sqrt(np.maximum(exact * (1 - exact), 1e-9) / 128)
    assert abs(deviations.mean()) < 0.25
    assert 0.8 < deviations.std() < 1.2


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ("No chest pain.", "no  CHEST, pain", True),
        ("No chest pain.", "No leg pain.", False),
        ("", " .. ", True),
        ("a b c d e f g h i", "a b c d e f g h i j", True),
        ("a b c d e f g h i", "a b c d e z g h i", False),
    ],
)
def test_short_notes(one: str, two: str, same: bool) -> None:
    groups = duplicate_groups(["2", "1"], signatures([one, two]), threshold=0.7)
    assert groups == (["1", "1"] if same else ["2", "1"])


def test_signatures_depend_on_the_text_alone() -> None:
    generator = random.Random(3)
    texts = [_text(generator, generator.choice([4, 12, 200, 3000])) for _ in range(60)]
    together = signatures(texts)
    np.testing.assert_array_equal(together, np.vstack([signatures([text]) for text in texts]))
    assert signatures([]).shape == (0, 128)
    assert duplicate_groups([], signatures([])) == []
    assert _near([], signatures([])) == []


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.5, 0.8, 0.95, 1.0]), st.integers(1, 60))
def test_groups_are_the_components_of_all_similar_pairs(seed: int, threshold: float, count: int) -> None:
    """Oracle: every pair compared, components by repeated merging. Buckets of over 16 copies come up too."""
    random_state = np.random.default_rng(seed)
    bases = random_state.integers(0, 2**32, (3, 128), dtype=np.uint32)
    signed = bases[random_state.integers(0, 3, count)]
    noise = random_state.random(signed.shape) < random_state.choice([0.0, 0.05, 0.12], count)[:, None]
    signed[noise] = random_state.integers(0, 2**32, noise.sum(), dtype=np.uint32)
    ids = _ids(count)
    group = {note: {note} for note in ids}
    similar = set()
    for one, two in itertools.combinations(range(count), 2):
        # Far above the threshold banding misses nothing; close to it, one pair in a thousand may be missed.
        if (signed[one] == signed[two]).mean() >= threshold:
            similar.add(tuple(sorted((ids[one], ids[two]))))
            merged = group[ids[one]] | group[ids[two]]
            for note in merged:
                group[note] = merged
    expected = [min(group[note]) for note in ids]
    assert duplicate_groups(ids, signed, threshold=threshold) == expected
    found = _near(ids, signed, threshold=threshold)
    assert len(found) == len(set(found)) and set(found) <= similar
    order = random_state.permutation(count)
    shuffled = duplicate_groups([ids[position] for position in order], signed[order], threshold=threshold)
    assert shuffled == [expected[position] for position in order]


def test_links_in_a_large_bucket_follow_chains() -> None:
    # Each note differs from the next in 10 of 128 columns more: neighbours are alike, the ends are not.
    signed = np.zeros((40, 128), dtype=np.uint32)
    for row in range(40):
        signed[row, [(10 * row + column) % 120 for column in range(10)]] = row + 1
        signed[row + 1 :, [(10 * row + column) % 120 for column in range(10)]] = row + 1
    members = np.random.default_rng(6).permutation(40)
    codes = _links(signed, members, 0.9)
    assert {(code // 40, code % 40) for code in codes.tolist()} == {(row, row + 1) for row in range(39)}


def test_datasketch_lsh_finds_the_same_groups() -> None:
    from datasketch import MinHash, MinHashLSH

    generator = random.Random(4)
    originals = [_text(generator, 200) for _ in range(80)]
    texts = originals + [_changed(text, generator, 2) for text in originals[:30]] + originals[:5]
    ids = _ids(len(texts))
    signed = signatures(texts)
    index = MinHashLSH(threshold=0.8, num_perm=128)
    sketches = [MinHash(num_perm=128, hashvalues=row, scheme="affine32") for row in signed]
    for note, sketch in zip(ids, sketches, strict=True):
        index.insert(note, sketch)
    oracle = {
        tuple(sorted((note, other)))
        for note, sketch in zip(ids, sketches, strict=True)
        for other in index.query(sketch)
        if other != note and sketch.jaccard(sketches[ids.index(other)]) >= 0.8
    }
    assert set(_near(ids, signed)) >= oracle
    assert len(oracle) >= 30
    assert len(set(duplicate_groups(ids, signed))) == 80


def test_twenty_thousand_notes_are_grouped_in_seconds() -> None:
    random_state = np.random.default_rng(5)
    signed = random_state.integers(0, 2**32, (20_000, 128), dtype=np.uint32)
    signed[10_000:15_000] = signed[0]  # five thousand copies of one note
    ids = _ids(20_000)
    start = time.process_time()
    groups = duplicate_groups(ids, signed)
    assert time.process_time() - start < 10
    assert len(set(groups)) == 15_000


def test_what_does_not_fit_is_refused() -> None:
    signed = signatures(["a", "b"])
    for threshold in (0.0, 1.01):
        with pytest.raises(DuplicatesError, match="threshold is"):
            duplicate_groups(["1", "2"], signed, threshold=threshold)
    with pytest.raises(DuplicatesError, match="1 note ids are repeated"):
        duplicate_groups(["1", "1"], signed)
    with pytest.raises(DuplicatesError, match="expected one uint32 row"):
        duplicate_groups(["1"], signed)
    with pytest.raises(DuplicatesError, match="permutations is 8"):
        signatures(["a"], permutations=8)


@pytest.mark.skipif(not MTSAMPLES.exists(), reason="the real notes are not on this machine")
def test_real_notes_agree_with_exact_jaccard() -> None:
    import pandas as pd

    texts = pd.read_csv(MTSAMPLES)["transcription"].dropna().drop_duplicates().tolist()[:500]
    texts += [text.replace("patient", "person", 1).upper() for text in texts[:40] if len(text.split()) > 200]
    ids = _ids(len(texts))
    signed = signatures(texts)
    pairs = _near(ids, signed)
    row_of = {note: row for row, note in enumerate(ids)}
    assert len(pairs) >= 20
    for left, right in pairs:
        one, other = row_of[left], row_of[right]
        estimate = float((signed[one] == signed[other]).mean())
        assert abs(_jaccard(texts[one], texts[other]) - estimate) < 0.15


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=30), min_size=2, max_size=8))
def test_exact_similarity_of_pairs(lists: list[list[str]]) -> None:
    texts = [" ".join(words) for words in lists]
    sets = _sets(texts)
    pairs = list(itertools.combinations(range(len(texts)), 2))
    left, right = (np.array(side) for side in zip(*pairs, strict=True))
    for (one, other), similarity in zip(pairs, jaccard_of_pairs(sets, left, right), strict=True):
        a, b = set(sets[one].tolist()), set(sets[other].tolist())
        assert similarity == pytest.approx(len(a & b) / len(a | b))


def test_pairs_whose_estimate_fell_short_are_found_by_their_exact_similarity() -> None:
    """Of pairs that lie just above the threshold the estimate misses many; exactly, none."""
    generator = random.Random(3)
    texts = []
    for _ in range(60):
        text = _text(generator, 300)
        texts += [text, _changed(text, generator, 6)]
    exact = {row for row in range(0, len(texts), 2) if _jaccard(texts[row], texts[row + 1]) >= 0.8}
    sets = _sets(texts)
    signed = signatures(texts)
    by_estimate = {row for row, other in zip(*near_pairs(signed), strict=True) if other == row + 1}
    found = {row for row, other in zip(*near_pairs(signed, shingles=sets), strict=True) if other == row + 1}
    assert exact - by_estimate and exact <= found and len(exact) > 20
    assert found == exact | by_estimate
