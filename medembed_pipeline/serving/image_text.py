"""The model of pictures and texts of a snapshot: the one whose vectors `image_text_vectors` holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy.typing as npt

from medembed_pipeline.encoder import EncoderSpec, encoder_fingerprint
from medembed_pipeline.encoder.image_spec import (
    ImageEncoderSpec,
    image_encoder_fingerprint,
    image_spec_of_settings,
)
from medembed_pipeline.encoder.settings import ImageEncoderSettings
from medembed_pipeline.encoder.spec import BUNDLED
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.image_text.contrast import CONFIG, LABEL, load_projection
from medembed_pipeline.image_text.margins import DECIMALS, Space
from medembed_pipeline.image_text.prompts import Prompts, prompts_of_table
from medembed_pipeline.image_text.settings import ImageTextSettings
from medembed_pipeline.image_text.spaces import FOLDER, projection_version
from medembed_pipeline.images.pixels import UInt8Array
from medembed_pipeline.images.settings import ImagesSettings
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.serving.encoders import shared_encoder, shared_image_encoder
from medembed_pipeline.serving.errors import ServingError
from medembed_pipeline.serving.other_models import OtherModel

IMAGE_TEXT = "image_text"


@dataclass(frozen=True)
class PicturesAndTexts:
    """Pictures and texts in one space.

    Attributes
    ----------
    see
        unit vectors of pictures.
    read
        unit vectors of texts.
    prompts
        of the lake.
    kept_side
        how large it sees a picture at most.
    label
        what is to be said of it: "not a medical model" for the bundled one.
    """

    see: Callable[[Sequence[UInt8Array]], npt.NDArray[Any]]
    read: Callable[[Sequence[str]], npt.NDArray[Any]]
    prompts: Prompts
    kept_side: int
    label: str

    def similarities(
        self, pictures: Sequence[UInt8Array], pairs: Sequence[tuple[str, str]]
    ) -> list[list[tuple[float, float]]]:
        """For each picture and each pair of texts, the cosine of both, as in `preference_margins`."""
        texts = list(dict.fromkeys(text for pair in pairs for text in pair))
        space = Space.of(self.see(pictures), texts, self.read(texts))
        found = {text: space.similarity(text).round(DECIMALS).tolist() for text in texts}
        return [
            [(found[positive][row], found[negative][row]) for positive, negative in pairs]
            for row in range(len(pictures))
        ]


def image_text_model(lake: Lake, seen: LakeTable | None, prompts: LakeTable | None) -> OtherModel:
    """The model that is asked: version of the projection (of the bundled one) and hash of the encoder; or why none.

    Parameters
    ----------
    lake
        read, and not written.
    seen
        `image_text_vectors`; None where there is none.
    prompts
        `prompt_pairs`, likewise.
    """
    if seen is None or prompts is None or not seen.rows or "image_encoder" not in seen.footer.facts:
        return OtherModel(reason="no pictures of this lake have been compared with prompts yet")
    spec, projection = _spec(seen), str(seen.footer.facts.get("projection", ""))
    if spec.allow_remote_code and spec.base != BUNDLED:
        return OtherModel(reason="the model runs code of its own, which the service does not")
    if projection and not lake.exists(FOLDER, projection, CONFIG):
        return OtherModel(reason="the projection is no longer in the lake")
    try:
        fingerprint = _fingerprint(seen.data_version, spec)
    except MedembedError as error:
        return OtherModel.unusable("the model of pictures and texts", error)
    if fingerprint != seen.footer.facts["image_encoder"]:
        return OtherModel(reason="the lake's pictures were seen by another model than there is here")
    return OtherModel(f"{projection or 'hub'}:{fingerprint}")


def _spec(seen: LakeTable) -> ImageEncoderSpec:
    """The encoder that sees the pictures, of the model that is compared last."""
    settings = seen.footer.recipe.settings
    named, encoder = (
        ImageTextSettings(**settings["ImageTextSettings"]),
        ImageEncoderSettings(**settings["ImageEncoderSettings"]),
    )
    if named.model == BUNDLED:
        return image_spec_of_settings(encoder)
    return ImageEncoderSpec(named.finetuned or named.model, encoder.size, encoder.allow_remote_code)


@lru_cache(maxsize=8)
def _fingerprint(_: str, spec: ImageEncoderSpec) -> str:
    """By the table that it made: its files are hashed once, not at every look."""
    return image_encoder_fingerprint(spec)


def load_image_text(
    lake: Lake, seen: LakeTable | None, prompts: LakeTable | None, wanted: OtherModel, device: str
) -> PicturesAndTexts | None:
    """That model, None where there is none.

    Raises
    ------
    ServingError
        the projection is not what was written.
    MedembedError
        the model cannot be loaded.
    """
    if not wanted.version or seen is None or prompts is None:
        return None
    version, _, fingerprint = wanted.version.partition(":")
    encoder = shared_image_encoder(_spec(seen), fingerprint, device)
    facts = seen.footer.facts
    kept_side = int(facts.get("kept_side", ImagesSettings().kept_side))
    pairs = prompts_of_table(prompts.read())
    if "projection" not in facts:
        return PicturesAndTexts(encoder.encode, encoder.encode_texts, pairs, kept_side, "")
    projection, _about = load_projection(lake.local_copy(FOLDER, version, last=CONFIG))
    if projection_version(projection) != version:
        raise ServingError(
            f"the projection {version} is not what was written. Materialize image_text_vectors again."
        )
    spec = EncoderSpec()
    reader = shared_encoder(spec, "float32", encoder_fingerprint(spec, precision="float32"), "cpu")
    return PicturesAndTexts(
        lambda pictures: projection.images(encoder.encode(pictures)),
        lambda texts: projection.texts(reader.encode(texts)),
        pairs,
        kept_side,
        LABEL,
    )
