"""Fine-tuning for the level: adapters on the encoders of note and picture, and the vectors that these then give.

Each of the two is trained by itself, with the same effort, on train cases; validation cases choose learning rate and
epoch. Heads are then fitted on the vectors as on frozen ones. A head must not be judged on vectors of cases that the
encoder was trained on, so the folds of its search have encoders of their own, trained without the cases that are asked.

Every training is kept in the lake as soon as it has ended, by what it was made from: a killed run goes on from there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from medembed_pipeline.embeddings.vectors import text_key
from medembed_pipeline.encoder import encoder_fingerprint, spec_of_settings
from medembed_pipeline.encoder.image_spec import image_encoder_fingerprint, image_spec_of_settings
from medembed_pipeline.encoder.settings import EncoderSettings, ImageEncoderSettings
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray
from medembed_pipeline.images.pixels import pixels_of
from medembed_pipeline.images.vectors import packed_pictures
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.store import KeyedStore
from medembed_pipeline.lake.tables import LakeTable, vector_column, vectors
from medembed_pipeline.triage.adapters import Adapters
from medembed_pipeline.triage.arms import NOTE, PICTURE
from medembed_pipeline.triage.cases import VALIDATION, TriageCases
from medembed_pipeline.triage.settings import TriageSettings

if TYPE_CHECKING:
    import torch
    from torch import nn

TRAININGS: Final = "triage_adapters"
VECTORS: Final = "triage_vectors"
REVISION: Final = "1"
"""Raised when the same cases and settings give other adapters."""
BLOCK: Final = 256
"""Cases that are encoded between two writes to the store."""

Tell = Callable[[str], object]


@dataclass(frozen=True)
class Learner:
    """An encoder with the inputs of some cases.

    Attributes
    ----------
    network
        whose last blocks are tuned.
    dimensions
        of its vectors.
    embed
        places among the inputs, int64 [m] -> unit vectors float32 [m, d], with gradients where these are on.
    """

    network: nn.Module
    dimensions: int
    embed: Callable[[IntArray], torch.Tensor]


class Encoders:
    """The encoders of note and picture as the settings name them, and the inputs of all cases.

    Parameters
    ----------
    lake
        keeps trainings and vectors.
    cases
        that take part.
    images
        `raw_images`.
    encoder, image_encoder
        of notes and pictures.
    """

    def __init__(
        self,
        lake: Lake,
        cases: TriageCases,
        images: LakeTable,
        encoder: EncoderSettings,
        image_encoder: ImageEncoderSettings,
    ) -> None:
        self.lake, self.cases = lake, cases
        self._images, self._encoder, self._image_encoder = images, encoder, image_encoder
        self._fingerprints: dict[str, str] = {}

    def keys(self, part: str) -> list[str]:
        """By what a case's input is known; "" where it lacks the part."""
        if part == NOTE:
            return ["" if note is None else text_key(note) for note in self.cases.notes]
        return [image or "" for image in self.cases.image_ids]

    def fingerprint(self, part: str) -> str:
        """Of the encoder that is tuned."""
        if part not in self._fingerprints:
            self._fingerprints[part] = base_fingerprint(part, self._encoder, self._image_encoder)
        return self._fingerprints[part]

    def learner(self, part: str, rows: IntArray) -> Learner:
        """The encoder, loaded, with the inputs of some cases; of a long note the first window."""
        if part == NOTE:
            from medembed_pipeline.encoder.model import load_encoder

            spec = replace(spec_of_settings(self._encoder), long_notes="cut")
            encoder = load_encoder(spec, device=self._encoder.device, precision=self._encoder.precision)
            windows = encoder.tokenize([str(self.cases.notes[row]) for row in rows])
            return Learner(
                encoder.transformer, encoder.dimensions, lambda places: encoder.embed(windows, places)
            )
        from medembed_pipeline.encoder.image_model import load_image_encoder

        seeing = load_image_encoder(
            image_spec_of_settings(self._image_encoder), device=self._image_encoder.device
        )
        packed = packed_pictures(self._images, [str(self.cases.image_ids[row]) for row in rows])

        def embed(places: IntArray) -> torch.Tensor:
            return seeing.embed(seeing.prepare([pixels_of(packed[place]) for place in places]))

        return Learner(seeing.network, seeing.dimensions, embed)

    def vectors(self, part: str, adapters: Adapters) -> FloatArray:
        """A vector of the tuned encoder for every case, float64 [n, d]; zeros where it lacks the part."""
        there = np.flatnonzero(self.cases.has(part))
        keys = self.keys(part)
        store = KeyedStore(self.lake, VECTORS, adapters.fingerprint(self.fingerprint(part)))
        encode = self._encoding(part, adapters)
        rows, _ = store.get_or_compute(
            [keys[row] for row in there],
            lambda places: pa.table(
                {"embedding": vector_column(encode([int(there[one]) for one in places]))}
            ),
            block=BLOCK,
        )
        own = vectors(rows.column("embedding")).astype(np.float64)
        found = np.zeros((len(self.cases), own.shape[1]))
        found[there] = own
        return found

    def rows(self, adapters: Mapping[str, Adapters]) -> dict[str, FloatArray]:
        """By part, a vector for every case by the tuned encoders; parts that no case has are left out."""
        return {part: self.vectors(part, own) for part, own in adapters.items() if self.cases.has(part).any()}

    def _encoding(self, part: str, adapters: Adapters) -> Callable[[Sequence[int]], Any]:
        """A function of cases that gives their vectors; the encoder is loaded when it is first called."""
        loaded: list[Any] = []

        def encode(rows: Sequence[int]) -> Any:
            if not loaded:
                loaded.append(self._tuned(part, adapters))
            if part == NOTE:
                return loaded[0].encode(
                    [str(self.cases.notes[row]) for row in rows],
                    token_budget=self._encoder.token_budget or None,
                )
            packed = packed_pictures(self._images, [str(self.cases.image_ids[row]) for row in rows])
            return loaded[0].encode(
                [pixels_of(png) for png in packed], batch_size=self._image_encoder.batch_size
            )

        return encode

    def _tuned(self, part: str, adapters: Adapters) -> Any:
        if part == NOTE:
            return tuned_note_encoder(
                spec_of_settings(self._encoder), self._encoder.device, self._encoder.precision, adapters
            )
        return tuned_picture_encoder(
            image_spec_of_settings(self._image_encoder), self._image_encoder.device, adapters
        )


def tuned_note_encoder(spec: Any, device: str, precision: str, adapters: Adapters | None) -> Any:
    """`load_encoder`, with adapters where there are any."""
    from medembed_pipeline.encoder.model import load_encoder

    encoder = load_encoder(spec, device=device, precision=precision)
    if adapters is not None:
        adapters.add_to(encoder.transformer)
    return encoder


def tuned_picture_encoder(spec: Any, device: str, adapters: Adapters | None) -> Any:
    """`load_image_encoder`, with adapters where there are any."""
    from medembed_pipeline.encoder.image_model import load_image_encoder

    encoder = load_image_encoder(spec, device=device)
    if adapters is not None:
        adapters.add_to(encoder.network)
    return encoder


def base_fingerprint(part: str, encoder: EncoderSettings, image_encoder: ImageEncoderSettings) -> str:
    """Of the encoder of notes, or of pictures, before it is tuned."""
    if part == NOTE:
        return encoder_fingerprint(spec_of_settings(encoder), precision=encoder.precision)
    return image_encoder_fingerprint(image_spec_of_settings(image_encoder))


def trainings_version(base: str, settings: TriageSettings) -> str:
    """Of the store of trainings: model and settings, all that a training depends on but its cases."""
    return digest(
        {
            "revision": REVISION,
            "base": base,
            "epochs": settings.adapter_epochs,
            "patience": settings.adapter_patience,
            "learning_rates": settings.adapter_learning_rates,
            "rank": settings.adapter_rank,
            "scale": settings.adapter_scale,
            "blocks": settings.adapter_blocks,
            "seed": settings.seed,
        }
    )


class Tuner:
    """Tunes both encoders on some cases, and gives the vectors of all cases by the tuned ones.

    Parameters
    ----------
    encoders
        with the cases.
    settings
        of the room.
    tell
        told how a training went: part, counts and figures.
    """

    def __init__(self, encoders: Encoders, settings: TriageSettings, tell: Tell = lambda line: None) -> None:
        self._encoders, self._settings, self._tell = encoders, settings, tell

    def adapters(self, known: IntArray) -> dict[str, Adapters]:
        """By part that any case has, what is learned from some train cases.

        Nothing is, where these are not of every level, or there is no case to validate on: the encoder stays as it is.

        Parameters
        ----------
        known
            int64 [n], places of the cases that are learned from.
        """
        cases = self._encoders.cases
        found = {}
        for part in (NOTE, PICTURE):
            has = cases.has(part)
            learned, validating = known[has[known]], cases.rows(VALIDATION, (part,))
            if len(np.unique(cases.level[learned])) == len(cases.levels.names) and len(validating):
                found[part] = self._kept(part, learned, validating)
            elif has.any():
                found[part] = Adapters(self._settings.adapter_scale)
        return found

    def rows_by(self, known: IntArray) -> dict[str, FloatArray]:
        """By part, a vector for every case by encoders that have learned from some train cases alone."""
        return self.rows(self.adapters(known))

    def rows(self, adapters: Mapping[str, Adapters]) -> dict[str, FloatArray]:
        """The same by adapters that are known."""
        return self._encoders.rows(adapters)

    def _kept(self, part: str, learned: IntArray, validating: IntArray) -> Adapters:
        """From the lake, where the same was trained before."""
        encoders, settings = self._encoders, self._settings
        keys, level = encoders.keys(part), encoders.cases.level
        # By content: neither the order of the rows nor their ids matter.
        learned, validating = (
            np.array(sorted(rows.tolist(), key=lambda row: (keys[row], int(level[row]))), dtype=np.int64)
            for rows in (learned, validating)
        )
        about = [[(keys[row], int(level[row])) for row in rows] for rows in (learned, validating)]
        key = digest({"part": part, "levels": len(encoders.cases.levels.names), "cases": about})
        store = KeyedStore(encoders.lake, TRAININGS, trainings_version(encoders.fingerprint(part), settings))

        def train(_: list[int]) -> pa.Table:
            return _packed(tune(encoders, part, learned, validating, settings, self._tell))

        rows, _ = store.get_or_compute([key], train, block=1)
        return _unpacked(rows)


def _packed(adapters: Adapters) -> pa.Table:
    from safetensors.numpy import save

    return pa.table(
        {
            "about": pa.array([json.dumps(adapters.about())], pa.string()),
            "arrays": pa.array([save(adapters.arrays())], pa.large_binary()),
        }
    )


def _unpacked(rows: pa.Table) -> Adapters:
    from safetensors.numpy import load

    (row,) = rows.to_pylist()
    return Adapters.of(json.loads(row["about"]), load(row["arrays"]))


def tune(
    encoders: Encoders,
    part: str,
    learned: IntArray,
    validating: IntArray,
    settings: TriageSettings,
    tell: Tell = lambda line: None,
) -> Adapters:
    """Train adapters of one encoder and a linear head for the level; keep those that are best on validation cases.

    Every learning rate is tried with as many epochs, fewer where the log loss of the validation cases does not fall any
    more. The head is not kept: heads are fitted anew on the vectors. No dropout, no changed pictures: the same cases
    and seed give the same adapters on the same machine.

    Parameters
    ----------
    encoders
        with all cases.
    part
        note or picture.
    learned, validating
        int64, places of cases that have it.
    settings
        of the room.
    tell
        told of each learning rate how it went.

    Raises
    ------
    MedembedError
        the encoder has no blocks that can be tuned.
    """
    cases = encoders.cases
    rows = np.concatenate([learned, validating])
    shares = np.bincount(cases.level[learned], minlength=len(cases.levels.names)) / len(learned)
    least = -float(np.log(shares[cases.level[validating]]).mean())
    best = Adapters(settings.adapter_scale)
    course: list[Mapping[str, Any]] = []
    for rate in settings.adapter_learning_rates:
        tried = _tried(encoders, part, rows, len(learned), shares, rate, settings)
        course += tried.course
        lowest = min(one["validation_log_loss"] for one in tried.course)
        if lowest < least:
            least, best = lowest, tried
        tell(
            f"{part}: tuned on {len(learned)} cases at a learning rate of {rate:g}; log loss on {len(validating)} "
            f"validation cases {lowest:.3f}"
        )
    return replace(best, course=tuple(course))


def _tried(
    encoders: Encoders,
    part: str,
    rows: IntArray,
    known: int,
    shares: FloatArray,
    rate: float,
    settings: TriageSettings,
) -> Adapters:
    """Adapters after the pass that is best on validation cases, at one learning rate.

    Of the rows, the first `known` are learned from, and the others validate; `shares` are those of the levels among the
    former, with which the head begins.
    """
    import torch
    from torch import nn

    from medembed_pipeline.training.adapters import adapt_last_blocks, adapter_products
    from medembed_pipeline.training.labelled import ROWS_PER_BATCH, train_with_head

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        learner = encoders.learner(part, rows)
        adapt_last_blocks(
            learner.network,
            settings.adapter_blocks,
            rank=settings.adapter_rank,
            scale=settings.adapter_scale,
        )
        device = next(learner.network.parameters()).device
        head = nn.Linear(learner.dimensions, len(shares)).to(device)
        with torch.no_grad():
            head.weight.zero_()
            head.bias.copy_(torch.from_numpy(np.log(shares)).float())
    truth = torch.from_numpy(encoders.cases.level[rows]).to(device)
    asked = np.arange(known, len(rows))
    best = Adapters(settings.adapter_scale, learning_rate=rate)
    course: list[Mapping[str, Any]] = []

    def loss(logits: torch.Tensor, places: IntArray) -> torch.Tensor:
        return nn.functional.cross_entropy(logits, truth[places], reduction="sum")

    def validated() -> float:
        total = 0.0
        with torch.inference_mode():
            for batch in np.array_split(asked, math.ceil(len(asked) / ROWS_PER_BATCH)):
                logits = head(learner.embed(batch) * math.sqrt(learner.dimensions))
                total += float(loss(logits, batch))
        return total / len(asked)

    def after_epoch(epoch: int, mean: float) -> bool:
        nonlocal best
        found = round(validated(), 6)
        before = [one["validation_log_loss"] for one in course]
        course.append(
            {
                "learning_rate": rate,
                "epoch": epoch,
                "log_loss": round(mean, 6),
                "validation_log_loss": found,
            }
        )
        if not before or found < min(before):
            best = Adapters(settings.adapter_scale, adapter_products(learner.network), rate, epoch)
        return epoch - best.epoch < settings.adapter_patience

    train_with_head(
        learner.embed,
        [one for one in learner.network.parameters() if one.requires_grad],
        head,
        loss,
        known,
        epochs=settings.adapter_epochs,
        learning_rate=rate,
        seed=settings.seed,
        after_epoch=after_epoch,
    )
    return replace(best, course=tuple(course))
