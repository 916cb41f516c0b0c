"""A person's own tasks: read whole, or refused with file, row and id, and never with a word of their text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.tasks.errors import TaskError
from medembed_pipeline.tasks.own import OwnFolder, own_folders, own_task, own_tasks
from medembed_pipeline.tasks.own_files import OwnFile
from medembed_pipeline.tasks.task import NotAsked, PairTask, RankingTask, TripletTask

SECRET = "Zanzibar"
QRELS = "query-id\tcorpus-id\tscore\n"
PAIRS = f"text_a,text_b,score\n{SECRET} one,two,1\nthree,{SECRET} four,2.5\n"


def jsonl(*rows: dict[str, Any]) -> bytes:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()


CORPUS = jsonl(
    {"_id": "d1", "title": "Title", "text": f"{SECRET} fever"},
    {"_id": "d2", "text": f"{SECRET} cough"},
    {"_id": "d3", "title": "", "text": "Rash"},
)
QUERIES = jsonl({"_id": "q1", "text": "hot"}, {"_id": "q2", "text": "cold"}, {"_id": 3, "text": "other"})
JUDGED = (QRELS + "q1\td1\t2\nq1\td2\t1\nq2\td2\t1\nq2\td3\t0\n").encode()
BEIR = {"corpus.jsonl": CORPUS, "queries.jsonl": QUERIES, "qrels/test.tsv": JUDGED}


def folder(files: dict[str, bytes], name: str = "mine") -> OwnFolder:
    return OwnFolder(
        name, {file: OwnFile(f"tasks/{name}/{file}", content) for file, content in files.items()}
    )


def read(files: dict[str, bytes], **options: Any) -> Any:
    return own_task(folder(files), **{"rows_at_most": 1000, **options})


def refusal(files: dict[str, bytes], **options: Any) -> str:
    with pytest.raises(TaskError) as caught:
        read(files, **options)
    message = str(caught.value)
    assert SECRET not in message and message.startswith("tasks/mine")
    return message


def test_the_beir_layout_with_grades_titles_and_numbers_as_ids() -> None:
    task = read(BEIR)
    assert isinstance(task, RankingTask)
    assert task.queries == ["hot", "cold"] and task.left_out == 1
    assert task.candidates == [f"Title {SECRET} fever", f"{SECRET} cough", "Rash"]
    pairs = zip(task.query.tolist(), task.candidate.tolist(), task.gain.tolist(), strict=True)
    assert sorted(pairs) == [(0, 0, 2.0), (0, 1, 1.0), (1, 1, 1.0)]
    # Both queries hang together by d2; d3 was judged not relevant and is of nobody's group.
    assert len({*task.query_groups.tolist(), *task.candidate_groups[:2].tolist()}) == 1
    assert task.candidate_groups[2] not in task.query_groups


@pytest.mark.parametrize(
    "content",
    [
        PAIRS,
        "\ufeff" + PAIRS,
        PAIRS.replace("\n", "\r\n"),
        PAIRS.replace(",", ";"),
        PAIRS.replace(",", "\t"),
        PAIRS.replace("text_a,text_b", "Sentence 1,sentence-2"),
        "id,score,text1,text2\n" + f"9,1,{SECRET} one,two\n\n8,2.5,three,{SECRET} four\n",
    ],
    ids=["plain", "mark", "crlf", "semicolons", "tabs", "usual names", "more columns"],
)
def test_pairs_in_their_usual_forms(content: str) -> None:
    task = read({"pairs.csv": content.encode()})
    assert isinstance(task, PairTask)
    assert sorted(zip(task.left, task.right, task.scores.tolist(), strict=True)) == [
        (f"{SECRET} one", "two", 1.0),
        ("three", f"{SECRET} four", 2.5),
    ]
    assert len(set(task.groups.tolist())) == 2


def test_windows_1252_quotes_and_line_ends_inside_cells() -> None:
    content = 'anchor,positive,negative\n"caf\xe9, open","line one\nline two","a ""quoted"" word"\n'.encode(
        "cp1252"
    )
    task = read({"triplets.csv": content})
    assert isinstance(task, TripletTask)
    assert (task.anchors, task.same, task.other) == (
        ["café, open"],
        ["line one\nline two"],
        ['a "quoted" word'],
    )


def test_rows_that_share_a_text_are_one_group_and_their_order_decides_nothing() -> None:
    rows = ["a,b,1", "c,d,2", "b,e,3", "f,g,4"]
    first = read({"pairs.csv": "\n".join(["a,b,score", *rows]).encode()})
    again = read({"pairs.csv": "\n".join(["a,b,score", *rows[::-1]]).encode()})
    assert first.left == again.left == ["a", "b", "c", "f"]
    assert np.array_equal(first.groups, again.groups)
    assert first.groups[0] == first.groups[1] and len(set(first.groups.tolist())) == 3


def with_line(content: bytes, row: int, line: bytes) -> bytes:
    lines = content.split(b"\n")
    lines[row - 1] = line
    return b"\n".join(lines)


SPOILED: dict[str, tuple[dict[str, bytes], str]] = {
    "an id twice": (
        BEIR | {"corpus.jsonl": with_line(CORPUS, 3, jsonl({"_id": "d1", "text": SECRET}))},
        "corpus.jsonl, row 3: id 'd1' stands in row 1 already",
    ),
    "no id": (
        BEIR | {"queries.jsonl": with_line(QUERIES, 2, jsonl({"text": SECRET}))},
        "queries.jsonl, row 2: no '_id'",
    ),
    "no text": (
        BEIR | {"queries.jsonl": with_line(QUERIES, 1, jsonl({"_id": "q1"}))},
        "row 1, id 'q1': 'text'",
    ),
    "an empty text": (
        BEIR | {"corpus.jsonl": with_line(CORPUS, 2, jsonl({"_id": "d2", "text": " \n"}))},
        "corpus.jsonl, row 2, id 'd2': the text is empty",
    ),
    "a broken line": (
        BEIR | {"corpus.jsonl": CORPUS[:-3]},
        "corpus.jsonl, row 3: no valid JSON from character",
    ),
    "an array": (BEIR | {"corpus.jsonl": with_line(CORPUS, 1, b"[1]")}, "row 1: JSON that is no object"),
    "nested too deep": (BEIR | {"corpus.jsonl": b"[" * 100_000}, "nested too deep"),
    "an unknown query": (
        BEIR | {"qrels/test.tsv": JUDGED + b"q9\td1\t1\n"},
        "qrels/test.tsv, row 6: id 'q9' is not in queries.jsonl",
    ),
    "an unknown document": (
        BEIR | {"qrels/test.tsv": JUDGED + b"q1\td9\t1\n"},
        "row 6: id 'd9' is not in corpus.jsonl",
    ),
    "text for an id": (
        BEIR | {"qrels/test.tsv": JUDGED + f"{SECRET} fever of unknown\td1\t1\n".encode()},
        "row 6: an id of 25 characters, which look like text",
    ),
    "judged twice": (
        BEIR | {"qrels/test.tsv": JUDGED + b"q1\td1\t1\n"},
        "row 6: query id 'q1' and corpus id 'd1' were judged already",
    ),
    "a negative score": (BEIR | {"qrels/test.tsv": JUDGED + b"q1\td3\t-1\n"}, "row 6: the score is below 0"),
    "no header": (BEIR | {"qrels/test.tsv": b"q1\td1\t1\n"}, "qrels/test.tsv, row 1: no column query-id"),
    "nothing relevant": (BEIR | {"qrels/test.tsv": (QRELS + "q1\td1\t0\n").encode()}, "no score above 0"),
    "no corpus": ({"queries.jsonl": QUERIES, "qrels/test.tsv": JUDGED}, "corpus.jsonl: is not there"),
    "no queries at all": (BEIR | {"queries.jsonl": b"\n\n"}, "queries.jsonl: no rows"),
    "an empty file": (BEIR | {"queries.jsonl": b""}, "queries.jsonl: no bytes"),
    "utf-16": ({"pairs.csv": PAIRS.encode("utf-16")}, "the file is UTF-16; save it as UTF-8"),
    "a zip": ({"pairs.csv": b"PK\x03\x04" + b"\0" * 50}, "pairs.csv: the name says text"),
    "a nul": ({"pairs.csv": (PAIRS + f"{SECRET}\0x,y,3\n").encode()}, "row 4: a NUL character"),
    "bytes": (
        {"pairs.csv": PAIRS.encode() + "é,é,2\né,é,2\n".encode() + b"\xff,y,3\n"},
        "row 6: bytes that are not utf-8",
    ),
    "no score": ({"pairs.csv": PAIRS.replace("score", SECRET).encode()}, "row 1: no column score"),
    "two scores": (
        {"pairs.csv": PAIRS.replace("text_b,score", "score,score").encode()},
        "row 1: no column text_b",
    ),
    "a word for a score": (
        {"pairs.csv": PAIRS.replace("2.5", SECRET).encode()},
        "pairs.csv, row 3: the score is no finite number",
    ),
    "infinite": ({"pairs.csv": PAIRS.replace("2.5", "inf").encode()}, "row 3: the score is no finite number"),
    "one score": (
        {"pairs.csv": PAIRS.replace("2.5", "1").encode()},
        "2 rows, of which the scores do not differ",
    ),
    "an empty cell": ({"pairs.csv": (PAIRS + f"{SECRET}, ,1\n").encode()}, "row 4: text_b is empty"),
    "too many cells": (
        {"pairs.csv": (PAIRS + f"{SECRET}, and more,x,1\n").encode()},
        "row 4: 4 cells; the header has 3",
    ),
    "an open quote": (
        {"pairs.csv": (PAIRS + f'"{SECRET} begins,x,1\n').encode()},
        "row 4: a quote that does not close",
    ),
    "the same text": (
        {"triplets.csv": f"anchor,positive,negative\na,{SECRET},{SECRET}\n".encode()},
        "row 2: positive and negative",
    ),
    "a header alone": ({"triplets.csv": b"anchor,positive,negative\n"}, "no rows below the header"),
    "two tasks": ({"pairs.csv": PAIRS.encode(), "triplets.csv": b""}, "expected one task in a folder"),
    "nothing": ({}, "tasks/mine: holds no task; expected corpus.jsonl"),
    "too many rows": ({"pairs.csv": ("a,b,score\n" + "x,y,1\n" * 1001).encode()}, "more than 1,000 rows"),
    "half a character": (
        BEIR | {"corpus.jsonl": with_line(CORPUS, 1, b'{"_id": "d1", "text": "\\ud800"}')},
        "row 1: half of a surrogate pair",
    ),
}


@pytest.mark.parametrize("what", SPOILED)
def test_what_is_wrong_is_said_with_file_and_row_and_without_text(what: str) -> None:
    files, expected = SPOILED[what]
    assert expected in refusal(files)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_the_bytes_a_task_is_read_or_refused(data: st.DataObject) -> None:
    name = data.draw(
        st.sampled_from(["corpus.jsonl", "queries.jsonl", "qrels/test.tsv", "pairs.csv", "triplets.csv"])
    )
    content = bytearray(
        {**BEIR, "pairs.csv": PAIRS.encode(), "triplets.csv": b"anchor,pos,neg\na,b,c\nd,e,f\n"}[name]
    )
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(content)))
        content[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    try:
        read((BEIR if name in BEIR else {}) | {name: bytes(content)})
    except TaskError as error:
        assert SECRET not in str(error)


def test_a_broken_task_stops_itself_and_a_named_one_must_be_there() -> None:
    good = folder({"pairs.csv": PAIRS.encode()}, "good")
    found = own_tasks(
        [good, folder({}, "broken"), folder(BEIR, "passages")], rows_at_most=10, expected=["good", "absent"]
    )
    assert isinstance(found[0], PairTask)
    failed = {one.name: one for one in found[1:] if isinstance(one, NotAsked)}
    assert set(failed) == {"broken", "own_passages", "absent"} and all(one.failed for one in failed.values())
    assert "belongs to a built-in task" in failed["own_passages"].message
    assert "no such folder" in failed["absent"].message


def test_folders_are_read_from_the_lake_and_known_by_their_content(tmp_path: Path) -> None:
    for name, files in {
        "b": BEIR,
        "a": {"pairs.csv": PAIRS.encode(), "notes.txt": b"x"},
        ".hidden": BEIR,
    }.items():
        for file, content in files.items():
            path = tmp_path / "tasks" / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    (tmp_path / "tasks" / "triplets.csv").write_text("anchor")
    lake = Lake(str(tmp_path))
    found = own_folders(lake)
    assert [one.name for one in found] == ["a", "b", "triplets.csv"]
    assert set(found[0].files) == {"pairs.csv"} and set(found[1].files) == set(BEIR)
    assert "lies beside the tasks" in found[2].problem
    before = [one.version for one in found]
    assert [one.version for one in own_folders(lake)] == before
    (tmp_path / "tasks" / "b" / "queries.jsonl").write_bytes(QUERIES + b"\n")
    after = [one.version for one in own_folders(lake)]
    assert after[0] == before[0] and after[1] != before[1]


def test_folders_of_an_object_store() -> None:
    lake = Lake("memory://own-tasks")
    for file, content in BEIR.items():
        lake.filesystem.pipe_file(lake.path("tasks", "mine", *file.split("/")), content)
    (found,) = own_folders(lake)
    assert isinstance(own_task(found, rows_at_most=10), RankingTask)


def test_a_lake_without_tasks(tmp_path: Path) -> None:
    assert own_folders(Lake(str(tmp_path))) == []
