"""Near-duplicates: copies are found, by the hash and by the check, and different films are not."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from medembed_pipeline.images.case_groups import SAME_PICTURE
from medembed_pipeline.images.likeness import BITS, crossing_pictures, detail, near_hashes, perceptual_hash
from medembed_pipeline.images.settings import CaseSplitSettings
from medembed_pipeline.samples.case_plan import CaseCorpus, drawn_cases
from medembed_pipeline.samples.phantom import draw_picture

FILMS = [np.asarray(draw_picture(case, 7)) for case in drawn_cases(CaseCorpus(patients=40))]
DISTANCE = CaseSplitSettings().picture_distance


def copies(film: np.ndarray) -> list[np.ndarray]:
    picture = Image.fromarray(film)
    found = []
    for changed in (
        picture,
        picture.resize((150, 150)),
        picture.point(lambda value: min(255, int(value * 1.1) + 6)),
    ):
        data = io.BytesIO()
        changed.save(data, "JPEG", quality=80)
        found.append(np.asarray(Image.open(data)))
    return found


def test_copies_are_near_and_different_films_are_not() -> None:
    pictures = [*FILMS, *(copy for film in FILMS[:10] for copy in copies(film))]
    original = [*range(len(FILMS)), *(row for row in range(10) for _ in range(3))]
    left, right = near_hashes([perceptual_hash(one) for one in pictures], distance=DISTANCE)
    expected = {(a, b) for b in range(len(pictures)) for a in range(b) if original[a] == original[b]}
    assert set(zip(left.tolist(), right.tolist(), strict=True)) == expected


def test_distances_are_those_of_a_plain_count() -> None:
    hashes = [perceptual_hash(film) for film in FILMS[:12]]
    bits = [np.unpackbits(np.frombuffer(one, np.uint8)) for one in hashes]
    for distance in (0.2, 0.3, 0.35):
        left, right = near_hashes(hashes, distance=distance)
        plain = [
            (a, b)
            for a in range(12)
            for b in range(a + 1, 12)
            if (bits[a] != bits[b]).sum() <= distance * BITS
        ]
        assert list(zip(left.tolist(), right.tolist(), strict=True)) == plain


def test_the_check_finds_the_same_picture_on_two_sides_alone() -> None:
    pictures = [*FILMS, FILMS[3], copies(FILMS[5])[0]]
    sides = [row % 2 for row in range(len(FILMS))] + [0, 0]
    left, right = crossing_pictures([detail(one) for one in pictures], sides, correlation=SAME_PICTURE)
    assert list(zip(left.tolist(), right.tolist(), strict=True)) == [(3, 80), (5, 81)]


def test_the_detail_is_the_correlation_of_what_stands_out() -> None:
    one, other = (np.frombuffer(detail(film), np.float32) for film in FILMS[:2])
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5) and one.mean() == pytest.approx(0, abs=1e-5)
    assert float(one @ other) == pytest.approx(np.corrcoef(one, other)[0, 1], abs=1e-5)
    assert (
        near_hashes([], distance=0.2)[0].size == 0 and crossing_pictures([], [], correlation=0.9)[0].size == 0
    )
