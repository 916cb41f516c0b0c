"""Assets of the group `embeddings`: every note's vector, by the baseline and by the tuned model."""

from typing import Any

import dagster as dg

from medembed_pipeline.embeddings import REVISION
from medembed_pipeline.embeddings.beneath import base_beneath
from medembed_pipeline.embeddings.vectors import embeddings_schema, encoded_texts
from medembed_pipeline.encoder import EncoderSpec, encoder_fingerprint, spec_of_settings
from medembed_pipeline.encoder.choosing import chosen_backend
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.engine import open_engine
from medembed_pipeline.lake.publishing import AssetIO, column_schema
from medembed_pipeline.settings import load_settings
from medembed_pipeline.stage import stage
from medembed_pipeline.training.checkpoints import current_checkpoint
from medembed_pipeline.training.known_notes import known_notes

SETTINGS = load_settings()
BUNDLED_DIMENSIONS = 384


@stage(
    group="baseline",
    inputs=["cleaned_notes"],
    one_row="a note's vector by the base model (384 numbers for the bundled one)",
    schema=embeddings_schema(BUNDLED_DIMENSIONS),
    revision=REVISION,
    more_settings=[SETTINGS.encoder],
    kinds=["huggingface", "pytorch"],
    resources=["encoder"],
)
def baseline_embeddings(work: AssetIO) -> dg.MaterializeResult[Any]:
    """Every note as the base model sees it; only notes that this model has not seen are encoded."""
    choice = chosen_backend(work.context.resources.encoder, work.lake, work.context.log.info)
    work.uses(choice.settings)
    return publish_embeddings(work, spec_of_settings(choice.settings), choice.settings, choice.metadata())


@stage(
    group="tuned",
    inputs=["cleaned_notes", "finetuned_checkpoint"],
    one_row="a note's vector by the fine-tuned checkpoint",
    schema=embeddings_schema(BUNDLED_DIMENSIONS),
    revision=REVISION,
    more_settings=[SETTINGS.encoder],
    kinds=["pytorch"],
    resources=["encoder"],
)
def tuned_embeddings(work: AssetIO) -> dg.MaterializeResult[Any]:
    """Every note as the fine-tuned checkpoint sees it: same pooling, window and normalisation as the baseline."""
    choice = chosen_backend(work.context.resources.encoder, work.lake, work.context.log.info)
    settings = choice.settings
    work.uses(settings)
    checkpoint = current_checkpoint(work.lake)
    work.note_input("finetuned_checkpoint", checkpoint.data_version)
    unseen = set(work.input("cleaned_notes").strings("note_id")) - known_notes(work.lake, checkpoint)
    return publish_embeddings(
        work,
        checkpoint.encoder_spec(settings.long_notes),
        settings,
        {"notes_the_checkpoint_has_not_seen": len(unseen), **choice.metadata()},
        base_beneath(checkpoint, settings),
    )


def publish_embeddings(
    work: AssetIO,
    spec: EncoderSpec,
    settings: EncoderSettings,
    more: dict[str, Any] | None = None,
    beneath: EncoderSpec | None = None,
) -> dg.MaterializeResult[Any]:
    """Encode what has no vector yet, or take it from the model `beneath`; publish the table, with `more` metadata."""
    notes = work.input("cleaned_notes")
    work.note_input("model", encoder_fingerprint(spec, precision=settings.computed_in))
    table = work.unchanged()
    if table is not None:
        return work.result(table, kept=True, more=more)
    with open_engine(work.lake, SETTINGS.engine, work.context.log.info) as engine:
        rows, facts = encoded_texts(
            work.lake,
            notes.strings("note_id"),
            notes.strings("text"),
            spec,
            settings,
            beneath=beneath,
            engine=engine,
            on_load=work.context.log.info,
        )
        schema = embeddings_schema(facts["dimensions"])
        table = work.lake.write_table(work.recipe(), rows.cast(schema), schema=schema, facts=facts)
    return work.result(table, kept=False, more={**column_schema(schema), **(more or {})})
