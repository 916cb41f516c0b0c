"""Tables of the docs that a measurement writes, each between two marks of its page."""

from __future__ import annotations

from pathlib import Path


def replace_between(page: Path, begin: str, end: str, text: str) -> None:
    """Put a text between the two marks of a page, in place of what stands there.

    Raises
    ------
    ValueError
        the page lacks a mark; it stands as it was.
    """
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{page} lacks {begin} and {end}, between which the text goes")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
