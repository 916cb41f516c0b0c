"""The asset `checkpoint_history`."""

from typing import Any

import dagster as dg

from medembed_pipeline.described import OnPage
from medembed_pipeline.history import REVISION
from medembed_pipeline.history.figures import history_figures
from medembed_pipeline.history.publishing import (
    FIGURES,
    VERDICT,
    add_judgement,
    read_figures,
    read_judgement,
)
from medembed_pipeline.history.show import overview
from medembed_pipeline.history.table import CHECKPOINT_HISTORY_SCHEMA
from medembed_pipeline.lake.publishing import AssetIO, fact_metadata
from medembed_pipeline.stage import stage
from medembed_pipeline.verdict.released import released_version

JUDGEMENTS_SHOWN = 30


@stage(
    group="verdict",
    # What the verdict goes by, too: so that new notes and a new checkpoint reach the page in one run.
    inputs=[VERDICT, *FIGURES, "cleaned_notes", "tuned_embeddings"],
    one_row="one figure of one judgement of a checkpoint; rows are added and never removed",
    schema=CHECKPOINT_HISTORY_SCHEMA,
    revision=REVISION,
    page=OnPage(),
    figures=history_figures,
)
def checkpoint_history(work: AssetIO) -> dg.MaterializeResult[Any]:
    """Every checkpoint that was judged, when it was released, and what it gave; kept when the checkpoint is removed."""
    verdict = work.input(VERDICT)
    evidence = {name: work.input(name) for name in FIGURES if work.lake.exists(f"{name}.parquet")}
    judgement = read_judgement(work.lake, verdict, evidence)
    table, kept = add_judgement(work.lake, work.recipe(), judgement, read_figures(verdict, evidence))
    lines = overview(table.read(), released=released_version(work.lake))
    shown = fact_metadata({"judgements": lines[:JUDGEMENTS_SHOWN]})
    return work.result(table, kept=kept, more={**shown, "judgements_kept": len(lines)})
