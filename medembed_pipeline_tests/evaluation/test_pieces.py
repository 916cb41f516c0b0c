"""Pieces hold whole groups."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from medembed_pipeline.evaluation.pieces import pieces


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
