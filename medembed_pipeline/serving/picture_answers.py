"""From a request about cases or pictures to its answer; see `answers`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from medembed_pipeline.notes.cleaning import whole_characters
from medembed_pipeline.notes.columns import is_no_value
from medembed_pipeline.serving.answers import named, refuse_too_long, refuse_too_many
from medembed_pipeline.serving.errors import RequestError
from medembed_pipeline.serving.image_text import PicturesAndTexts
from medembed_pipeline.serving.inference import Job
from medembed_pipeline.serving.keys import Key
from medembed_pipeline.serving.picture_schemas import CaseRequest, ImageTextRequest, TriageRequest
from medembed_pipeline.serving.pictures import (
    PICTURE_TEXTS,
    picture_limits,
    refuse_too_many_pictures,
    unpacked_picture,
)
from medembed_pipeline.serving.settings import ServingSettings
from medembed_pipeline.serving.snapshot import Snapshot
from medembed_pipeline.serving.triage import Case, CaseTriage
from medembed_pipeline.triage.model import TriageAnswer


def no_triage(snapshot: Snapshot) -> RequestError:
    """Why no case can be triaged."""
    return RequestError(
        f"No case can be triaged: {snapshot.parts.triage.reason}.", status=503, kind="no_triage_model"
    )


def no_image_text(snapshot: Snapshot) -> RequestError:
    """Why no picture can be compared with texts."""
    return RequestError(
        f"No picture can be compared with texts: {snapshot.parts.image_text.reason}.",
        status=503,
        kind="no_image_text_model",
    )


def triage_job(snapshot: Snapshot, asked: TriageRequest, settings: ServingSettings) -> Callable[[], Job]:
    """What unpacks the pictures of some cases, and says then what is to be computed.

    Raises
    ------
    RequestError
        there is no triage model, too much is asked for, or a case says nothing, or what the model does not know.
    """
    triage = snapshot.triage
    if triage is None:
        raise no_triage(snapshot)
    refuse_too_many(len(asked.cases), "cases", settings)
    pictures = sum(case.picture is not None for case in asked.cases)
    refuse_too_many_pictures(pictures, settings)
    known = {column.name for column in triage.columns}
    for place, case in enumerate(asked.cases):
        if not case.metadata.keys() <= known:
            raise RequestError(
                f"cases.{place}.metadata: has a column that the triage model was not trained with; GET /model lists "
                "those that it was."
            )
        refuse_too_long(case.note or "", f"cases.{place}.note", settings)
    limits = picture_limits(settings, triage.kept_side)

    def unpack() -> Job:
        cases = [
            _case(case, place, lambda picture, where: unpacked_picture(picture, where, limits))
            for place, case in enumerate(asked.cases)
        ]
        size = pictures * PICTURE_TEXTS + sum(case.note is not None for case in cases)
        return Job(snapshot, ask=lambda: triage.answer(cases), size=max(1, size))

    return unpack


def _case(asked: CaseRequest, place: int, unpack: Callable[[str, str], Any]) -> Case:
    note = None if asked.note is None else whole_characters(asked.note.strip())
    cells = {name: cell.strip() if isinstance(cell, str) else cell for name, cell in asked.metadata.items()}
    case = Case(
        None if note is None or is_no_value(note) else note,
        None if asked.picture is None else unpack(asked.picture, f"cases.{place}.picture"),
        {
            name: cell
            for name, cell in cells.items()
            if cell is not None and not (isinstance(cell, str) and is_no_value(cell))
        },
    )
    if case.note is None and case.pixels is None and not case.metadata:
        raise RequestError(
            f"cases.{place}: expected a note, a picture or metadata that say something.", kind="empty_case"
        )
    return case


def triage_about(snapshot: Snapshot, triage: CaseTriage) -> dict[str, Any]:
    """`picture_schemas.TriageAbout`."""
    return {
        "triage_model": snapshot.parts.triage.version,
        "verdict": triage.verdict,
        "sentence": triage.sentence,
        "levels": list(triage.levels.names),
        "ordered": triage.levels.ordered,
        "bundled": triage.is_bundled,
    }


def triage_answer(snapshot: Snapshot, said: Sequence[Sequence[TriageAnswer]]) -> dict[str, Any]:
    """`picture_schemas.TriageAnswer`."""
    assert snapshot.triage is not None
    results = []
    for answers in said:
        arms = [
            {"arm": one.arm, "level": one.level, "probabilities": _levels(one.probabilities)}
            for one in answers
        ]
        first: dict[str, Any] = arms[0] if arms else {"arm": None, "level": None, "probabilities": []}
        results.append({**first, "arms": arms})
    return {**named(snapshot), **triage_about(snapshot, snapshot.triage), "results": results}


def _levels(probabilities: Mapping[str, float]) -> list[dict[str, Any]]:
    return [{"level": level, "probability": probability} for level, probability in probabilities.items()]


def triage_model_answer(snapshot: Snapshot, key: Key) -> dict[str, Any] | None:
    """`picture_schemas.TriageModelAnswer`; None where there is no triage model."""
    triage = snapshot.triage
    if triage is None:
        return None
    columns = [
        {
            "name": column.name,
            "numbers": not column.values,
            "values": list(column.values) if column.values and key.scope == "text" else None,
        }
        for column in triage.columns
    ]
    return {**triage_about(snapshot, triage), "arms": triage.arms, "metadata": columns}


def image_text_job(
    snapshot: Snapshot, asked: ImageTextRequest, settings: ServingSettings
) -> Callable[[], Job]:
    """What unpacks the pictures of a request, and says then what is to be computed.

    Raises
    ------
    RequestError
        there is no model of pictures and texts, or too much is asked for.
    """
    model = snapshot.image_text
    if model is None:
        raise no_image_text(snapshot)
    refuse_too_many_pictures(len(asked.pictures), settings)
    limits = picture_limits(settings, model.kept_side)
    pairs = [(one.positive, one.negative) for one in asked.pairs or model.prompts.pairs]

    def unpack() -> Job:
        pictures = [
            unpacked_picture(picture, f"pictures.{place}", limits)
            for place, picture in enumerate(asked.pictures)
        ]
        size = len(pictures) * PICTURE_TEXTS + 2 * len(pairs)
        return Job(snapshot, ask=lambda: model.similarities(pictures, pairs), size=size)

    return unpack


def image_text_answer(
    snapshot: Snapshot,
    asked: ImageTextRequest,
    found: Sequence[Sequence[tuple[float, float]]],
    key: Key,
) -> dict[str, Any]:
    """`picture_schemas.ImageTextAnswer`; the lake's prompts are for the scope `text`."""
    assert snapshot.image_text is not None
    pairs = _named_pairs(snapshot.image_text, asked, key)
    return {
        **named(snapshot),
        "image_text_model": snapshot.parts.image_text.version,
        "label": snapshot.image_text.label,
        "results": [
            {
                "pairs": [
                    {
                        **pair,
                        "positive_similarity": positive,
                        "negative_similarity": negative,
                        "margin": positive - negative,
                    }
                    for pair, (positive, negative) in zip(pairs, own, strict=True)
                ]
            }
            for own in found
        ],
    }


def _named_pairs(model: PicturesAndTexts, asked: ImageTextRequest, key: Key) -> list[dict[str, str]]:
    if asked.pairs:
        return [{"pair_id": one.pair_id or str(place)} for place, one in enumerate(asked.pairs, start=1)]
    return [
        {"pair_id": one.pair_id}
        | ({"positive": one.positive, "negative": one.negative} if key.scope == "text" else {})
        for one in model.prompts.pairs
    ]
