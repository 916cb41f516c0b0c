"""Puts what is staged in place on a local disk: in one step, and flushed, so that a power cut cannot undo it."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def place_file(staged: Path, target: Path) -> None:
    """Put a file in place, or in place of the one there."""
    sync(staged)
    target.parent.mkdir(parents=True, exist_ok=True)
    staged.replace(target)
    sync(target.parent)


def place_folder(staged: Path, target: Path) -> None:
    """Put a folder in place; one of that name that is there already stands."""
    for file in staged.rglob("*"):
        sync(file)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        staged.rename(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    sync(target.parent)


def place_link(staged: Path, leads_to: str, target: Path) -> bool:
    """Put a symbolic link in place, or in place of the one there.

    Parameters
    ----------
    staged
        where it is made first.
    leads_to
        relative to the folder that it lies in.
    target
        the link's place.

    Returns
    -------
    bool
        False where the file system has no symbolic links: nothing is written then.
    """
    try:
        staged.symlink_to(leads_to)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    staged.replace(target)
    sync(target.parent)
    return True


def sync(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)
