"""The released checkpoint: one atomic pointer, moved by a verdict of `deploy`, or put back by a person.

On a local lake it is the symbolic link `checkpoints/released` to the version beside it, so that
`SentenceTransformer("data_lake/checkpoints/released")` works; it is replaced by a rename, so that a reader, and a
process killed at any moment, finds the old or the new one. The link is relative: the lake can be moved or mounted
elsewhere. An object store has no links, nor have some mounted file systems: there `released.json` in the lake's root
says the same. Only one of the two is in use in a lake; where both are, the link counts.

What a person took back stays so: `withdrawn.json` names the checkpoints that no verdict releases again.
"""

from __future__ import annotations

import os
from pathlib import Path

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.training.checkpoints import FOLDER, MANIFEST, Checkpoint, checkpoint_of
from medembed_pipeline.verdict.errors import VerdictError

RELEASED = "released"
POINTER = "released.json"
NAME_OF_WITHDRAWN = "withdrawn"
WITHDRAWN = f"{NAME_OF_WITHDRAWN}.json"
TABLE = "release_verdict"


def released_version(lake: Lake) -> str | None:
    """The version of the released checkpoint, None where none was released yet.

    Raises
    ------
    VerdictError
        what should be the pointer is something else.
    """
    link = _link(lake)
    if link is not None and link.is_symlink():
        # By its name alone: a link to a checkpoint that is gone names what is missing.
        version = os.readlink(link)  # noqa: PTH115 - Path.readlink would take "./x" for "x"
        if "/" in version or version in ("", ".", ".."):
            raise VerdictError(
                f"{link} leads to {version}, which is no checkpoint of this lake. Remove it and materialize {TABLE}."
            )
        return version
    if link is not None and link.exists():
        raise VerdictError(
            f"{link} is not the link that {TABLE} keeps there, but a {'folder' if link.is_dir() else 'file'} (a copy "
            f"of the lake that followed links?). Remove it and materialize {TABLE} again."
        )
    try:
        pointer = lake.read_json(POINTER)
        return None if pointer is None else str(pointer["version"])
    except (ValueError, KeyError, TypeError):
        raise VerdictError(
            f"{lake.path(POINTER)} can't be read as a pointer. Remove it and materialize {TABLE} again."
        ) from None


def pointer_name(lake: Lake) -> str:
    """The pointer's path in the lake: of the one in use, or that would be."""
    link = _link(lake)
    no_link = link is None or (lake.exists(POINTER) and not (link.is_symlink() or link.exists()))
    return POINTER if no_link else f"{FOLDER}/{RELEASED}"


def released_checkpoint(lake: Lake) -> Checkpoint | None:
    """The released checkpoint itself, in a local copy where the lake is remote; None where none was released yet.

    Raises
    ------
    VerdictError
        the pointer is damaged, or leads to a checkpoint that is gone.
    """
    version = released_version(lake)
    if version is None:
        return None
    if not lake.exists(FOLDER, version, MANIFEST):
        raise VerdictError(
            f"the released checkpoint {version} is not in {lake.path(FOLDER)}. Restore it, or materialize {TABLE} "
            "to release the current one if it deserves it."
        )
    return checkpoint_of(lake, version)


def released_path(lake: Lake) -> str | None:
    """What to load: the link where there is one, else the version's folder; None where none was released yet."""
    version = released_version(lake)
    if version is None:
        return None
    link = _link(lake)
    return str(link) if link is not None and link.is_symlink() else lake.path(FOLDER, version)


def follow_verdict(lake: Lake) -> str | None:
    """Make the pointer what the published verdict says: on `deploy` its checkpoint, else what it was.

    Works under the lock that the table is published under and goes by the table that stands then, so a leftover
    of older work moves the pointer to what the newer verdict says, or not at all. Does nothing where the pointer
    is right already.

    Returns
    -------
    str | None
        The released version, None where there is none.

    Raises
    ------
    VerdictError
        the pointer cannot be read or placed, or the verdict's checkpoint is gone.
    """
    with lake.lock(TABLE):
        verdict = lake.table(TABLE).footer.facts
        standing = released_version(lake)
        version = str(verdict["checkpoint"])
        if verdict["verdict"] != "deploy" or version == standing or version in withdrawn_versions(lake):
            return standing
        if not lake.exists(FOLDER, version, MANIFEST):
            raise VerdictError(
                f"the checkpoint {version}, which the verdict releases, is not in {lake.path(FOLDER)}. "
                "Materialize finetuned_checkpoint again."
            )
        lake.before_publishing()
        _point(lake, version)
        return version


def withdrawn_versions(lake: Lake) -> set[str]:
    """Checkpoints that a person took back.

    Raises
    ------
    VerdictError
        what says so can't be read.
    """
    try:
        noted = lake.read_json(WITHDRAWN)
        return set() if noted is None else {str(version) for version in noted["versions"]}
    except (ValueError, KeyError, TypeError):
        raise VerdictError(
            f"{lake.path(WITHDRAWN)} can't be read: it names the checkpoints that were taken back, and no verdict "
            'releases them again. Restore it, or write {"versions": []} into it to forget them.'
        ) from None


def put_back(lake: Lake, version: str) -> str | None:
    """Release a checkpoint by hand, and take back the one that is: no verdict releases that one again.

    Parameters
    ----------
    lake
        where both lie.
    version
        a checkpoint of the lake; one that was taken back before is no longer so.

    Returns
    -------
    str | None
        The version that was released before, None where none was.

    Raises
    ------
    VerdictError
        the checkpoint is not there, is the released one already, or a pointer cannot be read or placed.
    """
    with lake.lock(TABLE):
        standing, withdrawn = released_version(lake), withdrawn_versions(lake)
        if not lake.exists(FOLDER, version, MANIFEST):
            raise VerdictError(
                f"there is no checkpoint {version} in {lake.path(FOLDER)}; nothing was changed."
            )
        if version == standing:
            raise VerdictError(f"the checkpoint {version} is the released one already.")
        wanted = (withdrawn | ({standing} if standing else set())) - {version}
        if wanted != withdrawn:
            # First, so that whoever is killed in between leaves the old one released, and nothing half.
            lake.write_json({"versions": sorted(wanted)}, WITHDRAWN)
            with lake.lock(NAME_OF_WITHDRAWN):
                lake.record_published(NAME_OF_WITHDRAWN)
        _point(lake, version)
        return standing


def _point(lake: Lake, version: str) -> None:
    if not lake.write_link(version, FOLDER, RELEASED):
        lake.write_json({"version": version}, POINTER)


def _link(lake: Lake) -> Path | None:
    return Path(lake.path(FOLDER, RELEASED)) if lake.is_local else None
