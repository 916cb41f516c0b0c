"""Assets of the group `images`: what landed, what was rejected, the cases, their splits, the pictures' vectors."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from medembed_pipeline.described import DescribedTable, describe_table
from medembed_pipeline.encoder.image_spec import (
    BUNDLED_IMAGE_DIMENSIONS,
    image_encoder_fingerprint,
    image_spec_of_settings,
)
from medembed_pipeline.encoder.settings import ImageEncoderSettings
from medembed_pipeline.engine import open_engine
from medembed_pipeline.images import REVISION
from medembed_pipeline.images.case_groups import CASE_SPLITS_SCHEMA, split_cases
from medembed_pipeline.images.case_rows import CASE_ROWS_SCHEMA
from medembed_pipeline.images.folder import hashes_of
from medembed_pipeline.images.landing import (
    RAW_IMAGES_SCHEMA,
    REJECTED_IMAGES_SCHEMA,
    TABLE_NAMES,
    images_version,
    landed_images,
    unpacked_version,
    write_image_tables,
)
from medembed_pipeline.images.pairing import PAIRED_CASES_SCHEMA, pair_cases
from medembed_pipeline.images.rejections import REJECTION_REASONS
from medembed_pipeline.images.settings import CaseSplitSettings, ImagesSettings
from medembed_pipeline.images.vectors import image_embeddings_schema, image_embeddings_table
from medembed_pipeline.lake.publication import OutdatedWorkError
from medembed_pipeline.lake.publishing import (
    AssetIO,
    Built,
    asset_io,
    code_version,
    column_schema,
    launchpad_schema,
    launchpad_settings,
)
from medembed_pipeline.lake.store import KeyedStore
from medembed_pipeline.settings import load_settings
from medembed_pipeline.stage import stage

SETTINGS = load_settings()
RAW_IMAGES, CASE_ROWS, REJECTED_IMAGES = TABLE_NAMES
LANDED = {
    RAW_IMAGES: (
        "a landed picture that can be used",
        RAW_IMAGES_SCHEMA,
        "Every picture that landed and can be used, unpacked to 8 bits, with its perceptual hash.",
    ),
    CASE_ROWS: (
        "a row of a landed table that joins pictures and notes",
        CASE_ROWS_SCHEMA,
        "Every row of the landed tables: which picture it means, note, patient, view, source, level.",
    ),
    REJECTED_IMAGES: (
        "a picture, or a row of a table, that cannot be used",
        REJECTED_IMAGES_SCHEMA,
        "Every picture and every row that could not be used, with the reason.",
    ),
}

if SETTINGS.images.enabled:
    for name, (one_row, schema, _) in LANDED.items():
        reasons = "\nReasons:\n\n| reason | when |\n|---|---|\n" + "".join(
            f"| `{reason}` | {when} |\n" for reason, when in REJECTION_REASONS.items()
        )
        more = reasons if name == REJECTED_IMAGES else ""
        describe_table(name, DescribedTable(one_row, schema, more=more), module=__name__)

    @dg.multi_asset(
        name="landing_images",
        outs={
            name: dg.AssetOut(
                group_name="images",
                kinds={"parquet"},
                dagster_type=dg.Nothing,
                code_version=code_version(REVISION, SETTINGS.images),
                metadata=column_schema(schema),
                description=description,
            )
            for name, (_, schema, description) in LANDED.items()
        },
        config_schema=launchpad_schema("landing_images", SETTINGS.images),
        required_resource_keys={"lake"},
    )
    def landing_images(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        """Read the folder landing_images; a picture unpacked before is not unpacked again."""
        settings = launchpad_settings(context, ImagesSettings)
        with asset_io(context, REVISION, settings) as work:
            files = landed_images(work.lake)
            work.note_input("landing_images", images_version(files))
            work.note_input("unpacked_as", unpacked_version(settings))
            kept = all(work.unchanged(name) is not None for name in LANDED)
            if not kept:
                try:
                    fresh = write_image_tables(work.lake, files, settings, work.recipe)
                    context.log.info(f"{len(files)} files in landing_images, {fresh} pictures unpacked now")
                except OutdatedWorkError:
                    if any(work.unchanged(name) is None for name in LANDED):
                        raise
            results = [work.result(work.lake.table(name), kept=kept) for name in LANDED]
        yield from results

    @stage(
        group="images",
        inputs=["raw_images", "case_rows"],
        one_row="a case: a picture, a note, or both",
        schema=PAIRED_CASES_SCHEMA,
        revision=REVISION,
    )
    def paired_cases(work: AssetIO) -> dg.MaterializeResult[Any]:
        """Picture, note, patient, triage level or outcome; what lacks its partner is kept with a missing one."""
        rows, images = work.input("case_rows"), work.input("raw_images")

        def build() -> Built:
            return pair_cases(rows.read(), images.read(["source_file", "image_id", "view"]))

        return work.publish(build, PAIRED_CASES_SCHEMA)

    @stage(
        group="images",
        inputs=["paired_cases", "raw_images"],
        one_row="a case's split and group",
        schema=CASE_SPLITS_SCHEMA,
        revision=REVISION,
        settings=SETTINGS.case_splits,
    )
    def case_splits(work: AssetIO, settings: CaseSplitSettings) -> dg.MaterializeResult[Any]:
        """Train, validation or test, by patient, near-duplicate picture and near-duplicate note; a case stays
        where it is."""
        cases, images = work.input("paired_cases"), work.input("raw_images")

        def build() -> Built:
            before = work.lake.find_table("case_splits")
            previous = {} if before is None else before.read(["case_id", "split"]).to_pydict()
            splits = dict(zip(previous.get("case_id", []), previous.get("split", []), strict=True))
            return split_cases(
                cases.read(["case_id", "patient", "image_id", "note", "label"]),
                hashes_of(images),
                splits,
                settings,
            )

        return work.publish(build, CASE_SPLITS_SCHEMA)

    @stage(
        group="images",
        inputs=["raw_images"],
        one_row="a different picture's vector (1,280 numbers by the bundled model)",
        schema=image_embeddings_schema(BUNDLED_IMAGE_DIMENSIONS),
        revision=REVISION,
        settings=SETTINGS.image_encoder,
        kinds=["pytorch"],
    )
    def image_embeddings(work: AssetIO, settings: ImageEncoderSettings) -> dg.MaterializeResult[Any]:
        """Every picture as the image encoder sees it; only pictures that it has not seen are encoded."""
        images = work.input("raw_images")
        spec = image_spec_of_settings(settings)
        fingerprint = image_encoder_fingerprint(spec)
        work.note_input("model", fingerprint)
        table = work.unchanged()
        if table is not None:
            return work.result(table, kept=True)
        store = KeyedStore(work.lake, "image_vectors", fingerprint)
        with open_engine(work.lake, SETTINGS.engine, work.context.log.info) as engine:
            rows, facts = image_embeddings_table(images, spec, settings, store, engine)
            schema = image_embeddings_schema(facts["dimensions"])
            table = work.lake.write_table(work.recipe(), rows.cast(schema), schema=schema, facts=facts)
        return work.result(table, kept=False, more=column_schema(schema))
