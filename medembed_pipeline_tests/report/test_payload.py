"""The page's data say what the tables say: decoded again, every array and every position is the tables'."""

import base64
import json
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medembed_pipeline.pictures.numbers import without_nan
from medembed_pipeline.report.arrays_part import WIDTH, first_neighbors, packed, scored_note_ids
from medembed_pipeline.report.errors import ReportError
from medembed_pipeline.report.notes_part import shown_texts, source_places
from medembed_pipeline.report.payload import ALL_NOTES, HELD_OUT, build_payload
from medembed_pipeline.report.provenance import model_name, provenance_part, without_paths
from medembed_pipeline.report.shown_table import ShownTable
from medembed_pipeline.report.tables_part import plain_values
from medembed_pipeline_tests.report import small_tables as small

MODELS = {"baseline": "base", "tuned": "checkpoint 1234"}


def payload_of(tables: dict[str, ShownTable], **more: Any) -> dict[str, Any]:
    """The payload after a way through JSON, as the page reads it."""
    built = build_payload(tables, models=MODELS, scored=HELD_OUT, made=provenance_part(tables), **more)
    decoded: dict[str, Any] = json.loads(json.dumps(built, allow_nan=False))
    return decoded


def unpacked(text: str, kind: str, columns: int = 1) -> np.ndarray:
    """A packed array, [n, columns]."""
    return np.frombuffer(base64.b64decode(text), dtype=kind).reshape(-1, columns)


@pytest.fixture(scope="module")
def payload() -> dict[str, Any]:
    sources = {"row-0": [("b.csv", 4)], "row-twice": [("a.csv", 9), ("a.csv", 12)]}
    return payload_of(small.all_tables(), sources=sources, history=[{"epoch": 0, "train_loss": None}])


def test_notes_are_those_of_the_table(payload: dict[str, Any]) -> None:
    notes, table = payload["notes"], small.cleaned_notes().to_pydict()
    assert notes["id"] == small.ids() == table["note_id"]
    names = payload["specialty_names"]
    assert [{names[number] for number in own} for own in notes["specialties"]] == [
        set(own) for own in table["specialties"]
    ]
    counts = [sum(number in own for own in notes["specialties"]) for number in range(len(names))]
    assert counts == sorted(counts, reverse=True)
    splits = dict(zip(*(small.note_splits()[name].to_pylist() for name in ("note_id", "split")), strict=True))
    assert [payload["split_names"][number] for number in notes["split"]] == [
        splits[name] for name in notes["id"]
    ]
    assert payload["split_names"] == ["train", "validation", "test"]
    assert [name for name, scored in zip(notes["id"], notes["scored"], strict=True) if scored] == (
        small.held_out()
    )
    assert notes["group"][3] == notes["group"][2] and len(set(notes["group"])) == small.NOTES - 1
    assert notes["document_types"][1] == [0] and payload["document_type_names"] == ["Letters"]
    assert notes["source"][0] == "a.csv:9, a.csv:12, b.csv:4" and notes["source"][1] == ""
    assert notes["words"] == table["words"]


def test_maps_keep_every_place_and_own_maps_are_turned_onto_the_baseline(payload: dict[str, Any]) -> None:
    maps = {one["key"]: one for one in payload["maps"]}
    assert list(maps) == ["aligned_umap-2", "umap-2", "pca-3"]
    own = maps["umap-2"]
    baseline, tuned = (unpacked(own[model], "<f4", 2) for model in ("baseline", "tuned"))
    centered = small.map_points() - small.map_points().mean(axis=0)
    np.testing.assert_allclose(baseline, centered, atol=1e-5)
    # The tuned map was the baseline's, mirrored, turned and moved: turned back, it lies on it.
    np.testing.assert_allclose(tuned, centered, atol=1e-5)
    assert not own["comparable"] and own["noise_floor"] is None
    assert own["quality"] == {"baseline": 0.75, "tuned": 0.5}
    assert set(unpacked(own["trust_baseline"], "u1").reshape(-1).tolist()) == {128}

    aligned = maps["aligned_umap-2"]
    np.testing.assert_allclose(unpacked(aligned["baseline"], "<f4", 2), small.map_points(), atol=1e-5)
    np.testing.assert_allclose(unpacked(aligned["tuned"], "<f4", 2), small.map_points() + 1, atol=1e-5)
    assert aligned["comparable"] and aligned["noise_floor"] == 0.25

    space = maps["pca-3"]
    before = unpacked(space["baseline"], "<f4", 3)
    expected = small.vectors(1, 8)[:, :3]
    np.testing.assert_allclose(before, expected - expected.mean(axis=0), atol=1e-5)
    distances = np.linalg.norm(small.vectors(2, 8)[:, None, :3] - small.vectors(2, 8)[None, :, :3], axis=2)
    after = unpacked(space["tuned"], "<f4", 3)
    np.testing.assert_allclose(np.linalg.norm(after[:, None] - after[None], axis=2), distances, atol=1e-5)


def test_neighbors_are_the_brute_force_ones(payload: dict[str, Any]) -> None:
    for seed, model in ((1, "baseline"), (2, "tuned")):
        matrix = small.vectors(seed, 8).astype(np.float64)
        similarity = matrix @ matrix.T
        np.fill_diagonal(similarity, -2)
        order = np.argsort(-similarity, axis=1)[:, :WIDTH]
        assert unpacked(payload["neighbors"][model], "<i4", WIDTH).tolist() == order.tolist()
        np.testing.assert_allclose(
            unpacked(payload["neighbors"][f"{model}_similarity"], "<f4", WIDTH),
            np.take_along_axis(similarity, order, axis=1),
            atol=1e-6,
        )


def test_few_notes_leave_slots_empty() -> None:
    tables = {"cleaned_notes": ShownTable(small.cleaned_notes(4))}
    tables["neighbors"] = ShownTable(small.neighbors(4))
    part = payload_of(tables)["neighbors"]
    nearest = unpacked(part["tuned"], "<i4", WIDTH)
    assert (nearest[:, 3:] == -1).all() and (np.sort(nearest[:, :3]) >= 0).all()
    assert (unpacked(part["tuned_similarity"], "<f4", WIDTH)[:, 3:] == 0).all()


def test_displacement_has_a_hole_where_a_note_has_none(payload: dict[str, Any]) -> None:
    moved = unpacked(payload["displacement"]["distance"], "<f4").reshape(-1)
    assert np.isnan(moved[0]) and (np.diff(moved[1:]) > 0).all()
    overlap = unpacked(payload["displacement"]["overlap"], "<f4").reshape(-1)
    np.testing.assert_allclose(overlap, np.linspace(0, 1, small.NOTES), atol=1e-6)
    assert payload["displacement"]["floor"] == 0.01


def test_displacement_is_left_out_where_dimensions_differ() -> None:
    rows = small.note_displacement()
    rows = rows.set_column(1, "displacement", pa.nulls(len(rows), pa.float32()))
    tables = {
        **small.all_tables(),
        "note_displacement": ShownTable(rows, {"displacement_floor": float("nan")}),
    }
    part = payload_of(tables)["displacement"]
    assert part["distance"] is None and part["overlap"] is not None and part["floor"] is None


def test_tables_are_verbatim_but_for_positions(payload: dict[str, Any]) -> None:
    tables, names = payload["tables"], small.ids()
    asked = [names.index(name) for name in small.held_out()]
    ledger = tables["query_results"]
    assert ledger["note_id"] == asked[:2]
    assert ledger["neighbors_baseline"] == [[1, 2, 3], [5, 6]] and ledger["won"] == [[4], []]
    assert ledger["similarity_baseline"] == [[0.9, 0.1, 0.05], [0.4, 0.3]]
    evidence = tables["similarity_evidence"]
    assert evidence["group"] == ["positive", "Urology", str(asked[0]), str(asked[1])]
    assert evidence["other"] == [None, "Neurology", "5", "7"]
    assert evidence["value"] == [7.0, 0.1 + 0.2, 0.5, None]
    assert tables["embedding_diagnostics"]["name"] == ["", "9"]
    assert tables["label_review"] == {
        "rank": [1],
        "note_id": [4],
        "specialties": [["Urology"]],
        "suggested": [None],
        "label_quality": [0.1],
        "judgement": ["looks_wrong"],
    }
    assert tables["release_verdict"]["passed"] == [True]
    metrics = small.all_tables()["embedding_metrics"].rows
    assert tables["embedding_metrics"]["metric"] == metrics["metric"].to_pylist()
    for shown, value in zip(tables["embedding_metrics"]["value"], metrics["value"].to_pylist(), strict=True):
        assert shown is None if np.isnan(value) else shown == value


def test_a_note_id_stands_in_one_place_only(payload: dict[str, Any]) -> None:
    rest = json.dumps({**payload, "notes": {**payload["notes"], "id": []}})
    assert not set(re.findall(r"[0-9a-f]{32}", rest)) & set(small.ids())


def test_text_never_reaches_the_payload(payload: dict[str, Any]) -> None:
    assert small.SECRET not in json.dumps(payload)


def test_facts_of_the_last_run_stay_out(payload: dict[str, Any]) -> None:
    assert "cleaned_notes" not in payload["facts"]
    assert payload["facts"]["embedding_metrics"] == {"scored_notes": len(small.held_out())}
    assert payload["facts"]["projections"]["trustworthiness"][1]["trustworthiness"] is None


def test_what_was_not_materialized_is_left_out() -> None:
    payload = payload_of({"cleaned_notes": ShownTable(small.cleaned_notes())})
    assert payload["maps"] == [] and payload["tables"] == {} and payload["history"] == []
    assert payload["displacement"] == {"distance": None, "overlap": None, "floor": None}
    assert payload["split_names"] == ["all notes"] and not any(payload["notes"]["scored"])
    assert payload["comparison"] is None


def test_the_order_of_rows_does_not_matter() -> None:
    tables = small.all_tables()
    order = np.random.default_rng(5)
    shuffled = {
        name: ShownTable(
            table.rows.take(order.permutation(len(table.rows))), table.facts, table.settings, table.inputs
        )
        for name, table in tables.items()
        if name in ("note_splits", "neighbors", "projections", "aligned_projections", "note_displacement")
    }
    one, other = payload_of(tables), payload_of({**tables, **shuffled})
    for part in ("notes", "maps", "displacement", "neighbors"):
        assert one[part] == other[part]


def test_tables_of_other_notes_are_refused() -> None:
    tables = small.all_tables()
    fewer = {**tables, "cleaned_notes": ShownTable(small.cleaned_notes().slice(0, 10))}
    with pytest.raises(ReportError, match=r"Materialize \w+ again, then report"):
        payload_of(fewer)
    rows = tables["projections"].rows
    halved = {**tables, "projections": ShownTable(rows.filter(pc.not_equal(rows["note_id"], small.ids()[0])))}
    with pytest.raises(ReportError, match="each note once"):
        payload_of(halved)
    with pytest.raises(ReportError, match="holds no note"):
        payload_of({"cleaned_notes": ShownTable(small.cleaned_notes().slice(0, 0))})
    unsplit = {**tables, "note_splits": ShownTable(small.note_splits().slice(2))}
    with pytest.raises(ReportError, match="2 of 14 notes have no split"):
        payload_of(unsplit)


def test_scored_notes_and_first_neighbors_of_a_long_table() -> None:
    rows = small.all_tables()["neighbors"].rows
    cut = first_neighbors(rows.to_batches(max_chunksize=5), rows.schema)
    assert pc.max(cut.filter(pc.equal(cut["pool"], "all"))["rank"]).as_py() == WIDTH
    assert scored_note_ids(cut) == set(small.held_out()) == scored_note_ids(rows)
    tables = small.all_tables()
    assert (
        payload_of({**tables, "neighbors": ShownTable(cut)})["neighbors"] == payload_of(tables)["neighbors"]
    )


def test_source_places_are_in_order_whatever_the_batches() -> None:
    raw = pa.table(
        {"row_id": ["r2", "r1", "r1"], "source_file": ["b.csv", "a.csv", "a.csv"], "source_row": [3, 10, 9]}
    )
    assert source_places(raw.to_batches(max_chunksize=1)) == {
        "r1": [("a.csv", 9), ("a.csv", 10)],
        "r2": [("b.csv", 3)],
    }


def test_many_sources_are_cut() -> None:
    notes = small.cleaned_notes()
    places = {"row-0": [("file.csv", row) for row in range(100, 1300)]}
    source = payload_of({"cleaned_notes": ShownTable(notes)}, sources=places)["notes"]["source"][0]
    assert source.endswith("file.csv:107 and 1,192 more")


def test_texts_as_the_settings_allow() -> None:
    texts = small.texts()
    assert shown_texts(texts, "full") == texts and shown_texts(texts, "none") is None
    masked = shown_texts(texts, "masked")
    assert masked is not None and not any(small.PHONE in text for text in masked)
    assert all("[PHONE]" in text and small.SECRET in text for text in masked)


def test_made_names_settings_by_their_section_and_no_path() -> None:
    tables = small.all_tables()
    manifest = {
        "base": "my-model",
        "settings": {
            "EncoderSettings": {"base": "/home/someone/secret/my-model", "max_tokens": 256},
            "TrainingSettings": {"epochs": 2},
        },
        "files": {"1_Pooling/config.json": "ab"},
    }
    made = provenance_part(tables, checkpoint={"version": "v1", "manifest": manifest})
    assert made["settings"]["encoder"] == {"base": "my-model", "max_tokens": 256}
    assert made["settings"]["training"] == {"epochs": 2}
    assert made["settings"]["cleaning"] == {"redact": False}
    assert made["versions"] == {
        "baseline_embeddings": "b1",
        "cleaned_notes": "n1",
        "embedding_metrics": "m1",
        "note_splits": "s1",
    }
    assert made["checkpoint"]["manifest"]["files"] == {"1_Pooling/config.json": "ab"}
    assert "/home" not in json.dumps(made) and made["packages"]["python"].startswith("3.")
    assert provenance_part(tables)["checkpoint"] is None


@pytest.mark.parametrize(
    ("base", "shown"),
    [
        ("bundled", "bundled"),
        ("owner/model", "owner/model"),
        ("/srv/models/mine/", "mine"),
        ("~/mine", "mine"),
        ("../models/mine", "mine"),
        ("C:\\Users\\me\\mine", "mine"),
        ("s3://bucket/mine", "mine"),
    ],
)
def test_model_names_tell_no_place(base: str, shown: str) -> None:
    assert model_name(base) == shown


def test_values_that_are_no_paths_stay() -> None:
    values = {"label_separator": "/", "names": ["Allergy / Immunology", "~", "0 3 * * 0"], "n": 3, "x": None}
    assert without_paths(values) == values


def test_models_scored_words_are_the_contract() -> None:
    assert ALL_NOTES == "all notes (which of them the model was trained on is not known)"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(width=32, allow_subnormal=True), max_size=20))
def test_float32_values_come_back_exactly(values: list[float]) -> None:
    column = pa.chunked_array([pa.array(values, pa.float32())])
    nested = pa.chunked_array([pa.array([values], pa.list_(pa.float32()))])
    expected = [value if np.isfinite(value) else None for value in values]
    for shown in (plain_values(column), plain_values(nested)[0]):
        assert [None if value is None else float(np.float32(value)) for value in shown] == expected


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    )
)
def test_without_nan_is_json(value: Any) -> None:
    clean = without_nan(value)
    assert json.loads(json.dumps(clean, allow_nan=False)) == clean
    assert without_nan(clean) == clean


def test_packed_is_little_endian() -> None:
    assert base64.b64decode(packed(np.array([1, -1]), "<i4")) == b"\x01\0\0\0\xff\xff\xff\xff"
