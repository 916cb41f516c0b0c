"""A snapshot is of one checkpoint and its own notes and vectors, or it is not made."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from medembed_pipeline.encoder.model import load_encoder
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.lake.tables import vectors
from medembed_pipeline.serving.encoders import SharedEncoder
from medembed_pipeline.serving.encoding import note_vectors
from medembed_pipeline.serving.errors import NothingReleasedError, ServingError
from medembed_pipeline.serving.filters import Between, Filters
from medembed_pipeline.serving.parts import SnapshotParts, computed_in, read_parts
from medembed_pipeline.serving.search import Query
from medembed_pipeline.serving.snapshot import Snapshot, build_snapshot
from medembed_pipeline_tests.serving.small_lake import ENCODER, SITES, SmallLake, new_note, spec_of


@pytest.fixture(scope="module")
def snapshot(master: SmallLake) -> Snapshot:
    return build_snapshot(master.lake, read_parts(master.lake, ENCODER), ENCODER)


def parts_of(small: SmallLake) -> SnapshotParts:
    return read_parts(small.lake, ENCODER)


def test_it_holds_the_released_checkpoints_vectors_of_all_notes(
    master: SmallLake, snapshot: Snapshot
) -> None:
    table = master.lake.table("tuned_embeddings").read()
    assert snapshot.note_ids == sorted(table["note_id"].to_pylist()) and len(snapshot.note_ids) == 60
    assert np.array_equal(snapshot.index.vectors, vectors(table["embedding"]))
    assert snapshot.parts.checkpoint.version == "aaaa" and snapshot.encoded == 0
    assert snapshot.parts.settled and snapshot.places.method == "umap"
    assert snapshot.id == parts_of(master).id and len(snapshot.id) == 16
    encoder = load_encoder(spec_of(snapshot.parts.checkpoint), device="cpu", precision="float32")
    np.testing.assert_allclose(
        snapshot.encoder.encode(["chest pain"]), encoder.encode(["chest pain"]), atol=1e-6
    )


def test_a_stored_note_finds_its_row_of_neighbors(master: SmallLake, snapshot: Snapshot) -> None:
    rows = master.lake.table("neighbors").read()
    rows = rows.filter(pc.equal(rows["pool"], "all"))
    for note in snapshot.note_ids[::7]:
        row = snapshot.row_of[note]
        hits = snapshot.index.search([Query(snapshot.index.vectors[row], 10, None, row)])[0]
        own = rows.filter(pc.equal(rows["note_id"], note)).sort_by("rank")
        assert [snapshot.note_ids[hit] for hit in hits.rows] == own["neighbor_id"].to_pylist()
        assert hits.similarities.astype(np.float32).tolist() == own["similarity"].to_pylist()


def test_after_a_training_that_was_not_released_the_released_ones_vectors_are_served(
    small: SmallLake,
) -> None:
    before = build_snapshot(small.lake, parts_of(small), ENCODER)
    small.embed(small.add_checkpoint("cccc", seed=3))
    parts = parts_of(small)
    assert parts.checkpoint.version == "aaaa" and parts.vectors is None and parts.map is None
    assert parts.only_lacks_what(before.parts) and not before.parts.only_lacks_what(parts)
    after = build_snapshot(small.lake, parts, ENCODER)
    assert np.array_equal(after.index.vectors, before.index.vectors) and after.encoded == 0
    assert after.places.method == "pca" and np.isfinite(after.places.xy).all()


def test_vectors_that_nobody_has_are_computed_and_nothing_is_written(small: SmallLake) -> None:
    before = build_snapshot(small.lake, parts_of(small), ENCODER)
    small.embed(small.add_checkpoint("cccc", seed=3))
    small.lake.remove("store", "vectors", before.parts.fingerprint)
    files = {path: path.stat().st_mtime_ns for path in Path(small.lake.root).rglob("*")}
    after = build_snapshot(small.lake, parts_of(small), ENCODER)
    assert after.encoded == 60
    np.testing.assert_allclose(after.index.vectors, before.index.vectors, atol=1e-5)
    assert {path: path.stat().st_mtime_ns for path in Path(small.lake.root).rglob("*")} == files


def test_a_rollback_names_the_other_checkpoint_and_its_vectors(small: SmallLake) -> None:
    before = parts_of(small)
    small.release("bbbb")
    after = build_snapshot(small.lake, parts_of(small), ENCODER)
    assert after.parts.checkpoint.version == "bbbb" and after.id != before.id
    assert after.parts.fingerprint != before.fingerprint and after.encoded == 0
    small.release("aaaa")
    assert parts_of(small).id == before.id


def test_new_notes_are_waited_for_until_their_map_stands(small: SmallLake) -> None:
    first = parts_of(small)
    small.texts.append(new_note(1))
    small.specialties.append(["Cardiology"])
    small.write_notes()
    assert not parts_of(small).settled
    small.embed(first.checkpoint, with_map=False)
    assert not parts_of(small).settled
    small.draw_map()
    parts = parts_of(small)
    assert parts.settled and parts.id != first.id
    assert len(build_snapshot(small.lake, parts, ENCODER).note_ids) == 61


def test_an_encoder_of_another_checkpoint_is_refused(small: SmallLake) -> None:
    parts = parts_of(small)
    notes = parts.notes.read()
    wrong = SharedEncoder(None, "0" * 64)
    with pytest.raises(ServingError, match="nothing is mixed"):
        note_vectors(small.lake, parts, notes["note_id"].to_pylist(), notes["text"], wrong)


@pytest.mark.parametrize("name", ["cleaned_notes", "tuned_embeddings", "projections", "note_splits"])
def test_a_table_that_is_not_what_was_written_is_refused(small: SmallLake, name: str) -> None:
    path = Path(small.lake.table_path(name))
    footer = pq.read_metadata(path).metadata[b"medembed"]
    table = pq.read_table(path)
    altered = table.take(pa.array([*range(1, table.num_rows), 0]))
    pq.write_table(altered.replace_schema_metadata({b"medembed": footer}), path)
    with pytest.raises(ServingError, match=name):
        build_snapshot(small.lake, parts_of(small), ENCODER)


def test_a_checkpoint_that_is_not_what_was_written_is_refused(small: SmallLake) -> None:
    parts = parts_of(small)
    path = parts.checkpoint.folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "vocab_size": 99}))
    with pytest.raises(ServingError, match=r"aaaa is not what was written: config\.json"):
        build_snapshot(small.lake, parts, ENCODER)


def test_before_the_first_release_it_says_so(small: SmallLake) -> None:
    Path(small.lake.path("checkpoints", "released")).unlink()
    with pytest.raises(NothingReleasedError, match="medembed run"):
        parts_of(small)


def test_filters_are_what_the_landed_rows_say(master: SmallLake, snapshot: Snapshot) -> None:
    raw = master.lake.table("raw_transcriptions").read().to_pylist()
    notes = master.lake.table("cleaned_notes").read().to_pylist()
    row_of = {row["row_id"]: row for row in raw}

    def expected(holds: object) -> list[str]:
        assert callable(holds)
        return [note["note_id"] for note in notes if holds(note, row_of[note["source_rows"][0]])]

    def found(filters: Filters) -> list[str]:
        allowed = snapshot.allowed(filters)
        assert allowed is not None
        return [snapshot.note_ids[row] for row in np.flatnonzero(allowed)]

    assert found(Filters(labels=["Cardiology", "Radiology"])) == expected(
        lambda note, _: {"Cardiology", "Radiology"} & set(note["specialties"])
    )
    assert found(Filters(columns={"site": SITES[:1], "age": Between(30, 40)})) == expected(
        lambda _, row: row["site"] == "North" and 30 <= int(row["age"]) <= 40
    )
    assert found(Filters(splits=["test"])) == expected(lambda note, _: int(note["note_id"][:8], 16) % 3 == 0)
    assert found(Filters(labels=["no such label"])) == []
    assert snapshot.allowed(Filters()) is None


def test_whose_note_it_is_is_no_filter_and_free_text_is_not_offered(snapshot: Snapshot) -> None:
    assert set(snapshot.columns) == {"site", "age", "summary"}
    assert snapshot.columns["age"].range == (20.0, 79.0) and snapshot.columns["site"].range is None
    assert snapshot.columns["site"].counts() == {"North": 20, "South": 20, "West": 20}
    assert not snapshot.columns["summary"].is_choice
    assert snapshot.columns["site"].of_rows([3]) == [[SITES[_row_number(snapshot, 3) % 3]]]


def _row_number(snapshot: Snapshot, row: int) -> int:
    return int(snapshot.parts.notes.read()["source_rows"].to_pylist()[row][0], 16)


def test_a_new_note_lies_among_its_nearest(snapshot: Snapshot) -> None:
    vector = snapshot.encoder.encode(["heart valve chest pressure"])[0]
    hits = snapshot.index.search([Query(vector, 10)])[0]
    place = snapshot.places.of_new(hits)
    assert place is not None
    near = snapshot.places.xy[hits.rows]
    assert near[:, 0].min() <= place[0] <= near[:, 0].max()
    weights = hits.similarities - hits.similarities.min() + 1e-6
    np.testing.assert_allclose(place, (near * weights[:, None]).sum(axis=0) / weights.sum(), rtol=1e-5)


@pytest.mark.parametrize(
    ("backend", "precision", "stated", "expected"),
    [
        ("torch", "auto", "bfloat16", "bfloat16"),
        ("torch", "float32", "bfloat16", "float32"),
        ("torch", "float32", "openvino-float32", "float32"),
        ("auto", "auto", "openvino-int8-bfloat16", "openvino-int8-bfloat16"),
        ("auto", "float32", None, "float32"),
    ],
)
def test_a_query_is_computed_as_the_notes_were_where_the_settings_leave_it_open(
    backend: str, precision: str, stated: str | None, expected: str
) -> None:
    settings = EncoderSettings.model_validate({"backend": backend, "precision": precision, "device": "cpu"})
    assert computed_in(settings, stated) == expected
