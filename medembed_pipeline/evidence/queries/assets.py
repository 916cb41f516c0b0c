"""Assets of the ledger: what every held-out note won and lost, and who is taken for whom."""

from typing import Any

import dagster as dg

from medembed_pipeline.described import OnPage
from medembed_pipeline.evaluation.inputs import MODELS, explained, held_out, rows_of
from medembed_pipeline.evidence.queries import REVISION
from medembed_pipeline.evidence.queries.confusions import (
    LABEL_CONFUSIONS_SCHEMA,
    label_confusions_table,
)
from medembed_pipeline.evidence.queries.figures import confusion_figures, ledger_figures
from medembed_pipeline.evidence.queries.results import QUERY_RESULTS_SCHEMA, query_results_table
from medembed_pipeline.lake.publishing import AssetIO
from medembed_pipeline.stage import stage


@stage(
    group="evaluation",
    inputs=["cleaned_notes", "note_splits", "baseline_embeddings", "tuned_embeddings", "neighbors"],
    one_row="a held-out note, the worst regression first",
    schema=QUERY_RESULTS_SCHEMA,
    revision=REVISION,
    kinds=["numpy"],
    page=OnPage(ids=("note_id", "neighbors_baseline", "neighbors_tuned", "won", "lost")),
    figures=ledger_figures,
)
def query_results(work: AssetIO) -> dg.MaterializeResult[Any]:
    """Ten neighbours before and after of every held-out note, what it won and lost, worst regression first."""
    scored = held_out(work)
    embeddings = {model: work.input(f"{model}_embeddings") for model in MODELS}
    nearest = work.input("neighbors")
    return work.publish(
        lambda: explained(
            query_results_table(
                scored.note_ids,
                scored.specialties,
                scored.groups,
                embeddings={model: rows_of(table, scored.note_ids) for model, table in embeddings.items()},
                neighbors=nearest.read(),
            ),
            scored.specialties,
        ),
        QUERY_RESULTS_SCHEMA,
    )


@stage(
    group="evaluation",
    inputs=["cleaned_notes", "note_splits", "neighbors"],
    one_row="a specialty taken for another",
    schema=LABEL_CONFUSIONS_SCHEMA,
    revision=REVISION,
    kinds=["numpy"],
    page=OnPage(),
    figures=confusion_figures,
)
def label_confusions(work: AssetIO) -> dg.MaterializeResult[Any]:
    """Which specialties the wrong neighbours of each specialty's notes are filed under, before and after."""
    scored = held_out(work)
    nearest = work.input("neighbors")
    return work.publish(
        lambda: explained(
            label_confusions_table(scored.note_ids, scored.specialties, neighbors=nearest.read()),
            scored.specialties,
        ),
        LABEL_CONFUSIONS_SCHEMA,
    )
