"""The check of the metrics looks at the figure that the verdict looks at."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from medembed_pipeline.evaluation import checks
from medembed_pipeline.evaluation.metric_names import metric_key, metric_label
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import LakeResource
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.settings import Settings


@pytest.mark.parametrize(("main_metric", "passed"), [("precision@5", True), ("map", False)])
def test_the_gain_that_is_checked_is_the_main_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, main_metric: str, passed: bool
) -> None:
    lake = Lake(str(tmp_path / "lake"))
    rows = [
        {"model": "difference", "scope": "all", "metric": metric, "k": k, "value": 0.1, "ci_low": low}
        for metric, k, low in (("precision", 5, 0.05), ("map", None, -0.05))
    ]
    table = pa.Table.from_pylist([{**row, "ci_high": 0.2, "n": 90} for row in rows])
    lake.write_table(Recipe("embedding_metrics", "1", {}, {}), table)
    settings = Settings.model_validate({"verdict": {"main_metric": main_metric}})
    monkeypatch.setattr(checks, "SETTINGS", settings)
    result = dg.materialize(
        [dg.AssetSpec("embedding_metrics"), checks.tuned_model_is_better],
        selection=dg.AssetSelection.checks(checks.tuned_model_is_better),
        resources={"lake": LakeResource(url=lake.url)},
    )
    (found,) = result.get_asset_check_evaluations()
    assert found.passed is passed
    assert (found.description or "").startswith(metric_label(main_metric))


@pytest.mark.parametrize(
    ("name", "key", "label"),
    [
        ("precision@10", ("precision", 10), "P@10"),
        ("ndcg@10", ("ndcg", 10), "nDCG@10"),
        ("map", ("map", None), "MAP"),
    ],
)
def test_names(name: str, key: tuple[str, int | None], label: str) -> None:
    assert metric_key(name) == key and metric_label(name) == label
