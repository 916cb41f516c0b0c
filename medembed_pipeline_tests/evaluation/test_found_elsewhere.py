"""Neighbours that another engine has found: ranked here, completed by the exact search, and compared with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medembed_pipeline.evaluation.assets import neighbors
from medembed_pipeline.evaluation.checks import neighbors_found_elsewhere_are_nearest
from medembed_pipeline.evaluation.errors import EvaluationError
from medembed_pipeline.evaluation.found_elsewhere import nearest_of_pairs, read_found_elsewhere
from medembed_pipeline.evaluation.neighbors import nearest_neighbors
from medembed_pipeline.lake import compute as pc
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import LakeResource
from medembed_pipeline_tests.evaluation.corpus import unit
from medembed_pipeline_tests.graph.project import Project

FILE = "found/neighbors.parquet"


@given(st.integers(1, 30), st.integers(1, 35), st.integers(0, 8), st.integers(0, 2**32 - 1))
@settings(max_examples=80, deadline=None)
def test_given_all_that_is_near_it_is_the_exact_search_whatever_else_is_given(
    count: int, k: int, too_few: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    different = unit(random.normal(size=(max(1, count // 2), 5)))
    rows = different[random.integers(len(different), size=count)]
    indices, similarities = nearest_neighbors(rows, k)
    width = indices.shape[1]
    left, right = np.repeat(np.arange(count), width), indices.reshape(-1)
    more = random.integers(count, size=(2, 40))  # repeated pairs and rows themselves among them
    left, right = np.concatenate((left, more[0])), np.concatenate((right, more[1]))
    # Of the first rows nothing is given.
    lacking = min(too_few, count)
    kept = random.permutation(np.flatnonzero(left >= lacking))
    found = nearest_of_pairs(rows, left[kept], right[kept], k)
    np.testing.assert_array_equal(found[0], indices)
    np.testing.assert_allclose(found[1], similarities, atol=1e-7)
    assert found[2]["searched_notes"] == (lacking if width else 0)
    assert found[2]["taken_notes"] + found[2]["searched_notes"] == count
    assert found[2]["recall"] == (1.0 if width and lacking < count else None)


def test_recall_is_the_share_of_the_exact_neighbours() -> None:
    rows = unit(np.random.default_rng(4).normal(size=(60, 8)))
    exact, _ = nearest_neighbors(rows, 20)
    left, right = np.repeat(np.arange(60), 10), np.concatenate((exact[:, :7], exact[:, 15:18]), axis=1)
    indices, similarities, facts = nearest_of_pairs(rows, left, right.reshape(-1), 10)
    np.testing.assert_array_equal(np.sort(indices, axis=1), np.sort(right, axis=1))
    assert (np.diff(similarities, axis=1) <= 0).all()
    assert facts["recall"] == pytest.approx(0.7) and facts["compared_notes"] == 60


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is not there"),
        (b"no parquet", "cannot be read as Parquet"),
        ({"model": ["tuned"], "note": ["a"]}, "no column note_id, neighbor_id"),
        ({"model": ["tuned"], "note_id": [[1]], "neighbor_id": ["b"]}, "cannot be read as Parquet"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, content: Any, message: str) -> None:
    path = tmp_path / FILE
    path.parent.mkdir()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        pq.write_table(pa.table(content), path)
    with pytest.raises(EvaluationError, match=message) as refused:
        read_found_elsewhere(Lake(str(tmp_path)), FILE)
    assert str(path) in str(refused.value) and "found_elsewhere" in str(refused.value)


@pytest.fixture
def lake(finished_project: Project, tmp_path: Path) -> Lake:
    return Lake(finished_project.copy(tmp_path / "project").lake_url)


def search(lake: Lake, file: str) -> tuple[pa.Table, dict[str, Any], dg.AssetCheckEvaluation]:
    """The table, its facts, and what the check says."""
    done = dg.materialize(
        [neighbors, neighbors_found_elsewhere_are_nearest],
        resources={"lake": LakeResource(url=lake.url)},
        run_config={
            "ops": {"neighbors": {"config": {"found_elsewhere": file}}},
            "loggers": {"console": {"config": {"log_level": "ERROR"}}},
        },
    )
    (check,) = done.get_asset_check_evaluations()
    table = lake.table("neighbors")
    return table.read(), table.footer.facts, check


def test_the_asset_takes_them_and_the_check_says_how_near_they_are(lake: Lake) -> None:
    exact, facts, check = search(lake, "")
    assert "found_elsewhere" not in facts and check.passed and "exact" in (check.description or "")
    path = Path(lake.path(FILE))
    path.parent.mkdir()
    of_all = exact.filter(pc.equal(exact["pool"], "all"))
    found = of_all.select(["model", "note_id", "neighbor_id"]).to_pandas()
    gone = found.assign(neighbor_id="0" * 32)  # a note that is no longer there
    first = found.note_id.min()
    kept = found[found.note_id != first].sample(frac=1, random_state=0)
    pq.write_table(pa.Table.from_pandas(pd.concat([kept, gone]), preserve_index=False), path)
    table, facts, check = search(lake, FILE)
    assert table.equals(exact)
    assert facts["found_elsewhere"]["tuned"]["searched_notes"] == 1
    assert facts["found_elsewhere"]["baseline"]["recall"] == 1 and check.passed

    # Neighbours by other vectors, as after a training that came since: other ones of the same file are noticed.
    swapped = found.assign(model=found.model.map({"baseline": "tuned", "tuned": "baseline"}))
    pq.write_table(pa.Table.from_pandas(swapped), path)
    table, facts, check = search(lake, FILE)
    assert not table.equals(exact)
    test = pc.equal(exact["pool"], "test")
    assert table.filter(pc.equal(table["pool"], "test")).equals(exact.filter(test))
    assert facts["found_elsewhere"]["tuned"]["recall"] < 0.95
    assert not check.passed and check.severity == dg.AssetCheckSeverity.WARN
