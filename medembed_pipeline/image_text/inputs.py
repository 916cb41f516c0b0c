"""What the assets read: the pictures of the cases, the prompts, and the spaces of the models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from medembed_pipeline.encoder.image_spec import ImageEncoderSpec, image_encoder_fingerprint
from medembed_pipeline.encoder.settings import ImageEncoderSettings
from medembed_pipeline.image_text.errors import ImageTextError
from medembed_pipeline.image_text.margins import ShownPicture, Space, all_texts, shown_pictures
from medembed_pipeline.image_text.prompts import Prompts, built_in_prompts, read_prompts
from medembed_pipeline.image_text.settings import ImageTextSettings
from medembed_pipeline.image_text.spaces import BUNDLED, ReadPicture, hub_space, trained_spaces
from medembed_pipeline.images.pixels import pixels_of
from medembed_pipeline.images.vectors import packed_pictures
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import LakeTable, vectors

PROMPTS: Final = "prompts"
"""Folder of the lake for a person's own prompts: one file, .json or .csv."""


def own_prompts(lake: Lake) -> tuple[str, bytes] | None:
    """Name and bytes of the file in the lake's folder of prompts; None where there is none.

    Raises
    ------
    ImageTextError
        there are several.
    """
    names = [name for name in lake.names(PROMPTS) if name.lower().endswith((".json", ".csv"))]
    if len(names) > 1:
        raise ImageTextError(
            f"{PROMPTS}/ holds {len(names)} files of prompts; an experiment is one of them. Leave one there."
        )
    if not names:
        return None
    with lake.filesystem.open(lake.path(PROMPTS, names[0]), "rb") as file:
        return f"{PROMPTS}/{names[0]}", file.read()


def prompts_version(found: tuple[str, bytes] | None) -> str:
    """64 hex over the prompts that will be read."""
    if found is None:
        return digest(
            ["built-in", [pair.pair_id for pair in built_in_prompts().pairs], all_texts(built_in_prompts())]
        )
    return digest([found[0], found[1].hex()])


def prompts_of(found: tuple[str, bytes] | None) -> Prompts:
    """The file's prompts, or the built-in ones."""
    return built_in_prompts() if found is None else read_prompts(found[1], found[0])


def hub_fingerprints(settings: ImageTextSettings, encoder: ImageEncoderSettings) -> set[str]:
    """Of the models of pictures and texts that the settings name; none for the bundled ones."""
    named = {name for name in (settings.model, settings.finetuned) if name and name != BUNDLED}
    return {
        image_encoder_fingerprint(ImageEncoderSpec(name, encoder.size, encoder.allow_remote_code))
        for name in named
    }


def models_version(settings: ImageTextSettings, encoder: ImageEncoderSettings) -> str:
    """What identifies the models that pictures and prompts are seen by, besides the image embeddings."""
    return digest(sorted(hub_fingerprints(settings, encoder)))


@dataclass(frozen=True)
class Cases:
    """The cases' pictures, and those with a reading that may be trained on."""

    pictures: list[ShownPicture]
    read: list[ReadPicture]


def cases_of(cases: LakeTable, splits: LakeTable) -> Cases:
    """Pictures of all cases, sorted by id, and the readings of the train and validation split."""
    rows = cases.read(["case_id", "image_id", "findings", "reading"]).to_pylist()
    dealt = splits.read().to_pydict()
    split_of = dict(zip(dealt["case_id"], dealt["split"], strict=True))
    group_of = dict(zip(dealt["case_id"], dealt["group"], strict=True))
    read: dict[str, ReadPicture] = {}
    for row in rows:
        split = split_of[row["case_id"]]
        if row["image_id"] is not None and row["reading"] and split != "test":
            read.setdefault(
                row["image_id"], ReadPicture(row["image_id"], row["reading"], split == "validation")
            )
    return Cases(shown_pictures(rows, split_of, group_of), [read[image] for image in sorted(read)])


def spaces_of(
    lake: Lake,
    cases: Cases,
    prompts: Prompts,
    images: LakeTable,
    embeddings: LakeTable,
    settings: ImageTextSettings,
    encoder: ImageEncoderSettings,
) -> tuple[dict[str, Space], dict[str, Any]]:
    """Each model's space: `base`, and `finetuned` where there is one; and what is to be said of them.

    A projection that cannot be trained gives no space, and the fact `why_empty` says what is needed. The facts
    `image_encoder` and `kept_side` say what sees the pictures, and how large.
    """
    ids = [picture.image_id for picture in cases.pictures]
    texts = all_texts(prompts)
    if not ids:
        return {}, {"why_empty": "no case has a picture"}
    unpacked = images.footer.recipe.settings.get("ImagesSettings", {})
    about = {"kept_side": unpacked["kept_side"]} if "kept_side" in unpacked else {}
    if settings.model != BUNDLED:
        named = {"base": settings.model, **({"finetuned": settings.finetuned} if settings.finetuned else {})}

        def pixels(wanted: Any) -> list[Any]:
            return [pixels_of(png) for png in packed_pictures(images, wanted)]

        spaces = {name: hub_space(lake, model, ids, pixels, texts, encoder) for name, model in named.items()}
        last = ImageEncoderSpec([*named.values()][-1], encoder.size, encoder.allow_remote_code)
        return spaces, {**about, "image_encoder": image_encoder_fingerprint(last)}
    columns = embeddings.read()
    row_of: Mapping[str, int] = {
        image: row for row, image in enumerate(columns.column("image_id").to_pylist())
    }
    matrix = vectors(columns.column("embedding"))[np.array([row_of[image] for image in ids], dtype=np.int64)]
    try:
        spaces, facts = trained_spaces(lake, ids, matrix, cases.read, texts, settings)
    except ImageTextError as error:
        return {}, {"why_empty": str(error)}
    return spaces, {**facts, **about, "image_encoder": embeddings.footer.facts.get("vectors_kept_as", "")}
