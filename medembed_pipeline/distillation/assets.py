"""Assets of the group `evaluation`: a vector for each token, and what a model of these is worth."""

from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa

from medembed_pipeline.described import OnPage
from medembed_pipeline.distillation import REVISION
from medembed_pipeline.distillation.measuring import STATIC_METRICS_SCHEMA
from medembed_pipeline.distillation.models import UNKNOWN, StaticTexts, static_model
from medembed_pipeline.distillation.settings import DistillationSettings
from medembed_pipeline.embeddings.beneath import base_beneath
from medembed_pipeline.embeddings.vectors import embeddings_schema
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.evaluation.inputs import (
    TEST,
    held_out,
    measured_checkpoint,
    read_embeddings,
    texts_of,
)
from medembed_pipeline.lake.fields import described
from medembed_pipeline.lake.publishing import AssetIO, Built
from medembed_pipeline.lake.tables import vector_column
from medembed_pipeline.settings import load_settings
from medembed_pipeline.stage import stage
from medembed_pipeline.tasks.assets import note_sources, passages_of
from medembed_pipeline.tasks.encoding import TextVectors, task_vectors
from medembed_pipeline.tasks.gather import all_tasks
from medembed_pipeline.tasks.own import own_folders
from medembed_pipeline.tasks.scoring import Vectors
from medembed_pipeline.tasks.table import task_table

SETTINGS = load_settings()
BUNDLED_DIMENSIONS = 384


def token_schema(dimensions: int) -> pa.Schema:
    """Columns of `token_vectors`."""
    vector = embeddings_schema(dimensions).field("embedding").type
    return pa.schema(
        [
            described(
                "token_id",
                pa.int64(),
                "in the tokenizer; the sort key. -1: the mean train note, for a text of which no token is known",
            ),
            described("token", pa.string(), "the token, as the tokenizer writes it"),
            described("vector", vector, "its vector; a text's is the mean of its tokens'"),
        ]
    )


@stage(
    group="evaluation",
    inputs=["cleaned_notes", "note_splits", "finetuned_checkpoint", "tuned_embeddings"],
    one_row="a token that train notes hold, and its vector: the static model",
    schema=token_schema(BUNDLED_DIMENSIONS),
    revision=REVISION,
    settings=SETTINGS.distillation,
    kinds=["scikitlearn"],
)
def token_vectors(work: AssetIO, settings: DistillationSettings) -> dg.MaterializeResult[Any]:
    """The static model: token vectors whose mean imitates the tuned model's vector of each train note."""
    checkpoint = measured_checkpoint(work)
    notes, splits = work.input("cleaned_notes"), work.input("note_splits")
    tuned = work.input("tuned_embeddings")

    def build() -> Built:
        from medembed_pipeline.distillation.fit import fit
        from medembed_pipeline.distillation.notes import validation_score
        from medembed_pipeline.distillation.static import DistillationError, TokenCounter

        found = splits.read(["note_id", "split"]).to_pydict()
        own = {
            split: sorted(note for note, one in zip(*found.values(), strict=True) if one == split)
            for split in ("train", "validation")
        }
        ids, matrix = read_embeddings(tuned)
        dimensions = matrix.shape[1]
        schema = token_schema(dimensions)
        try:
            counter = TokenCounter(checkpoint.folder)
        except DistillationError as error:  # the rest of the graph can do without
            return schema.empty_table(), {"dimensions": dimensions, "why_none": str(error)}
        row_of = {note: row for row, note in enumerate(ids)}
        rows = {split: matrix[[row_of[note] for note in own[split]]] for split in own}
        facts = {"dimensions": dimensions, "train_notes": len(own["train"]), "vocabulary": counter.size}
        if not own["train"]:
            return schema.empty_table(), facts
        fitted = fit(
            counter.counts(texts_of(notes, own["train"])),
            rows["train"],
            settings.strengths,
            validation=counter.counts(texts_of(notes, own["validation"])),
            score=validation_score(notes, own["validation"], rows["validation"]),
        )
        columns = [
            pa.array(np.concatenate([[UNKNOWN], fitted.tokens])),
            pa.array(["", *counter.words(fitted.tokens.tolist())]),
            vector_column(np.concatenate([fitted.middle[None], fitted.vectors])),
        ]
        facts |= {
            "strength": fitted.strength,
            "validation_scores": [
                {"strength": one, "score": round(score, 9)}
                for one, score in zip(settings.strengths, fitted.scores, strict=True)
            ],
        }
        return pa.table(columns, names=schema.names), facts

    table = work.unchanged()
    kept = table is not None
    if table is None:
        rows, facts = build()
        schema = token_schema(facts["dimensions"])
        table = work.lake.write_table(work.recipe(), rows.cast(schema), schema=schema, facts=facts)
    return work.result(table, kept=kept)


@stage(
    group="evaluation",
    inputs=["cleaned_notes", "note_splits", "finetuned_checkpoint", "tuned_embeddings", "token_vectors"],
    one_row="one figure of the static model, beside the tuned one's",
    schema=STATIC_METRICS_SCHEMA,
    revision=REVISION,
    settings=SETTINGS.distillation,
    more_settings=[SETTINGS.tasks, SETTINGS.encoder],
    kinds=["numpy"],
    resources=["encoder"],
    page=OnPage(),
)
def static_metrics(work: AssetIO, settings: DistillationSettings) -> dg.MaterializeResult[Any]:
    """The static model on held-out notes and tasks, beside the tuned model that it imitates, and as a first stage."""
    encoder: EncoderSettings = work.context.resources.encoder
    tasks = SETTINGS.tasks
    work.uses(encoder)
    work.uses(tasks)
    scored = held_out(work)
    notes, tuned, tokens = (
        work.input("cleaned_notes"),
        work.input("tuned_embeddings"),
        work.input("token_vectors"),
    )
    encoder = encoder.with_computed_in(tuned.footer.facts.get("precision", encoder.computed_in))
    checkpoint = measured_checkpoint(work)
    folders = own_folders(work.lake) if "own" in tasks.families else []
    note_sources(work, tasks, folders)

    def build() -> Built:
        from medembed_pipeline.distillation.measuring import first_stage_row, note_rows, task_rows

        facts = {"scored_notes": len(scored.note_ids)}
        if scored.split != TEST or not scored.note_ids or not tokens.rows:
            return STATIC_METRICS_SCHEMA.empty_table(), facts
        model = static_model(checkpoint.folder, tokens)
        ids, matrix = read_embeddings(tuned)
        static = model.encode(texts_of(notes, ids))
        row_of = {note: row for row, note in enumerate(ids)}
        places = np.array([row_of[note] for note in scored.note_ids], dtype=np.int64)
        found = note_rows(
            scored.note_ids,
            matrix[places],
            static[places],
            scored.specialties,
            scored.groups,
            confidence=SETTINGS.evaluation.confidence,
        )
        found.append(
            first_stage_row(
                matrix,
                static,
                places,
                scored.groups,
                k=settings.first_stage,
                confidence=SETTINGS.evaluation.confidence,
            )
        )
        texts = texts_of(notes, scored.note_ids)
        asked = all_tasks(tasks, lambda: passages_of(scored, texts, notes, tasks, encoder), folders)
        vectors = task_vectors(
            work.lake,
            checkpoint.encoder_spec(encoder.long_notes),
            encoder,
            asked,
            TextVectors(texts, matrix[places]),
            base_beneath(checkpoint, encoder),
        )
        pair: dict[str, Vectors] = {"baseline": vectors, "tuned": StaticTexts(model, asked)}
        table, _ = task_table(
            asked,
            pair,
            confidence=tasks.confidence,
            tolerance=tasks.tolerance,
            decides=lambda family, name: False,
        )
        found += task_rows(table)
        return pa.Table.from_pylist(found, schema=STATIC_METRICS_SCHEMA), facts

    return work.publish(build, STATIC_METRICS_SCHEMA)
