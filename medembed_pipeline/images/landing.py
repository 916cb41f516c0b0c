"""The folder landing_images as a whole: every picture unpacked once for its content, every table read row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

import pyarrow as pa

from medembed_pipeline.images import REVISION
from medembed_pipeline.images.case_rows import CASE_ROWS_SCHEMA, PictureNames, read_case_table
from medembed_pipeline.images.likeness import detail, perceptual_hash
from medembed_pipeline.images.pixels import Limits, Picture, png_bytes, read_picture
from medembed_pipeline.images.rejections import RejectedPictureError
from medembed_pipeline.images.settings import ImagesSettings
from medembed_pipeline.lake.fields import described
from medembed_pipeline.lake.fingerprint import digest, file_sha256
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.store import KeyedStore
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.notes.landing_files import LandingFile, landing_file_opener, list_landing_files
from medembed_pipeline.threads import in_threads

FOLDER: Final = "landing_images"
TABLE_NAMES: Final = ("raw_images", "case_rows", "rejected_images")
"""What is made of it."""
PICTURES: Final = (".png", ".jpg", ".jpeg", ".dcm", ".dicom")
TABLES: Final = (".csv", ".tsv")
BLOCK_FILES: Final = 256
"""Pictures unpacked between two writes to the store: what a killed run loses at most."""

RAW_IMAGES_SCHEMA = pa.schema(
    [
        described("source_file", pa.string(), "path of the file under landing_images/; unique; the sort key"),
        described(
            "image_id",
            pa.string(),
            "32 hex of sha256 over the kept pixels: the same picture in two files has the same",
        ),
        described("format", pa.string(), "png, jpeg or dicom"),
        described("width", pa.int32(), "of the file, in pixels"),
        described("height", pa.int32(), "of the file, in pixels"),
        described("colours", pa.bool_(), "whether it has colours; most X-rays are grey"),
        described("view", pa.string(), "as a DICOM header gives it, else empty"),
        described("perceptual_hash", pa.binary(), "512 bytes by which near-duplicates are found"),
        described("detail", pa.binary(), "48 x 48 float32 by which they are found once more"),
        described(
            "picture",
            pa.binary(),
            "what is kept of it: PNG, 8 bits, its longer side at most [images] kept_side",
        ),
    ]
)
REJECTED_IMAGES_SCHEMA = pa.schema(
    [
        described("source_file", pa.string(), "path of the file under landing_images/"),
        described("source_row", pa.int64(), "record in a table, counted from 1; 0 is the file as a whole"),
        described("reason", pa.string(), "why it cannot be used, from the fixed list below"),
        described("detail", pa.string(), "what was expected and what was found, without names or text"),
    ]
)
_UNPACKED = pa.schema(
    [field for field in RAW_IMAGES_SCHEMA if field.name != "source_file"]
    + [pa.field("reason", pa.string()), pa.field("detail_of_reason", pa.string())]
)


@dataclass(frozen=True)
class LandedFile:
    """A file of the folder and the sha256 of its bytes ("" where it may not or cannot be opened)."""

    file: LandingFile
    sha256: str

    @property
    def is_table(self) -> bool:
        """Whether it joins pictures and notes, by its name."""
        return suffix_of(self.file.source_file) in TABLES


def suffix_of(name: str) -> str:
    """The ending of a name, in lower case."""
    return PurePosixPath(name).suffix.lower()


def unsupported_name(name: str) -> str:
    """Why a name is not read; empty where it is."""
    known = (*PICTURES, *TABLES)
    return "" if suffix_of(name) in known else f"the name does not end in {', '.join(known)}"


def landed_images(lake: Lake, folder: str | None = None) -> list[LandedFile]:
    """Every file of the folder with its hash, sorted by name; none where the folder is not there.

    `folder` is landing_images of the lake, or another one of the same file system.
    """
    folder = folder or lake.path(FOLDER)
    files = list_landing_files(lake.filesystem, folder, unsupported=unsupported_name)
    return [LandedFile(file, _sha256(lake, file)) for file in files]


def _sha256(lake: Lake, file: LandingFile) -> str:
    if file.rejection:
        return ""
    try:
        with landing_file_opener(lake.filesystem, file)() as opened:
            return file_sha256(opened)
    except OSError:
        return ""


def images_version(files: Sequence[LandedFile]) -> str:
    """64 hex over names and contents."""
    return digest([[item.file.source_file, item.file.rejection, item.sha256] for item in files])


def limits_of(settings: ImagesSettings) -> Limits:
    """What is refused and kept."""
    return Limits(int(settings.maximum_megapixels * 1e6), settings.minimum_side, settings.kept_side)


def unpacked_version(settings: ImagesSettings) -> str:
    """What an unpacked picture depends on, besides the bytes of its file."""
    from importlib.util import find_spec

    # Without pydicom a DICOM file is refused; once it is there, it is read.
    return digest([REVISION, vars(limits_of(settings)), find_spec("pydicom") is not None])[:16]


def write_image_tables(
    lake: Lake, files: Sequence[LandedFile], settings: ImagesSettings, recipe: Callable[[str], Recipe]
) -> int:
    """Write and publish `raw_images`, `case_rows` and `rejected_images`, a block of pictures at a time.

    Returns
    -------
    int
        How many pictures were unpacked now; the others were known.
    """
    store = KeyedStore(lake, "unpacked_images", unpacked_version(settings))
    pictures = [item for item in files if not item.is_table]
    formats: Counter[str] = Counter()
    usable: list[str] = []
    unpacked_now = 0
    with (
        lake.table_writer("raw_images", RAW_IMAGES_SCHEMA) as raw,
        lake.table_writer("case_rows", CASE_ROWS_SCHEMA) as cases,
        lake.table_writer("rejected_images", REJECTED_IMAGES_SCHEMA) as rejected,
    ):
        refusals: list[tuple[str, int, str, str]] = []
        for start in range(0, len(pictures), BLOCK_FILES):
            block = pictures[start : start + BLOCK_FILES]
            block_rows, fresh = _unpacked(lake, block, settings, store)
            unpacked_now += fresh
            kept = [row for row in block_rows if not row["reason"]]
            formats.update(row["format"] for row in kept)
            raw.write(pa.Table.from_pylist(kept, schema=RAW_IMAGES_SCHEMA))
            usable += [row["source_file"] for row in kept]
            refusals += [
                (row["source_file"], 0, row["reason"], row["detail_of_reason"])
                for row in block_rows
                if row["reason"]
            ]
        rows: list[dict[str, Any]] = []
        used: dict[str, str] = {}
        without_picture = 0
        refusals += _refused_tables(files)
        names = PictureNames(usable)
        for name, data in _table_files(lake, files):
            table = read_case_table(data, name, settings, names)
            rows += table.rows
            used |= {kind: column for kind, column in table.used.items() if kind not in used}
            without_picture += table.without_picture
            refusals += [(name, *refusal) for refusal in table.rejected]
        cases.write(pa.Table.from_pylist(rows, schema=CASE_ROWS_SCHEMA))
        columns = list(REJECTED_IMAGES_SCHEMA.names)
        rejected.write(
            pa.Table.from_pylist(
                [dict(zip(columns, refusal, strict=True)) for refusal in sorted(refusals)],
                schema=REJECTED_IMAGES_SCHEMA,
            )
        )
        reasons = Counter(reason for _, _, reason, _ in refusals)
        facts = {
            "pictures": sum(formats.values()),
            "tables": len(files) - len(pictures),
            "formats": [{"format": name, "pictures": count} for name, count in sorted(formats.items())],
        }
        by_reason = [{"reason": name, "files": count} for name, count in sorted(reasons.items())]
        read_as = [{"what": kind, "column": column} for kind, column in used.items()]
        rejected.finish(recipe("rejected_images"), {"reasons": by_reason, "pictures": len(pictures)}, None)
        case_facts = {"read_as": read_as, "rows_without_a_usable_picture": without_picture}
        cases.finish(recipe("case_rows"), case_facts, None)
        raw.finish(recipe("raw_images"), facts, None)
    return unpacked_now


def _unpacked(
    lake: Lake, block: Sequence[LandedFile], settings: ImagesSettings, store: KeyedStore
) -> tuple[list[dict[str, Any]], int]:
    """A row per file, with a reason or without, and how many were not known."""
    readable = [item for item in block if item.sha256]
    if readable:
        table, fresh = store.get_or_compute(
            [item.sha256 for item in readable],
            lambda positions: _unpack([readable[place] for place in positions], lake, settings),
            block=BLOCK_FILES,
        )
        found = dict(zip((item.file.source_file for item in readable), table.to_pylist(), strict=True))
    else:
        found, fresh = {}, 0
    rows = []
    for item in block:
        row = found.get(item.file.source_file) or {
            "reason": item.file.rejection or "unreadable_file",
            "detail_of_reason": item.file.detail,
        }
        rows.append({**row, "source_file": item.file.source_file})
    return rows, fresh


def _unpack(items: Sequence[LandedFile], lake: Lake, settings: ImagesSettings) -> pa.Table:
    # Read one after the other: what a file makes its reader warn of is caught for the whole process.
    read = (_read(item, lake, settings) for item in items)
    return pa.Table.from_pylist(list(in_threads(_unpacked_row, read)), schema=_UNPACKED)


def _read(item: LandedFile, lake: Lake, settings: ImagesSettings) -> Picture | RejectedPictureError:
    try:
        return read_picture(_bytes_of(item, lake, settings), limits_of(settings))
    except RejectedPictureError as refusal:
        return refusal


def _bytes_of(item: LandedFile, lake: Lake, settings: ImagesSettings) -> bytes:
    most = settings.maximum_file_megabytes * 1024**2
    if item.file.size > most:
        raise RejectedPictureError("file_too_large", f"over {settings.maximum_file_megabytes} MB")
    try:
        return _read_whole(lake, item.file)
    except OSError:
        raise RejectedPictureError("unreadable_file") from None


def _unpacked_row(picture: Picture | RejectedPictureError) -> dict[str, Any]:
    if isinstance(picture, RejectedPictureError):
        return {
            "image_id": "",
            "format": "",
            "width": 0,
            "height": 0,
            "colours": False,
            "view": "",
            "perceptual_hash": b"",
            "detail": b"",
            "picture": b"",
            "reason": picture.reason,
            "detail_of_reason": picture.detail,
        }
    return {
        "image_id": picture.image_id,
        "format": picture.format,
        "width": picture.width,
        "height": picture.height,
        "colours": picture.pixels.ndim == 3,
        "view": picture.view,
        "perceptual_hash": perceptual_hash(picture.pixels),
        "detail": detail(picture.pixels),
        "picture": png_bytes(picture.pixels),
        "reason": "",
        "detail_of_reason": "",
    }


def _refused_tables(files: Sequence[LandedFile]) -> list[tuple[str, int, str, str]]:
    return [
        (item.file.source_file, 0, item.file.rejection or "unreadable_file", item.file.detail)
        for item in files
        if item.is_table and not item.sha256
    ]


def _table_files(lake: Lake, files: Sequence[LandedFile]) -> Iterator[tuple[str, bytes]]:
    for item in files:
        if item.is_table and item.sha256:
            yield item.file.source_file, _read_whole(lake, item.file)


def _read_whole(lake: Lake, file: LandingFile) -> bytes:
    with landing_file_opener(lake.filesystem, file)() as opened:
        parts = []
        while part := opened.read(1 << 20):
            parts.append(part)
    return b"".join(parts)
