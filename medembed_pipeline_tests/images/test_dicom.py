"""DICOM files, written on the spot: window, inversion, padding, and what is refused."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medembed_pipeline.images.pixels import Limits, read_picture
from medembed_pipeline.images.rejections import RejectedPictureError

pydicom = pytest.importorskip("pydicom")

LIMITS = Limits(maximum_pixels=1_000_000, minimum_side=16, kept_side=512)
VALUES = np.add.outer(np.arange(40), np.arange(50)).astype(np.uint16) * 40


def dicom(values: Any = VALUES, colours: str = "MONOCHROME2", **fields: Any) -> bytes:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    header.PatientName = "Miller^Anna"
    header.Rows, header.Columns = values.shape[:2]
    header.SamplesPerPixel = 3 if values.ndim == 3 else 1
    header.PhotometricInterpretation = colours
    header.BitsAllocated = header.BitsStored = values.dtype.itemsize * 8
    header.HighBit = header.BitsStored - 1
    header.PixelRepresentation = 0
    if values.ndim == 3:
        header.PlanarConfiguration = 0
    header.PixelData = values.tobytes()
    for name, value in fields.items():
        setattr(header, name, value)
    data = io.BytesIO()
    header.save_as(data, enforce_file_format=True)
    return data.getvalue()


def test_the_window_is_that_of_the_standard() -> None:
    shown = read_picture(dicom(WindowCenter=1500, WindowWidth=1000), LIMITS).pixels
    expected = np.clip((VALUES.astype(float) - 1499.5) / 999 + 0.5, 0, 1) * 255
    assert np.abs(shown - expected).max() <= 0.5
    pixels = pydicom.pixels
    theirs = pixels.apply_windowing(
        VALUES, pydicom.dcmread(io.BytesIO(dicom(WindowCenter=1500, WindowWidth=1000)))
    )
    theirs = (theirs - 0) / 65535 * 255
    assert np.abs(shown - theirs).max() <= 0.6


def test_several_windows_slope_and_exact_windows() -> None:
    first = read_picture(dicom(WindowCenter=[1500, 9], WindowWidth=[1000, 9]), LIMITS).pixels
    assert (first == read_picture(dicom(WindowCenter=1500, WindowWidth=1000), LIMITS).pixels).all()
    moved = dicom(WindowCenter=2000, WindowWidth=2000, RescaleSlope=2, RescaleIntercept=-1000)
    assert np.abs(read_picture(moved, LIMITS).pixels.astype(int) - first).max() <= 1
    exact = read_picture(dicom(WindowCenter=1500, WindowWidth=1000, VOILUTFunction="LINEAR_EXACT"), LIMITS)
    assert np.abs(exact.pixels - np.clip((VALUES - 1500.0) / 1000 + 0.5, 0, 1) * 255).max() <= 0.5


def test_monochrome1_is_inverted() -> None:
    white, black = (
        read_picture(dicom(colours=name), LIMITS).pixels for name in ("MONOCHROME1", "MONOCHROME2")
    )
    assert (white == 255 - black).all() and black.argmin() == 0


def test_padding_is_black_and_does_not_stretch() -> None:
    for colours in ("MONOCHROME1", "MONOCHROME2"):
        values = VALUES.copy()
        values[:5] = 60_000
        shown = read_picture(dicom(values, colours, PixelPaddingValue=60_000), LIMITS).pixels
        assert (shown[:5] == 0).all() and shown[5:].max() == 255 and shown[5:].min() == 0


def test_colours_view_and_a_name_that_does_not_end_in_dcm() -> None:
    rgb = np.dstack([VALUES // 20, VALUES // 30, VALUES // 40]).astype(np.uint8)
    found = read_picture(dicom(rgb, "RGB", ViewPosition="PA"), LIMITS)
    assert (found.pixels == rgb).all() and found.view == "PA" and found.format == "dicom"
    assert read_picture(dicom(ViewPosition="Miller"), LIMITS).view == ""


def test_values_of_a_header_reach_no_log_and_no_warning(
    caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    data = dicom(ViewPosition="Miller, Anna", PatientSex="Miller", PatientAge="Miller")
    caplog.clear()
    recwarn.clear()
    read_picture(data, LIMITS)
    assert "Miller" not in caplog.text and not [one for one in recwarn if "Miller" in str(one.message)]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (dicom(NumberOfFrames=2), "several_pictures"),
        (dicom(colours="PALETTE COLOR"), "wrong_mode"),
        (dicom(Rows=3000, Columns=3000), "too_many_pixels"),
        (dicom(PixelData=VALUES.tobytes()[:500]), "truncated_file"),
        (dicom(np.zeros((40, 50), np.uint16)), "blank_picture"),
        (dicom(Rows=0), "no_pixels"),
        (dicom(BitsAllocated=12), "undecodable_pixels"),
    ],
)
def test_what_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(RejectedPictureError) as caught:
        read_picture(data, LIMITS)
    assert caught.value.reason == reason and "Miller" not in caught.value.detail


@settings(max_examples=60, deadline=None)
@given(st.integers(132, 4000), st.binary(min_size=1, max_size=8))
def test_a_damaged_file_is_read_or_refused_and_never_anything_else(place: int, noise: bytes) -> None:
    data = bytearray(dicom(WindowCenter=1500, WindowWidth=1000))
    data[place : place + len(noise)] = noise
    with contextlib.suppress(RejectedPictureError):
        read_picture(bytes(data), LIMITS)
