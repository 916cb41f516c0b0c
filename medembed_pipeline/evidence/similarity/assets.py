"""The asset `similarity_evidence`: the plots that people know, as a table and as pictures."""

from dataclasses import replace
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
from medembed_pipeline.evidence.similarity.settings import SimilaritySettings
from medembed_pipeline.evidence.similarity.table import SIMILARITY_SCHEMA, similarity_table
from medembed_pipeline.lake.publishing import (
    AssetWork,
    Built,
)
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.settings import load_settings
from medembed_pipeline.stage import stage
from medembed_pipeline.training.checkpoints import Checkpoint

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
)
def similarity_evidence(work: AssetWork, settings: SimilaritySettings) -> dg.MaterializeResult[Any]:
    """Similarity of pairs, heatmaps, example queries and the training's course, before and after, held-out notes."""
    encoder: EncoderSettings = work.context.resources.encoder
    scored = labelled(held_out(work))
    checkpoint = measured_checkpoint(work)
    notes, nearest = work.input("cleaned_notes"), work.input("neighbors")
    embeddings = {model: work.input(f"{model}_embeddings") for model in MODELS}
    # In the number format of the vectors that the epochs are compared with, whatever this machine prefers.
    precision = embeddings["tuned"].footer.facts.get("precision", encoder.precision)
    encoder = encoder.model_copy(update={"precision": precision})
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

    return work.publish(build, SIMILARITY_SCHEMA, lambda table: describe(work, table, notes, checkpoint))


def labelled(scored: HeldOut) -> HeldOut:
    """The held-out notes that have a specialty."""
    kept = [row for row, names in enumerate(scored.specialties) if names]
    return replace(
        scored,
        note_ids=[scored.note_ids[row] for row in kept],
        specialties=[scored.specialties[row] for row in kept],
        groups=[scored.groups[row] for row in kept],
    )


def describe(work: AssetWork, table: LakeTable, notes: LakeTable, checkpoint: Checkpoint) -> dict[str, Any]:
    """The pictures: those that the notes at hand allow."""
    from medembed_pipeline.pictures.heatmap_pictures import documents_picture, specialties_picture
    from medembed_pipeline.pictures.progress_pictures import progress_maps_picture, progress_picture
    from medembed_pipeline.pictures.similarity_pictures import distributions_picture, neighbors_picture

    evidence = table.read()
    columns = notes.read(["note_id", "specialties"]).to_pydict()
    specialties = dict(zip(columns["note_id"], columns["specialties"], strict=True))
    best_epoch = checkpoint.manifest()["best_epoch"]
    figures = set(evidence.column("figure").to_pylist())
    drawings = {
        "distributions": ("spread", lambda: distributions_picture(evidence)),
        "specialties": ("specialties", lambda: specialties_picture(evidence)),
        "documents": ("documents", lambda: documents_picture(evidence, specialties)),
        "neighbors": ("neighbors", lambda: neighbors_picture(evidence, specialties)),
        "progress": ("progress", lambda: progress_picture(evidence, best_epoch=best_epoch)),
        "progress_maps": (
            "progress_map",
            lambda: progress_maps_picture(evidence, specialties, best_epoch=best_epoch),
        ),
    }
    return work.publish_pictures(
        {name: draw() for name, (figure, draw) in drawings.items() if figure in figures}
    )
