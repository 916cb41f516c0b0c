"""Keeps what a table or the page replaces, by its version, in `<lake>/store/versions/`: the last few of each.

On a local disk that is a hard link made before the replacement; on an object store a copy within the store. Nothing
writes to either again. They can be removed at any time.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from medembed_pipeline.lake.signed_line import read_signed_line, split_signed
from medembed_pipeline.lake.tables import Footer, TableError

if TYPE_CHECKING:
    from medembed_pipeline.lake.lake import Lake

KEPT = ("store", "versions")
SUFFIXES = ("parquet", "html")
LONGEST_SIGNED_LINE = 1 << 20
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)


def stated_version(file: Any, suffix: str) -> str | None:
    """What a table's footer or a page's last line says of its data version, 16 characters; None where it says nothing.

    Parameters
    ----------
    file
        open for reading, in bytes.
    suffix
        parquet or html.
    """
    try:
        if suffix == "parquet":
            return Footer.from_metadata(pq.read_metadata(file).metadata, "").data_version[:16]
        file.seek(max(0, file.seek(0, os.SEEK_END) - LONGEST_SIGNED_LINE))
        return str(read_signed_line(split_signed(file.read())[1])["sha256"])[:16]
    except (TableError, pa.ArrowException, OSError, ValueError, KeyError):
        return None


def version_there(lake: Lake, file: str) -> str | None:
    """The version of what stands at `<lake>/<file>`; None where nothing does, or it does not say."""
    try:
        with lake.filesystem.open(lake.path(file), "rb") as opened:
            return stated_version(opened, file.partition(".")[2])
    except FileNotFoundError:
        return None


def keep_replaced(lake: Lake, name: str, file: str, staged: Path) -> Sequence[str] | None:
    """Keep what stands at `<lake>/<file>`, since `staged` is about to take its place; drop what is too old.

    Call while holding the lock that `name` is published under.

    Returns
    -------
    Sequence[str] | None
        The versions that are kept, the newest first; None for what is neither a table nor a page.
    """
    suffix = file.partition(".")[2]
    if suffix not in SUFFIXES:
        return None
    standing = version_there(lake, file)
    with staged.open("rb") as opened:
        coming = stated_version(opened, suffix)
    kept = [version for version in lake.kept_versions(name) if version not in (standing, coming)]
    if standing not in (None, coming):
        kept.insert(0, str(standing))
    del kept[lake.keep_tables :]
    if standing in kept:
        _keep(lake, file, *KEPT, name, f"{standing}.{suffix}")
    for found in lake.names(*KEPT, name):
        if found.partition(".")[0] not in kept:
            lake.remove(*KEPT, name, found)
    return kept


def _keep(lake: Lake, file: str, *parts: str) -> None:
    if not lake.is_local:
        lake.filesystem.cp_file(lake.path(file), lake.path(*parts))
        return
    target = Path(lake.path(*parts))
    target.parent.mkdir(parents=True, exist_ok=True)
    with lake.staging(parts[-1]) as beside:
        try:
            os.link(lake.path(file), beside)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            shutil.copy2(lake.path(file), beside)
        beside.replace(target)
