"""The page of `medembed visualize`: that of the graph, in the words of a model that was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.report.inputs import read_sources, shown_slices, shown_table, shown_tables
from medembed_pipeline.report.page_revision import page_revision
from medembed_pipeline.report.payload import ALL_NOTES, build_payload
from medembed_pipeline.report.provenance import provenance_part
from medembed_pipeline.report.settings import ReportSettings
from medembed_pipeline.report.tables_part import plain_values
from medembed_pipeline.report.writing import write_page
from medembed_pipeline.visualize.models import NamedModel


def write_own_page(
    lake: Lake,
    output: Lake,
    settings: ReportSettings,
    *,
    baseline: NamedModel,
    tuned: NamedModel,
    others: Sequence[NamedModel],
    known: int,
    comparison: Sequence[tuple[str, pa.Table]],
    versions: Mapping[str, str],
) -> None:
    """Write the page of a lake into the output folder.

    Parameters
    ----------
    lake
        with the tables and texts.
    output
        where the page goes.
    settings
        of the page.
    baseline, tuned, others
        the models, for their names and how they were loaded.
    known
        notes that the tuned model is known to have been trained on.
    comparison
        names and `embedding_metrics` of several models; empty where there is but one.
    versions
        data versions of the tables in the output folder, by name.
    """
    # Of splits the page knows nothing: none were made.
    wanted = [name for name in shown_tables() if name in versions]
    tables = {name: lake.table(name) for name in wanted}
    shown = {name: shown_table(table) for name, table in tables.items()}
    payload = build_payload(
        shown,
        models={"baseline": baseline.name, "tuned": tuned.name},
        scored=f"all notes ({known:,} of them the model was trained on)" if known else ALL_NOTES,
        made=provenance_part(
            shown,
            checkpoint={"version": tuned.name, "manifest": tuned.kept("manifest.json") or {}},
            more_settings={
                "models": {model.name: {**vars(model.spec)} for model in (baseline, tuned, *others)},
                type(settings).__name__: settings.result_values(),
            },
        ),
        sources=read_sources(lake),
        slices=shown_slices(lake, tables),
        history=tuned.kept("history.json") or (),
        trade_off=tuned.kept("trade_off.json") or (),
        comparison=[
            {"name": name, "metrics": {column: plain_values(rows[column]) for column in rows.column_names}}
            for name, rows in comparison
        ]
        or None,
    )
    recipe = Recipe("report", page_revision(), {"settings": settings.result_values()}, dict(versions))
    write_page(output, recipe, payload, tables["cleaned_notes"].strings("text"), settings)
