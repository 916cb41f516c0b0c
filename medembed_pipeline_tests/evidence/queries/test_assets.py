"""The two assets and the check on a small lake."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from medembed_pipeline.evidence.queries.assets import label_confusions, query_results
from medembed_pipeline.evidence.queries.checks import ledger_agrees_with_metrics
from medembed_pipeline_tests.evaluation.corpus import make_corpus
from medembed_pipeline_tests.evidence.queries.small_lake import SmallLake, materialize

ASSETS = [query_results, label_confusions, ledger_agrees_with_metrics]


def small_lake(folder: Path, unlabelled: int = 6) -> SmallLake:
    corpus = make_corpus(60, unlabelled=unlabelled, seed=1)
    return SmallLake(
        folder,
        corpus.note_ids,
        [sorted(names) for names in corpus.specialties],
        corpus.groups,
        ["test" if row % 2 else "train" for row in range(60)],
        {"baseline": corpus.baseline, "tuned": corpus.tuned},
    )


def test_tables_pictures_and_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = small_lake(tmp_path)
    result = materialize(lake, ASSETS, monkeypatch)
    ledger = lake.lake.table("query_results").read()
    assert set(ledger["note_id"].to_pylist()) == {lake.note_ids[row] for row in lake.held}
    assert lake.lake.table("label_confusions").rows > 0
    for name in ("query_results/change_by_note", "label_confusions/confusions"):
        assert (tmp_path / "pictures" / f"{name}.png").is_file()
        assert (tmp_path / "pictures" / f"{name}.svg").is_file()
    assert [check.passed for check in result.get_asset_check_evaluations()] == [True]


def test_the_check_notices_other_figures_and_other_vectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = small_lake(tmp_path)
    metrics = lake.metrics()
    values = metrics["value"].to_numpy() + 0.001
    wrong = metrics.set_column(metrics.column_names.index("value"), "value", pa.array(values))
    lake.publish("embedding_metrics", wrong, lake.versions())
    (check,) = materialize(lake, ASSETS, monkeypatch).get_asset_check_evaluations()
    assert not check.passed and check.severity.value == "ERROR"
    lake.publish("embedding_metrics", metrics, lake.versions() | {"neighbors": "older"})
    (check,) = materialize(lake, ASSETS, monkeypatch).get_asset_check_evaluations()
    assert not check.passed and check.severity.value == "WARN"


def test_without_held_out_notes_the_tables_are_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = small_lake(tmp_path, unlabelled=60)
    result = materialize(lake, ASSETS, monkeypatch)
    assert lake.lake.table("query_results").rows == lake.lake.table("label_confusions").rows == 0
    assert not (tmp_path / "pictures").exists()
    assert result.success
