"""A person's own search task in the BEIR layout (Thakur et al., BEIR, NeurIPS Datasets and Benchmarks 2021)."""

from __future__ import annotations

from typing import Any, Final

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.tasks.kinds import RankingTask, connected_groups
from medembed_pipeline.tasks.task_files import TaskFile

CORPUS: Final = "corpus.jsonl"
QUERIES: Final = "queries.jsonl"
JUDGEMENTS: Final = "qrels/test.tsv"
BEIR_FILES: Final[tuple[str, ...]] = (CORPUS, QUERIES, JUDGEMENTS)

_JUDGEMENT_COLUMNS: Final = (("query-id",), ("corpus-id",), ("score",))


def read_beir(lake: Lake, name: str) -> tuple[RankingTask, int]:
    """Read `corpus.jsonl`, `queries.jsonl` and `qrels/test.tsv` of the task `name`.

    A title and a text are joined with a space. A score above 0 makes a text relevant, and is its gain, scaled
    to 0..1 by the largest of the file. Queries for which no text is relevant are left out.

    Returns:
        The task, queries and corpus in file order, and how many queries were left out.

    Raises:
        TaskError: a file or a row cannot be used, an id is missing, doubled or unknown, or nothing is relevant.
    """
    corpus_ids, corpus = _texts(TaskFile(lake, name, CORPUS), with_title=True)
    query_ids, queries = _texts(TaskFile(lake, name, QUERIES), with_title=False)
    gains = _gains(TaskFile(lake, name, JUDGEMENTS), query_ids, corpus_ids)
    judged = sorted(gains)
    relevant = [gains[query] for query in judged]
    query_groups, corpus_groups = connected_groups(relevant, len(corpus))
    task = RankingTask(
        name,
        "own",
        queries=[queries[query] for query in judged],
        corpus=corpus,
        relevant=relevant,
        query_groups=query_groups,
        corpus_groups=corpus_groups,
    )
    return task, len(queries) - len(judged)


def _texts(file: TaskFile, *, with_title: bool) -> tuple[dict[str, int], list[str]]:
    """Position of each id, and the texts."""
    positions: dict[str, int] = {}
    rows: list[int] = []
    texts: list[str] = []
    for row, record in file.json_rows():
        row_id = _identifier(file, record, row)
        if row_id in positions:
            problem = f"row {rows[positions[row_id]]} has the same _id; each row needs its own"
            raise file.error(problem, row=row, row_id=row_id)
        text = _string(file, record, "text", row, row_id)
        if with_title and record.get("title") is not None:
            text = f"{_string(file, record, 'title', row, row_id)} {text}".strip()
        positions[row_id] = len(texts)
        rows.append(row)
        texts.append(file.text(text, "text", row=row, row_id=row_id))
    return positions, texts


def _identifier(file: TaskFile, record: dict[str, Any], row: int) -> str:
    value = record.get("_id")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        state = "missing" if value is None else "neither a string nor a whole number"
        raise file.error(f'_id is {state}; expected a string, such as "d1"', row=row)
    if not value.strip():
        raise file.error('_id is empty; expected a string, such as "d1"', row=row)
    return value.strip()


def _string(file: TaskFile, record: dict[str, Any], key: str, row: int, row_id: str) -> str:
    value = record.get(key)
    if not isinstance(value, str):
        state = "missing" if value is None else "not a string"
        raise file.error(f"{key} is {state}; expected a string", row=row, row_id=row_id)
    if "\0" in value:
        raise file.error(f"{key} holds a NUL character; remove it", row=row, row_id=row_id)
    try:
        value.encode()
    except UnicodeEncodeError:
        problem = f"{key} holds half of a surrogate pair; remove it"
        raise file.error(problem, row=row, row_id=row_id) from None
    return value


def _gains(
    file: TaskFile, query_ids: dict[str, int], corpus_ids: dict[str, int]
) -> dict[int, dict[int, float]]:
    """Per query for which anything is relevant, the gains of the corpus texts, up to 1."""
    seen: dict[tuple[int, int], int] = {}
    scores: dict[int, dict[int, float]] = {}
    for row, (query_id, corpus_id, cell) in file.cell_rows(_JUDGEMENT_COLUMNS):
        query = _known(file, query_id, query_ids, "query-id", QUERIES, row)
        text = _known(file, corpus_id, corpus_ids, "corpus-id", CORPUS, row)
        if (query, text) in seen:
            problem = f"row {seen[query, text]} judges the same query and text; keep one of them"
            raise file.error(problem, row=row, row_id=query_id.strip())
        seen[query, text] = row
        score = file.number(cell, "score", row=row)
        if score > 0:
            scores.setdefault(query, {})[text] = score
    if not scores:
        raise file.error("no row has a score above 0, so nothing is relevant to any query")
    largest = max(max(texts.values()) for texts in scores.values())
    # A relevant text has a gain above 0, which the smallest floating-point numbers would lose.
    smallest = min(min(texts.values()) for texts in scores.values())
    if not smallest / largest > 0:
        raise file.error("the scores differ too much; expected small whole numbers, such as 1 and 2")
    return {
        query: {text: score / largest for text, score in found.items()} for query, found in scores.items()
    }


def _known(file: TaskFile, cell: str, known: dict[str, int], column: str, other: str, row: int) -> int:
    row_id = cell.strip()
    if not row_id:
        raise file.error(f"{column} is empty; expected an _id of {other}", row=row)
    if row_id not in known:
        problem = f"{column} is not an _id of {other}; add it there or remove the row"
        raise file.error(problem, row=row, row_id=row_id)
    return known[row_id]
