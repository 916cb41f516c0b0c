"""The table on real notes, tables, checks and a small model that is trained: what is made, and what is kept."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.training.checkpoints import current_checkpoint
from medembed_pipeline_tests.automation.model_graph import reached
from medembed_pipeline_tests.graph.names import EMBEDDED, EVALUATED, LANDED, NOTES
from medembed_pipeline_tests.graph.project import PCA_ALONE, Project

FORCED = """
import dagster as dg
from medembed_pipeline.dagster_home import prepare_dagster_home
from medembed_pipeline.definitions import defs
with dg.DagsterInstance.from_config(str(prepare_dagster_home())) as instance:
    job = defs.resolve_implicit_global_asset_job_def()
    asset = [dg.AssetKey("{name}")]
    assert job.execute_in_process(instance=instance, asset_selection=asset, run_config={config}).success
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, small_model: Path) -> Project:
    """A project that automation has brought up to date."""
    project = Project(tmp_path_factory.mktemp("prepared") / "project", small_model)
    project.configure(more=PCA_ALONE)
    project.medembed("samples", "--notes", "150")
    project.run()
    assert ticks(project)["made"] == []
    return project


@pytest.fixture
def project(prepared: Project, tmp_path: Path) -> Project:
    """A copy of it."""
    shutil.copytree(prepared.folder, tmp_path / "project", dirs_exist_ok=True)
    project = Project(tmp_path / "project", prepared.model)
    project.configure(more=PCA_ALONE)
    return project


def forced(name: str, config: dict[str, Any] | None = None) -> str:
    """Code that materializes one asset, as a person does in the UI."""
    return FORCED.format(name=name, config=config or {})


def ticks(project: Project, landing: bool = False, code: str = "") -> dict[str, Any]:
    """Run the automation until it rests, in a process that first runs `code`."""
    script = f"{code}\nfrom medembed_pipeline_tests.automation.ticking import main\nmain({landing})\n"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=project.folder,
        env=project.environ(),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    assert result["rest"], result
    return result


def land(project: Project, name: str, count: int) -> None:
    texts = [
        f"SUBJECTIVE: visit {name} number {row}, seen for finding{name}x{row} and more."
        for row in range(count)
    ]
    frame = pd.DataFrame({"text": texts, "label": ["Cardiology", "Neurology"] * (count // 2)})
    frame.to_csv(project.landing / f"{name}.csv", index=False)


def sample(project: Project) -> Path:
    return next(project.landing.glob("*.csv"))


def test_a_touched_file_is_read_again_and_goes_no_further(project: Project) -> None:
    sample(project).touch()
    assert ticks(project, landing=True)["made"] == sorted(LANDED)


@pytest.mark.parametrize("how", ["renamed", "landed twice", "rows known"])
def test_a_file_without_new_notes_leaves_the_content_below_alone(project: Project, how: str) -> None:
    path = sample(project)
    if how == "renamed":
        path.rename(path.with_name("renamed.csv"))
    elif how == "landed twice":
        shutil.copyfile(path, path.with_name("again.csv"))
    else:
        pd.read_csv(path).head(5).to_csv(path.with_name("known.csv"), index=False)
    before = project.data_versions()
    made = ticks(project, landing=True)["made"]
    after = project.data_versions()
    changed = {name for name in after if after[name] != before[name]}
    assert changed <= LANDED
    assert set(made) == LANDED


def test_new_notes_are_embedded_with_the_current_checkpoint(project: Project) -> None:
    land(project, "new", 2)
    result = ticks(project, landing=True)
    assert sorted(result["made"]) == sorted({*NOTES, *EMBEDDED, *EVALUATED})
    tuned = project.materializations("tuned_embeddings")[0].asset_materialization
    assert tuned is not None and tuned.metadata["notes_the_checkpoint_has_not_seen"].value == 2


def test_many_new_notes_train_once(project: Project) -> None:
    land(project, "many", 40)
    made = ticks(project, landing=True)["made"]
    assert made.count("finetuned_checkpoint") == made.count("triplets") == 1
    tuned = project.materializations("tuned_embeddings")[0].asset_materialization
    assert tuned is not None and tuned.metadata["notes_the_checkpoint_has_not_seen"].value == 0


def test_notes_of_a_removed_file_leave_every_table(project: Project) -> None:
    land(project, "gone", 4)
    ticks(project, landing=True)
    (project.landing / "gone.csv").unlink()
    made = ticks(project, landing=True)["made"]
    assert sorted(made) == sorted({*NOTES, *EMBEDDED, *EVALUATED})
    lake = Path(project.lake_url)
    notes = set(pd.read_parquet(lake / "cleaned_notes.parquet")["note_id"])
    assert len(notes) == 150
    for table in ("note_splits", *sorted(EMBEDDED), "projections"):
        assert set(pd.read_parquet(lake / f"{table}.parquet")["note_id"]) == notes, table


def test_a_training_parameter_trains_and_leaves_baseline_and_triplets(project: Project) -> None:
    project.configure(training="seed = 8", more=PCA_ALONE)
    made = ticks(project)["made"]
    assert made[0] == "finetuned_checkpoint" and "tuned_embeddings" in made
    assert not {"baseline_embeddings", "triplets", *NOTES} & set(made)


def test_a_projection_parameter_makes_the_projections_and_the_page_that_shows_them(project: Project) -> None:
    project.configure(more=PCA_ALONE + "seed = 8\n")
    assert ticks(project)["made"] == ["projections"], (
        "principal components need no seed: nothing below changes"
    )
    project.configure(more='methods = ["pca", "tsne"]\n')
    assert sorted(ticks(project)["made"]) == ["projections", "report", "served_snapshot"]


def test_a_new_revision_of_a_room_runs_that_room_and_what_really_changed(project: Project) -> None:
    code = "import medembed_pipeline.notes; medembed_pipeline.notes.REVISION = 'next'"
    assert sorted(ticks(project, code=code)["made"]) == sorted(NOTES)


def test_a_file_that_spoils_all_rows_is_held_at_the_check(project: Project) -> None:
    sample(project).unlink()
    (project.landing / "picture.csv").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
    assert sorted(ticks(project, landing=True)["made"]) == sorted(LANDED)
    assert ticks(project)["made"] == []


def test_a_launchpad_override_reaches_what_depends_on_it_and_stands(project: Project) -> None:
    override = forced("neighbors", {"ops": {"neighbors": {"config": {"neighbors": 20}}}})
    made = ticks(project, code=override)["made"]
    assert set(made) <= reached("neighbors") - {"neighbors"} and made
    assert (
        Lake(project.lake_url).table("neighbors").footer.recipe.settings["NeighborSettings"]["neighbors"]
        == 20
    )
    assert ticks(project)["made"] == []


def test_a_warm_start_goes_on_from_the_current_checkpoint_and_counts_what_both_saw(project: Project) -> None:
    lake = Lake(project.lake_url)
    first = current_checkpoint(lake)
    project.configure(training="warm_start = true\nseed = 8", more=PCA_ALONE)
    assert ticks(project)["made"][0] == "finetuned_checkpoint"
    second = current_checkpoint(lake)
    assert second.manifest()["data_versions"]["warm_start"] == first.data_version
    assert set(second.trained_note_ids()) >= set(first.trained_note_ids())
    assert ticks(project, code=forced("finetuned_checkpoint"))["made"] == []
    assert current_checkpoint(lake) == second
