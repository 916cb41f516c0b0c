"""The asset `task_metrics`: what the tuned model must keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from medembed_pipeline.encoder import EncoderSpec
from medembed_pipeline.evaluation.inputs import (
    MODELS,
    HeldOut,
    held_out,
    measured_checkpoint,
    rows_of,
    texts_of,
)
from medembed_pipeline.lake.publishing import (
    AssetWork,
    Built,
    asset_work,
    code_version,
    column_schema,
    launchpad_schema,
    launchpad_settings,
)
from medembed_pipeline.settings import EncoderSettings, TaskSettings, load_settings
from medembed_pipeline.tasks import REVISION
from medembed_pipeline.tasks.clinical_terms import clinical_terms_version
from medembed_pipeline.tasks.encoding import text_vectors
from medembed_pipeline.tasks.everyday import everyday_version
from medembed_pipeline.tasks.kinds import RankingTask
from medembed_pipeline.tasks.own import own_tasks_version
from medembed_pipeline.tasks.passages import passage_task
from medembed_pipeline.tasks.plan import PlannedTask, built_in_tasks, own_tasks, passages_planned
from medembed_pipeline.tasks.scoring import task_texts
from medembed_pipeline.tasks.table import TASK_METRICS_SCHEMA, tasks_table

SETTINGS = load_settings()


@dg.asset(
    group_name="evaluation",
    kinds={"parquet", "numpy", "pytorch"},
    deps=[
        "cleaned_notes",
        "note_splits",
        "finetuned_checkpoint",
        "baseline_embeddings",
        "tuned_embeddings",
    ],
    code_version=code_version(REVISION, SETTINGS.tasks, SETTINGS.encoder),
    config_schema=launchpad_schema("task_metrics", SETTINGS.tasks),
    metadata=column_schema(TASK_METRICS_SCHEMA),
    required_resource_keys={"lake", "encoder"},
)
def task_metrics(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    """What a model must keep: passages, clinical terms, everyday language and tasks of your own, before and after."""
    settings = launchpad_settings(context, TaskSettings)
    encoder: EncoderSettings = context.resources.encoder
    with asset_work(context, REVISION, settings, encoder) as work:
        scored = held_out(work)
        embeddings = {model: work.input(f"{model}_embeddings") for model in MODELS}
        for family, version in (
            ("clinical_terms", clinical_terms_version),
            ("everyday_language", everyday_version),
            ("own", lambda: own_tasks_version(work.lake)),
        ):
            if family in settings.families:
                work.note_input(f"tasks_{family}", version())
        # In the number format of the note vectors, whatever this machine prefers.
        precision = embeddings["tuned"].footer.facts.get("precision", encoder.precision)
        prepared = encoder.model_copy(update={"precision": precision})

        def build() -> Built:
            texts = texts_of(work.input("cleaned_notes"), scored.note_ids)
            specs = model_specs(work, prepared)
            planned = plan(work, settings, scored, texts, specs)
            wanted = [text for one in planned if one.task is not None for text in task_texts(one.task)]
            looked_up = {}
            for model, table in embeddings.items():
                known = dict(zip(texts, rows_of(table, scored.note_ids), strict=True))
                looked_up[model] = text_vectors(work.lake, specs[model], prepared, wanted, known=known)
            return tasks_table(planned, looked_up, confidence=settings.confidence)

        return work.publish(build, TASK_METRICS_SCHEMA)


def model_specs(work: AssetWork, encoder: EncoderSettings) -> dict[str, EncoderSpec]:
    """Both encoders, as the notes are embedded with them."""
    return {
        "baseline": EncoderSpec(encoder.base, encoder.pooling, encoder.max_tokens, encoder.long_notes),
        "tuned": measured_checkpoint(work).encoder_spec(encoder.long_notes),
    }


def plan(
    work: AssetWork,
    settings: TaskSettings,
    scored: HeldOut,
    texts: list[str],
    specs: Mapping[str, EncoderSpec],
) -> list[PlannedTask]:
    """All tasks of the families that are wanted."""
    planned: list[PlannedTask] = []
    notes = work.input("cleaned_notes")
    if "passages" in settings.families:
        columns = notes.read(["note_id", "duplicate_group"]).to_pydict()
        copy_of = dict(zip(columns["note_id"], columns["duplicate_group"], strict=True))
        whole = any(spec.long_notes == "windows" for spec in specs.values())

        def read() -> RankingTask:
            return passage_task(
                scored.note_ids,
                texts,
                scored.groups,
                [copy_of[note] for note in scored.note_ids],
                words=settings.passage_words,
                window=None if whole else max(spec.max_tokens for spec in specs.values()),
                seed=settings.seed,
            )

        planned.append(passages_planned(settings, read, notes.strings("text")))
    planned += built_in_tasks(settings)
    if "own" in settings.families:
        planned += own_tasks(settings, work.lake, [one.name for one in planned])
    return planned
