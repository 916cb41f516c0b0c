"""The triage model as others use it: notes and pictures in; a level and probabilities out, and which arm said it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from medembed_pipeline.encoder import encoder_fingerprint, spec_of_settings
from medembed_pipeline.encoder.image_spec import image_encoder_fingerprint, image_spec_of_settings
from medembed_pipeline.encoder.settings import EncoderSettings, ImageEncoderSettings
from medembed_pipeline.evaluation.vectors import FloatArray
from medembed_pipeline.images.pixels import UInt8Array
from medembed_pipeline.triage.arms import ARMS, METADATA, NOTE, PICTURE, parts_of
from medembed_pipeline.triage.errors import TriageError
from medembed_pipeline.triage.folder import Parts, read_model
from medembed_pipeline.triage.metadata import metadata_rows

Rows = Mapping[str, tuple[Any, FloatArray]]
"""By part, which of some cases have it, int64 [m], and their vectors, float64 [m, d]."""


@dataclass(frozen=True)
class TriageAnswer:
    """The answer to one case.

    Attributes
    ----------
    level
        the likeliest; None where no arm can see the case.
    probabilities
        of every level, by name, calibrated.
    arm
        which said it: the one that is asked for, or the best that can see the case.
    """

    level: str | None
    probabilities: dict[str, float]
    arm: str | None


class TriageModel:
    """Answers cases. Made by `from_folder`.

    Examples
    --------
    >>> model = TriageModel.from_folder("data_lake/triage_models/3f...")  # doctest: +SKIP
    >>> model.predict(["Short of breath since Monday."], [pixels])[0].level  # doctest: +SKIP
    'urgent'

    Attributes
    ----------
    parts
        what it is made of.
    manifest
        of its folder.
    """

    def __init__(self, parts: Parts, manifest: dict[str, Any], device: str) -> None:
        self.parts, self.manifest, self._device = parts, manifest, device

    @classmethod
    def from_folder(cls, path: str | Path, *, device: str = "auto") -> TriageModel:
        """Read a model; encoders are loaded with the first case.

        Parameters
        ----------
        path
            a folder that `triage_model` has made.
        device
            `auto`, `cuda`, `mps` or `cpu`, for the encoders.

        Raises
        ------
        TriageError
            no model, or a damaged one.
        """
        parts, manifest = read_model(Path(path))
        return cls(parts, manifest, device)

    @cached_property
    def note_encoder(self) -> Any:
        """What makes the notes' vectors; it has to be the one that the arms were fitted with."""
        from medembed_pipeline.triage.tuning import tuned_note_encoder

        needed = self.parts.encoders[NOTE]
        settings = EncoderSettings(**needed["settings"])
        spec = spec_of_settings(settings)
        refuse_other_encoder(
            "note", encoder_fingerprint(spec, precision=settings.precision), needed["fingerprint"]
        )
        return tuned_note_encoder(spec, self._device, settings.precision, self.parts.adapters.get(NOTE))

    @cached_property
    def picture_encoder(self) -> Any:
        """What makes the pictures' vectors; it has to be the one that the arms were fitted with."""
        from medembed_pipeline.triage.tuning import tuned_picture_encoder

        needed = self.parts.encoders[PICTURE]
        spec = image_spec_of_settings(ImageEncoderSettings(**needed["settings"]))
        refuse_other_encoder("picture", image_encoder_fingerprint(spec), needed["fingerprint"])
        return tuned_picture_encoder(spec, self._device, self.parts.adapters.get(PICTURE))

    def predict(
        self,
        notes: Sequence[str | None],
        pictures: Sequence[UInt8Array | None],
        metadata: Mapping[str, Sequence[Any]] | None = None,
        *,
        arm: str | None = None,
    ) -> list[TriageAnswer]:
        """Answer some cases.

        Parameters
        ----------
        notes
            n notes; None for a case without.
        pictures
            n pictures as `images.pixels.read_picture` gives them, uint8; None for a case without.
        metadata
            by column, n values; where it is not given, the arm metadata answers nothing.
        arm
            which is asked; by default the best on validation cases that can see the case, with a fusion before a single
            arm where the case has note and picture.

        Raises
        ------
        TriageError
            different numbers of notes and pictures, or an arm that the model does not have.
        """
        if len(notes) != len(pictures):
            raise TriageError(
                f"{len(notes)} notes and {len(pictures)} pictures; expected one of each per case."
            )
        return self.answer(self.rows(notes, pictures, metadata), len(notes), arm=arm)

    def rows(
        self,
        notes: Sequence[str | None],
        pictures: Sequence[UInt8Array | None],
        metadata: Mapping[str, Sequence[Any]] | None = None,
    ) -> Rows:
        """The vectors of some cases, for `answer`; parameters as of `predict`."""
        rows = {}
        for part, values in ((NOTE, notes), (PICTURE, pictures)):
            there = np.array([row for row, value in enumerate(values) if value is not None], dtype=np.int64)
            if len(there) and part in self.parts.arms.projections:
                rows[part] = there, self._encoded(part, [values[row] for row in there])
        if metadata is not None and METADATA in self.parts.arms.projections:
            numbers = metadata_rows(self.parts.metadata, metadata, len(notes))
            rows[METADATA] = np.arange(len(notes)), numbers
        return rows

    def _encoded(self, part: str, values: list[Any]) -> FloatArray:
        encoder = self.note_encoder if part == NOTE else self.picture_encoder
        return np.asarray(encoder.encode(values), dtype=np.float64)

    def answer(self, rows: Rows, count: int, *, arm: str | None = None) -> list[TriageAnswer]:
        """Answer cases whose vectors are known.

        Parameters
        ----------
        rows
            see `Rows`.
        count
            number of cases.
        arm
            as in `predict`.

        Raises
        ------
        TriageError
            the model does not have the arm.
        """
        arms, levels = self.parts.arms, self.parts.levels.names
        if arm is not None and arm not in arms.heads:
            made = ", ".join(name for name in ARMS if name in arms.heads) or "none"
            raise TriageError(f"arm = {arm!r}: the model has {made}.")
        found: list[TriageAnswer] = [TriageAnswer(None, {}, None)] * count
        open_cases = np.ones(count, dtype=np.bool_)
        for name in [arm] if arm is not None else self._order():
            here = open_cases.copy()
            for part in parts_of(name):
                has = np.zeros(count, dtype=np.bool_)
                has[rows[part][0] if part in rows else []] = True
                here &= has
            places = np.flatnonzero(here)
            if not len(places):
                continue
            own = {}
            for part in parts_of(name):
                there, vectors = rows[part]
                own[part] = vectors[np.searchsorted(there, places)]
            said = arms.probabilities(name, arms.logits(name, arms.seen(own)))
            for place, probabilities in zip(places.tolist(), said, strict=True):
                by_level = {
                    level: round(float(one), 6) for level, one in zip(levels, probabilities, strict=True)
                }
                found[place] = TriageAnswer(levels[int(probabilities.argmax())], by_level, name)
            open_cases &= ~here
        return found

    def _order(self) -> list[str]:
        """The arms, the chosen fusion and the chosen single arm first."""
        chosen = self.parts.chosen
        if chosen is None:
            return []
        first = [name for name in (chosen.fusion, chosen.single) if name is not None]
        return [*first, *(name for name in ARMS if name in self.parts.arms.heads and name not in first)]


def refuse_other_encoder(part: str, found: str, needed: str) -> None:
    """Refuse an encoder whose vectors are not those that a model was fitted on, by their fingerprints.

    Raises
    ------
    TriageError
        they differ.
    """
    if found != needed:
        raise TriageError(
            f"the encoder of the {part} has the fingerprint {found[:16]}, and the model was fitted with {needed[:16]}: "
            "its weights or settings are others. Materialize triage_model with this encoder."
        )
