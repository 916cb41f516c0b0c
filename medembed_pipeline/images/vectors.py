"""The pictures' vectors: known ones from the store, new ones from the image encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

import pyarrow as pa

from medembed_pipeline.encoder.image_spec import (
    BUNDLED_IMAGE_DIMENSIONS,
    IMAGE_ENCODER_REVISION,
    ImageEncoderSpec,
    image_encoder_fingerprint,
)
from medembed_pipeline.encoder.settings import ImageEncoderSettings
from medembed_pipeline.encoder.shards import refuse_another_model
from medembed_pipeline.encoder.spec import BUNDLED
from medembed_pipeline.engine import Engine, Shard, ShardRows, ShardWork, Worker
from medembed_pipeline.images import REVISION
from medembed_pipeline.images.pixels import pixels_of
from medembed_pipeline.lake.fields import described
from medembed_pipeline.lake.store import KeyedStore
from medembed_pipeline.lake.tables import LakeTable, vector_column, vectors

BLOCK_PICTURES = 512
"""Pictures encoded between two writes to the store: what a killed run loses at most."""


def image_embeddings_schema(dimensions: int) -> pa.Schema:
    """Columns of `image_embeddings`."""
    return pa.schema(
        [
            described("image_id", pa.string(), "the picture; unique; the sort key"),
            described(
                "embedding",
                pa.list_(pa.float32(), dimensions),
                "the picture's vector, L2-normalised: a dot product is a cosine",
            ),
        ]
    )


def image_embeddings_table(
    images: LakeTable,
    spec: ImageEncoderSpec,
    settings: ImageEncoderSettings,
    store: KeyedStore,
    engine: Engine,
) -> tuple[pa.Table, dict[str, Any]]:
    """A vector for every different picture.

    Parameters
    ----------
    images
        `raw_images`.
    spec
        the encoder; it is loaded only when a picture has no vector yet.
    settings
        device and batch.
    store
        vectors of this very encoder, by picture.
    engine
        where pictures are encoded.

    Returns
    -------
    tuple[pa.Table, dict[str, Any]]
        Columns image_id and embedding, sorted by image_id, and the facts `dimensions`, `encoded_pictures` and
        `known_pictures`.
    """
    ids = sorted(set(images.strings("image_id")))
    if not ids:
        dimensions = BUNDLED_IMAGE_DIMENSIONS if spec.base == BUNDLED else 1
        empty = image_embeddings_schema(dimensions).empty_table()
        return empty, {"dimensions": dimensions, "encoded_pictures": 0, "known_pictures": 0}
    how = {
        "spec": asdict(spec),
        "device": settings.device,
        "batch_size": settings.batch_size,
        "fingerprint": store.version,
    }

    def encode(blocks: Sequence[list[int]]) -> Iterator[pa.Table]:
        shards = (
            Shard((ShardRows(_pictures(images, [ids[position] for position in block])),), how)
            for block in blocks
        )
        return engine.map(ENCODE_PICTURES, shards, device=settings.device)

    rows, encoded = store.get_or_map(ids, encode, block=BLOCK_PICTURES)
    matrix = vectors(rows.column("embedding"))
    table = pa.table({"image_id": pa.array(ids, pa.string()), "embedding": vector_column(matrix)})
    facts = {
        "dimensions": matrix.shape[1],
        "encoded_pictures": encoded,
        "known_pictures": len(ids) - encoded,
        "vectors_kept_as": store.version,
    }
    return table, facts


def _pictures(images: LakeTable, image_ids: Sequence[str]) -> pa.Table:
    return pa.table({"picture": pa.array(packed_pictures(images, image_ids), pa.large_binary())})


def encode_pictures(tables: Sequence[pa.Table], settings: Mapping[str, Any], worker: Worker) -> pa.Table:
    """Column embedding (fixed-size list of float32, L2-normalised) of the column picture (PNG), in its order."""
    encoder = worker.once(settings["fingerprint"], lambda: _loaded(settings, worker))
    pictures = [pixels_of(png) for png in tables[0].column("picture").to_pylist()]
    return pa.table({"embedding": vector_column(encoder.encode(pictures, batch_size=settings["batch_size"]))})


ENCODE_PICTURES = ShardWork(encode_pictures, f"{REVISION}-{IMAGE_ENCODER_REVISION}", has_model=True)


def _loaded(settings: Mapping[str, Any], worker: Worker) -> Any:
    from medembed_pipeline.encoder.image_model import load_image_encoder

    spec = ImageEncoderSpec(**settings["spec"])
    if worker.is_remote:
        refuse_another_model(spec.base, settings["fingerprint"], image_encoder_fingerprint(spec))
    return load_image_encoder(spec, device=settings["device"])


def picture_encoder(spec: ImageEncoderSpec, settings: ImageEncoderSettings) -> Callable[[Sequence[Any]], Any]:
    """A function of pictures (uint8 arrays) that gives their vectors, and loads the encoder when first called."""

    @cache
    def encoder() -> Any:
        from medembed_pipeline.encoder.image_model import load_image_encoder

        return load_image_encoder(spec, device=settings.device)

    return lambda pictures: encoder().encode(pictures, batch_size=settings.batch_size)


def packed_pictures(images: LakeTable, image_ids: Sequence[str]) -> list[bytes]:
    """The kept pictures of some ids, as PNG, in their order.

    Parameters
    ----------
    images
        `raw_images`, read a batch at a time.
    image_ids
        of pictures that are there.
    """
    wanted = set(image_ids)
    found: dict[str, bytes] = {}
    for batch in images.batches(["image_id", "picture"], rows=512):
        for image_id, png in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True):
            if image_id in wanted:
                found.setdefault(image_id, png)
        if len(found) == len(wanted):
            break
    return [found[image_id] for image_id in image_ids]
