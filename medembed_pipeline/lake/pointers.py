"""Pointers: which of the immutable folders of a kind is meant.

A folder is named by what it was made from and never changes once it is there. A pointer is a small JSON file in the
lake's root that names one of them, and those it named before, and is replaced whole in one step. Two kinds of pointers
differ in who moves them: `Folders` follows the work that began last, `InUse` a verdict of `deploy`, or a person.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publication import OutdatedWorkError
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.lake.verification import Finding

EARLIER = 10
"""How many versions a pointer remembers of those that it named before."""


class PointerError(MedembedError):
    """A pointer can't be read, or can't be moved as wanted."""


@dataclass(frozen=True)
class Folders:
    """The folders that an asset makes, and the pointer to the current one, `<asset>.json`.

    Attributes
    ----------
    asset
        whose work makes them.
    folder
        in which they lie.
    last
        the file that marks one of them whole.
    kind
        what one is called.
    """

    asset: str
    folder: str
    last: str
    kind: str

    @property
    def file(self) -> str:
        """The pointer's path in the lake."""
        return f"{self.asset}.json"

    def is_there(self, lake: Lake, version: str) -> bool:
        """Whether a version is in the lake, whole."""
        return lake.exists(self.folder, version, self.last)

    def current(self, lake: Lake) -> str | None:
        """The version pointed to; None where there is none, or it is gone."""
        pointer = lake.read_json(self.file)
        return str(pointer["version"]) if pointer and self.is_there(lake, pointer["version"]) else None

    def earlier(self, lake: Lake) -> list[str]:
        """Versions that were pointed to before and are still there, the newest first."""
        return [one["version"] for one in _earlier(lake, self.file) if self.is_there(lake, one["version"])]

    def point_to(self, lake: Lake, version: str, data_version: str, recipe: Recipe) -> None:
        """Make a version the current one.

        Raises
        ------
        OutdatedWorkError
            newer work has made another one current.
        """
        pointer = {"version": version, "data_version": data_version, "recipe": vars(recipe)}
        try:
            _move(lake, self.asset, self.file, pointer)
        except OutdatedWorkError:
            # The newer work may have found, or waited for, this very version.
            if _without_earlier(lake.read_json(self.file)) != pointer:
                raise

    def put_back(self, lake: Lake, version: str) -> None:
        """Make an earlier version the current one again, until the asset is made anew; older work is refused."""
        found = [one for one in _earlier(lake, self.file) if one["version"] == version]
        if not found or not self.is_there(lake, version):
            raise PointerError(f"there is no earlier {self.kind} {version} in {lake.path(self.folder)}.")
        lake.begin_work(self.asset)
        _move(lake, self.asset, self.file, found[0])


def _move(lake: Lake, name: str, file: str, pointer: dict[str, Any]) -> None:
    def change(standing: Any) -> dict[str, Any] | None:
        before = _without_earlier(standing)
        if before == pointer:
            return None
        earlier = [before, *_listed(standing)] if before else []
        earlier = [one for one in earlier if one["version"] != pointer["version"]][:EARLIER]
        return {**pointer, "earlier": earlier} if earlier else pointer

    lake.publish(name, lambda: lake.change_json(change, file))


def _earlier(lake: Lake, file: str) -> list[dict[str, Any]]:
    return _listed(lake.read_json(file))


def _listed(pointer: Any) -> list[dict[str, Any]]:
    if not isinstance(pointer, dict):
        return []
    # Lakes made before name one version before at most.
    before = pointer.get("before")
    return list(pointer.get("earlier", [{"version": before}] if before else []))


def _without_earlier(pointer: Any) -> dict[str, Any]:
    if not isinstance(pointer, dict) or "version" not in pointer:
        return {}
    return {name: value for name, value in pointer.items() if name not in ("earlier", "before")}


@dataclass(frozen=True)
class InUse:
    """Which version people are answered from: that of the last verdict of `deploy`, or the one a person put back.

    On a local lake the pointer can be a symbolic link beside the versions, so that a program that knows nothing of this
    project loads `<folder>/<link>`; it is replaced by a rename, so that a reader, and a process killed at any moment,
    finds the old or the new one. The link is relative: the lake can be moved or mounted elsewhere. An object store has
    no links, nor have some mounted file systems: there the pointer is `file`. Only one of the two is in use in a lake;
    where both are, the link counts. What a person took back stays so: `withdrawn` names what no verdict releases again.

    Attributes
    ----------
    folders
        the versions.
    table
        the verdict, in whose lock the pointer is moved.
    fact
        what the verdict's facts call the version it judged.
    file
        the pointer's path in the lake.
    withdrawn_name
        of the JSON file of those taken back.
    state
        what one that is pointed to is called.
    link
        name of the link; "" for none.
    """

    folders: Folders
    table: str
    fact: str
    file: str
    withdrawn_name: str
    state: str
    link: str = ""

    @property
    def withdrawn_file(self) -> str:
        """The path, in the lake, of the list of those taken back."""
        return f"{self.withdrawn_name}.json"

    def version(self, lake: Lake) -> str | None:
        """The version in use, whether it is still there or not; None where none was released yet.

        Raises
        ------
        PointerError
            what should be the pointer is something else.
        """
        link = self._link(lake)
        if link is not None and link.is_symlink():
            # By its name alone: a link to a version that is gone names what is missing.
            version = os.readlink(link)  # noqa: PTH115 - Path.readlink would take "./x" for "x"
            if "/" in version or version in ("", ".", ".."):
                raise PointerError(
                    f"{link} leads to {version}, which is no {self.folders.kind} of this lake. Remove it and "
                    f"materialize {self.table}."
                )
            return version
        if link is not None and link.exists():
            raise PointerError(
                f"{link} is not the link that {self.table} keeps there, but a {'folder' if link.is_dir() else 'file'} "
                f"(a copy of the lake that followed links?). Remove it and materialize {self.table} again."
            )
        try:
            pointer = lake.read_json(self.file)
            return None if pointer is None else str(pointer["version"])
        except (ValueError, KeyError, TypeError):
            raise PointerError(
                f"{lake.path(self.file)} can't be read as a pointer. Remove it and materialize {self.table} again."
            ) from None

    def earlier(self, lake: Lake) -> Sequence[str]:
        """Versions that were in use before, the newest first, as far as the pointer can say; a link can not."""
        return [str(one["version"]) for one in _earlier(lake, self.file)]

    def pointer_name(self, lake: Lake) -> str:
        """The pointer's path in the lake: of the one in use, or that would be."""
        link = self._link(lake)
        no_link = link is None or (lake.exists(self.file) and not (link.is_symlink() or link.exists()))
        return self.file if no_link else f"{self.folders.folder}/{self.link}"

    def path(self, lake: Lake) -> str | None:
        """What to load: the link where there is one, else the version's folder; None where none was released yet."""
        version = self.version(lake)
        if version is None:
            return None
        link = self._link(lake)
        is_link = link is not None and link.is_symlink()
        return str(link) if is_link else lake.path(self.folders.folder, version)

    def follow_verdict(self, lake: Lake) -> str | None:
        """Make the pointer what the published verdict says: on `deploy` its version, else what it was.

        Works under the lock that the table is published under and goes by the table that stands then, so a leftover
        of older work moves the pointer to what the newer verdict says, or not at all. Does nothing where the pointer
        is right already.

        Returns
        -------
        str | None
            The version in use, None where there is none.

        Raises
        ------
        PointerError
            the pointer cannot be read or placed, or the verdict's version is gone.
        """
        with lake.lock(self.table):
            verdict = lake.table(self.table).footer.facts
            standing = self.version(lake)
            if verdict["verdict"] != "deploy":
                return standing
            version = str(verdict[self.fact])
            if version == standing or version in self.withdrawn(lake):
                return standing
            if not self.folders.is_there(lake, version):
                raise PointerError(
                    f"the {self.folders.kind} {version}, which the verdict releases, is not in "
                    f"{lake.path(self.folders.folder)}. Materialize {self.folders.asset} again."
                )
            lake.before_publishing()
            self._point(lake, version)
            return version

    def withdrawn(self, lake: Lake) -> set[str]:
        """Versions that a person took back.

        Raises
        ------
        PointerError
            what says so can't be read.
        """
        try:
            noted = lake.read_json(self.withdrawn_file)
            return set() if noted is None else {str(version) for version in noted["versions"]}
        except (ValueError, KeyError, TypeError):
            raise PointerError(
                f"{lake.path(self.withdrawn_file)} can't be read: it names what was taken back, and no verdict "
                'releases again. Restore it, or write {"versions": []} into it to forget them.'
            ) from None

    def put_back(self, lake: Lake, version: str) -> str | None:
        """Release a version by hand, and take back the one that is: no verdict releases that one again.

        Parameters
        ----------
        lake
            where both lie.
        version
            one of the lake's; one that was taken back before is no longer so.

        Returns
        -------
        str | None
            The version that was in use before, None where none was.

        Raises
        ------
        PointerError
            the version is not there, is the one in use already, or a pointer cannot be read or placed.
        """
        with lake.lock(self.table):
            standing, withdrawn = self.version(lake), self.withdrawn(lake)
            if not self.folders.is_there(lake, version):
                raise PointerError(
                    f"there is no {self.folders.kind} {version} in {lake.path(self.folders.folder)}; nothing was "
                    "changed."
                )
            if version == standing:
                raise PointerError(f"the {self.folders.kind} {version} is the {self.state} one already.")
            wanted = (withdrawn | ({standing} if standing else set())) - {version}
            if wanted != withdrawn:
                # First, so that whoever is killed in between leaves the old one in use, and nothing half.
                taken_back = {"versions": sorted(wanted)}
                lake.publish(
                    self.withdrawn_name,
                    lambda: lake.change_json(lambda _: taken_back, self.withdrawn_file),
                )
            self._point(lake, version)
            return standing

    def _point(self, lake: Lake, version: str) -> None:
        if not self.link or not lake.write_link(version, self.folders.folder, self.link):
            _move(lake, self.file.partition(".")[0], self.file, {"version": version})

    def _link(self, lake: Lake) -> Path | None:
        return Path(lake.path(self.folders.folder, self.link)) if self.link and lake.is_local else None


def verify_withdrawn(lake: Lake, pointer: InUse) -> list[Finding]:
    """Whether the list of what was taken back is whole, and agrees with what is in use.

    Returns
    -------
    list[Finding]
        One finding; none where nothing was ever taken back.
    """
    file, kind = pointer.withdrawn_file, pointer.folders.kind
    try:
        withdrawn = pointer.withdrawn(lake)
    except PointerError as error:
        return [Finding(file, "altered", str(error))]
    if not lake.exists(file):
        if pointer.withdrawn_name not in lake.published_names():
            return []
        detail = (
            f"a verdict may release again what was taken back; restore it, or take the {kind} back again with "
            "`medembed rollback`"
        )
        return [Finding(file, "missing", detail)]
    try:
        in_use = pointer.version(lake)
    except PointerError:
        in_use = None  # the pointer has a finding of its own
    if in_use in withdrawn:
        detail = f"names {in_use}, which is the {pointer.state} one: a rollback ended half-way; run it again"
        return [Finding(file, "stale", detail)]
    return [Finding(file, "ok", f"{kind}s that no verdict releases again: {len(withdrawn)}")]
