"""A stage of the graph, declared once in its room: what else knows of it follows from the declaration.

`@stage` makes a Dagster asset of a plain function, as `@dg.asset` would: its dependencies, its code version, its fields
in the launchpad, its columns in the UI. The same declaration says what the table is in docs/tables.md and whether the
page shows it. Whoever needs something else writes `@dg.asset` beside it.
"""

import contextlib
import inspect
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any

import dagster as dg
import pyarrow as pa

from medembed_pipeline.described import DescribedTable, Figures, OnPage, describe_table
from medembed_pipeline.engine.ray_job import RayJobNeededError, submit
from medembed_pipeline.lake.publishing import (
    PictureFiles,
    asset_io,
    code_version,
    column_schema,
    launchpad_schema,
    launchpad_settings,
)
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.pictures.numbers import without_nan
from medembed_pipeline.pictures.specification import Known
from medembed_pipeline.section import Section
from medembed_pipeline.settings import load_settings


def stage(
    *,
    group: str,
    inputs: Iterable[str],
    one_row: str,
    schema: pa.Schema,
    revision: str,
    settings: Section | None = None,
    more_settings: Iterable[Section] = (),
    version: Callable[[str], str] = str,
    kinds: Collection[str] = (),
    resources: Collection[str] = (),
    pool: str | None = None,
    page: OnPage | None = None,
    figures: Figures | None = None,
) -> Callable[[Callable[..., dg.MaterializeResult[Any]]], dg.AssetsDefinition]:
    """Make a stage of a function: an asset that publishes one table, under the function's name.

    Parameters
    ----------
    group
        of the asset, in the UI.
    inputs
        the assets that it reads.
    one_row
        what a row of its table is, for docs/tables.md.
    schema
        the table's columns, each with a description.
    revision
        of the room's code; raised when results change for the same input.
    settings
        its section, whose fields the launchpad shows.
    more_settings
        further sections that reach the result.
    version
        completes the code version where something else reaches the result.
    kinds
        shown in the UI, besides parquet.
    resources
        Dagster's that it needs, besides the lake.
    pool
        of which Dagster lets one step run at a time.
    page
        how the page shows the table.
    figures
        of the table: drawn for the UI whenever it is published, and on the page.

    Returns
    -------
    Callable[[Callable[..., dg.MaterializeResult[Any]]], dg.AssetsDefinition]
        A decorator for a function of the `AssetIO` and, where there is a section, of its values as the launchpad
        has them. It returns the result of `AssetIO.publish` or `AssetIO.result`; its docstring is the
        description.
    """
    sections = [section for section in (settings, *more_settings) if section is not None]

    def declare(build: Callable[..., dg.MaterializeResult[Any]]) -> dg.AssetsDefinition:
        name = build.__name__
        describe_table(name, DescribedTable(one_row, schema, page, figures), module=build.__module__)

        @dg.asset(
            name=name,
            description=inspect.getdoc(build),
            group_name=group,
            kinds={"parquet", *kinds},
            deps=list(inputs),
            code_version=version(code_version(revision, *sections)),
            config_schema=launchpad_schema(name, settings) if settings is not None else None,
            metadata=column_schema(schema),
            pool=pool,
            required_resource_keys={"lake", *resources},
        )
        def asset(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
            chosen = [launchpad_settings(context, type(settings))] if settings is not None else []
            for is_made_by_job in (False, True):
                with asset_io(context, revision, *chosen) as work:
                    work.is_made_by_job = is_made_by_job
                    if figures is not None:
                        work.draw = partial(drawn_figures, figures)
                    with contextlib.suppress(RayJobNeededError):
                        return build(work, *chosen)
                    submit(context, load_settings(), work.lake)
            raise AssertionError("a table that a Ray job made is found, or refused")

        return asset

    return declare


def drawn_figures(figures: Figures, table: LakeTable) -> dict[str, PictureFiles]:
    """The figures of a table that the UI may show, by name; none where the table is empty."""
    if not table.rows:
        return {}
    from medembed_pipeline.pictures.drawing import picture

    names = {type(section).__name__: name for name, section in load_settings()}
    footer = table.footer
    known = Known(
        {table.name: footer.facts},
        {names.get(name, name): values for name, values in footer.recipe.settings.items()},
    )
    rows = without_nan(table.read().to_pylist())
    return {one.name: picture(one) for one in figures(rows, known) if one.in_ui}
