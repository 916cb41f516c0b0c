"""What `maps/umap_layout.py` says, word for word, in float64 and without numba."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix


def plain_places(
    graphs: Sequence[csr_matrix],
    starts: Sequence[np.ndarray],
    *,
    hold: np.ndarray,
    curve: tuple[float, float],
    seed: int,
    steps: int,
) -> np.ndarray:
    """The places of all maps, [maps * n, dimensions]; see `place_together`."""
    a, b = curve
    count, maps = len(hold), len(graphs)
    edges = []
    for number, graph in enumerate(graphs):
        listed = graph.tocoo()
        often = listed.data >= listed.data.max() / steps
        pace = (listed.data.max() / listed.data[often]).astype(np.float32)
        pairs = zip(listed.row[often].tolist(), listed.col[often].tolist(), pace.tolist(), strict=True)
        first = number * count
        edges += [
            (turn, number, first + row, first + col, wait) for turn, (row, col, wait) in enumerate(pairs)
        ]
    edges.sort()
    places = np.vstack([start.astype(np.float64) for start in starts])
    random = np.random.default_rng(seed).integers(2**63, size=maps * count, dtype=np.uint64)
    states, held = [int(one) for one in random], np.tile(hold, maps)
    due = [wait for *_, wait in edges]
    for step in range(steps):
        rate = 1 - step / steps
        for place, (_, number, note, other, wait) in enumerate(edges):
            if due[place] > step:
                continue
            due[place] += wait
            apart = places[note] - places[other]
            square = float(apart @ apart)
            if square > 0:
                force = -2 * a * b * square ** (b - 1) / (a * square**b + 1)
                moved = np.clip(force * apart, -4, 4) * rate
                places[note] += moved
                places[other] -= moved
            places[other] += held[other] * rate * (places[(other + count) % len(places)] - places[other])
            pushed = np.zeros(places.shape[1])
            for _ in range(5):
                states[note] = (states[note] * 6364136223846793005 + 1442695040888963407) % 2**64
                chosen = number * count + (((states[note] >> 32) * count) >> 32)
                apart = places[note] - places[chosen]
                square = float(apart @ apart)
                if chosen != note and square > 0:
                    force = 2 * b / ((0.001 + square) * (a * square**b + 1))
                    pushed += np.clip(force * apart, -4, 4) * rate
            places[note] += pushed
            for _ in range(6):
                drawn = held[note] * rate
                places[note] += drawn * (places[(note + count) % len(places)] - places[note])
    return places
