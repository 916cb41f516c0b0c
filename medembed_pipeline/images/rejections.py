"""The fixed list of reasons for which a landed picture, or a row of the table that joins them, is not used.

Every entry of `rejected_images.reason` is a key of `REJECTION_REASONS`. The table is a promise to users: add to it,
never rename.
"""

from __future__ import annotations

from typing import Final

REJECTION_REASONS: Final[dict[str, str]] = {
    # A picture.
    "empty_file": "the file holds no byte",
    "file_too_large": "the file has more bytes than the maximum",
    "unsupported_file": "the name does not end in the name of a format that is read, or it is no regular file",
    "not_a_picture": "the content is not that of a picture, whatever the name says (text, SVG, HTML, a PDF, ...)",
    "truncated_file": "the picture ends before its data does",
    "corrupt_file": "the picture's data is damaged",
    "too_many_pixels": "the picture unpacks to more pixels than the maximum; it is not unpacked",
    "too_small": "a side has fewer pixels than the minimum",
    "wrong_mode": "colours that are no grey values and no RGB, such as CMYK",
    "several_pictures": "an animation, or a DICOM file of several frames",
    "blank_picture": "every pixel has the same value",
    "no_pixels": "the DICOM file holds no picture",
    "undecodable_pixels": "the DICOM file's pixels are packed in a way that is not read",
    "dicom_not_installed": "DICOM files are read with `pip install '.[dicom]'`",
    "outside_landing_folder": "a symbolic link, or a name that leads out of the landing folder",
    "unreadable_file": "the file cannot be opened or read",
    # The table that joins pictures and notes, and its rows.
    "unsupported_encoding": "the table is neither UTF-8 nor Windows-1252",
    "no_column": "the table has neither a column of pictures nor one of notes",
    "wrong_column_count": "the row has more or fewer cells than the header",
    "ambiguous_picture": "several landed pictures have the name that the row gives",
    "no_picture_no_note": "the row names no picture that is there, and has no note",
}


class RejectedPictureError(Exception):
    """A picture that is not used; `detail` says what was found, without header, name or text."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail
