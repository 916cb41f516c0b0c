"""DICOM pictures: their window, and white where bones are. Needs pydicom (`pip install '.[dicom]'`).

Of the header nothing is kept but the view. What is burnt into the pixels stays in them.

Reference: DICOM PS3.3, C.7.6.3 (image pixel), C.11.1 (modality LUT), C.11.2 (VOI LUT).
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from medembed_pipeline.images.pixels import Limits, UInt8Array, refuse_size, stretched
from medembed_pipeline.images.rejections import RejectedPictureError

FloatArray = npt.NDArray[np.float64]

_VIEW = re.compile(r"[A-Z]{1,4}")


def read_dicom(data: bytes, limits: Limits) -> tuple[UInt8Array, str]:
    """Pixels, uint8 [height, width] or [height, width, 3], and the view.

    Raises
    ------
    RejectedPictureError
        pydicom is not installed, there is no picture, or more than one, or it cannot be unpacked.
    """
    try:
        import pydicom
    except ImportError:
        raise RejectedPictureError("dicom_not_installed") from None
    try:
        with _quiet():
            return _read(data, limits, pydicom)
    except RejectedPictureError:
        raise
    except Exception as error:
        # pydicom raises what it meets, at any look into the header, and its messages quote it.
        raise RejectedPictureError("corrupt_file", type(error).__name__) from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """pydicom says of unusual values what they are, as a warning and in its log: values of a header, which name
    people."""
    from pydicom import config

    logger = logging.getLogger("pydicom")
    passed_on = logger.propagate
    logger.propagate = False
    try:
        with warnings.catch_warnings(), config.disable_value_validation():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.propagate = passed_on


def _read(data: bytes, limits: Limits, pydicom: Any) -> tuple[UInt8Array, str]:
    header = pydicom.dcmread(io.BytesIO(data))
    rows, columns = int(header.get("Rows", 0) or 0), int(header.get("Columns", 0) or 0)
    frames = int(header.get("NumberOfFrames", 1) or 1)
    if not rows or not columns or "PixelData" not in header:
        raise RejectedPictureError("no_pixels")
    if frames > 1:
        raise RejectedPictureError("several_pictures", f"{frames} frames")
    refuse_size(columns, rows, limits)
    colours = str(header.get("PhotometricInterpretation", ""))
    if colours not in ("MONOCHROME1", "MONOCHROME2", "RGB", "YBR_FULL", "YBR_FULL_422"):
        raise RejectedPictureError("wrong_mode", "DICOM colours that are neither grey nor RGB")
    try:
        values = header.pixel_array
    except Exception as error:
        reason = "truncated_file" if _is_short(header) else "undecodable_pixels"
        raise RejectedPictureError(reason, type(error).__name__) from None
    view = str(header.get("ViewPosition", "") or "").strip().upper()
    view = view if _VIEW.fullmatch(view) else ""
    return _shown(values, header, colours), view


def _shown(values: npt.NDArray[Any], header: Any, colours: str) -> UInt8Array:
    if values.ndim == 3:
        return _colours(values, colours)
    grey = _windowed(values.astype(np.float64), header)
    return 255 - grey if colours == "MONOCHROME1" else grey


def _is_short(header: Any) -> bool:
    if header.file_meta.TransferSyntaxUID.is_compressed:
        return False
    bits = int(header.get("BitsAllocated", 8))
    samples = int(header.get("SamplesPerPixel", 1))
    return len(header.PixelData) < int(header.Rows) * int(header.Columns) * samples * bits // 8


def _colours(values: npt.NDArray[Any], colours: str) -> UInt8Array:
    from pydicom.pixels import convert_color_space

    if values.dtype != np.uint8:
        raise RejectedPictureError("wrong_mode", "RGB of more than 8 bits")
    return np.asarray(
        values if colours == "RGB" else convert_color_space(values, colours, "RGB"), dtype=np.uint8
    )


def _windowed(values: FloatArray, header: Any) -> UInt8Array:
    """0 to 255 over the first window of the header; over its table; over the picture's own range without either."""
    padding = header.get("PixelPaddingValue")
    outside = values == float(padding) if isinstance(padding, (int, float)) else np.zeros(values.shape, bool)
    values = values * float(header.get("RescaleSlope", 1) or 1) + float(
        header.get("RescaleIntercept", 0) or 0
    )
    center, width = _first(header.get("WindowCenter")), _first(header.get("WindowWidth"))
    if center is not None and width is not None and width > 1:
        exact = str(header.get("VOILUTFunction", "LINEAR") or "LINEAR") == "LINEAR_EXACT"
        share = (values - center) / width + 0.5 if exact else (values - (center - 0.5)) / (width - 1) + 0.5
        grey = (np.clip(share, 0.0, 1.0) * 255).round().astype(np.uint8)
    else:
        if "VOILUTSequence" in header:
            from pydicom.pixels import apply_voi_lut

            values = apply_voi_lut(values.astype(np.int64), header, prefer_lut=True).astype(np.float64)
        seen = values[~outside]
        lowest = seen.min() if seen.size else 0.0
        grey = stretched(np.where(outside, lowest, values))
    # Padding is what lies outside the picture: black in the end, also where low values are white.
    grey[outside] = 255 if header.PhotometricInterpretation == "MONOCHROME1" else 0
    return grey


def _first(value: Any) -> float | None:
    if value is None or value == "":
        return None
    return float(value[0]) if hasattr(value, "__getitem__") and not isinstance(value, str) else float(value)
