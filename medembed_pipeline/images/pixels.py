"""From the bytes of a landed picture to 8-bit pixels that every encoder sees the same."""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from medembed_pipeline.images.rejections import RejectedPictureError

UInt8Array = npt.NDArray[np.uint8]
Format = Literal["png", "jpeg", "dicom"]

_SIGNATURES: Final[tuple[tuple[bytes, Format], ...]] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
)
_ENDS: Final[dict[Format, bytes]] = {"png": b"IEND", "jpeg": b"\xff\xd9"}
_GREY_MODES: Final = ("L", "LA", "1", "I", "I;16", "I;16B", "I;16L")
_COLOUR_MODES: Final = ("RGB", "RGBA", "P", "PA")
_COMPRESSION: Final = 6


@dataclass(frozen=True)
class Limits:
    """What is refused, and what is kept of the rest (see the settings of the same names)."""

    maximum_pixels: int
    minimum_side: int
    kept_side: int


@dataclass(frozen=True)
class Picture:
    """A picture as it is kept.

    Attributes
    ----------
    pixels
        uint8 [height, width] for grey, [height, width, 3] for RGB; the longer side at most `kept_side`.
    format
        of the file.
    width, height
        of the file, in pixels.
    view
        as a DICOM header gives it; empty where it doesn't.
    """

    pixels: UInt8Array
    format: Format
    width: int
    height: int
    view: str = ""

    @property
    def image_id(self) -> str:
        """32 hex of sha256 over shape and pixels: the same picture in another file has the same."""
        head = f"{'x'.join(map(str, self.pixels.shape))}:".encode()
        return hashlib.sha256(head + np.ascontiguousarray(self.pixels).tobytes()).hexdigest()[:32]


def read_picture(data: bytes, limits: Limits) -> Picture:
    """The picture in a file's bytes, told by its content and not by its name.

    Grey values of more than 8 bits are spread over the range that the picture uses; a DICOM picture over its window.
    Whatever is transparent is black; what a camera noted of its orientation is obeyed; RGB that is grey becomes grey.

    Raises
    ------
    RejectedPictureError
        with the reason.
    """
    if not data:
        raise RejectedPictureError("empty_file")
    if data[128:132] == b"DICM":
        from medembed_pipeline.images.dicom import read_dicom

        values, view = read_dicom(data, limits)
        return _kept(values, "dicom", limits, view)
    for signature, format_ in _SIGNATURES:
        if data.startswith(signature):
            return _kept(_read_pillow(data, format_, limits), format_, limits)
    raise RejectedPictureError("not_a_picture", _looks_like(data))


def _read_pillow(data: bytes, format_: Format, limits: Limits) -> UInt8Array:
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            opened: Any = Image.open(io.BytesIO(data), formats=[format_.upper()])
        width, height = opened.size
        refuse_size(width, height, limits)
        if getattr(opened, "n_frames", 1) > 1:
            raise RejectedPictureError("several_pictures", f"{opened.n_frames} frames")
        if opened.mode not in (*_GREY_MODES, *_COLOUR_MODES):
            raise RejectedPictureError("wrong_mode", f"colours as {opened.mode}")
        opened.load()
        opened = ImageOps.exif_transpose(opened)
        return _eight_bits(opened)
    except RejectedPictureError:
        raise
    except Image.DecompressionBombError:
        raise RejectedPictureError("too_many_pixels") from None
    except Exception:
        # Pillow raises what its parts raise (OSError, SyntaxError, ValueError, struct.error), and may quote the file.
        if _ENDS[format_] not in data[-64:]:
            raise RejectedPictureError("truncated_file", "the mark at its end is missing") from None
        raise RejectedPictureError(
            "corrupt_file", f"a {format_.upper()} file that cannot be unpacked"
        ) from None


def _eight_bits(opened: Any) -> UInt8Array:
    from PIL import Image

    if opened.mode.startswith("I"):
        return stretched(np.asarray(opened).astype(np.float64))
    if opened.mode == "1":
        opened = opened.convert("L")
    if opened.mode in ("LA", "PA", "RGBA") or (opened.mode == "P" and "transparency" in opened.info):
        opened = opened.convert("RGBA")
        black = Image.new("RGBA", opened.size, (0, 0, 0, 255))
        opened = Image.alpha_composite(black, opened).convert("RGB")
    elif opened.mode == "P":
        opened = opened.convert("RGB")
    return np.asarray(opened, dtype=np.uint8)


def stretched(values: npt.NDArray[np.float64]) -> UInt8Array:
    """Values spread over 0 to 255, from their lowest to their highest; 0 where all are equal."""
    lowest, highest = float(values.min()), float(values.max())
    if highest <= lowest:
        return np.zeros(values.shape, dtype=np.uint8)
    return ((values - lowest) / (highest - lowest) * 255).round().astype(np.uint8)


def refuse_size(width: int, height: int, limits: Limits) -> None:
    """Raises RejectedPictureError for a picture that would unpack to too much, or is too small to show anything."""
    if width * height > limits.maximum_pixels:
        raise RejectedPictureError("too_many_pixels", f"{width} x {height}, at most {limits.maximum_pixels}")
    if min(width, height) < limits.minimum_side:
        raise RejectedPictureError(
            "too_small", f"{width} x {height}, at least {limits.minimum_side} to each side"
        )


def _kept(values: UInt8Array, format_: Format, limits: Limits, view: str = "") -> Picture:
    from PIL import Image

    height, width = values.shape[:2]
    if values.min() == values.max():
        raise RejectedPictureError("blank_picture")
    if (
        values.ndim == 3
        and (values[..., 0] == values[..., 1]).all()
        and (values[..., 1] == values[..., 2]).all()
    ):
        values = np.ascontiguousarray(values[..., 0])
    longest = max(width, height)
    if longest > limits.kept_side:
        scale = limits.kept_side / longest
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        values = np.asarray(Image.fromarray(values).resize(size, Image.Resampling.LANCZOS))
    return Picture(values, format_, width, height, view)


def png_bytes(pixels: UInt8Array) -> bytes:
    """Pixels as PNG."""
    from PIL import Image

    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, format="PNG", compress_level=_COMPRESSION)
    return packed.getvalue()


def pixels_of(png: bytes) -> UInt8Array:
    """The pixels of a picture that `png_bytes` packed."""
    from PIL import Image

    with Image.open(io.BytesIO(png), formats=["PNG"]) as opened:
        return np.asarray(opened, dtype=np.uint8)


def _looks_like(data: bytes) -> str:
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for start, name in (
        (b"%pdf", "PDF"),
        (b"gif8", "GIF"),
        (b"bm", "BMP"),
        (b"ii*\x00", "TIFF"),
        (b"mm\x00*", "TIFF"),
        (b"pk\x03\x04", "a ZIP archive"),
        (b"riff", "WebP or another RIFF file"),
        (b"<!doctype html", "HTML"),
        (b"<html", "HTML"),
    ):
        if head.startswith(start):
            return f"looks like {name}"
    if b"<svg" in head:
        return "looks like SVG"
    return "looks like text" if b"\x00" not in data[:512] else "an unknown kind of file"
