"""Assets of the ledger: what every held-out note won and lost, and who is taken for whom."""

from typing import Any

import dagster as dg

from medembed_pipeline.described import OnPage
from medembed_pipeline.evaluation.inputs import MODELS, explained, held_out, rows_of
from medembed_pipeline.evidence.ledger import REVISION
from medembed_pipeline.evidence.ledger.confusions import (
    SPECIALTY_CONFUSIONS_SCHEMA,
    specialty_confusions_table,
)
from medembed_pipeline.evidence.ledger.ledger import RETRIEVAL_LEDGER_SCHEMA, retrieval_ledger_table
from medembed_pipeline.lake.publishing import AssetWork
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.stage import stage


@stage(
    group="evaluation",
    inputs=["cleaned_notes", "note_splits", "baseline_embeddings", "tuned_embeddings", "neighbors"],
    one_row="a held-out note, the worst regression first",
    schema=RETRIEVAL_LEDGER_SCHEMA,
    revision=REVISION,
    kinds=["numpy"],
    page=OnPage(ids=("note_id", "neighbors_baseline", "neighbors_tuned", "won", "lost")),
)
def retrieval_ledger(work: AssetWork) -> dg.MaterializeResult[Any]:
    """Ten neighbours before and after of every held-out note, what it won and lost, worst regression first."""
    scored = held_out(work)
    embeddings = {model: work.input(f"{model}_embeddings") for model in MODELS}
    nearest = work.input("neighbors")
    return work.publish(
        lambda: explained(
            retrieval_ledger_table(
                scored.note_ids,
                scored.specialties,
                scored.groups,
                embeddings={model: rows_of(table, scored.note_ids) for model, table in embeddings.items()},
                neighbors=nearest.read(),
            ),
            scored.specialties,
        ),
        RETRIEVAL_LEDGER_SCHEMA,
        lambda table: describe_ledger(work, table),
    )


@stage(
    group="evaluation",
    inputs=["cleaned_notes", "note_splits", "neighbors"],
    one_row="a specialty taken for another",
    schema=SPECIALTY_CONFUSIONS_SCHEMA,
    revision=REVISION,
    kinds=["numpy"],
    page=OnPage(),
)
def specialty_confusions(work: AssetWork) -> dg.MaterializeResult[Any]:
    """Which specialties the wrong neighbours of each specialty's notes are filed under, before and after."""
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
