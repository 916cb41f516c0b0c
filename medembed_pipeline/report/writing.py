"""From the data of the page to its file: texts in it, beside it, or nowhere, as the settings say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.report.notes_part import shown_texts
from medembed_pipeline.report.page import render_page, render_texts_file
from medembed_pipeline.report.page_file import PageFooter, publish_page, texts_file_name
from medembed_pipeline.report.settings import ReportSettings


def write_page(
    lake: Lake, recipe: Recipe, payload: Mapping[str, Any], texts: Sequence[str], settings: ReportSettings
) -> PageFooter:
    """Render the page and publish it.

    Parameters
    ----------
    lake
        where it goes.
    recipe
        what it is made from.
    payload
        of `build_payload`.
    texts
        of the notes, in their order, as they are.
    settings
        whether and where they are shown.

    Returns
    -------
    PageFooter
        The footer of the page that stands.

    Raises
    ------
    ReportError
        as `render_page`.
    OutdatedWorkError
        as `publish_page`.
    """
    shown = shown_texts(texts, settings.note_text)
    beside = None
    if shown is not None and len(shown) > settings.notes_in_page:
        beside = render_texts_file(shown)
    texts_file = texts_file_name(beside) if beside is not None else None
    page = render_page(payload, None if beside is not None else shown, texts_file=texts_file)
    return publish_page(
        lake, recipe, page, texts=beside, texts_file=texts_file, notes=len(payload["notes"]["id"])
    )
