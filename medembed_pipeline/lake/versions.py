"""The last versions of a table or of the page: which there are, and one of them put back."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.keeping import KEPT, SUFFIXES, version_there
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.signed_line import read_signed_line, split_signed
from medembed_pipeline.lake.tables import LakeTable, TableError
from medembed_pipeline.lake.verification import altered


class VersionError(MedembedError):
    """A version can't be put back."""


@dataclass(frozen=True)
class Version:
    """A version of a table or of the page.

    Attributes
    ----------
    version
        the first 16 characters of its data version.
    written_at
        when, in UTC, to the minute.
    stands
        whether it is the one that is read now.
    """

    version: str
    written_at: str
    stands: bool


def versions_of(lake: Lake, name: str) -> list[Version]:
    """The version that stands, then those kept of before, the newest first; empty where nothing was ever made."""
    suffix = _suffix(lake, name)
    if suffix is None:
        return []
    standing = version_there(lake, f"{name}.{suffix}")
    found = [] if standing is None else [_version(lake, standing, True, f"{name}.{suffix}")]
    for version in lake.kept_versions(name):
        parts = (*KEPT, name, f"{version}.{suffix}")
        if version != standing and lake.exists(*parts):
            found.append(_version(lake, version, False, *parts))
    return found


def _suffix(lake: Lake, name: str) -> str | None:
    kept = lake.names(*KEPT, name)
    return next(
        (
            one
            for one in SUFFIXES
            if lake.exists(f"{name}.{one}") or any(file.endswith(f".{one}") for file in kept)
        ),
        None,
    )


def _version(lake: Lake, version: str, stands: bool, *parts: str) -> Version:
    return Version(
        version, time.strftime("%Y-%m-%d %H:%M", time.gmtime(lake.modified(*parts))), stands=stands
    )


def put_back(lake: Lake, name: str, version: str) -> None:
    """Publish a kept version again, in the order of begun work: what began before is refused, what begins later is not.

    Raises
    ------
    VersionError
        it is not kept, or is not what was written.
    """
    suffix = _suffix(lake, name)
    parts = (*KEPT, name, f"{version}.{suffix}")
    if suffix is None or not lake.exists(*parts):
        raise VersionError(f"no version {version} of {name} is kept; nothing was changed.")
    lake.begin_work(name)
    with lake.staged_file(f"{name}.{suffix}") as staged:
        lake.filesystem.get_file(lake.path(*parts), str(staged))
        if not _is_whole(name, staged, suffix):
            raise VersionError(
                f"{lake.path(*parts)} is not what was written; nothing was changed. Remove it, and choose another one."
            )


def _is_whole(name: str, path: Path, suffix: str) -> bool:
    if suffix == "parquet":
        with path.open("rb") as file:
            try:
                return not altered(LakeTable(name, str(path), file))
            except (TableError, pa.ArrowException, OSError):
                return False
    body, line = split_signed(path.read_bytes())
    try:
        return bool(read_signed_line(line)["sha256"] == hashlib.sha256(body).hexdigest())
    except (ValueError, KeyError):
        return False
