"""Texts of tasks as queries and as documents: which prompt each is read with, and what is encoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medembed_pipeline.encoder import EncoderSpec
from medembed_pipeline.encoder.model import load_encoder
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.evaluation.vectors import unit_rows
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.tasks.encoding import TextVectors, task_vectors
from medembed_pipeline.tasks.scoring import score_task
from medembed_pipeline.tasks.task import NotAsked, RankingTask, TripletTask

SHARED = "chest pain and fever"
QUERIES = [SHARED, "fracture of the left knee", "blood pressure elevated"]
CANDIDATES = ["the patient was seen for cough", SHARED, "mri of the right knee"]
SETTINGS = EncoderSettings(device="cpu", precision="float32", token_budget=512)


def tasks() -> list[Any]:
    numbers = np.arange(3)
    return [
        RankingTask(
            "search",
            "own",
            ("mrr", None),
            QUERIES,
            CANDIDATES,
            query=numbers,
            candidate=numbers,
            gain=np.ones(3),
            query_groups=numbers,
            candidate_groups=numbers,
        ),
        TripletTask("sense", "everyday_language", ["no fever"], ["normal"], ["stable"], np.arange(1)),
        NotAsked("passages", "passages", "nothing to ask", failed=False),
    ]


@pytest.fixture()
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Role and text of everything that is encoded."""
    from medembed_pipeline.encoder.model import Encoder

    found: list[tuple[str, str]] = []
    encode = Encoder.encode

    def watched(self: Encoder, texts: Any, *, role: Any = "document", **more: Any) -> Any:
        found.extend((role, text) for text in texts)
        return encode(self, texts, role=role, **more)

    monkeypatch.setattr(Encoder, "encode", watched)
    return found


def test_queries_of_a_search_are_read_as_queries_and_everything_else_as_documents(
    small_model: Path, tmp_path: Path, encoded: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(str(tmp_path))
    spec = EncoderSpec(
        str(small_model), max_tokens=24, query_prompt="mri of the ", document_prompt="two weeks "
    )
    encoder = load_encoder(spec, device="cpu", precision="float32")
    note = CANDIDATES[0]
    known = TextVectors([note], encoder.encode([note]))
    encoded.clear()
    found = task_vectors(lake, spec, SETTINGS, tasks(), known)
    rest = [*CANDIDATES[1:], "no fever", "normal", "stable"]
    assert encoded == [*(("document", text) for text in rest), *(("query", text) for text in QUERIES)]
    for texts, role in ((QUERIES, "query"), ([*CANDIDATES, "no fever"], "document")):
        expected = unit_rows(encoder.encode(texts, role=role), name="expected")  # type: ignore[arg-type]
        np.testing.assert_allclose(found(texts, role=role), expected, atol=1e-5)  # type: ignore[arg-type]
    assert np.abs(found([SHARED], role="query") - found([SHARED])).max() > 0.01
    # The search compares the one with the other.
    asked = tasks()[0]
    products = found(asked.queries, role="query") @ found(asked.candidates).T
    ranks = 1 + (products > np.diag(products)[:, None] + 1e-9).sum(1)
    scored = score_task(asked, {"baseline": found, "tuned": found}).figures["baseline"]["mrr", None]
    assert scored.value[0] == pytest.approx((1 / ranks).mean())
    # Both are kept: no model is loaded a second time.
    monkeypatch.setattr("medembed_pipeline.encoder.model.load_encoder", None)
    again = task_vectors(lake, spec, SETTINGS, tasks(), known)
    assert np.array_equal(again(QUERIES, role="query"), found(QUERIES, role="query"))
    assert np.array_equal(again(CANDIDATES), found(CANDIDATES))


def test_without_prompts_a_text_is_encoded_once_whatever_it_is(
    small_model: Path, tmp_path: Path, encoded: list[tuple[str, str]]
) -> None:
    spec = EncoderSpec(str(small_model), max_tokens=24)
    found = task_vectors(Lake(str(tmp_path)), spec, SETTINGS, tasks())
    texts = [*QUERIES, *(text for text in CANDIDATES if text != SHARED), "no fever", "normal", "stable"]
    assert encoded == [("document", text) for text in texts]
    assert np.array_equal(found([SHARED], role="query"), found([SHARED]))
