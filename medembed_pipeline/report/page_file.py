"""The page as a file of the lake: it says itself what it was made from, and what it holds."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

from medembed_pipeline.lake.keeping import KEPT, LONGEST_SIGNED_LINE
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publication import OutdatedWorkError
from medembed_pipeline.lake.signed_line import read_signed_line, signed_line, split_signed
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.report.errors import ReportError

NAME = "report"
PAGE = f"{NAME}.html"
TEXTS_PREFIX = f"{NAME}_texts_"


@dataclass(frozen=True)
class PageFooter:
    """The last line of the page, a comment: at the end, because browsers look for the encoding at the start.

    Attributes
    ----------
    recipe
        what the page was made from.
    sha256
        of all bytes before that line.
    texts_file
        name of the file beside the page that holds the texts, None where they are in the page.
    texts_sha256
        of that file.
    notes
        how many the page shows.
    """

    recipe: Recipe
    sha256: str
    texts_file: str | None
    texts_sha256: str | None
    notes: int

    @property
    def data_version(self) -> str:
        """Hash of what the page holds; the name of the texts file, and so its hash, is part of the page."""
        return self.sha256

    def to_bytes(self) -> bytes:
        """The line, with the line break before it. Nothing in it can end the comment early."""
        return signed_line({**vars(self), "recipe": vars(self.recipe)})

    @classmethod
    def from_bytes(cls, line: bytes) -> PageFooter:
        """Read the line back.

        Raises
        ------
        ReportError
            it is no footer of this project.
        """
        try:
            values = read_signed_line(line)
            footer = cls(**{**values, "recipe": Recipe(**values["recipe"])})
        except (ValueError, TypeError, KeyError, AttributeError):
            raise ReportError(
                f"{PAGE} was not written by medembed_pipeline, or was changed since. Remove it and materialize {NAME}."
            ) from None
        return footer


def find_page(lake: Lake, *parts: str) -> PageFooter | None:
    """The footer of the published page, or of one that lies elsewhere in the lake; None where there is none.

    Raises
    ------
    ReportError
        what lies there is no page of this project.
    """
    try:
        with lake.filesystem.open(lake.path(*(parts or (PAGE,))), "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LONGEST_SIGNED_LINE))
            end: bytes = file.read()
    except FileNotFoundError:
        return None
    return PageFooter.from_bytes(split_signed(end)[1])


def find_made_page(lake: Lake, recipe: Recipe) -> PageFooter | None:
    """The published page with its texts, when it was made from this very recipe and its last line is whole."""
    try:
        footer = find_page(lake)
    except ReportError:
        return None
    if footer is None or footer.recipe.digest != recipe.digest:
        return None
    if footer.texts_file is not None and not lake.exists(footer.texts_file):
        return None
    return footer


def texts_file_name(content: bytes) -> str:
    """The name of a texts file: by its content, so that a page never reads the texts of another one."""
    return f"{TEXTS_PREFIX}{hashlib.sha256(content).hexdigest()[:16]}.js"


def publish_page(
    lake: Lake, recipe: Recipe, page: bytes, *, texts: bytes | None, texts_file: str | None, notes: int
) -> PageFooter:
    """Write the texts, then the page, each whole or not at all; then remove texts that no page reads any more.

    Parameters
    ----------
    lake
        where they go: `<lake>/report.html`, and `texts_file` beside it.
    recipe
        what the page is made from.
    page
        what stands before the last line.
    texts
        content of the texts file; None where the texts are in the page.
    texts_file
        its name, of `texts_file_name`.
    notes
        how many the page shows.

    Returns
    -------
    PageFooter
        The footer of the page that stands.

    Raises
    ------
    OutdatedWorkError
        newer work has published a page made from another recipe; that one stands.
    """
    texts_sha256 = hashlib.sha256(texts).hexdigest() if texts is not None else None
    footer = PageFooter(recipe, hashlib.sha256(page).hexdigest(), texts_file, texts_sha256, notes)
    _write_texts(lake, texts, texts_file)
    try:
        with lake.staged_file(PAGE) as staged, staged.open("wb") as file:
            file.write(page)
            file.write(footer.to_bytes())
    except OutdatedWorkError:
        standing = find_made_page(lake, recipe)
        if standing is None:
            raise
        return standing
    # Older work may have swept the texts between the two writes, when no page named them yet.
    _write_texts(lake, texts, texts_file)
    sweep_texts(lake)
    return footer


def _write_texts(lake: Lake, texts: bytes | None, texts_file: str | None) -> None:
    if texts is not None and texts_file is not None:
        lake.write_bytes(texts, texts_file)


def orphaned_texts(lake: Lake) -> Sequence[str]:
    """Names of texts files that neither the published page reads nor an earlier one that is kept."""
    kept = [(*KEPT, NAME, name) for name in lake.names(*KEPT, NAME)]
    try:
        footers = [find_page(lake), *(find_page(lake, *parts) for parts in kept)]
    except ReportError:
        return []
    used = {footer.texts_file for footer in footers if footer is not None}
    return [name for name in lake.names() if name.startswith(TEXTS_PREFIX) and name not in used]


def sweep_texts(lake: Lake) -> None:
    """Remove earlier pages that show more of the notes than the page that stands, and texts files that no page reads.

    Who has the notes masked, or leaves them out, does not want them in `store/versions/`.
    """
    with lake.lock(NAME):
        try:
            standing = find_page(lake)
            kept = {name: find_page(lake, *KEPT, NAME, name) for name in lake.names(*KEPT, NAME)}
        except ReportError:
            return
        for name, footer in kept.items():
            if standing is not None and footer is not None and _openness(footer) > _openness(standing):
                lake.remove(*KEPT, NAME, name)
        for name in orphaned_texts(lake):
            lake.remove(name)


def _openness(page: PageFooter) -> int:
    shown = page.recipe.settings.get("ReportSettings", {}).get("note_text")
    return ("none", "masked", "full").index(shown or "full")
