"""`served_snapshot`: where the lineage ends, under the name that answers have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from medembed_pipeline.lake.publishing import LakeResource, launchpad_resource
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.serving.assets import served_snapshot
from medembed_pipeline.serving.checks import served_snapshot_is_of_the_released_checkpoint
from medembed_pipeline.serving.resource import ServingResource
from medembed_pipeline_tests.serving.conftest import running
from medembed_pipeline_tests.serving.small_lake import ENCODER, SmallLake


@pytest.fixture
def graph(small: SmallLake) -> SmallLake:
    small.lake.write_table(Recipe("release_verdict", "1", {}, {}), pa.table({"rule": ["a"]}))
    return small


def materialize(small: SmallLake, url: str = "") -> tuple[dict[str, Any], Any]:
    """Metadata of the asset, and its check."""
    result = dg.materialize(
        [served_snapshot, served_snapshot_is_of_the_released_checkpoint],
        resources={
            "lake": LakeResource(url=small.lake.url),
            "encoder": launchpad_resource("encoder", ENCODER),
            "serving": ServingResource(url=url),
        },
    )
    assert result.success
    (event,) = result.asset_materializations_for_node("served_snapshot")
    (check,) = result.get_asset_check_evaluations()
    return {name: value.value for name, value in event.metadata.items()}, check


def test_it_is_named_as_the_running_service_names_it(graph: SmallLake, tmp_path: Path) -> None:
    with running(graph, tmp_path) as made:
        metadata, check = materialize(graph, made.url)
        assert metadata["snapshot"] == made.service.snapshot().id
        assert metadata["answers"] == "the running service answers from it"
    assert (metadata["checkpoint"], metadata["notes"], metadata["kept"]) == ("aaaa", 60, False)
    assert check.passed and check.description == "60 notes by aaaa"
    rows = {row["part"]: row["version"] for row in graph.lake.table("served_snapshot").read().to_pylist()}
    assert rows["tuned_embeddings"] == graph.lake.table("tuned_embeddings").data_version
    assert rows["checkpoint_files"] == made.service.snapshot().parts.checkpoint.data_version


def test_unchanged_it_costs_nothing_and_a_rollback_is_seen(
    graph: SmallLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = materialize(graph)
    written = Path(graph.lake.table_path("served_snapshot")).stat().st_mtime_ns
    with monkeypatch.context() as patch:
        patch.setattr("medembed_pipeline.serving.assets.manifest", None)
        second, _ = materialize(graph)
    assert second["kept"] and Path(graph.lake.table_path("served_snapshot")).stat().st_mtime_ns == written
    graph.release("bbbb")
    third, check = materialize(graph)
    assert third["checkpoint"] == "bbbb" and third["snapshot"] != first["snapshot"] and check.passed


def test_the_check_tells_what_is_of_yesterday(graph: SmallLake) -> None:
    materialize(graph)
    table = graph.lake.table("served_snapshot")
    old = table.read().to_pylist()
    rows = [{**row, "version": "x"} if row["part"] in ("checkpoint", "note_splits") else row for row in old]
    graph.lake.write_table(
        table.footer.recipe, pa.Table.from_pylist(rows, table.schema), facts=table.footer.facts
    )
    result = dg.materialize(
        [served_snapshot, served_snapshot_is_of_the_released_checkpoint],
        selection=dg.AssetSelection.checks(served_snapshot_is_of_the_released_checkpoint),
        resources={
            "lake": LakeResource(url=graph.lake.url),
            "encoder": launchpad_resource("encoder", ENCODER),
            "serving": ServingResource(url=""),
        },
    )
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed and check.description == "not of now: checkpoint, note_splits"


def test_before_a_release_it_is_empty_and_says_so(graph: SmallLake) -> None:
    Path(graph.lake.path("checkpoints", "released")).unlink()
    metadata, check = materialize(graph)
    assert metadata["dagster/row_count"] == 0 and metadata["snapshot"] == "none" and check.passed
    assert metadata["answers"] == "[serving] url names no running service"


def test_a_service_that_is_away_fails_nothing(graph: SmallLake) -> None:
    metadata, _ = materialize(graph, "http://127.0.0.1:9")
    assert metadata["answers"] == "the service can't be asked (ConnectError)"
