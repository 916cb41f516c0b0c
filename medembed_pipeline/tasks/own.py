"""A person's own tasks: `<lake>/tasks/<name>/`, in the BEIR layout, or as `pairs.csv`, or as `triplets.csv`.

Reference: N. Thakur et al., "BEIR: a heterogeneous benchmark for zero-shot evaluation of information retrieval
models", NeurIPS Datasets and Benchmarks 2021.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.tasks import clinical_terms, passages
from medembed_pipeline.tasks.errors import TaskError
from medembed_pipeline.tasks.everyday import SETS
from medembed_pipeline.tasks.own_files import (
    LARGEST_FILE_BYTES,
    OwnFile,
    delimited_rows,
    json_objects,
    number,
    shown_id,
)
from medembed_pipeline.tasks.task import (
    NotAsked,
    PairTask,
    RankingTask,
    Task,
    TripletTask,
    connected,
    groups_by_text,
)
from medembed_pipeline.words import read_words

FOLDER = "tasks"
CORPUS, QUERIES, QRELS = "corpus.jsonl", "queries.jsonl", "qrels/test.tsv"
PAIRS, TRIPLETS = "pairs.csv", "triplets.csv"
LAYOUTS = ((CORPUS, QUERIES, QRELS), (PAIRS,), (TRIPLETS,))
ALL = "all"
BUILT_IN = (passages.NAME, clinical_terms.NAME, *(f"everyday_{name}" for name in SETS))

_COLUMNS = Path(__file__).parent / "data" / "columns.toml"


@dataclass(frozen=True)
class OwnFolder:
    """What lies in one folder.

    Attributes
    ----------
    name
        of the folder, and of the task.
    files
        those of a known name, by it.
    problem
        why it cannot be read at all; empty where it can.
    """

    name: str
    files: dict[str, OwnFile] = field(default_factory=dict)
    problem: str = ""

    @property
    def version(self) -> str:
        """Hash of its files, or of its problem."""
        hashes = {name: hashlib.sha256(file.content).hexdigest() for name, file in self.files.items()}
        return digest([self.name, hashes, self.problem])


def own_folders(lake: Lake) -> list[OwnFolder]:
    """The folders of `<lake>/tasks/`, sorted, with their files read; hidden ones and stray files are left alone."""
    found = []
    for name in lake.names(FOLDER):
        if name.startswith("."):
            continue
        if lake.filesystem.isdir(lake.path(FOLDER, name)):
            found.append(_read_folder(lake, name))
        elif name in (PAIRS, TRIPLETS, CORPUS, QUERIES):
            found.append(
                OwnFolder(
                    name, problem=f"{FOLDER}/{name}: lies beside the tasks; expected {FOLDER}/<name>/{name}."
                )
            )
    return found


def _read_folder(lake: Lake, name: str) -> OwnFolder:
    files: dict[str, OwnFile] = {}
    for file in (one for layout in LAYOUTS for one in layout):
        path = f"{FOLDER}/{name}/{file}"
        if not lake.exists(path) or lake.filesystem.isdir(lake.path(path)):
            continue
        if lake.size(path) > LARGEST_FILE_BYTES:
            return OwnFolder(
                name, problem=f"{path}: over {LARGEST_FILE_BYTES // 1024**2} megabytes; give a sample of it."
            )
        try:
            with lake.filesystem.open(lake.path(path), "rb") as stream:
                files[file] = OwnFile(path, stream.read())
        except OSError as error:
            return OwnFolder(
                name, problem=f"{path}: cannot be read ({type(error).__name__}); check its permissions."
            )
    return OwnFolder(name, files)


def own_tasks(
    folders: Sequence[OwnFolder], *, rows_at_most: int, expected: Sequence[str] = ()
) -> list[Task | NotAsked]:
    """A task for each folder; a broken one stands as failed, with its message.

    Parameters
    ----------
    folders
        of `own_folders`.
    rows_at_most
        rows of a file.
    expected
        names that must be there ([tasks] own_tasks_decide); one that is not stands as failed.
    """
    found: list[Task | NotAsked] = []
    for folder in folders:
        try:
            found.append(own_task(folder, rows_at_most=rows_at_most))
        except TaskError as error:
            found.append(NotAsked(_free(folder.name), "own", str(error), failed=True))
    there = {folder.name for folder in folders}
    found += [
        NotAsked(
            name, "own", f"{FOLDER}/{name}: no such folder; [tasks] own_tasks_decide names it.", failed=True
        )
        for name in expected
        if name not in there and name != ALL
    ]
    return found


def own_task(folder: OwnFolder, *, rows_at_most: int) -> Task:
    """Read one folder.

    Raises
    ------
    TaskError
        naming file, row and id, and what was expected.
    """
    if folder.problem:
        raise TaskError(folder.problem)
    begun = [layout for layout in LAYOUTS if any(file in folder.files for file in layout)]
    where = f"{FOLDER}/{folder.name}"
    if _free(folder.name) != folder.name:
        raise TaskError(f"{where}: the name belongs to a built-in task; give the folder another.")
    if not begun:
        raise TaskError(
            f"{where}: holds no task; expected {CORPUS}, {QUERIES} and {QRELS}, or {PAIRS}, or {TRIPLETS}."
        )
    if len(begun) > 1:
        raise TaskError(
            f"{where}: holds {' and '.join(layout[0] for layout in begun)}; expected one task in a folder."
        )
    missing = [file for file in begun[0] if file not in folder.files]
    if missing:
        raise TaskError(f"{where}/{missing[0]}: is not there; expected {', '.join(begun[0])}.")
    if begun[0][0] == CORPUS:
        return _beir(folder, rows_at_most)
    return _pairs(folder, rows_at_most) if begun[0][0] == PAIRS else _triplets(folder, rows_at_most)


def _free(name: str) -> str:
    """A folder's name as that of a task, which no other task has."""
    return f"own_{name}" if name in BUILT_IN else name


def _beir(folder: OwnFolder, rows_at_most: int) -> RankingTask:
    corpus = _texts_by_id(folder.files[CORPUS], rows_at_most, titles=True)
    queries = _texts_by_id(folder.files[QUERIES], rows_at_most, titles=False)
    file = folder.files[QRELS]
    relevant = [pair for pair in _judgements(file, queries, corpus, rows_at_most) if pair[2] > 0]
    if not relevant:
        raise TaskError(f"{file.path}: no score above 0, so nothing is to be found; expected at least one.")
    asked = sorted({query for query, _, _ in relevant})
    query_place = {name: place for place, name in enumerate(asked)}
    candidate_place = {name: place for place, name in enumerate(corpus)}
    pairs = [(query_place[query], candidate_place[candidate]) for query, candidate, _ in relevant]
    numbers = connected(
        [(query, len(asked) + candidate) for query, candidate in pairs], len(asked) + len(corpus)
    )
    return RankingTask(
        folder.name,
        "own",
        ("ndcg", 10),
        [queries[name] for name in asked],
        list(corpus.values()),
        query=np.array([query for query, _ in pairs], dtype=np.int64),
        candidate=np.array([candidate for _, candidate in pairs], dtype=np.int64),
        gain=np.array([score for _, _, score in relevant]),
        query_groups=numbers[: len(asked)],
        candidate_groups=numbers[len(asked) :],
        left_out=len(queries) - len(asked),
    )


def _texts_by_id(file: OwnFile, rows_at_most: int, *, titles: bool) -> dict[str, str]:
    """Text by id, sorted by id; a title stands before its text."""
    found: dict[str, str] = {}
    row_of: dict[str, int] = {}
    for row, record in json_objects(file, rows_at_most=rows_at_most):
        name = record.get("_id")
        if isinstance(name, bool) or not isinstance(name, (str, int)) or not str(name).strip():
            raise TaskError(f"{file.path}, row {row}: no '_id'; expected a string that is not empty.")
        name = str(name)
        if name in found:
            raise TaskError(f"{file.path}, row {row}: {shown_id(name)} stands in row {row_of[name]} already.")
        parts = [record.get("title") or "" if titles else "", record.get("text")]
        if not all(isinstance(part, str) for part in parts):
            raise TaskError(
                f"{file.path}, row {row}, {shown_id(name)}: 'text' (or 'title') is missing or no string."
            )
        text = " ".join(str(part).strip() for part in parts if str(part).strip())
        if not text:
            raise TaskError(f"{file.path}, row {row}, {shown_id(name)}: the text is empty.")
        found[name], row_of[name] = _whole(file, row, text), row
    if not found:
        raise TaskError(f"{file.path}: no rows; expected an object with '_id' and 'text' a line.")
    return dict(sorted(found.items()))


def _judgements(
    file: OwnFile, queries: dict[str, str], corpus: dict[str, str], rows_at_most: int
) -> list[tuple[str, str, float]]:
    found: dict[tuple[str, str], float] = {}
    columns = read_words(_COLUMNS)["qrels"]
    rows = delimited_rows(file, columns, rows_at_most=rows_at_most, delimiters=("\t",), quoted=False)
    for row, cells in rows:
        query, candidate = cells["query-id"], cells["corpus-id"]
        for name, texts, of in ((query, queries, QUERIES), (candidate, corpus, CORPUS)):
            if name not in texts:
                raise TaskError(f"{file.path}, row {row}: {shown_id(name)} is not in {of}.")
        if (query, candidate) in found:
            raise TaskError(
                f"{file.path}, row {row}: query {shown_id(query)} and corpus {shown_id(candidate)} were judged already."
            )
        score = number(file, row, cells["score"])
        if score < 0:
            raise TaskError(
                f"{file.path}, row {row}: the score is below 0; expected 0 (not relevant) or more."
            )
        found[query, candidate] = score
    return [(query, candidate, score) for (query, candidate), score in sorted(found.items())]


def _pairs(folder: OwnFolder, rows_at_most: int) -> PairTask:
    file = folder.files[PAIRS]
    rows = [
        (
            _cell(file, row, cells, "text_a"),
            _cell(file, row, cells, "text_b"),
            number(file, row, cells["score"]),
        )
        for row, cells in delimited_rows(file, read_words(_COLUMNS)["pairs"], rows_at_most=rows_at_most)
    ]
    # The order of rows decides nothing.
    rows.sort()
    left, right, scores = [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]
    if len(set(scores)) < 2:
        raise TaskError(
            f"{file.path}: {len(rows)} rows, of which the scores do not differ; expected an order."
        )
    groups = groups_by_text(left, right)
    return PairTask(folder.name, "own", left, right, np.array(scores, dtype=np.float64), groups)


def _triplets(folder: OwnFolder, rows_at_most: int) -> TripletTask:
    file = folder.files[TRIPLETS]
    rows = []
    columns = read_words(_COLUMNS)["triplets"]
    for row, cells in delimited_rows(file, columns, rows_at_most=rows_at_most):
        texts = [_cell(file, row, cells, name) for name in columns]
        if texts[1] == texts[2]:
            raise TaskError(f"{file.path}, row {row}: positive and negative are the same text.")
        rows.append(texts)
    if not rows:
        raise TaskError(f"{file.path}: no rows below the header; expected a triplet a row.")
    rows.sort()
    anchors, same, other = ([row[place] for row in rows] for place in range(3))
    return TripletTask(folder.name, "own", anchors, same, other, groups_by_text(anchors, same, other))


def _cell(file: OwnFile, row: int, cells: dict[str, str], name: str) -> str:
    text = cells[name].strip()
    if not text:
        raise TaskError(f"{file.path}, row {row}: {name} is empty; expected a text.")
    return text


def _whole(file: OwnFile, row: int, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise TaskError(
            f"{file.path}, row {row}: half of a surrogate pair; expected whole characters."
        ) from None
    return text
