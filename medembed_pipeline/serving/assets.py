"""The asset `served_snapshot`: where the lineage ends, with what people are answered from."""

from typing import Any

import dagster as dg

from medembed_pipeline.classification.classifiers import IN_SERVICE
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.publishing import AssetIO
from medembed_pipeline.serving import REVISION
from medembed_pipeline.serving.manifest import SERVED_SNAPSHOT_SCHEMA, manifest
from medembed_pipeline.serving.parts import PICTURE_TABLES, TABLES
from medembed_pipeline.settings import load_settings
from medembed_pipeline.stage import stage
from medembed_pipeline.verdict.released import released_version

PICTURED = PICTURE_TABLES if load_settings().images.enabled else ()


@stage(
    group="serving",
    inputs=["release_verdict", "classifier_verdict", *TABLES, *PICTURED],
    one_row="a part of the snapshot that the service answers from; none before the first release",
    schema=SERVED_SNAPSHOT_SCHEMA,
    revision=REVISION,
    resources=["encoder", "serving"],
)
def served_snapshot(work: AssetIO) -> dg.MaterializeResult[Any]:
    """What `medembed serve` answers from: the released checkpoint and the tables that belong to it, by version."""
    settings: EncoderSettings = work.context.resources.encoder
    work.uses(settings)
    # A lake may be older than its pictures.
    pictured = [name for name in PICTURED if work.lake.find_table(name) is not None]
    tables = {name: work.input(name) for name in (*TABLES, *pictured)}
    # The pointers, not the verdicts: a person may have put another one back.
    work.note_input("released", released_version(work.lake) or "none")
    work.note_input("classifier_in_service", IN_SERVICE.version(work.lake) or "none")
    # A verdict may say the same of another model.
    work.note_input("facts", digest([tables[name].footer.facts for name in pictured]))
    return work.publish(
        lambda: manifest(work.lake, settings, tables.get),
        SERVED_SNAPSHOT_SCHEMA,
        lambda table: {"answers": work.context.resources.serving.answers(table.footer.facts["snapshot"])},
    )
