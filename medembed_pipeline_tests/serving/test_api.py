"""What a person asks over HTTP, and gets."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow.compute as pc
import pytest

from medembed_pipeline.encoder.model import load_encoder
from medembed_pipeline.lake.tables import vectors
from medembed_pipeline.serving.client import ServiceRefusedError, ServingClient
from medembed_pipeline_tests.serving.conftest import Running, running
from medembed_pipeline_tests.serving.small_lake import SITES, SmallLake, new_note, spec_of


@pytest.fixture
def client(shared: Running) -> Any:
    with ServingClient(shared.url, retries=0) as made:
        yield made


def post(shared: Running, path: str, body: Any) -> httpx.Response:
    return shared.http.post(path, json=body)


def test_vectors_are_the_encoders_own(client: ServingClient, master: SmallLake, shared: Running) -> None:
    texts = [new_note(seed) for seed in range(5)]
    checkpoint = shared.service.snapshot().parts.checkpoint
    encoder = load_encoder(spec_of(checkpoint), device="cpu", precision="float32")
    matrix, answer = client.embed(texts)
    np.testing.assert_allclose(matrix, encoder.encode(texts), atol=1e-5)
    assert answer.snapshot == shared.service.snapshot().id and answer.checkpoint == "aaaa"
    shown = post(shared, "/embed", {"texts": texts}).json()["vectors"]
    assert np.array_equal(np.array(shown, dtype=np.float32), matrix) and answer.dimensions == 32


def test_a_stored_note_finds_its_row_of_the_table_neighbors(client: ServingClient, master: SmallLake) -> None:
    rows = master.lake.table("neighbors").read()
    rows = rows.filter(pc.equal(rows["pool"], "all"))
    ids = master.lake.table("cleaned_notes").strings("note_id")[::5]
    answer = client.search(note_ids=ids, hits=10)
    for note, found in zip(ids, answer.results, strict=True):
        own = rows.filter(pc.equal(rows["note_id"], note)).sort_by("rank")
        assert [hit.note_id for hit in found.hits] == own["neighbor_id"].to_pylist()
        assert [np.float32(hit.similarity) for hit in found.hits] == own["similarity"].to_pylist()
        assert found.stored_as == note


def test_the_text_of_a_stored_note_is_known_again_however_it_is_typed(
    client: ServingClient, master: SmallLake
) -> None:
    notes = master.lake.table("cleaned_notes").read().to_pylist()
    typed = f"  {notes[4]['text'].replace(' ', '   ')}\r\n\x00"
    found = client.search([typed], hits=3, include_text=True).results[0]
    assert found.stored_as == notes[4]["note_id"] == found.hits[0].note_id
    assert found.hits[0].similarity == 1.0 and found.hits[0].text == notes[4]["text"]
    stored = vectors(master.lake.table("tuned_embeddings").read()["embedding"])
    assert np.array_equal(client.embed([typed])[0][0], stored[4])


def test_hits_are_the_nearest_by_a_product_of_ones_own(client: ServingClient, master: SmallLake) -> None:
    text = new_note(7)
    matrix = vectors(master.lake.table("tuned_embeddings").read()["embedding"]).astype(np.float64)
    similarity = matrix @ client.embed([text])[0][0].astype(np.float64)
    found = client.search([text], hits=60).results[0]
    assert [hit.similarity for hit in found.hits] == sorted(
        (hit.similarity for hit in found.hits), reverse=True
    )
    order = {note: row for row, note in enumerate(master.lake.table("cleaned_notes").strings("note_id"))}
    np.testing.assert_allclose(
        [hit.similarity for hit in found.hits],
        [similarity[order[hit.note_id]] for hit in found.hits],
        atol=1e-6,
    )
    assert found.stored_as is None and found.place is not None and len(found.hits) == 60


def test_filters_apply_before_the_cut(client: ServingClient, master: SmallLake) -> None:
    everything = client.search([new_note(8)], hits=60).results[0]
    filters = {
        "labels": ["Cardiology"],
        "columns": {"site": [SITES[0]], "age": {"at_least": 20, "at_most": 50}},
    }
    found = client.search([new_note(8)], hits=5, filters=filters).results[0]
    expected = [
        hit.note_id
        for hit in everything.hits
        if "Cardiology" in (hit.labels or ())
        and (hit.columns or {})["site"] == [SITES[0]]
        and 20 <= _age(master, hit.note_id) <= 50
    ]
    assert [hit.note_id for hit in found.hits] == expected[:5] and found.hits
    # Where a note lies does not depend on what is filtered.
    assert found.place == everything.place


def _age(master: SmallLake, note_id: str) -> int:
    notes = {
        row["note_id"]: row["source_rows"][0] for row in master.lake.table("cleaned_notes").read().to_pylist()
    }
    rows = {row["row_id"]: row["age"] for row in master.lake.table("raw_transcriptions").read().to_pylist()}
    return int(rows[notes[note_id]])


def test_the_model_says_what_it_is_and_what_can_be_filtered(client: ServingClient, master: SmallLake) -> None:
    model = client.model()
    assert (model.notes, model.dimensions, model.max_tokens, model.map) == (60, 32, 32, "umap")
    assert model.classifier is None and model.scope == "text"
    assert {one.value for one in model.splits or ()} == {"train", "test"}
    columns = {one.name: one for one in model.columns or ()}
    assert set(columns) == {"site", "age", "summary"} and columns["summary"].values is None
    assert (columns["age"].at_least, columns["age"].at_most) == (20, 79)
    assert client.ready().snapshot == model.snapshot


def test_the_map_has_every_note_where_the_table_has_it(shared: Running, master: SmallLake) -> None:
    answer = shared.http.get("/map").json()
    places = np.frombuffer(base64.b64decode(answer["xy"]), dtype="<f4").reshape(-1, 2)
    table = master.lake.table("projections").read().sort_by("note_id")
    assert answer["note_ids"] == table["note_id"].to_pylist() and answer["method"] == "umap"
    assert places[:, 0].tolist() == table["x"].to_pylist() and places[:, 1].tolist() == table["y"].to_pylist()
    first = [own[0] for own in master.lake.table("cleaned_notes").read()["specialties"].to_pylist()]
    assert [answer["label_names"][code] for code in answer["labels"]] == first


def test_without_a_classifier_it_says_so(client: ServingClient) -> None:
    with pytest.raises(ServiceRefusedError, match="no classifier") as caught:
        client.classify(["chest pain"])
    assert (caught.value.status, caught.value.kind) == (503, "no_classifier")


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({}, 422, "invalid"),
        ({"texts": ["a"], "note_ids": ["b"]}, 422, "invalid"),
        ({"texts": ["\u200b \x00"]}, 422, "empty_text"),
        ({"texts": ["a"] * 65}, 413, "too_many_texts"),
        ({"note_ids": ["a"] * 65}, 413, "too_many_texts"),
        ({"texts": ["a" * 200_001]}, 413, "text_too_long"),
        ({"note_ids": ["0" * 32]}, 404, "no_such_note"),
        ({"texts": ["a"], "hits": 0}, 422, "invalid"),
        ({"texts": ["a"], "filters": {"columns": {"patient_id": ["P0001"]}}}, 422, "invalid"),
        ({"texts": ["a"], "filters": {"columns": {"site": {"at_least": 3}}}}, 422, "invalid"),
        ({"texts": ["a"], "filters": {"columns": {"age": {"at_least": "x"}}}}, 422, "invalid"),
    ],
)
def test_what_cannot_be_answered_is_refused(shared: Running, body: Any, status: int, kind: str) -> None:
    answer = shared.http.post("/search", content=json.dumps(body), headers=JSON)
    assert (answer.status_code, answer.json()["error"]["kind"]) == (status, kind)


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"null", b'{"texts": [1e999]}', b"9" * 5000]
)
def test_a_body_that_is_no_json_is_refused(shared: Running, body: bytes) -> None:
    answer = shared.http.post("/embed", content=body, headers=JSON)
    assert answer.status_code in (400, 422) and set(answer.json()) == {"error"}


def test_a_body_that_is_too_large_is_refused_whether_or_not_it_says_so(
    small: SmallLake, tmp_path: Path
) -> None:
    with running(small, tmp_path, request_megabytes=0.01) as made:
        body = json.dumps({"texts": ["a" * 20_000]}).encode()
        stated = made.http.post("/embed", content=body, headers=JSON)
        unstated = made.http.post("/embed", content=iter([body]), headers=JSON)
        assert [one.status_code for one in (stated, unstated)] == [413, 413]


def test_half_a_character_is_mended_as_in_stored_notes(shared: Running, client: ServingClient) -> None:
    body = json.dumps({"texts": ["chest \ud800 pain"]})
    answer = shared.http.post("/embed", content=body, headers=JSON)
    assert answer.json()["vectors"] == [client.embed(["chest \ufffd pain"])[0][0].astype(float).tolist()]
    assert np.array_equal(client.embed(["chest \ud800 pain"])[0], client.embed(["chest \ufffd pain"])[0])


def test_long_texts_are_cleaned_beside_and_answered_alike(client: ServingClient) -> None:
    long = " ".join([new_note(9)] * 1000)
    assert np.allclose(client.embed([long])[0], client.embed([long[:2000]])[0], atol=1e-5)


def test_openai_clients_are_answered_as_they_expect(shared: Running) -> None:
    texts = [new_note(1), new_note(2)]
    plain = post(shared, "/v1/embeddings", {"input": texts, "model": "text-embedding-3-small"})
    answer = plain.json()
    assert plain.status_code == 200 and answer["object"] == "list" and answer["model"] == "aaaa"
    assert [(one["object"], one["index"]) for one in answer["data"]] == [("embedding", 0), ("embedding", 1)]
    assert answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"] > 10
    body = {"input": texts[0], "model": "m", "encoding_format": "base64", "dimensions": 32, "user": "u"}
    packed = post(shared, "/v1/embeddings", body).json()["data"][0]["embedding"]
    row = np.frombuffer(base64.b64decode(packed), dtype=np.float32)
    np.testing.assert_allclose(row, np.array(answer["data"][0]["embedding"]), atol=1e-5)
    models = shared.http.get("/v1/models").json()
    assert models["object"] == "list" and models["data"][0]["id"] == "aaaa"


@pytest.mark.parametrize(
    "body",
    [
        {"input": [[1, 2, 3]], "model": "m"},
        {"input": [1, 2, 3], "model": "m"},
        {"input": [], "model": "m"},
        {"input": "a", "model": "m", "dimensions": 8},
    ],
)
def test_openai_clients_are_refused_as_they_expect(shared: Running, body: Any) -> None:
    answer = post(shared, "/v1/embeddings", body)
    assert answer.status_code == 400
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_states_and_metrics(shared: Running, client: ServingClient) -> None:
    client.search([new_note(3)])
    assert shared.http.get("/health").json()["status"] == "ok"
    assert shared.http.get("/ready").status_code == 200
    text = shared.http.get("/metrics").text
    snapshot = shared.service.snapshot().id
    for line in (
        'medembed_requests_total{route="/search",status="200"}',
        f'medembed_snapshot{{checkpoint="aaaa",snapshot="{snapshot}"}} 1.0',
        "medembed_notes 60.0",
        "medembed_waiting_texts 0.0",
        "medembed_batch_texts_bucket",
        "process_resident_memory_bytes",
    ):
        assert line in text, line


def test_before_a_release_it_waits_and_then_answers(small: SmallLake, tmp_path: Path) -> None:
    link = Path(small.lake.path("checkpoints", "released"))
    link.unlink()
    with ServingClient("http://127.0.0.1:1", retries=0) as nobody, pytest.raises(httpx.TransportError):
        nobody.model()

    def release_when_told_to(line: str) -> None:
        if "medembed run" in line:
            small.release("aaaa")

    with running(small, tmp_path, on_line=release_when_told_to) as made:
        assert any("medembed run" in line for line in made.said)
        assert made.service.snapshot().parts.checkpoint.version == "aaaa"


def test_the_documentation_names_every_path_and_asks_nobody(shared: Running) -> None:
    page = shared.http.get("/docs")
    paths = shared.http.get("/openapi.json").json()["paths"]
    assert {"/embed", "/search", "/classify", "/model", "/map", "/v1/embeddings", "/metrics"} <= set(paths)
    assert all(f" {path}</code>" in page.text for path in paths)
    assert '="http' not in page.text and "<script" not in page.text
