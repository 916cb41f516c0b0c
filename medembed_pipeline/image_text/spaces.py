"""Pictures and prompts in one space, by each model: the bundled encoders with the projection, or a model of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.embeddings.vectors import embeddings_table
from medembed_pipeline.encoder import EncoderSpec, encoder_fingerprint
from medembed_pipeline.encoder.image_spec import ImageEncoderSpec, image_encoder_fingerprint
from medembed_pipeline.encoder.settings import ImageEncoderSettings
from medembed_pipeline.image_text.contrast import (
    CONFIG,
    LABEL,
    Projection,
    Trained,
    save_projection,
    train_projection,
)
from medembed_pipeline.image_text.margins import Space
from medembed_pipeline.image_text.settings import ImageTextSettings
from medembed_pipeline.lake import compute as pc
from medembed_pipeline.lake.fields import described
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.store import KeyedStore
from medembed_pipeline.lake.tables import vector_column, vectors

FOLDER: Final = "image_text_models"
BUNDLED: Final = "bundled"
READINGS: Final = "reading_vectors"
BLOCK: Final = 512

IMAGE_TEXT_VECTORS_SCHEMA = pa.schema(
    [
        described("model", pa.string(), "base or finetuned"),
        described("kind", pa.string(), "picture or prompt (paraphrases for the control included)"),
        described("key", pa.string(), "the picture's image_id, or the prompt"),
        described("embedding", pa.list_(pa.float32()), "its vector in the space of both, L2-normalised"),
    ]
)

Pixels = Callable[[Sequence[str]], list[npt.NDArray[np.uint8]]]
"""Gives the kept pictures of some image ids."""


@dataclass(frozen=True)
class ReadPicture:
    """A picture of the train or validation split with its reading."""

    image_id: str
    reading: str
    validates: bool


def text_vectors(lake: Lake, texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Vectors [n, 384] of readings and prompts by the bundled text encoder."""
    spec = EncoderSpec()
    store = KeyedStore(lake, READINGS, encoder_fingerprint(spec, precision="float32"))

    def load() -> Any:
        from medembed_pipeline.encoder.model import load_encoder

        return load_encoder(spec, device="cpu", precision="float32")

    table, _ = embeddings_table(
        [str(row) for row in range(len(texts))], texts, load_encoder=load, store=store
    )
    return vectors(table.column("embedding"))


def trained_spaces(
    lake: Lake,
    picture_ids: Sequence[str],
    picture_vectors: npt.NDArray[np.float32],
    read: Sequence[ReadPicture],
    texts: Sequence[str],
    settings: ImageTextSettings,
) -> tuple[dict[str, Space], dict[str, Any]]:
    """The bundled encoders with the projection: `base` untrained, `finetuned` trained on the readings.

    Parameters
    ----------
    lake
        keeps the vectors of texts, and the projection under `image_text_models/`.
    picture_ids
        n.
    picture_vectors
        [n, d], by the image encoder.
    read
        pictures to train and validate on.
    texts
        prompts and paraphrases.
    settings
        of the projection.

    Raises
    ------
    ImageTextError
        too few readings.
    """
    row_of = {image: row for row, image in enumerate(picture_ids)}
    readings = [one.reading for one in read]
    words = list(dict.fromkeys([*readings, *texts]))
    encoded = dict(zip(words, text_vectors(lake, words), strict=True))
    trained: Trained = train_projection(
        picture_vectors[[row_of[one.image_id] for one in read]],
        np.array([encoded[reading] for reading in readings]),
        readings,
        [one.validates for one in read],
        settings,
    )
    asked = np.array([encoded[text] for text in texts])
    spaces = {
        name: Space.of(one.images(picture_vectors), texts, one.texts(asked))
        for name, one in (("base", trained.before), ("finetuned", trained.after))
    }
    first, kept = trained.validation_loss
    facts = {
        "label": LABEL,
        "trained_on": sum(not one.validates for one in read),
        "validated_on": sum(one.validates for one in read),
        "steps_kept": trained.steps,
        "validation_loss_at_first": round(first, 6),
        "validation_loss_kept": round(kept, 6),
        "projection": keep_projection(lake, trained.after, {"steps": trained.steps}),
    }
    return spaces, facts


def keep_projection(lake: Lake, projection: Projection, about: dict[str, Any]) -> str:
    """Save it under `<lake>/image_text_models/<version>`; returns the version, by its content."""
    version = projection_version(projection)
    if not lake.exists(FOLDER, version, CONFIG):
        with lake.staged_folder(FOLDER, version, last=CONFIG) as staged:
            save_projection(staged, projection, about)
    return version


def projection_version(projection: Projection) -> str:
    """16 hex over what it holds."""
    parts = [projection.image_mean, projection.image_map, projection.text_mean, projection.text_map]
    return digest([np.ascontiguousarray(part).tobytes().hex() for part in parts])[:16]


def hub_space(
    lake: Lake,
    model: str,
    picture_ids: Sequence[str],
    pixels: Pixels,
    texts: Sequence[str],
    encoder: ImageEncoderSettings,
) -> Space:
    """A model of pictures and texts; what it has seen before is taken from the store.

    Raises
    ------
    MedembedError
        it cannot be loaded, or reads no texts.
    """
    from functools import cache

    spec = ImageEncoderSpec(model, encoder.size, encoder.allow_remote_code)
    fingerprint = image_encoder_fingerprint(spec)

    @cache
    def loaded() -> Any:
        from medembed_pipeline.encoder.image_model import load_image_encoder

        return load_image_encoder(spec, device=encoder.device)

    def kept(name: str, keys: Sequence[str], encode: Callable[[list[int]], npt.NDArray[np.float32]]) -> Any:
        rows, _ = KeyedStore(lake, name, fingerprint).get_or_compute(
            keys, lambda places: pa.table({"embedding": vector_column(encode(places))}), block=BLOCK
        )
        return vectors(rows.column("embedding"))

    # The texts first: a model that reads none is refused before a thousand pictures are encoded.
    rows = kept(
        "prompt_vectors",
        [digest(text) for text in texts],
        lambda places: loaded().encode_texts([texts[place] for place in places]),
    )
    pictures = kept(
        "image_vectors",
        picture_ids,
        lambda places: loaded().encode(
            pixels([picture_ids[place] for place in places]), batch_size=encoder.batch_size
        ),
    )
    return Space.of(pictures, texts, rows)


def vectors_table(spaces: Mapping[str, Space], picture_ids: Sequence[str]) -> pa.Table:
    """The spaces as a table with IMAGE_TEXT_VECTORS_SCHEMA."""
    tables = []
    for model, space in spaces.items():
        for kind, keys, rows in (
            ("picture", list(picture_ids), space.pictures),
            ("prompt", list(space.texts), np.array(list(space.texts.values()))),
        ):
            lists = vector_column(rows).cast(pa.list_(pa.float32()))
            columns = [[model] * len(keys), [kind] * len(keys), keys, lists]
            tables.append(pa.table(columns, schema=IMAGE_TEXT_VECTORS_SCHEMA))
    return pa.concat_tables(tables) if tables else IMAGE_TEXT_VECTORS_SCHEMA.empty_table()


def spaces_of_table(table: pa.Table) -> dict[str, Space]:
    """The spaces again; pictures in the order of the table."""
    spaces: dict[str, Space] = {}
    for model in dict.fromkeys(table.column("model").to_pylist()):
        own = table.filter(pc.equal(table["model"], model))
        parts = {}
        for kind in ("picture", "prompt"):
            rows = own.filter(pc.equal(own["kind"], kind))
            flat = rows["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
            parts[kind] = rows["key"].to_pylist(), flat.reshape(len(rows), -1)
        spaces[model] = Space.of(parts["picture"][1], *parts["prompt"])
    return spaces
