"""Pieces hold whole groups, and what threads make of them comes in order."""

import time

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from medembed_pipeline.evaluation.pieces import in_threads, pieces


@given(st.lists(st.integers(1, 5), max_size=20), st.integers(1, 9))
def test_pieces_follow_one_another_and_cut_no_group(sizes: list[int], step: int) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    found = list(pieces(groups, step))
    assert [row for piece in found for row in range(piece.start, piece.stop)] == list(range(len(groups)))
    for piece in found:
        own = groups[piece]
        assert piece.start == 0 or groups[piece.start - 1] != own[0]
        # As few as fill the step: without its last group a piece is too short.
        assert (own != own[-1]).sum() < step
    assert all(piece.stop - piece.start >= step for piece in found[:-1])


def test_results_of_threads_come_in_order() -> None:
    def waited(number: int) -> int:
        time.sleep(0.02 if number % 3 == 0 else 0.0)
        return number * number

    assert list(in_threads(waited, range(12))) == [number * number for number in range(12)]
