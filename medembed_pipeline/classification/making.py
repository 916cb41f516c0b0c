"""From the tables of the lake to a classifier's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medembed_pipeline.classification.build import build_parts, nothing_learned
from medembed_pipeline.classification.card import classifier_card
from medembed_pipeline.classification.errors import ClassificationError
from medembed_pipeline.classification.folder import write_classifier
from medembed_pipeline.classification.inputs import read_rows
from medembed_pipeline.classification.ladder import RUNG_OF
from medembed_pipeline.classification.notes import ClassifierNotes
from medembed_pipeline.classification.probabilities import label_free_of, parameters_of, scores_of
from medembed_pipeline.classification.settings import ClassificationSettings
from medembed_pipeline.encoder import encoder_fingerprint, spec_of_settings
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.lake.publishing import AssetIO
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.training.checkpoints import Checkpoint


def make_classifier(
    folder: Path,
    work: AssetIO,
    notes: ClassifierNotes,
    table: LakeTable,
    settings: ClassificationSettings,
    encoder: EncoderSettings,
    checkpoint: Checkpoint,
) -> None:
    """Fit what `label_probabilities` chose on all train notes, and write it.

    Parameters
    ----------
    folder
        there, and empty.
    work
        the asset's.
    notes
        all notes.
    table
        `label_probabilities`.
    settings
        of the room.
    encoder
        that made the vectors.
    checkpoint
        behind the tuned vectors.

    Raises
    ------
    ClassificationError
        the table was made with other notes or settings.
    """
    facts = table.footer.facts
    if facts["labels"] != len(notes.labels) or table.rows != notes.membership.size:
        raise ClassificationError(
            f"label_probabilities: {table.rows} rows of {facts['labels']} labels for {len(notes.note_ids)} notes and "
            f"{len(notes.labels)} labels; it was made from other notes or settings. Materialize it again."
        )
    if notes.labels:
        served = str(facts["served"])
        precision = work.input("tuned_embeddings").footer.facts.get("precision", "float32")
        parts = build_parts(
            notes,
            read_rows(work, notes),
            settings,
            served=served,
            parameters=parameters_of(facts),
            scores=scores_of(table.read(), notes)[served],
            label_free=served in label_free_of(facts),
            encoder=encoder_part(RUNG_OF[served].model, encoder, checkpoint, precision),
        )
    else:
        parts = nothing_learned(notes, settings)
    recipe = work.recipe()
    write_classifier(
        folder,
        parts,
        card=classifier_card(parts, facts),
        more={
            "parameters": parameters_of(facts) if notes.labels else {},
            "labels_not_predicted": facts["labels_not_predicted"],
            "why_served": facts.get("why_served", ""),
            "redact": bool(
                work.input("cleaned_notes")
                .footer.recipe.settings.get("CleaningSettings", {})
                .get("redact", False)
            ),
            "data_versions": recipe.inputs,
            "settings": recipe.settings,
        },
    )


def encoder_part(
    model: str | None, encoder: EncoderSettings, checkpoint: Checkpoint, precision: str
) -> dict[str, Any]:
    """What a classifier's manifest says of the model that makes its vectors."""
    if model is None:
        return {"kind": "none"}
    if model == "baseline":
        spec = spec_of_settings(encoder)
        return {
            "kind": "base",
            "settings": encoder.model_dump(mode="json"),
            "fingerprint": encoder_fingerprint(spec, precision=precision),
            "precision": precision,
        }
    return {
        "kind": "checkpoint",
        "version": checkpoint.version,
        "data_version": checkpoint.data_version,
        "long_notes": encoder.long_notes,
        "precision": precision,
    }
