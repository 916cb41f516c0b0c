"""Whether the page of the lake is what was written, and still made from what is there."""

from __future__ import annotations

import hashlib
import os

from medembed_pipeline.lake.fingerprint import BLOCK_BYTES
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import TableError
from medembed_pipeline.lake.verification import Finding
from medembed_pipeline.report.errors import ReportError
from medembed_pipeline.report.page_file import NAME, PAGE, PageFooter, find_page, orphaned_texts
from medembed_pipeline.training.checkpoints import POINTER


def verify_report(lake: Lake) -> list[Finding]:
    """Check `report.html` and the texts beside it against the page's last line.

    Returns
    -------
    list[Finding]
        One finding for the page, one for its texts file where it has one, one per input that has changed since
        (`stale`), one per texts file that no page reads. None where no page was ever made.
    """
    try:
        footer = find_page(lake)
    except ReportError as error:
        return [Finding(PAGE, "altered", str(error))]
    if footer is None:
        if NAME not in lake.published_names():
            return []
        return [Finding(PAGE, "missing", f"materialize {NAME} to make it again")]
    findings = [_page(lake, footer), *_texts(lake, footer), *_stale(lake, footer)]
    findings += [
        Finding(name, "leftover", "texts of an earlier page; the next one sweeps it")
        for name in orphaned_texts(lake)
    ]
    return findings


def _page(lake: Lake, footer: PageFooter) -> Finding:
    if _sha256(lake, PAGE, without_end=len(footer.to_bytes())) != footer.sha256:
        detail = f"its content is not what was written (sha256 differs); remove it and materialize {NAME}"
        return Finding(PAGE, "altered", detail)
    return Finding(PAGE, "ok", f"{footer.notes} notes, data version {footer.data_version[:12]}")


def _texts(lake: Lake, footer: PageFooter) -> list[Finding]:
    name = footer.texts_file
    if name is None:
        return []
    if not lake.exists(name):
        return [Finding(name, "missing", f"the page reads it; materialize {NAME} to make it again")]
    if _sha256(lake, name) != footer.texts_sha256:
        detail = f"its content is not what was written (sha256 differs); remove it and materialize {NAME}"
        return [Finding(name, "altered", detail)]
    return [Finding(name, "ok", "the texts of the page")]


def _stale(lake: Lake, footer: PageFooter) -> list[Finding]:
    findings = []
    for name, version in sorted(footer.recipe.inputs.items()):
        current = _current_version(lake, name)
        if current is not None and current != version:
            detail = f"made from {name} {version[:12]}, which is {current[:12]} by now"
            findings.append(Finding(PAGE, "stale", detail))
    return findings


def _current_version(lake: Lake, name: str) -> str | None:
    """The data version of an input as it is now; None for what cannot be asked, or is not there."""
    try:
        if name == "finetuned_checkpoint":
            pointer = lake.read_json(POINTER)
            return str(pointer["data_version"]) if pointer else None
        table = lake.find_table(name)
    except (TableError, ValueError, KeyError, TypeError):
        return None  # that file has a finding of its own
    return table.data_version if table is not None else None


def _sha256(lake: Lake, name: str, *, without_end: int = 0) -> str:
    hasher = hashlib.sha256()
    with lake.filesystem.open(lake.path(name), "rb") as file:
        left = file.seek(0, os.SEEK_END) - without_end
        file.seek(0)
        while left > 0 and (block := file.read(min(left, BLOCK_BYTES))):
            hasher.update(block)
            left -= len(block)
    return hasher.hexdigest()
