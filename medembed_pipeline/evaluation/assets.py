"""Assets of the group `evaluation`: nearest neighbours and the metrics on held-out notes."""

from typing import Any

import dagster as dg
import pyarrow as pa

from medembed_pipeline.evaluation import REVISION
from medembed_pipeline.evaluation.inputs import MODELS, held_out, read_embeddings, rows_of
from medembed_pipeline.evaluation.metrics_table import METRICS_SCHEMA, metrics_table
from medembed_pipeline.evaluation.neighbors import NEIGHBORS_SCHEMA, neighbors_table
from medembed_pipeline.evaluation.relevance import evaluation_counts
from medembed_pipeline.lake.publishing import (
    AssetWork,
    Built,
    asset_work,
    code_version,
    column_schema,
    fact_metadata,
    launchpad_schema,
    launchpad_settings,
)
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.settings import EvaluationSettings, NeighborSettings, load_settings

SETTINGS = load_settings()
INPUTS = ["cleaned_notes", "note_splits", "baseline_embeddings", "tuned_embeddings"]


@dg.asset(
    group_name="evaluation",
    kinds={"parquet", "numpy"},
    deps=INPUTS,
    code_version=code_version(REVISION, SETTINGS.neighbors),
    config_schema=launchpad_schema("neighbors", SETTINGS.neighbors),
    metadata=column_schema(NEIGHBORS_SCHEMA),
    required_resource_keys={"lake"},
)
def neighbors(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    """Exact cosine neighbours of every note in both models; the metrics and the maps read them."""
    settings = launchpad_settings(context, NeighborSettings)
    with asset_work(context, REVISION, settings) as work:
        scored = held_out(work)
        embeddings = {model: work.input(f"{model}_embeddings") for model in MODELS}

        def build() -> Built:
            labelled = [
                note for note, names in zip(scored.note_ids, scored.specialties, strict=True) if names
            ]
            parts = []
            for model, table in embeddings.items():
                ids, matrix = read_embeddings(table)
                parts.append(
                    neighbors_table(model, ids, matrix, scored_note_ids=labelled, k=settings.neighbors)
                )
            return pa.concat_tables(parts), {"scored_notes": len(labelled)}

        return work.publish(build, NEIGHBORS_SCHEMA)


@dg.asset(
    group_name="evaluation",
    kinds={"parquet", "numpy"},
    deps=[*INPUTS, "neighbors"],
    code_version=code_version(REVISION, SETTINGS.evaluation),
    config_schema=launchpad_schema("embedding_metrics", SETTINGS.evaluation),
    metadata=column_schema(METRICS_SCHEMA),
    required_resource_keys={"lake"},
)
def embedding_metrics(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    """Baseline, tuned and their paired difference on held-out test notes, with bootstrap intervals."""
    settings = launchpad_settings(context, EvaluationSettings)
    with asset_work(context, REVISION, settings) as work:
        scored = held_out(work)
        embeddings = {model: work.input(f"{model}_embeddings") for model in MODELS}
        nearest = work.input("neighbors")

        def build() -> Built:
            counts = evaluation_counts(scored.specialties, minimum_notes=settings.minimum_specialty_notes)
            if not counts.notes_scored:
                raise dg.Failure("no held-out test note has a specialty, so there is nothing to score")
            table = metrics_table(
                scored.note_ids,
                baseline=rows_of(embeddings["baseline"], scored.note_ids),
                tuned=rows_of(embeddings["tuned"], scored.note_ids),
                specialties=scored.specialties,
                duplicate_groups=scored.groups,
                resamples=settings.resamples,
                confidence=settings.confidence,
                seed=settings.seed,
                minimum_notes=settings.minimum_specialty_notes,
                neighbors=nearest.read(),
            )
            facts = {
                "scored_notes": counts.notes_scored,
                "notes_without_specialty": counts.notes_without_specialty,
                "notes_excluded_as_trained_on": scored.excluded,
                "queries_without_relevant": counts.queries_without_relevant,
                "specialties_too_small": len(counts.small_specialties),
            }
            return table, facts

        return work.publish(build, METRICS_SCHEMA, lambda table: describe_metrics(work, table))


def describe_metrics(work: AssetWork, table: LakeTable) -> dict[str, Any]:
    """The overall figures as a table, and the two pictures."""
    from medembed_pipeline.pictures.metrics_pictures import metrics_picture, specialty_change_picture

    metrics = table.read()
    overall = [row for row in metrics.to_pylist() if row["scope"] == "all"]
    shown = [
        {name: row[name] for name in ("model", "metric", "k", "value", "ci_low", "ci_high", "n")}
        for row in overall
    ]
    pictures = {"before_and_after": metrics_picture(metrics)}
    # With few notes no specialty may have enough held-out ones for figures of its own.
    if any(row["scope"] not in ("all", "macro") for row in metrics.to_pylist()):
        pictures["change_by_specialty"] = specialty_change_picture(metrics)
    return {**fact_metadata({"overall": shown}), **work.publish_pictures(pictures)}
