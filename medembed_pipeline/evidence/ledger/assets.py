"""Assets of the ledger: what every held-out note won and lost, and who is taken for whom."""

from typing import Any

import dagster as dg

from medembed_pipeline.evaluation.inputs import MODELS, explained, held_out, rows_of
from medembed_pipeline.evidence.ledger import REVISION
from medembed_pipeline.evidence.ledger.confusions import (
    SPECIALTY_CONFUSIONS_SCHEMA,
    specialty_confusions_table,
)
from medembed_pipeline.evidence.ledger.ledger import RETRIEVAL_LEDGER_SCHEMA, retrieval_ledger_table
from medembed_pipeline.lake.publishing import AssetWork, asset_work, code_version, column_schema
from medembed_pipeline.lake.tables import LakeTable


@dg.asset(
    group_name="evaluation",
    kinds={"parquet", "numpy"},
    deps=["cleaned_notes", "note_splits", "baseline_embeddings", "tuned_embeddings", "neighbors"],
    code_version=code_version(REVISION),
    metadata=column_schema(RETRIEVAL_LEDGER_SCHEMA),
    required_resource_keys={"lake"},
)
def retrieval_ledger(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    """Ten neighbours before and after of every held-out note, what it won and lost, worst regression first."""
    with asset_work(context, REVISION) as work:
        scored = held_out(work)
        embeddings = {model: work.input(f"{model}_embeddings") for model in MODELS}
        nearest = work.input("neighbors")
        return work.publish(
            lambda: explained(
                retrieval_ledger_table(
                    scored.note_ids,
                    scored.specialties,
                    scored.groups,
                    embeddings={
                        model: rows_of(table, scored.note_ids) for model, table in embeddings.items()
                    },
                    neighbors=nearest.read(),
                ),
                scored.specialties,
            ),
            RETRIEVAL_LEDGER_SCHEMA,
            lambda table: describe_ledger(work, table),
        )


@dg.asset(
    group_name="evaluation",
    kinds={"parquet", "numpy"},
    deps=["cleaned_notes", "note_splits", "neighbors"],
    code_version=code_version(REVISION),
    metadata=column_schema(SPECIALTY_CONFUSIONS_SCHEMA),
    required_resource_keys={"lake"},
)
def specialty_confusions(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    """Which specialties the wrong neighbours of each specialty's notes are filed under, before and after."""
    with asset_work(context, REVISION) as work:
        scored = held_out(work)
        nearest = work.input("neighbors")
        return work.publish(
            lambda: explained(
                specialty_confusions_table(scored.note_ids, scored.specialties, neighbors=nearest.read()),
                scored.specialties,
            ),
            SPECIALTY_CONFUSIONS_SCHEMA,
            lambda table: describe_confusions(work, table),
        )


def describe_ledger(work: AssetWork, table: LakeTable) -> dict[str, Any]:
    """The change of every note, sorted."""
    from medembed_pipeline.pictures.ledger_pictures import change_picture

    if not table.rows - table.footer.facts["notes_without_relevant"]:
        return {}
    return work.publish_pictures(
        {"change_by_note": change_picture(table.read(["change", "precision_tuned"]))}
    )


def describe_confusions(work: AssetWork, table: LakeTable) -> dict[str, Any]:
    """Both confusion tables side by side."""
    from medembed_pipeline.pictures.ledger_pictures import confusions_picture

    if not table.rows:
        return {}
    return work.publish_pictures({"confusions": confusions_picture(table.read())})
