"""The asset `task_metrics`: what the model has kept of what it knew."""

from typing import Any

import dagster as dg

from medembed_pipeline.described import OnPage
from medembed_pipeline.embeddings.beneath import base_beneath
from medembed_pipeline.encoder import EncoderSpec, spec_of_settings
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.evaluation.inputs import (
    MODELS,
    HeldOut,
    held_out,
    measured_checkpoint,
    rows_of,
    texts_of,
)
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.publishing import (
    AssetIO,
    Built,
)
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.settings import load_settings
from medembed_pipeline.stage import stage
from medembed_pipeline.tasks import REVISION
from medembed_pipeline.tasks.clinical_terms import clinical_terms_version
from medembed_pipeline.tasks.encoding import TextVectors, task_vectors
from medembed_pipeline.tasks.everyday import everyday_version
from medembed_pipeline.tasks.figures import task_figures
from medembed_pipeline.tasks.gather import all_tasks
from medembed_pipeline.tasks.own import OwnFolder, own_folders
from medembed_pipeline.tasks.passages import SMALLEST_GROUPS, passage_task
from medembed_pipeline.tasks.settings import TaskSettings
from medembed_pipeline.tasks.table import TASK_SCHEMA, task_table
from medembed_pipeline.tasks.task import NotAsked, Task

SETTINGS = load_settings()


@stage(
    group="evaluation",
    inputs=[
        "cleaned_notes",
        "note_splits",
        "finetuned_checkpoint",
        "baseline_embeddings",
        "tuned_embeddings",
    ],
    one_row="one figure of one task",
    schema=TASK_SCHEMA,
    revision=REVISION,
    settings=SETTINGS.tasks,
    more_settings=[SETTINGS.encoder],
    kinds=["pytorch", "scikitlearn"],
    resources=["encoder"],
    page=OnPage(),
    figures=task_figures,
)
def task_metrics(work: AssetIO, settings: TaskSettings) -> dg.MaterializeResult[Any]:
    """What a model must keep: passages, clinical terms, everyday language, your own tasks, before and after tuning."""
    encoder: EncoderSettings = work.context.resources.encoder
    work.uses(encoder)
    scored = held_out(work)
    embeddings = {model: work.input(f"{model}_embeddings") for model in MODELS}
    # The precision that the notes' vectors were computed in: no others are compared with them.
    encoder = encoder.with_computed_in(embeddings["tuned"].footer.facts.get("precision", encoder.computed_in))
    folders = own_folders(work.lake) if "own" in settings.families else []
    note_sources(work, settings, folders)
    # There is no verdict on a model that was not trained here.
    given = measured_checkpoint(work).is_given

    def build() -> Built:
        notes = work.input("cleaned_notes")
        texts = texts_of(notes, scored.note_ids)
        tasks = all_tasks(settings, lambda: passages_of(scored, texts, notes, settings, encoder), folders)
        vectors = {}
        for model, spec in encoder_specs(work, encoder).items():
            known = TextVectors(texts, rows_of(embeddings[model], scored.note_ids))
            beneath = base_beneath(measured_checkpoint(work), encoder) if model == "tuned" else None
            vectors[model] = task_vectors(work.lake, spec, encoder, tasks, known, beneath)
        return task_table(
            tasks,
            vectors,
            confidence=settings.confidence,
            tolerance=settings.tolerance,
            decides=lambda family, name: not given and settings.decides(family, name),
        )

    return work.publish(build, TASK_SCHEMA)


def note_sources(work: AssetIO, settings: TaskSettings, folders: list[OwnFolder]) -> None:
    """Note what is read and is no table."""
    if "clinical_terms" in settings.families:
        work.note_input("clinical_terms", clinical_terms_version())
    if "everyday_language" in settings.families:
        work.note_input("everyday_language", everyday_version())
    if "own" in settings.families:
        work.note_input("own_tasks", digest([folder.version for folder in folders]))


def passages_of(
    scored: HeldOut, texts: list[str], notes: LakeTable, settings: TaskSettings, encoder: EncoderSettings
) -> Task | NotAsked:
    """The passages of the held-out notes."""
    return passage_task(
        scored.note_ids,
        texts,
        scored.groups,
        window=0 if encoder.long_notes == "windows" else encoder.max_tokens,
        words=settings.passage_words,
        per_note=settings.passages_per_note,
        notes_at_most=settings.passage_notes,
        seed=settings.seed,
        reads_all=encoder.long_notes == "windows",
        background=notes.strings("text"),
        groups_at_least=SMALLEST_GROUPS,
    )


def encoder_specs(work: AssetIO, settings: EncoderSettings) -> dict[str, EncoderSpec]:
    """How each model is loaded."""
    return {
        "baseline": spec_of_settings(settings),
        "tuned": measured_checkpoint(work).encoder_spec(settings.long_notes),
    }
