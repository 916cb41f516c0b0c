"""The asset `release_verdict`."""

from typing import Any

import dagster as dg

from medembed_pipeline.described import OnPage
from medembed_pipeline.lake.publishing import (
    AssetIO,
    Built,
)
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.settings import load_settings
from medembed_pipeline.stage import stage
from medembed_pipeline.tracking.publishing import track
from medembed_pipeline.tracking.runs import verdict_run
from medembed_pipeline.verdict import REVISION
from medembed_pipeline.verdict.checklist import information_outcomes
from medembed_pipeline.verdict.inputs import TABLES, VerdictInputs
from medembed_pipeline.verdict.outcomes import VERDICT_SCHEMA
from medembed_pipeline.verdict.released import follow_verdict, released_path
from medembed_pipeline.verdict.rules import deciding_outcomes
from medembed_pipeline.verdict.settings import VerdictSettings
from medembed_pipeline.verdict.summary import decide, sentence, verdict_table

SETTINGS = load_settings()


@stage(
    group="verdict",
    inputs=list(TABLES),
    one_row="one rule and what came of it",
    schema=VERDICT_SCHEMA,
    revision=REVISION,
    settings=SETTINGS.verdict,
    page=OnPage(),
)
def release_verdict(work: AssetIO, settings: VerdictSettings) -> dg.MaterializeResult[Any]:
    """Deploy, retrain or inconclusive, with the reasons; on deploy the checkpoint is marked released."""
    inputs = VerdictInputs(work)
    table = work.unchanged()
    kept = table is not None
    if table is None:
        rows, facts = build(inputs, settings)
        table = work.lake.write_table(work.recipe(), rows, schema=VERDICT_SCHEMA, facts=facts)
    # After the table, and again when it stands: a run killed between the two is made good by the next.
    released_now = follow_verdict(work.lake)
    if table.footer.facts["released"] and released_now != table.footer.facts["checkpoint"]:
        work.context.log.warning(
            f"the checkpoint {table.footer.facts['checkpoint']} was taken back by hand, and is not released again; "
            "`medembed rollback` puts it back"
        )
    released = released_path(work.lake)
    work.context.log.info(str(table.footer.facts["sentence"]))
    tracked = track(
        work.lake,
        SETTINGS.tracking,
        lambda: verdict_run(table.data_version, table.read().to_pylist(), table.footer.facts),
        work.context.log.warning,
    )
    shown = {**describe(table), "released_checkpoint": released or "none", **tracked}
    return work.result(table, kept=kept, more=shown)


def build(inputs: VerdictInputs, settings: VerdictSettings) -> Built:
    """Judge every rule."""
    evidence = inputs.evidence(settings)
    outcomes = [*deciding_outcomes(evidence, settings), *information_outcomes(evidence)]
    verdict = decide(outcomes)
    facts = {
        "verdict": verdict,
        "sentence": sentence(outcomes, evidence, settings),
        "checkpoint": evidence.checkpoint,
        "released": verdict == "deploy",
        "main_metric": settings.main_metric,
        "judged_on": "passages" if evidence.judged_on_passages else "main_metric",
        **{
            name: [
                {key: None if value != value else value for key, value in vars(test).items()}
                for test in tests
            ]
            for name, tests in (("specialty_tests", evidence.specialties), ("slice_tests", evidence.slices))
        },
    }
    return verdict_table(outcomes), facts


def describe(table: LakeTable) -> dict[str, Any]:
    """The sentence in bold, and the rules as a table."""
    facts = table.footer.facts
    rows = table.read().to_pylist()
    words = {True: "yes", False: "no", None: "not judged"}
    records = [
        dg.TableRecord(
            {
                "rule": row["rule"],
                "kind": row["kind"],
                "holds": words[row["passed"]],
                "value": None if row["value"] is None else round(row["value"], 6),
                "threshold": row["threshold"],
                "reason": row["reason"],
                "evidence": row["evidence"],
            }
        )
        for row in rows
    ]
    columns = [
        dg.TableColumn(name, "float" if name in ("value", "threshold") else "string")
        for name in ("rule", "kind", "holds", "value", "threshold", "reason", "evidence")
    ]
    return {
        "sentence": dg.MetadataValue.md(f"**{facts['sentence']}**"),
        "reasons": dg.MetadataValue.table(records, dg.TableSchema(columns)),
    }
