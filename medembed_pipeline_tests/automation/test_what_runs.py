"""The table on real notes, tables, checks and a small model that is trained: what is made, and what is kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.training.checkpoints import current_checkpoint
from medembed_pipeline_tests.automation.model_graph import reached
from medembed_pipeline_tests.graph.names import EMBEDDED, EVALUATED, LANDED, NOTES
from medembed_pipeline_tests.graph.project import PCA_ALONE, Project, materializing


@pytest.fixture
def project(finished_project: Project, tmp_path: Path) -> Project:
    """A project whose assets are up to date."""
    return finished_project.copy(tmp_path / "project")


def ticks(project: Project, landing: bool = False, code: str = "") -> dict[str, Any]:
    """Run the automation until it rests, in a process that first runs `code`."""
    said = project.python(
        f"{code}\nfrom medembed_pipeline_tests.automation.ticking import main\nmain({landing})\n"
    )
    result: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
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


def test_new_notes_are_embedded_with_the_current_checkpoint_and_leave_every_table_with_their_file(
    project: Project,
) -> None:
    land(project, "new", 2)
    everything = sorted({*NOTES, *EMBEDDED, *EVALUATED})
    assert sorted(ticks(project, landing=True)["made"]) == everything
    tuned = project.materializations("tuned_embeddings")[0].asset_materialization
    assert tuned is not None and tuned.metadata["notes_the_checkpoint_has_not_seen"].value == 2
    (project.landing / "new.csv").unlink()
    assert sorted(ticks(project, landing=True)["made"]) == everything
    lake = Path(project.lake_url)
    notes = set(pd.read_parquet(lake / "cleaned_notes.parquet")["note_id"])
    assert len(notes) == 150
    for table in ("note_splits", *sorted(EMBEDDED), "projections"):
        assert set(pd.read_parquet(lake / f"{table}.parquet")["note_id"]) == notes, table


@pytest.mark.live
def test_many_new_notes_train_once(project: Project) -> None:
    land(project, "many", 40)
    made = ticks(project, landing=True)["made"]
    assert made.count("finetuned_checkpoint") == made.count("triplets") == 1
    tuned = project.materializations("tuned_embeddings")[0].asset_materialization
    assert tuned is not None and tuned.metadata["notes_the_checkpoint_has_not_seen"].value == 0


def test_a_projection_parameter_makes_the_projections_and_the_page_that_shows_them(project: Project) -> None:
    assert ticks(project)["made"] == [], "everything is up to date"
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
    override = materializing("neighbors", config={"ops": {"neighbors": {"config": {"neighbors": 20}}}})
    made = ticks(project, code=override)["made"]
    assert set(made) <= reached("neighbors") - {"neighbors"} and made
    assert (
        Lake(project.lake_url).table("neighbors").footer.recipe.settings["NeighborSettings"]["neighbors"]
        == 20
    )
    assert ticks(project)["made"] == []


def test_training_parameters_train_on_the_same_triplets_and_a_warm_start_counts_what_both_saw(
    project: Project,
) -> None:
    lake = Lake(project.lake_url)
    first = current_checkpoint(lake)
    project.configure(training="warm_start = true\nseed = 8", more=PCA_ALONE)
    made = ticks(project)["made"]
    assert made[0] == "finetuned_checkpoint" and "tuned_embeddings" in made
    assert not {"baseline_embeddings", "triplets", *NOTES} & set(made)
    second = current_checkpoint(lake)
    assert second.manifest()["data_versions"]["warm_start"] == first.data_version
    assert set(second.trained_note_ids()) >= set(first.trained_note_ids())
    assert ticks(project, code=materializing("finetuned_checkpoint"))["made"] == []
    assert current_checkpoint(lake) == second
