"""What the assets read of the lake: the cases, and the vectors of their notes and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from medembed_pipeline.embeddings.vectors import encoded_texts, text_key
from medembed_pipeline.encoder import encoder_fingerprint, spec_of_settings
from medembed_pipeline.encoder.image_spec import image_encoder_fingerprint, image_spec_of_settings
from medembed_pipeline.encoder.settings import EncoderSettings, ImageEncoderSettings
from medembed_pipeline.evaluation.vectors import FloatArray
from medembed_pipeline.images.pixels import pixels_of
from medembed_pipeline.images.vectors import packed_pictures, picture_encoder
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import LakeTable, vectors
from medembed_pipeline.triage.arms import METADATA, NOTE, PICTURE
from medembed_pipeline.triage.cases import TriageCases
from medembed_pipeline.triage.masking import border_only, centre_blacked_out, small_grey
from medembed_pipeline.triage.metadata import MetadataColumn, metadata_rows
from medembed_pipeline.triage.settings import TriageSettings
from medembed_pipeline.triage.shortcuts import BORDER, CENTRE, WHOLE

BLOCK = 256
"""Pictures that are unpacked at once."""


def note_vectors(lake: Lake, notes: Sequence[str], encoder: EncoderSettings) -> FloatArray:
    """Vectors float64 [n, d] of notes by the base model; those that it has seen before are taken from the lake."""
    table, _ = encoded_texts(
        lake, [text_key(note) for note in notes], notes, spec_of_settings(encoder), encoder
    )
    return vectors(table.column("embedding")).astype(np.float64)


def part_rows(
    lake: Lake,
    cases: TriageCases,
    embeddings: LakeTable,
    encoder: EncoderSettings,
    metadata: Sequence[MetadataColumn],
) -> dict[str, FloatArray]:
    """By part, a vector for every case; zeros where it lacks the part. A part that no case has is absent.

    Parameters
    ----------
    lake
        keeps the notes' vectors.
    cases
        that take part.
    embeddings
        `image_embeddings`.
    encoder
        of the notes.
    metadata
        the columns that the arm sees.
    """
    found: dict[str, FloatArray] = {METADATA: metadata_rows(metadata, cases.columns, len(cases))}
    noted = np.flatnonzero(cases.has(NOTE))
    if len(noted):
        notes = [str(cases.notes[row]) for row in noted]
        found[NOTE] = _spread(note_vectors(lake, notes, encoder), noted, len(cases))
    pictured = np.flatnonzero(cases.has(PICTURE))
    if len(pictured):
        columns = embeddings.read()
        row_of = {image: row for row, image in enumerate(columns.column("image_id").to_pylist())}
        own = np.array([row_of[cases.image_ids[row]] for row in pictured], dtype=np.int64)
        found[PICTURE] = _spread(
            vectors(columns.column("embedding"))[own].astype(np.float64), pictured, len(cases)
        )
    return found


def _spread(rows: FloatArray, places: Any, count: int) -> FloatArray:
    found = np.zeros((count, rows.shape[1]))
    found[places] = rows
    return found


def encoders_part(
    encoder: EncoderSettings, image_encoder: ImageEncoderSettings, kept_side: int
) -> dict[str, Any]:
    """What a model's manifest says of the models that make its vectors, and of how large they see a picture."""
    return {
        NOTE: {
            "settings": encoder.model_dump(mode="json"),
            "fingerprint": encoder_fingerprint(spec_of_settings(encoder), precision=encoder.precision),
        },
        PICTURE: {
            "settings": image_encoder.model_dump(mode="json"),
            "fingerprint": image_encoder_fingerprint(image_spec_of_settings(image_encoder)),
            "kept_side": kept_side,
        },
    }


def masked_pictures(
    cases: TriageCases, images: LakeTable, settings: TriageSettings, encoder: ImageEncoderSettings
) -> dict[str, FloatArray]:
    """By input of the shortcut meter, a row for every case: border, centre blacked out, the whole as small as these.

    Parameters
    ----------
    cases
        that take part.
    images
        `raw_images`.
    settings
        what the border is, and how they are seen.
    encoder
        of pictures, where these see them.
    """
    pictured = np.flatnonzero(cases.has(PICTURE))
    if not len(pictured):
        return {}
    ids = sorted({str(cases.image_ids[row]) for row in pictured})
    see = small_grey
    if settings.picture_shortcuts == "encoder":
        encode = picture_encoder(image_spec_of_settings(encoder), encoder)

        def see(pictures: Sequence[Any]) -> FloatArray:
            return np.asarray(encode(pictures), dtype=np.float64)

    parts: dict[str, list[FloatArray]] = {BORDER: [], CENTRE: [], WHOLE: []}
    for start in range(0, len(ids), BLOCK):
        pixels = [pixels_of(png) for png in packed_pictures(images, ids[start : start + BLOCK])]
        parts[BORDER].append(see([border_only(one, settings.border) for one in pixels]))
        parts[CENTRE].append(see([centre_blacked_out(one) for one in pixels]))
        parts[WHOLE].append(small_grey(pixels))
    place = {image: row for row, image in enumerate(ids)}
    own = np.array([place[str(cases.image_ids[row])] for row in pictured], dtype=np.int64)
    return {name: _spread(np.vstack(blocks)[own], pictured, len(cases)) for name, blocks in parts.items()}


def said_by_arm(predictions: pa.Table) -> dict[str, dict[str, list[float]]]:
    """Of `triage_predictions`: by arm and case, the probabilities of the levels."""
    found: dict[str, dict[str, list[float]]] = {}
    columns: Mapping[str, list[Any]] = predictions.select(["arm", "case_id", "probabilities"]).to_pydict()
    for arm, case, said in zip(columns["arm"], columns["case_id"], columns["probabilities"], strict=True):
        found.setdefault(arm, {})[case] = said
    return found
