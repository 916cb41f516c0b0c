"""The asset `checkpoint_history`."""

from typing import Any

import dagster as dg

from medembed_pipeline.history import REVISION
from medembed_pipeline.history.publishing import (
    FIGURES,
    VERDICT,
    add_judgement,
    read_figures,
    read_judgement,
)
from medembed_pipeline.history.show import overview
from medembed_pipeline.history.table import CHECKPOINT_HISTORY_SCHEMA
from medembed_pipeline.lake.publishing import asset_work, code_version, column_schema, fact_metadata
from medembed_pipeline.verdict.released import released_version

JUDGEMENTS_SHOWN = 30


@dg.asset(
    group_name="report",
    kinds={"parquet"},
    # What the verdict goes by, too: so that new notes and a new checkpoint reach the page in one run.
    deps=[VERDICT, *FIGURES, "cleaned_notes", "tuned_embeddings"],
    code_version=code_version(REVISION),
    metadata=column_schema(CHECKPOINT_HISTORY_SCHEMA),
    required_resource_keys={"lake"},
)
def checkpoint_history(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    """Every checkpoint that was judged, when it was released, and what it gave; kept when the checkpoint is removed."""
    with asset_work(context, REVISION) as work:
        verdict = work.input(VERDICT)
        evidence = {name: work.input(name) for name in FIGURES if work.lake.exists(f"{name}.parquet")}
        judgement = read_judgement(work.lake, verdict, evidence)
        table, kept = add_judgement(work.lake, work.recipe(), judgement, read_figures(verdict, evidence))
        lines = overview(table.read(), released=released_version(work.lake))
        shown = fact_metadata({"judgements": lines[:JUDGEMENTS_SHOWN]})
        return work.result(table, kept=kept, more={**shown, "judgements_kept": len(lines)})
