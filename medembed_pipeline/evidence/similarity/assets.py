"""The asset `similarity_evidence`: the plots that people know, as a table and as pictures."""

from dataclasses import replace
from functools import partial
from typing import Any

import dagster as dg

from medembed_pipeline.described import OnPage
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.evaluation.inputs import (
    MODELS,
    HeldOut,
    explained,
    held_out,
    measured_checkpoint,
    rows_of,
)
from medembed_pipeline.evidence.similarity import REVISION
from medembed_pipeline.evidence.similarity.epochs import encoded_epochs, epochs_version
from medembed_pipeline.evidence.similarity.figures import course_values, similarity_figures
from medembed_pipeline.evidence.similarity.settings import SimilaritySettings
from medembed_pipeline.evidence.similarity.table import SIMILARITY_SCHEMA, similarity_table
from medembed_pipeline.lake.publishing import (
    AssetIO,
    Built,
    PictureFiles,
)
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.pictures.drawing import picture
from medembed_pipeline.pictures.numbers import without_nan
from medembed_pipeline.pictures.specification import Known, Note
from medembed_pipeline.settings import load_settings
from medembed_pipeline.stage import stage
from medembed_pipeline.training.checkpoints import Checkpoint
from medembed_pipeline.training.figures import course_figures

SETTINGS = load_settings()


@stage(
    group="evaluation",
    inputs=[
        "cleaned_notes",
        "note_splits",
        "finetuned_checkpoint",
        "baseline_embeddings",
        "tuned_embeddings",
        "neighbors",
    ],
    one_row="one number of one figure",
    schema=SIMILARITY_SCHEMA,
    revision=REVISION,
    settings=SETTINGS.similarity,
    kinds=["numpy"],
    resources=["encoder"],
    page=OnPage(mixed=("group", "other"), mixed_figures=("documents", "neighbors")),
    figures=similarity_figures,
)
def similarity_evidence(work: AssetIO, settings: SimilaritySettings) -> dg.MaterializeResult[Any]:
    """Similarity of pairs, heatmaps, example queries and the training's course, before and after, held-out notes."""
    encoder: EncoderSettings = work.context.resources.encoder
    scored = labelled(held_out(work))
    checkpoint = measured_checkpoint(work)
    notes, nearest = work.input("cleaned_notes"), work.input("neighbors")
    embeddings = {model: work.input(f"{model}_embeddings") for model in MODELS}
    # In the number format of the vectors that the epochs are compared with, whatever this machine prefers.
    encoder = encoder.with_computed_in(embeddings["tuned"].footer.facts.get("precision", encoder.computed_in))
    specs = checkpoint.epoch_specs(encoder.long_notes)
    if specs:
        work.note_input("kept_epochs", epochs_version(specs, encoder))

    def build() -> Built:
        if not scored.note_ids:
            return explained((SIMILARITY_SCHEMA.empty_table(), {"notes": 0}), scored.specialties)
        rows = {model: rows_of(table, scored.note_ids) for model, table in embeddings.items()}
        epochs = {}
        if specs:
            texts = dict(zip(notes.strings("note_id"), notes.strings("text"), strict=True))
            epochs = encoded_epochs(
                work.lake,
                scored.note_ids,
                [texts[note_id] for note_id in scored.note_ids],
                specs,
                encoder,
                work.context.log.info,
            )
            # Where the training began with the base model, that epoch is the baseline.
            epochs.setdefault(0, rows["baseline"])
        return similarity_table(
            scored.note_ids,
            scored.specialties,
            rows,
            nearest.read(),
            checkpoint.history(),
            settings,
            epochs=epochs,
        )

    work.draw = partial(draw, notes, checkpoint)
    return work.publish(build, SIMILARITY_SCHEMA)


def labelled(scored: HeldOut) -> HeldOut:
    """The held-out notes that have a specialty."""
    kept = [row for row, names in enumerate(scored.specialties) if names]
    return replace(
        scored,
        note_ids=[scored.note_ids[row] for row in kept],
        specialties=[scored.specialties[row] for row in kept],
        groups=[scored.groups[row] for row in kept],
    )


def draw(notes: LakeTable, checkpoint: Checkpoint, table: LakeTable) -> dict[str, PictureFiles]:
    """The pictures: those that the notes at hand allow."""
    from medembed_pipeline.pictures.similarity_pictures import neighbors_picture

    rows = without_nan(table.read().to_pylist())
    columns = notes.read(["note_id", "specialties"]).to_pydict()
    specialties = dict(zip(columns["note_id"], columns["specialties"], strict=True))
    named = {note_id: Note(note_id, names) for note_id, names in specialties.items()}
    manifest = checkpoint.manifest()
    figures = [
        *similarity_figures(rows, Known({"finetuned_checkpoint": manifest}, notes=named)),
        *course_figures(course_values(rows), best_epoch=manifest["best_epoch"]),
    ]
    pictures: dict[str, PictureFiles] = {figure.name: picture(figure) for figure in figures}
    if any(row["figure"] == "neighbors" for row in rows):
        pictures["neighbors"] = neighbors_picture(table.read(), specialties)
    return pictures
