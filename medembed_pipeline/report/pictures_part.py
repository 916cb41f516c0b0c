"""The pictures of the page: small copies of those that its tables name."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping

import pyarrow as pa

from medembed_pipeline.lake.tables import LakeTable

SIDE = 112
"""Pixels of the longer side: enough to see what a margin is about, too few to read what is written on a film."""
MOST = 1_500
"""Pictures in a page; 2 to 3 KB each."""
_QUALITY = 72


def named_pictures(tables: Mapping[str, pa.Table], more: Iterable[str | None] = ()) -> list[str]:
    """Ids of the pictures of a page, each once, at most MOST: first those that its tables name, sorted, then more."""
    found: set[str] = set()
    for name in sorted(tables):
        rows = tables[name]
        if "image_id" in rows.column_names:
            found.update(image for image in rows.column("image_id").to_pylist() if image is not None)
    return list(dict.fromkeys([*sorted(found), *(image for image in more if image is not None)]))[:MOST]


def small_pictures(images: LakeTable, image_ids: Iterable[str]) -> dict[str, str]:
    """By image id a grey JPEG of at most SIDE pixels, as a data URI.

    Parameters
    ----------
    images
        `raw_images`; ids that are not there are left out.
    image_ids
        wanted.
    """
    wanted = set(image_ids)
    found: dict[str, str] = {}
    if not wanted:
        return found
    for batch in images.batches(["image_id", "picture"], rows=512):
        for image_id, packed in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True):
            if image_id in wanted and image_id not in found:
                found[image_id] = _small(packed)
    return dict(sorted(found.items()))


def _small(packed: bytes) -> str:
    from PIL import Image

    small = io.BytesIO()
    with Image.open(io.BytesIO(packed), formats=["PNG"]) as opened:
        picture = opened.convert("L")
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    picture.save(small, format="JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(small.getvalue()).decode('ascii')}"
