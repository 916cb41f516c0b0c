"""The asset `report`: one HTML file that opens by double-click."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from medembed_pipeline.evaluation.inputs import measured_checkpoint
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import (
    AssetIO,
    asset_io,
    code_version,
    launchpad_schema,
    launchpad_settings,
)
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.notes.slices import SliceError
from medembed_pipeline.report.inputs import (
    open_tables,
    outdated_tables,
    read_cases,
    read_sources,
    shown_facts,
    shown_slices,
    shown_table,
    shown_tables,
)
from medembed_pipeline.report.notes_part import Place
from medembed_pipeline.report.page_file import (
    PAGE,
    PageFooter,
    find_made_page,
    sweep_texts,
)
from medembed_pipeline.report.page_revision import page_revision
from medembed_pipeline.report.settings import ReportSettings
from medembed_pipeline.report.shown_table import ShownTable
from medembed_pipeline.settings import load_settings
from medembed_pipeline.training.checkpoints import Checkpoint

SETTINGS = load_settings()
MEGABYTE = 1e6


@dg.asset(
    group_name="report",
    kinds={"html"},
    deps=[*shown_tables(), "finetuned_checkpoint"],
    code_version=code_version(page_revision(), SETTINGS.report),
    config_schema=launchpad_schema("report", SETTINGS.report),
    required_resource_keys={"lake"},
)
def report(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    """The page: verdict, maps, and every figure down to the notes behind it; opens without network or server."""
    settings = launchpad_settings(context, ReportSettings)
    with asset_io(context, page_revision(), settings) as work:
        tables = open_tables(work.lake)
        for name, table in tables.items():
            work.note_input(name, table.data_version)
        checkpoint = measured_checkpoint(work)
        sources = read_sources(work.lake)
        slices = _slices(work, tables)
        # Besides what data versions cover. raw_transcriptions is no dependency on purpose: a file that lands without
        # a new note makes no new page by itself; the next page that is made names it as a source.
        besides: list[Any] = [shown_facts(tables), checkpoint.version, sources, slices]
        images = _images(work.lake, tables, settings)
        work.note_input(
            "shown_besides", digest(besides if images is None else [*besides, images.data_version])
        )
        outdated = outdated_tables(tables, {"finetuned_checkpoint": checkpoint.data_version})
        if outdated:
            context.log.warning(
                f"made from other inputs than the rest of the page, which shows them all the same: "
                f"{', '.join(outdated)}. Materialize them again."
            )
        footer = _unchanged(work)
        kept = footer is not None
        if footer is None:
            footer = _build(work, tables, checkpoint, sources, slices, settings, images)
        size = work.lake.size(PAGE)
        metadata: dict[str, Any] = {
            "path": dg.MetadataValue.path(work.lake.path(PAGE)),
            "notes": footer.notes,
            "size_megabytes": round(size / MEGABYTE, 2),
            "kept": kept,
            "tables_made_from_other_inputs": len(outdated),
        }
        if footer.texts_file is not None:
            metadata["texts"] = dg.MetadataValue.path(work.lake.path(footer.texts_file))
        return dg.MaterializeResult(data_version=dg.DataVersion(footer.data_version), metadata=metadata)


def _slices(work: AssetIO, tables: Mapping[str, LakeTable]) -> dict[str, list[list[str]]]:
    try:
        return shown_slices(work.lake, tables)
    except SliceError as error:
        work.context.log.warning(f"the page cannot colour notes by slice: {error}")
        return {}


def _images(lake: Lake, tables: Mapping[str, LakeTable], settings: ReportSettings) -> LakeTable | None:
    """The landed pictures, where the page shows any: a page without texts shows none."""
    named = any("image_id" in table.schema.names and table.rows for table in tables.values())
    return lake.find_table("raw_images") if named and settings.note_text != "none" else None


def _pictures(
    shown: Mapping[str, ShownTable], cases: Mapping[str, Any] | None, images: LakeTable | None
) -> dict[str, str] | None:
    from medembed_pipeline.report.pictures_part import named_pictures, small_pictures

    if images is None:
        return None
    of_cases = cases["image"] if cases else ()
    return small_pictures(
        images, named_pictures({name: table.rows for name, table in shown.items()}, of_cases)
    )


def _unchanged(work: AssetIO) -> PageFooter | None:
    recipe = work.recipe()
    footer = find_made_page(work.lake, recipe)
    if footer is not None:
        # Older work may have published between the look and the confirmation; after it, it no longer can.
        work.lake.confirm(recipe.asset)
        footer = find_made_page(work.lake, recipe)
    if footer is None:
        return None
    sweep_texts(work.lake)
    work.context.log.info(f"{PAGE}: same code, settings and inputs; the page of {footer.notes} notes stands")
    return footer


def _build(
    work: AssetIO,
    tables: Mapping[str, LakeTable],
    checkpoint: Checkpoint,
    sources: Mapping[str, list[Place]],
    slices: Mapping[str, list[list[str]]],
    settings: ReportSettings,
    images: LakeTable | None,
) -> PageFooter:
    from medembed_pipeline.report.payload import HELD_OUT, build_payload
    from medembed_pipeline.report.provenance import model_name, provenance_part
    from medembed_pipeline.report.writing import write_page

    shown = {name: shown_table(table) for name, table in tables.items()}
    cases = read_cases(tables, settings.note_text)
    manifest = checkpoint.manifest()
    payload = build_payload(
        shown,
        models={
            "baseline": model_name(manifest["base"]).rpartition("/")[2],
            "tuned": f"checkpoint {checkpoint.version[:8]}",
        },
        scored=HELD_OUT,
        made=provenance_part(
            shown,
            checkpoint={"version": checkpoint.version, "manifest": manifest},
            more_settings={type(settings).__name__: settings.result_values()},
        ),
        sources=sources,
        slices=slices,
        history=checkpoint.history(),
        trade_off=checkpoint.trade_off(),
        cases=cases,
        pictures=_pictures(shown, cases, images),
    )
    return write_page(work.lake, work.recipe(), payload, tables["cleaned_notes"].strings("text"), settings)
