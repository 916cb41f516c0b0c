"""The triage model of a snapshot: the one that the verdict is about, with the encoders that it was fitted with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from medembed_pipeline.encoder import encoder_fingerprint, spec_of_settings
from medembed_pipeline.encoder.image_spec import image_encoder_fingerprint, image_spec_of_settings
from medembed_pipeline.encoder.settings import EncoderSettings, ImageEncoderSettings
from medembed_pipeline.encoder.spec import BUNDLED
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.images.pixels import UInt8Array
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.serving.encoders import shared_encoder, shared_image_encoder
from medembed_pipeline.serving.errors import ServingError
from medembed_pipeline.serving.other_models import OtherModel
from medembed_pipeline.triage.adapters import Adapters
from medembed_pipeline.triage.arms import METADATA, NOTE, PICTURE
from medembed_pipeline.triage.folder import Parts, read_model
from medembed_pipeline.triage.metadata import metadata_rows
from medembed_pipeline.triage.model import TriageAnswer, TriageModel
from medembed_pipeline.triage.models import judged_model, published
from medembed_pipeline.triage.rules import named_arm

TRIAGE = "triage_model"
_NOTHING_LEARNED = Adapters(1.0)


@dataclass(frozen=True)
class Case:
    """A case as an arm sees it.

    Attributes
    ----------
    note
        None for a case without.
    pixels
        as `images.pixels.read_picture` gives them; None for a case without.
    metadata
        what is known besides, by column; empty where nothing is.
    """

    note: str | None
    pixels: UInt8Array | None
    metadata: Mapping[str, Any]


class CaseTriage:
    """Answers cases: what the arm says that the verdict names, then the others, the best on validation cases first.

    Parameters
    ----------
    model
        with its encoders.
    verdict
        facts of `triage_verdict`.
    """

    def __init__(self, model: TriageModel, verdict: Mapping[str, Any]) -> None:
        parts = model.parts
        assert parts.chosen is not None
        self._model = model
        self.verdict, self.sentence = str(verdict["verdict"]), str(verdict["sentence"])
        named = named_arm(self.verdict, parts.chosen.single, parts.chosen.fusion)
        self.arms = [named, *(arm for arm in parts.chosen.ranked() if arm != named)]
        self.levels = parts.levels
        self.columns = parts.metadata if METADATA in parts.arms.projections else ()
        self.kept_side = int(parts.encoders[PICTURE]["kept_side"])
        self.is_bundled = any(one["settings"]["base"] == BUNDLED for one in parts.encoders.values())

    def answer(self, cases: Sequence[Case]) -> list[list[TriageAnswer]]:
        """For each case what the arms say that can see it, in the order of `arms`; the first is the answer."""
        rows = dict(self._model.rows([case.note for case in cases], [case.pixels for case in cases]))
        known = np.array([row for row, case in enumerate(cases) if case.metadata], dtype=np.int64)
        if len(known) and self.columns:
            cells = {
                column.name: [cases[row].metadata.get(column.name) for row in known]
                for column in self.columns
            }
            rows[METADATA] = known, metadata_rows(self.columns, cells, len(known))
        said = [self._model.answer(rows, len(cases), arm=arm) for arm in self.arms]
        return [[own for own in answers if own.level is not None] for answers in zip(*said, strict=True)]


def triage_model(lake: Lake, verdict: LakeTable | None) -> OtherModel:
    """The model that is asked: version and hash, parted by a colon; or why there is none.

    Parameters
    ----------
    lake
        read, and not written.
    verdict
        `triage_verdict`; None where there is none.
    """
    try:
        model = judged_model(lake, verdict)
        if model is None:
            return OtherModel(reason="no triage model of this lake has a verdict")
        fault = _fault(model.folder, model.data_version)
    except MedembedError as error:
        return OtherModel.unusable("the triage model", error)
    return OtherModel(reason=fault) if fault else OtherModel(f"{model.version}:{model.data_version}")


@lru_cache(maxsize=8)
def _fault(folder: Path, _: str) -> str:
    """Why a model cannot be asked here, "" where it can; looked at once, for its encoders' files are hashed."""
    parts, _manifest = read_model(folder)
    if parts.chosen is None:
        return "the triage model has learned nothing yet"
    for part, (settings, fingerprint) in _encoders(parts).items():
        if isinstance(settings, ImageEncoderSettings):
            if settings.allow_remote_code and settings.base != BUNDLED:
                return "the triage model's image encoder runs code of its own, which the service does not"
            found = image_encoder_fingerprint(image_spec_of_settings(settings))
        else:
            found = encoder_fingerprint(spec_of_settings(settings), precision=settings.precision)
        if found != fingerprint:
            return f"the triage model was fitted with another encoder of the {part} than there is here"
    return ""


def _encoders(parts: Parts) -> dict[str, tuple[EncoderSettings | ImageEncoderSettings, str]]:
    """Settings and fingerprint of the encoders that an arm needs."""
    kinds = {NOTE: EncoderSettings, PICTURE: ImageEncoderSettings}
    return {
        part: (kind(**parts.encoders[part]["settings"]), parts.encoders[part]["fingerprint"])
        for part, kind in kinds.items()
        if part in parts.arms.projections
    }


def _tune_notes(learned: Adapters, encoder: Any) -> None:
    learned.add_to(encoder.transformer)


def _tune_pictures(learned: Adapters, encoder: Any) -> None:
    learned.add_to(encoder.network)


def load_triage(lake: Lake, verdict: LakeTable | None, wanted: OtherModel, device: str) -> CaseTriage | None:
    """That model with its encoders, None where there is none.

    Raises
    ------
    ServingError
        another one has taken its place meanwhile.
    MedembedError
        it is damaged, or an encoder cannot be loaded.
    """
    if not wanted.version or verdict is None:
        return None
    name, _, data_version = wanted.version.partition(":")
    found = published(lake, name)
    if found.data_version != data_version:
        raise ServingError(
            f"the triage model {name} is not the one that was found a moment ago; it is looked at again."
        )
    model = TriageModel.from_folder(found.folder, device=device)
    for part, (settings, base) in _encoders(model.parts).items():
        learned = model.parts.adapters.get(part, _NOTHING_LEARNED)
        fingerprint = learned.fingerprint(base)
        if isinstance(settings, ImageEncoderSettings):
            spec = image_spec_of_settings(settings)
            model.picture_encoder = shared_image_encoder(
                spec, fingerprint, device, tune=partial(_tune_pictures, learned)
            )
        else:
            model.note_encoder = shared_encoder(
                spec_of_settings(settings),
                settings.precision,
                fingerprint,
                device,
                tune=partial(_tune_notes, learned),
            )
    return CaseTriage(model, verdict.footer.facts)
