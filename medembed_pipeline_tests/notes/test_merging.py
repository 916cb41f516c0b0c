import random
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from medembed_pipeline.notes.cleaning import clean_text, note_id
from medembed_pipeline.notes.duplicates import signatures
from medembed_pipeline.notes.merging import (
    CLEANED_NOTES_SCHEMA,
    MergedNotes,
    MergingError,
    merge_notes,
    prepare_texts,
    prepared_schema,
    signatures_of,
    text_keys,
)

MTSAMPLES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "mtsamples.csv"

ROWS = [
    ("r1", "HISTORY: , Cough on 05/16/2003.,PLAN: ,Rest.", " Urology"),
    ("r2", "HISTORY:,  Cough on 05/16/2003.,PLAN:,  Rest.", "surgery"),
    ("r2", "HISTORY:,  Cough on 05/16/2003.,PLAN:,  Rest.", "surgery"),
    ("r3", "HISTORY: COUGH ON 05/16/2003. PLAN: REST.", "Urology\x1fNephrology"),
    ("r4", " \x00 ", "Urology"),
    ("r5", "No chest pain.", None),
    ("r6", "Well child visit, " * 10, "SPORTS MEDICINE"),
    ("r7", "Well child visit, " * 11, "Sports Medicine"),
]


def _merged(
    rows: Sequence[tuple[str, str, str | None]], *, redact: bool = False, **parameters: object
) -> MergedNotes:
    table = pa.table(
        {"row_id": [row[0] for row in rows], "label": pa.array([row[2] for row in rows], pa.string())}
    )
    return merge_notes(table, prepare_texts([row[1] for row in rows], redact=redact), **parameters)  # type: ignore[arg-type]


def test_rows_with_the_same_text_become_one_note() -> None:
    merged = _merged(ROWS)
    notes = {note["source_rows"][0]: note for note in merged.notes.to_pylist()}
    assert sorted(notes) == ["r1", "r5", "r6", "r7"]
    assert (merged.rows, merged.rows_empty, merged.rows_merged) == (8, 1, 3)
    note = notes["r1"]
    assert note["text"] == "HISTORY: Cough on 05/16/2003.\nPLAN: Rest."
    assert note["note_id"] == note_id(note["text"])
    assert note["source_rows"] == ["r1", "r2", "r3"]
    assert (note["specialties"], note["document_types"]) == (["Nephrology", "Urology"], ["Surgery"])
    assert (note["characters"], note["words"]) == (len(note["text"]), 6)
    assert note["identifiers_date"] == 1 and note["identifiers_phone"] == 0
    assert (notes["r5"]["specialties"], notes["r5"]["document_types"]) == ([], [])
    assert notes["r6"]["specialties"] == notes["r7"]["specialties"] == ["Sports Medicine"]
    # 30 and 33 words of one refrain: the same five-word shingles.
    assert notes["r6"]["duplicate_group"] == notes["r7"]["duplicate_group"]
    assert notes["r6"]["duplicate_group"] == min(notes["r6"]["note_id"], notes["r7"]["note_id"])
    assert notes["r5"]["duplicate_group"] == notes["r5"]["note_id"]


def test_the_table_has_its_schema_and_no_order_of_rows_shows() -> None:
    merged = _merged(ROWS)
    assert merged.notes.schema.equals(CLEANED_NOTES_SCHEMA, check_metadata=True)
    assert all(field.metadata[b"description"] for field in (*CLEANED_NOTES_SCHEMA, *prepared_schema(128)))
    ids = merged.notes["note_id"].to_pylist()
    assert ids == sorted(set(ids))
    for seed in range(5):
        shuffled = random.Random(seed).sample(ROWS, len(ROWS))
        again = _merged(shuffled)
        assert again.notes.equals(merged.notes)


def test_masking_changes_texts_and_keeps_counts() -> None:
    masked = _merged(ROWS, redact=True).notes
    texts = masked["text"].to_pylist()
    assert any("Cough on [DATE]." in text for text in texts) and not any("2003" in text for text in texts)
    assert masked["characters"].to_pylist() == [len(text) for text in texts]
    assert sum(masked["identifiers_date"].to_pylist()) == sum(
        _merged(ROWS).notes["identifiers_date"].to_pylist()
    )


def test_masking_changes_no_id_and_no_group() -> None:
    rows = [(f"r{day}", f"The patient was seen on 03/{day}/2003 for a cough.", None) for day in (10, 11)]
    plain, masked = _merged(rows).notes, _merged(rows, redact=True).notes
    assert len(set(masked["note_id"].to_pylist())) == 2 and len(set(masked["text"].to_pylist())) == 1
    for name in ("note_id", "duplicate_group", "signature", "sketch"):
        assert masked[name].equals(plain[name])
    assert len(set(masked["duplicate_group"].to_pylist())) == 1


def test_patients_keys_and_dates_of_all_rows_are_the_notes() -> None:
    table = pa.table(
        {
            "row_id": ["r1", "r2", "r3", "r4"],
            "label": pa.array([None] * 4, pa.string()),
            "patient": pa.array(["p2", "p1", None, "p1"], pa.string()),
            "note_key": pa.array(["k1", None, None, "k1"], pa.string()),
            "note_date": pa.array([date(2020, 2, 1), date(2020, 1, 31), None, None], pa.date32()),
        }
    )
    texts = ["No chest pain.", "no chest PAIN.", "Cough.", "No  chest pain."]
    one, other = sorted(
        merge_notes(table, prepare_texts(texts)).notes.to_pylist(), key=lambda note: note["words"]
    )
    assert (other["patients"], other["note_keys"], other["note_date"]) == (
        ["p1", "p2"],
        ["k1"],
        date(2020, 1, 31),
    )
    assert (one["patients"], one["note_keys"], one["note_date"]) == ([], [], None)


def test_the_variant_with_mixed_case_and_most_lines_is_shown() -> None:
    variants = [
        "ONE TWO.\n\nTHREE.",
        "One two. Three.",
        "One two.\nThree.",
        "one two.\n\nthree.",
        "One  TWO.\nThree.",
    ]
    for seed in range(6):
        rows = [(f"r{index}", text, None) for index, text in enumerate(variants)]
        random.Random(seed).shuffle(rows)
        assert _merged(rows).notes["text"].to_pylist() == ["One TWO.\nThree."]


def test_labels_follow_the_settings() -> None:
    rows = [("r1", "No chest pain.", "cardio; letters"), ("r2", "no chest pain.", "Urology")]
    merged = _merged(
        rows,
        label_separator=";",
        aliases={"Cardio": "Cardiovascular / Pulmonary"},
        document_types=["urology"],
    )
    note = merged.notes.to_pylist()[0]
    assert note["specialties"] == ["Cardiovascular / Pulmonary", "Letters"]
    assert note["document_types"] == ["Urology"]


def test_prepared_texts_can_be_kept_and_shared_by_rows() -> None:
    texts = [row[1] for row in ROWS]
    unique = list(dict.fromkeys(texts))
    assert len(set(text_keys(texts))) == len(unique)
    index = np.array([unique.index(text) for text in texts])
    # As a cache would hand them out: two parts, prepared apart.
    parts = pa.concat_tables([prepare_texts(unique[:2]), prepare_texts(unique[2:])])
    table = pa.table(
        {"row_id": [row[0] for row in ROWS], "label": pa.array([row[2] for row in ROWS], pa.string())}
    )
    assert merge_notes(table, parts, prepared_index=index).notes.equals(_merged(ROWS).notes)


def test_signatures_survive_the_table() -> None:
    texts = [clean_text(row[1]) for row in ROWS]
    prepared = prepare_texts([row[1] for row in ROWS], permutations=32)
    expected = signatures(texts, permutations=32)
    column = prepared["signature"]
    np.testing.assert_array_equal(signatures_of(column), expected)
    np.testing.assert_array_equal(signatures_of(column.slice(3, 2)), expected[3:5])
    twice = pa.concat_tables([prepared, prepared])["signature"]
    np.testing.assert_array_equal(signatures_of(twice), np.vstack([expected] * 2))


@pytest.mark.parametrize("rows", [[], [("r1", "", "Urology")]])
def test_nothing_left_is_an_empty_table(rows: list[tuple[str, str, str | None]]) -> None:
    merged = _merged(rows)
    assert merged.notes.num_rows == 0 and merged.rows_empty == len(rows)
    assert merged.notes.schema.equals(CLEANED_NOTES_SCHEMA, check_metadata=True)


def test_tables_that_do_not_fit_are_refused() -> None:
    prepared = prepare_texts(["a", "b"])
    rows = pa.table({"row_id": ["r1"], "label": ["x"]})
    with pytest.raises(MergingError, match="1 rows and 2 prepared"):
        merge_notes(rows, prepared)
    with pytest.raises(MergingError, match="outside the 2 prepared"):
        merge_notes(rows, prepared, prepared_index=np.array([2]))
    with pytest.raises(MergingError, match="lack the columns label, signature"):
        merge_notes(rows.drop_columns("label"), prepared.drop_columns("signature"))


@pytest.mark.skipif(not MTSAMPLES.exists(), reason="the real notes are not on this machine")
def test_real_notes() -> None:
    import pandas as pd

    frame = pd.read_csv(MTSAMPLES).dropna(subset=["transcription"])
    frame = frame[frame["transcription"].isin(frame["transcription"].drop_duplicates().head(250))]
    texts = frame["transcription"].tolist()
    unique = list(dict.fromkeys(texts))
    positions = {text: position for position, text in enumerate(unique)}
    rows = pa.table(
        {"row_id": text_keys(map(str, frame.index)), "label": frame["medical_specialty"].tolist()}
    )
    merged = merge_notes(
        rows, prepare_texts(unique), prepared_index=np.array([positions[text] for text in texts])
    )
    # Oracle by pandas: sets of stripped labels per text.
    keys = frame["transcription"].map(lambda text: note_id(clean_text(text)))
    expected = frame["medical_specialty"].str.strip().groupby(keys).agg(set).to_dict()
    notes = merged.notes.to_pylist()
    assert {note["note_id"]: {*note["specialties"], *note["document_types"]} for note in notes} == expected
    assert sum(len(note["source_rows"]) for note in notes) == len(frame)
