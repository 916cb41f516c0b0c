"""Which pictures are near-duplicates: by a perceptual hash, and, to prove it anew, by their pixels.

The hash is a difference hash (dHash) of 4,096 bits: whether each of 64 x 64 fields is brighter than its right
neighbour. Most bits stay when a picture is saved again, scaled or made brighter. It does not know a picture that
was turned, mirrored or cropped.

Reference: N. Krawetz, "Kind of like that" (2013), for dHash with 64 bits. Chest films all look alike: of 494 films
of 273 patients, and of drawn ones even more so, different films agree in so few of 64 or 256 bits that they cannot be
told from copies; with 4,096 bits they differ in over 21%, and copies (JPEG of quality 70, scaled, brighter) in
under 20%.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from medembed_pipeline.images.pixels import UInt8Array

BITS: Final = 4096
_SIDE: Final = 64
_DETAIL: Final = 48
_AROUND: Final = 5
_BLOCK: Final = 2048

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


def perceptual_hash(pixels: UInt8Array) -> bytes:
    """512 bytes: a bit for each field that is brighter than its right neighbour, row by row."""
    fields = _shrunk(pixels, _SIDE + 1, _SIDE)
    return np.packbits(fields[:, :-1] > fields[:, 1:]).tobytes()


def detail(pixels: UInt8Array) -> bytes:
    """48 x 48 float32, row by row: what is brighter or darker than its surroundings, of mean 0 and length 1."""
    fields = _shrunk(pixels, _DETAIL + _AROUND - 1, _DETAIL + _AROUND - 1)
    windows = np.lib.stride_tricks.sliding_window_view(fields, (_AROUND, _AROUND))
    inner = _AROUND // 2
    apart = fields[inner:-inner, inner:-inner] - windows.mean(axis=(2, 3))
    apart = apart - apart.mean()
    length = float(np.linalg.norm(apart))
    return (apart / length if length > 0 else apart).astype(np.float32).tobytes()


def _shrunk(pixels: UInt8Array, width: int, height: int) -> FloatArray:
    from PIL import Image

    picture = Image.fromarray(pixels).convert("L")
    grey = Image.fromarray(np.asarray(picture, dtype=np.float32))
    return np.asarray(grey.resize((width, height), Image.Resampling.BOX), dtype=np.float32)


def near_hashes(hashes: list[bytes], *, distance: float) -> tuple[IntArray, IntArray]:
    """Positions `left < right` of all pairs of hashes that differ in at most this share of their bits, sorted."""
    if not hashes:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    bits = np.unpackbits(np.frombuffer(b"".join(hashes), dtype=np.uint8).reshape(len(hashes), -1), axis=1)
    signs = bits.astype(np.float32) * 2 - 1
    # Equal bits less different ones: exact in float32, since it is a whole number below 2**24.
    return _pairs(signs, signs, BITS * (1 - 2 * distance) - 0.5, same=True)


def crossing_pictures(
    details: list[bytes], sides: list[int], *, correlation: float
) -> tuple[IntArray, IntArray]:
    """Positions `left < right` of pictures of different sides whose details correlate by at least `correlation`.

    Parameters
    ----------
    details
        n, of `detail`.
    sides
        n numbers, such as those of the splits.
    correlation
        Pearson's, above 0, at most 1.
    """
    if not details:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    rows = np.frombuffer(b"".join(details), dtype=np.float32).reshape(len(details), -1)
    of_side = np.asarray(sides)
    found = []
    for side in np.unique(of_side).tolist():
        here, there = np.flatnonzero(of_side == side), np.flatnonzero(of_side > side)
        left, right = _pairs(rows[here], rows[there], correlation, same=False)
        found.append(np.stack([here[left], there[right]]))
    pairs = np.sort(np.concatenate(found, axis=1), axis=0)
    pairs = pairs[:, np.lexsort((pairs[1], pairs[0]))]
    return pairs[0], pairs[1]


def _pairs(one: FloatArray, other: FloatArray, least: float, *, same: bool) -> tuple[IntArray, IntArray]:
    lefts: list[IntArray] = [np.empty(0, dtype=np.int64)]
    rights: list[IntArray] = [np.empty(0, dtype=np.int64)]
    for start in range(0, len(one), _BLOCK):
        begin = start if same else 0
        products = one[start : start + _BLOCK] @ other[begin:].T
        left, right = np.nonzero(products >= least)
        left, right = left + start, right + begin
        keep = left < right if same else np.ones(len(left), dtype=np.bool_)
        lefts.append(left[keep].astype(np.int64))
        rights.append(right[keep].astype(np.int64))
    return np.concatenate(lefts), np.concatenate(rights)
