"""From a request to its answer: plain functions of a snapshot and what the inference thread found."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from medembed_pipeline.serving.errors import RequestError
from medembed_pipeline.serving.filters import Between, Filters, ValueColumn
from medembed_pipeline.serving.inference import Job, Outcome, Searched, Stored
from medembed_pipeline.serving.keys import Key
from medembed_pipeline.serving.schemas import FilterRequest, Range, SearchRequest
from medembed_pipeline.serving.search import Hits
from medembed_pipeline.serving.settings import ServingSettings
from medembed_pipeline.serving.snapshot import Snapshot
from medembed_pipeline.serving.texts import PreparedText, prepare_text

NO_CLASSIFIER = "the released checkpoint has no classifier in this lake"


def prepared(texts: Sequence[str], settings: ServingSettings, snapshot: Snapshot) -> list[PreparedText]:
    """The texts of a request, cleaned as the stored ones were.

    Raises
    ------
    RequestError
        there are too many, one is too long, or nothing is left of one.
    """
    refuse_too_many(len(texts), "texts", settings)
    found = []
    for position, text in enumerate(texts):
        refuse_too_long(text, f"texts.{position}", settings)
        one = prepare_text(text, redact=snapshot.redact)
        if not one.text:
            raise RequestError(
                f"texts.{position}: nothing is left of it once it is cleaned.", kind="empty_text"
            )
        found.append(one)
    return found


def refuse_too_many(count: int, what: str, settings: ServingSettings) -> None:
    """Raises RequestError where a request asks about more than it may."""
    if count > settings.texts_per_request:
        raise RequestError(
            f"{what}: {count} of them; a request may have {settings.texts_per_request}.",
            status=413,
            kind="too_many_texts",
        )


def refuse_too_long(text: str, where: str, settings: ServingSettings) -> None:
    """Raises RequestError where a text is longer than it may be."""
    if len(text) > settings.characters_per_text:
        raise RequestError(
            f"{where}: {len(text)} characters; a text may have {settings.characters_per_text}.",
            status=413,
            kind="text_too_long",
        )


def own_row(snapshot: Snapshot, text: PreparedText) -> int | None:
    """The stored note that has this very text."""
    row = snapshot.row_of.get(text.note_id)
    return row if row is not None and snapshot.text(row) == text.text else None


def wanted_vectors(
    texts: Sequence[PreparedText], rows: Sequence[int | None], role: str
) -> list[str | Stored]:
    """What is to be encoded: a stored note's text has its vector already, as long as it is taken for a note."""
    return [
        text.text if row is None or role != "document" else Stored(row, finds_itself=True)
        for text, row in zip(texts, rows, strict=True)
    ]


def named(snapshot: Snapshot) -> dict[str, str]:
    """What every answer says of itself."""
    return {"snapshot": snapshot.id, "checkpoint": snapshot.parts.checkpoint.version}


def embed_answer(snapshot: Snapshot, outcome: Outcome, encoding: str) -> dict[str, Any]:
    """`schemas.EmbedAnswer`."""
    return {
        **named(snapshot),
        "dimensions": int(outcome.vectors.shape[1]),
        "vectors": encoded_vectors(outcome.vectors, encoding),
    }


def encoded_vectors(vectors: np.ndarray, encoding: str) -> list[Any]:
    """As numbers, or as base64 of their little-endian float32 bytes."""
    if encoding == "base64":
        return [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in vectors]
    return [row.tolist() for row in vectors.astype(np.float64)]


def filters_of(request: FilterRequest) -> Filters:
    """The filters of a request."""
    columns = {
        name: Between(wanted.at_least, wanted.at_most) if isinstance(wanted, Range) else wanted
        for name, wanted in request.columns.items()
    }
    return Filters(request.labels, request.splits, columns)


def search_job(
    snapshot: Snapshot, request: SearchRequest, settings: ServingSettings, key: Key
) -> tuple[Job, list[int | None]]:
    """What a search has to compute, and the stored note that each query is.

    Raises
    ------
    RequestError
        neither texts nor ids, or both; an id that there is not; a filter or text that the key may not ask for; see
        also `prepared` and `allowed_notes`.
    """
    if bool(request.texts) == bool(request.note_ids):
        raise RequestError("Expected texts or note_ids, and not both.")
    filters = filters_of(request.filters)
    if key.scope != "text" and (filters or request.include_text):
        raise RequestError(
            "This key reads ids alone: no filters, no texts.", status=403, kind="beyond_the_scope"
        )
    allowed = snapshot.allowed(filters)
    if request.note_ids:
        refuse_too_many(len(request.note_ids), "note_ids", settings)
        rows = [snapshot.row_of.get(note_id) for note_id in request.note_ids]
        if None in rows:
            raise RequestError(
                f"note_ids.{rows.index(None)}: there is no such note.", status=404, kind="no_such_note"
            )
        stored = [Stored(row, finds_itself=False) for row in rows if row is not None]
        return Job(snapshot, stored, "document", Searched(request.hits, allowed)), rows
    texts = prepared(request.texts, settings, snapshot)
    rows = [own_row(snapshot, text) for text in texts]
    searched = Searched(request.hits, allowed, placed=key.scope == "text" and None in rows)
    return Job(snapshot, wanted_vectors(texts, rows, request.role), request.role, searched), rows


def search_answer(
    snapshot: Snapshot, request: SearchRequest, outcome: Outcome, rows: Sequence[int | None], key: Key
) -> dict[str, Any]:
    """`schemas.SearchAnswer`; for the scope `ids`, ids and similarities alone."""
    results = []
    for hits, near, own in zip(outcome.hits, outcome.near, rows, strict=True):
        found: dict[str, Any] = {
            "stored_as": None if own is None else snapshot.note_ids[own],
            "hits": [
                {"note_id": snapshot.note_ids[row], "similarity": similarity}
                for row, similarity in zip(hits.rows.tolist(), hits.similarities.tolist(), strict=True)
            ],
        }
        if key.scope == "text":
            _describe(snapshot, found["hits"], hits.rows.tolist(), with_text=request.include_text)
            found["place"] = _place(snapshot, own) if own is not None else _new_place(snapshot, near)
        results.append(found)
    return {**named(snapshot), "results": results}


def _describe(snapshot: Snapshot, hits: list[dict[str, Any]], rows: list[int], *, with_text: bool) -> None:
    labels, splits = snapshot.labels.of_rows(rows), snapshot.splits.of_rows(rows)
    columns = {name: column.of_rows(rows) for name, column in snapshot.columns.items() if column.is_choice}
    for position, (hit, row) in enumerate(zip(hits, rows, strict=True)):
        hit["labels"] = labels[position]
        hit["split"] = splits[position][0] if splits[position] else None
        hit["columns"] = {name: values[position] for name, values in columns.items() if values[position]}
        hit["place"] = _place(snapshot, row)
        if with_text:
            hit["text"] = snapshot.text(row)


def _place(snapshot: Snapshot, row: int) -> dict[str, float] | None:
    x, y = snapshot.places.xy[row].tolist()
    return {"x": x, "y": y} if x == x and y == y else None


def _new_place(snapshot: Snapshot, near: Hits) -> dict[str, float] | None:
    found = snapshot.places.of_new(near) if len(near.rows) else None
    return None if found is None else {"x": found[0], "y": found[1]}


def classify_answer(snapshot: Snapshot, outcome: Outcome) -> dict[str, Any]:
    """`schemas.ClassifyAnswer`."""
    return {
        **named(snapshot),
        "classifier": snapshot.parts.classifier,
        "set_misses": 0.0 if snapshot.classifier is None else snapshot.classifier.misses,
        "results": [
            {
                "probabilities": [
                    {"label": label, "probability": probability}
                    for label, probability in one.probabilities.items()
                ],
                "labels": one.labels,
                "label_set": one.label_set,
                "abstains": bool(one.abstained),
                "reason": one.abstained,
            }
            for one in outcome.predictions
        ],
    }


def model_answer(snapshot: Snapshot, key: Key) -> dict[str, Any]:
    """`schemas.ModelAnswer`."""
    parts = snapshot.parts
    found: dict[str, Any] = {
        **named(snapshot),
        "checkpoint_files": parts.checkpoint.data_version,
        "encoder": parts.fingerprint,
        "dimensions": snapshot.encoder.dimensions,
        "max_tokens": parts.spec.max_tokens,
        "long_notes": parts.spec.long_notes,
        "precision": parts.precision,
        "notes": len(snapshot.note_ids),
        "made_at": snapshot.made_at.isoformat(timespec="seconds"),
        "map": snapshot.places.method,
        "classifier": parts.classifier or None,
        "unanswered": {
            path: reason
            for path, model, reason in (
                ("/classify", snapshot.classifier, NO_CLASSIFIER),
                ("/triage", snapshot.triage, parts.triage.reason),
                ("/image-text", snapshot.image_text, parts.image_text.reason),
            )
            if model is None
        },
        "scope": key.scope,
    }
    if key.scope == "text":
        found["labels"] = _counted(snapshot.labels)
        found["splits"] = _counted(snapshot.splits)
        found["columns"] = [
            {
                "name": name,
                "values": _counted(column) if column.is_choice else None,
                "at_least": column.range[0] if column.range else None,
                "at_most": column.range[1] if column.range else None,
            }
            for name, column in snapshot.columns.items()
        ]
    return found


def _counted(column: ValueColumn) -> list[dict[str, Any]]:
    return [{"value": value, "notes": notes} for value, notes in column.counts().items()]


def map_answer(snapshot: Snapshot, key: Key) -> dict[str, Any]:
    """`schemas.MapAnswer`.

    Raises
    ------
    RequestError
        the key may not read labels.
    """
    if key.scope != "text":
        raise RequestError("This key reads ids alone.", status=403, kind="beyond_the_scope")
    first = np.full(len(snapshot.note_ids), -1, dtype=np.int64)
    # Backwards, so that a note's first label is what stands at the end.
    first[snapshot.labels.rows[::-1]] = snapshot.labels.codes[::-1]
    return {
        **named(snapshot),
        "method": snapshot.places.method,
        "note_ids": snapshot.note_ids,
        "xy": base64.b64encode(snapshot.places.xy.astype("<f4").tobytes()).decode(),
        "label_names": list(snapshot.labels.values),
        "labels": first.tolist(),
    }
