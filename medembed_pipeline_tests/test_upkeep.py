"""`medembed verify` names every alteration, and `medembed prune` removes nothing that is current."""

import json
import os
import shutil
import time
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medembed_pipeline.encoder import EncoderSpec
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.settings import Settings
from medembed_pipeline.training import checkpoints
from medembed_pipeline.upkeep import removable, remove, verify_lake
from medembed_pipeline_tests.graph.project import Project


@pytest.fixture
def lake(finished_project: Project, tmp_path: Path) -> Lake:
    """A copy of a lake that a whole run has filled."""
    folder = tmp_path / "lake"
    shutil.copytree(finished_project.lake_url, folder)
    return Lake(str(folder))


def errors(lake: Lake) -> dict[str, str]:
    return {finding.name: finding.detail for finding in verify_lake(lake) if finding.is_error}


def rewrite(path: Path, table: pa.Table) -> None:
    """Put other rows under the footer of the table that lies there."""
    footer = pq.read_metadata(path).metadata[b"medembed"]
    pq.write_table(table.replace_schema_metadata({b"medembed": footer}), path)


def settings_of(project: Project, keep: int = 5) -> Settings:
    from medembed_pipeline.settings import load_settings

    settings = load_settings(project.folder / "medembed.toml")
    return settings.model_copy(
        update={"storage": settings.storage.model_copy(update={"keep_versions": keep})}
    )


def test_a_lake_that_nobody_touched_is_clean(lake: Lake) -> None:
    findings = verify_lake(lake)
    assert {finding.state for finding in findings} == {"ok"}
    assert len(findings) == len(list(Path(lake.root).glob("*.parquet"))) + 2


def test_a_removed_table_is_missing(lake: Lake) -> None:
    (Path(lake.root) / "triplets.parquet").unlink()
    assert "materialize triplets" in errors(lake)["triplets.parquet"]


def test_one_changed_value_is_found_though_the_footer_is_kept(lake: Lake) -> None:
    path = Path(lake.root) / "note_splits.parquet"
    table = pq.read_table(path)
    splits = table.column("split").to_pylist()
    splits[3] = "test" if splits[3] != "test" else "train"
    changed = table.set_column(1, table.schema.field("split"), pa.array(splits))
    rewrite(path, changed)
    footer = Lake(lake.url).table("note_splits").footer
    assert footer.rows == len(splits)
    assert "sha256 differs" in errors(lake)["note_splits.parquet"]


def test_a_dropped_row_and_a_dropped_column_are_found(lake: Lake) -> None:
    for name, change in (("note_splits", "row"), ("triplets", "column")):
        path = Path(lake.root) / f"{name}.parquet"
        table = pq.read_table(path)
        changed = table.slice(1) if change == "row" else table.drop_columns(table.column_names[-1])
        rewrite(path, changed)
    found = errors(lake)
    assert "rows and was written with" in found["note_splits.parquet"]
    assert "columns are not those" in found["triplets.parquet"]


@pytest.mark.parametrize("position", [0.2, 0.5, 0.8])
def test_a_flipped_byte_is_found(lake: Lake, position: float) -> None:
    path = Path(lake.root) / "baseline_embeddings.parquet"
    content = bytearray(path.read_bytes())
    content[int(len(content) * position)] ^= 0xFF
    path.write_bytes(content)
    assert "baseline_embeddings.parquet" in errors(lake)


def test_a_checkpoint_that_was_touched_is_named_with_its_file(lake: Lake) -> None:
    (folder,) = (Path(lake.root) / "checkpoints").iterdir()
    weights = next(folder.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert f"{weights.name}: altered" in errors(lake)[f"checkpoints/{folder.name}"]
    shutil.rmtree(folder)
    assert "is not there" in errors(lake)["finetuned_checkpoint.json"]


def test_a_changed_upstream_makes_tables_stale_which_is_no_error(lake: Lake) -> None:
    old = lake.table("note_splits")
    rows = old.read().slice(1)
    lake.write_table(old.footer.recipe, rows, schema=rows.schema)
    stale = {finding.name for finding in verify_lake(lake) if finding.state == "stale"}
    assert "triplets.parquet" in stale and errors(lake) == {}


def test_the_command_says_so_with_its_exit_status(finished_project: Project, tmp_path: Path) -> None:
    project = Project(tmp_path / "p", finished_project.model)
    shutil.copytree(finished_project.lake_url, project.lake_url, dirs_exist_ok=True)
    done = project.medembed("verify")
    assert done.returncode == 0 and ", 0 are not" in done.stdout, done.stdout + done.stderr
    (Path(project.lake_url) / "neighbors.parquet").write_bytes(b"PAR1 cut")
    done = project.medembed("verify")
    assert done.returncode == 1 and "altered  neighbors.parquet" in done.stdout


def make_checkpoint(lake: Lake, source: Path, version: str, age: float) -> None:
    """A copy of a checkpoint as another, older version with other weights, and vectors of it."""
    target = Path(lake.root) / "checkpoints" / version
    shutil.copytree(source, target)
    config = json.loads((target / "config.json").read_text())
    (target / "config.json").write_text(json.dumps({**config, "version_of_test": version}))
    when = time.time() - age
    for path in target.rglob("*"):
        os.utime(path, (when, when))
    os.utime(target, (when, when))


def vectors_of(lake: Lake, version: str) -> Path:
    from medembed_pipeline.encoder import encoder_fingerprint

    spec: EncoderSpec = checkpoints.checkpoint_of(lake, version).encoder_spec("cut")
    folder = Path(lake.root) / "store" / "vectors" / encoder_fingerprint(spec, precision="float32")
    folder.mkdir(parents=True)
    (folder / "part.parquet").write_bytes(b"x" * 1000)
    return folder


def test_prune_keeps_everything_current(finished_project: Project, lake: Lake) -> None:
    assert removable(lake, settings_of(finished_project)) == []


def test_prune_removes_old_checkpoints_with_their_vectors_and_no_others(
    finished_project: Project, lake: Lake
) -> None:
    (current,) = (Path(lake.root) / "checkpoints").iterdir()
    for number in range(1, 5):
        make_checkpoint(lake, current, f"old{number}", age=number * 1000.0)
    stores = {version: vectors_of(lake, version) for version in ("old1", "old2", "old3", "old4")}
    own = set((Path(lake.root) / "store" / "vectors").iterdir()) - set(stores.values())
    items = removable(lake, settings_of(finished_project, keep=3), protected=["old4"])
    assert {"/".join(item.parts) for item in items} == {
        "checkpoints/old2",
        "checkpoints/old3",
        f"store/vectors/{stores['old2'].name}",
        f"store/vectors/{stores['old3'].name}",
    }
    assert all(item.size >= 1000 for item in items)
    remove(lake, items)
    left = {path.name for path in (Path(lake.root) / "checkpoints").iterdir()}
    assert left == {current.name, "old1", "old4"}
    assert set((Path(lake.root) / "store" / "vectors").iterdir()) == own | {stores["old1"], stores["old4"]}
    # The copies were given other weights on purpose.
    assert set(errors(lake)) == {"checkpoints/old1", "checkpoints/old4"}


def test_prune_removes_what_other_settings_and_gone_files_left(finished_project: Project, lake: Lake) -> None:
    root = Path(lake.root)
    old = [
        root / "store" / "parsed" / "0000000000000000" / "a.kept.parquet",
        root / "store" / "prepared_texts" / "0000000000000000" / "a.parquet",
        root / ".staging" / "otherhost-1-abc-notes.parquet",
        root / "store" / "training" / next((root / "checkpoints").iterdir()).name / "training_state.pt",
    ]
    for path in old:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 10)
        os.utime(path, (0, 0))
    waiting = root / "store" / "training" / "stopped" / "training_state.pt"
    waiting.parent.mkdir()
    waiting.write_bytes(b"state")
    remove(lake, removable(lake, settings_of(finished_project)))
    assert not any(path.exists() for path in old) and waiting.exists()
    assert removable(lake, settings_of(finished_project)) == []


def test_the_files_of_a_removed_landing_file_can_go(finished_project: Project, lake: Lake) -> None:
    (Path(lake.root) / "landing" / "sample_notes.csv").unlink()
    reasons = {item.reason for item in removable(lake, settings_of(finished_project))}
    assert reasons == {"rows of a file that is gone, or read with other settings"}


def test_going_back_to_earlier_settings_finds_the_checkpoint_and_its_vectors(
    small_model: Path, tmp_path: Path
) -> None:
    project = Project(tmp_path, small_model)
    project.medembed("samples", "--notes", "150")
    maps = 'methods = ["pca"]\n'
    project.configure(more=maps)
    project.run()
    first = project.data_versions()
    project.configure(training="seed = 8", more=maps)
    project.run()
    assert project.data_versions()["finetuned_checkpoint"] != first["finetuned_checkpoint"]
    project.configure(more=maps)
    assert "nothing to remove" in project.medembed("prune").stdout
    output = project.run()
    assert project.data_versions() == first
    facts = Lake(project.lake_url).table("tuned_embeddings").footer.facts
    assert facts["encoded_notes"] == 0 and facts["known_notes"] == 150
    checkpoint = next(line for line in output.splitlines() if "finetuned_checkpoint" in line)
    assert "unchanged" in checkpoint


def test_a_table_of_an_older_version_of_the_footer_verifies(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.write_table(Recipe("notes", "1", {}, {}), pa.table({"a": [1]}))
    path = tmp_path / "notes.parquet"
    table = pq.read_table(path)
    footer = json.loads(pq.read_metadata(path).metadata[b"medembed"])
    for name in ("rows", "columns"):
        del footer[name]
    pq.write_table(table.replace_schema_metadata({"medembed": json.dumps(footer)}), path)
    assert errors(lake) == {} and len(pd.read_parquet(path)) == 1
