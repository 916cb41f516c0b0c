"""What is read of a landed picture, and what is refused with which reason."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from medembed_pipeline.images.pixels import Limits, pixels_of, png_bytes, read_picture
from medembed_pipeline.images.rejections import REJECTION_REASONS, RejectedPictureError

LIMITS = Limits(maximum_pixels=1_000_000, minimum_side=16, kept_side=64)
GREY = (np.add.outer(np.arange(48), np.arange(60)) * 2).astype(np.uint8)

NOISE = np.random.default_rng(0).integers(0, 255, (48, 60), dtype=np.uint8)


def saved(array: Any, kind: str = "PNG", mode: str | None = None, **options: Any) -> bytes:
    picture = Image.fromarray(array)
    data = io.BytesIO()
    (picture.convert(mode) if mode else picture).save(data, format=kind, **options)
    return data.getvalue()


def refused(data: bytes) -> str:
    with pytest.raises(RejectedPictureError) as caught:
        read_picture(data, LIMITS)
    assert caught.value.reason in REJECTION_REASONS
    return caught.value.reason


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header says that it unpacks to very much."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"0" * 99))
        + chunk(b"IEND", b"")
    )


def test_the_same_pixels_have_the_same_id_in_any_file() -> None:
    one = read_picture(saved(GREY), LIMITS)
    assert (one.pixels == GREY).all() and (one.format, one.width, one.height) == ("png", 60, 48)
    for data in (
        saved(GREY, compress_level=0),
        saved(GREY, mode="RGB"),
        saved(GREY, mode="RGBA"),
        saved(GREY, mode="LA"),
    ):
        other = read_picture(data, LIMITS)
        assert other.image_id == one.image_id and other.pixels.ndim == 2
    assert read_picture(saved(GREY.T.copy()), LIMITS).image_id != one.image_id
    assert read_picture(saved(GREY, "JPEG"), LIMITS).format == "jpeg"


def test_colours_deep_grey_palettes_and_orientation() -> None:
    colours = np.dstack([GREY, GREY // 2, 255 - GREY])
    assert (read_picture(saved(colours), LIMITS).pixels == colours).all()
    deep = read_picture(saved(GREY.astype(np.uint16) * 200 + 7), LIMITS).pixels
    assert deep.min() == 0 and deep.max() == 255 and np.corrcoef(deep.ravel(), GREY.ravel())[0, 1] > 0.999
    assert read_picture(saved(GREY, mode="P"), LIMITS).pixels.shape == GREY.shape
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    assert read_picture(saved(GREY, "JPEG", exif=exif), LIMITS).pixels.shape == GREY.T.shape


def test_what_is_kept_is_scaled_and_unpacks_to_itself() -> None:
    large = read_picture(saved(np.kron(GREY, np.ones((3, 3), np.uint8))), LIMITS)
    assert (large.width, large.height) == (180, 144) and large.pixels.shape == (51, 64)
    assert (pixels_of(png_bytes(large.pixels)) == large.pixels).all()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty_file"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "not_a_picture"),
        (b"Chest film of Mr. Miller, named .png by mistake", "not_a_picture"),
        (b"%PDF-1.7 ...", "not_a_picture"),
        (saved(NOISE)[:900], "truncated_file"),
        (saved(NOISE, "JPEG")[:900], "truncated_file"),
        (saved(NOISE)[:60] + b"\x00" * 40 + saved(NOISE)[100:], "corrupt_file"),
        (bomb(60_000, 60_000), "too_many_pixels"),
        (bomb(2_000, 2_000), "too_many_pixels"),
        (saved(GREY[:10]), "too_small"),
        (saved(np.full((48, 60), 9, np.uint8)), "blank_picture"),
        (saved(GREY, "JPEG", mode="CMYK"), "wrong_mode"),
        (
            saved(GREY, "PNG", save_all=True, append_images=[Image.fromarray(GREY[::-1].copy())]),
            "several_pictures",
        ),
        (saved(GREY, "GIF"), "not_a_picture"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    assert refused(data) == reason


def test_no_detail_quotes_the_file() -> None:
    for data in (b"Miller, Anna " * 9, b"<svg>Miller</svg>", saved(NOISE)[:200]):
        with pytest.raises(RejectedPictureError) as caught:
            read_picture(data, LIMITS)
        assert "Miller" not in caught.value.detail


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(["PNG", "JPEG"]), st.integers(3, 3000), st.binary(max_size=12), st.booleans())
def test_a_damaged_file_is_read_or_refused_and_never_anything_else(
    kind: str, place: int, noise: bytes, cut: bool
) -> None:
    data = bytearray(saved(NOISE, kind))
    data[place : place + len(noise)] = noise
    with contextlib.suppress(RejectedPictureError):
        read_picture(bytes(data[:place] if cut else data), LIMITS)
