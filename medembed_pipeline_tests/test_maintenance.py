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
from medembed_pipeline.encoder.fingerprint import EXPORTED, export_key
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.maintenance import removable, remove, verify_lake
from medembed_pipeline.settings import Settings
from medembed_pipeline.training import checkpoints
from medembed_pipeline.verdict.released import TABLE, follow_verdict, put_back, released_version
from medembed_pipeline_tests.graph.project import Project, materializing
from medembed_pipeline_tests.verdict.planted import write_checkpoint


@pytest.fixture
def lake(finished_project: Project, tmp_path: Path) -> Lake:
    """A copy of a lake that a whole run has filled."""
    folder = tmp_path / "lake"
    shutil.copytree(finished_project.lake_url, folder, symlinks=True)
    return Lake(str(folder))


def checkpoint_folders(lake: Lake) -> list[Path]:
    """The checkpoints themselves, without the link to the released one."""
    return [path for path in (Path(lake.root) / "checkpoints").iterdir() if not path.is_symlink()]


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
    released = int((Path(lake.root) / "checkpoints" / "released").is_symlink())
    # The tables; checkpoint, card, pointer and page; classifier, triage model and their pointers; the released link.
    assert len(findings) == len(list(Path(lake.root).glob("*.parquet"))) + 8 + released


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
    (folder,) = checkpoint_folders(lake)
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
    project = finished_project.copy(tmp_path / "project")
    done = project.command("verify")
    assert done.returncode == 0 and ", 0 are not" in done.stdout, done.stdout + done.stderr
    (Path(project.lake_url) / "neighbors.parquet").write_bytes(b"PAR1 cut")
    done = project.command("verify")
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


def test_prune_removes_exported_models_of_none_that_is_kept(small_model: Path, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    own = [export_key(small_model, quantised=quantised) for quantised in (False, True)]
    for key in (*own, "of_another"):
        lake.write_json({}, *EXPORTED, key, "manifest.json")
    settings = Settings(encoder=EncoderSettings(base=str(small_model)))
    assert [item.parts for item in removable(lake, settings)] == [(*EXPORTED, "of_another")]


def test_prune_removes_old_checkpoints_with_their_vectors_and_no_others(
    finished_project: Project, lake: Lake
) -> None:
    (current,) = checkpoint_folders(lake)
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
    left = {path.name for path in checkpoint_folders(lake)}
    assert left == {current.name, "old1", "old4"}
    assert set((Path(lake.root) / "store" / "vectors").iterdir()) == own | {stores["old1"], stores["old4"]}
    # The copies were given other weights on purpose, and their card is that of the current one.
    copies = [f"checkpoints/{version}" for version in ("old1", "old4")]
    assert set(errors(lake)) == {*copies, *(f"{name}/README.md" for name in copies)}


def test_prune_removes_what_other_settings_and_gone_files_left(finished_project: Project, lake: Lake) -> None:
    root = Path(lake.root)
    old = [
        root / "store" / "parsed" / "0000000000000000" / "a.kept.parquet",
        root / "store" / "prepared_texts" / "0000000000000000" / "a.parquet",
        root / ".staging" / "otherhost-1-abc-notes.parquet",
        root / "store" / "training" / checkpoint_folders(lake)[0].name / "training_state.pt",
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
    finished_project: Project, tmp_path: Path
) -> None:
    project = finished_project.copy(tmp_path / "project")
    first = project.data_versions()
    project.configure(training="seed = 8")
    project.python(
        materializing("finetuned_checkpoint", "tuned_embeddings", "neighbors", "embedding_metrics")
    )
    assert project.data_versions()["finetuned_checkpoint"] != first["finetuned_checkpoint"]
    project.configure()
    assert "nothing to remove" in project.command("prune").stdout
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


@pytest.fixture(params=["local", "object store"])
def released(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A lake whose oldest checkpoint, v1, was released by a verdict; the current one is v4."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    url = (
        str(tmp_path / "lake") if request.param == "local" else f"memory://{tmp_path.name}-{os.getpid()}/lake"
    )
    lake = Lake(url)
    for number in range(1, 5):
        write_checkpoint(lake, f"v{number}", ["a"])
        if lake.is_local:
            for path in (Path(lake.root) / "checkpoints" / f"v{number}").rglob("*"):
                os.utime(path, (1e9 + number, 1e9 + number))
    current = checkpoints.checkpoint_of(lake, "v4")
    checkpoints.point_to(lake, current, Recipe("finetuned_checkpoint", "1", {}, {}))
    publish_verdict(lake, "deploy", "v1")
    assert follow_verdict(lake) == "v1"
    return lake


def publish_verdict(lake: Lake, verdict: str, version: str) -> None:
    facts = {"verdict": verdict, "checkpoint": version}
    lake.write_table(Recipe(TABLE, "1", {}, facts), pa.table({"a": [1]}), facts=facts)


def pointer_findings(lake: Lake) -> list[tuple[str, str]]:
    name = "checkpoints/released" if lake.is_local else "released.json"
    return [(finding.state, finding.detail) for finding in verify_lake(lake) if finding.name == name]


def test_the_released_checkpoint_is_never_pruned_and_verifies_once(released: Lake) -> None:
    settings = Settings.model_validate({"storage": {"keep_versions": 1}})
    items = removable(released, settings)
    gone = {"/".join(item.parts) for item in items}
    # The memory file system has no times to go by, but the current and the released one are both kept there too.
    assert gone == {"checkpoints/v2", "checkpoints/v3"}
    remove(released, items)
    assert released_version(released) == "v1" and released.exists("checkpoints", "v1", "manifest.json")
    names = [finding.name for finding in verify_lake(released)]
    assert sorted(name for name in names if name.startswith("checkpoints/v")) == [
        "checkpoints/v1",
        "checkpoints/v4",
    ]
    assert pointer_findings(released) == [("ok", "points to v1")]
    assert errors(released) == {}


def test_kept_tables_beyond_the_setting_can_go_and_no_others(released: Lake) -> None:
    for value in range(4):
        released.begin_work("notes")
        released.write_table(Recipe("notes", "1", {}, {"x": str(value)}), pa.table({"a": [value]}))
    newest, *others = released.kept_versions("notes")
    settings = Settings.model_validate({"storage": {"keep_tables": 1}})
    old = {item.parts for item in removable(released, settings) if item.parts[:2] == ("store", "versions")}
    assert (
        old == {("store", "versions", "notes", f"{version}.parquet") for version in others} and len(old) == 2
    )
    assert not any(item.parts[:2] == ("store", "versions") for item in removable(released, Settings()))
    assert newest


def test_a_dangling_released_pointer_is_missing(released: Lake) -> None:
    released.remove("checkpoints", "v1")
    ((state, detail),) = pointer_findings(released)
    assert state == "missing" and "checkpoints/v1, which is not there" in detail
    # It stops nothing else: the rest can still be looked through.
    assert {finding.name for finding in verify_lake(released) if finding.is_error} == {
        "checkpoints/released" if released.is_local else "released.json"
    }
    removable(released, Settings())


def test_a_released_checkpoint_that_was_altered_is_named_twice(released: Lake) -> None:
    with released.filesystem.open(released.path("checkpoints", "v1", "model.safetensors"), "wb") as file:
        file.write(b"other weights")
    assert pointer_findings(released) == [
        ("altered", "points to checkpoints/v1, which is not what was written")
    ]
    assert "checkpoints/v1" in errors(released)


def test_a_pointer_behind_its_verdict_is_stale_which_is_no_error(released: Lake) -> None:
    publish_verdict(released, "deploy", "v4")
    ((state, detail),) = pointer_findings(released)
    assert state == "stale" and "points to v1, but release_verdict releases v4" in detail
    follow_verdict(released)
    assert pointer_findings(released) == [("ok", "points to v4")]
    released.remove(*(("checkpoints", "released") if released.is_local else ("released.json",)))
    assert pointer_findings(released) == [
        ("stale", "release_verdict releases v4; materialize release_verdict")
    ]
    publish_verdict(released, "retrain", "v4")
    assert pointer_findings(released) == [] and errors(released) == {}


def withdrawn_findings(lake: Lake) -> list[tuple[str, str]]:
    return [
        (finding.state, finding.detail) for finding in verify_lake(lake) if finding.name == "withdrawn.json"
    ]


def test_what_was_taken_back_is_verified_and_its_verdict_asks_for_nothing(released: Lake) -> None:
    assert withdrawn_findings(released) == []
    publish_verdict(released, "deploy", "v4")
    follow_verdict(released)
    put_back(released, "v1")
    # The verdict still says deploy of v4, which no verdict releases again: the pointer is not behind it.
    assert pointer_findings(released) == [("ok", "points to v1")]
    assert withdrawn_findings(released) == [("ok", "checkpoints that no verdict releases again: 1")]
    assert errors(released) == {}
    released.write_json({"versions": ["v1", "v4"]}, "withdrawn.json")
    assert withdrawn_findings(released)[0][0] == "stale" and errors(released) == {}
    released.write_json(["v4"], "withdrawn.json")
    assert withdrawn_findings(released)[0][0] == "altered"
    released.remove("withdrawn.json")
    assert withdrawn_findings(released)[0][0] == "missing"
    # What the finding says to do.
    publish_verdict(released, "deploy", "v4")
    follow_verdict(released)
    put_back(released, "v1")
    assert withdrawn_findings(released) == [("ok", "checkpoints that no verdict releases again: 1")]


def test_removing_the_link_leaves_what_it_led_to(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    write_checkpoint(lake, "v1", ["a"])
    lake.write_link("v1", "checkpoints", "released")
    lake.remove("checkpoints", "released")
    assert not (tmp_path / "checkpoints" / "released").is_symlink()
    assert lake.exists("checkpoints", "v1", "manifest.json")


def test_a_copy_that_followed_links_is_found(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    write_checkpoint(lake, "v1", ["a"])
    lake.write_link("v1", "checkpoints", "released")
    shutil.copytree(tmp_path / "lake", tmp_path / "copy")
    copy = Lake(str(tmp_path / "copy"))
    found = errors(copy)
    assert set(found) == {"checkpoints/released"} and "a folder (a copy" in found["checkpoints/released"]


def test_tables_under_former_names_can_go_and_nothing_misses_them(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    for name in ("leak_meter", "leakage_estimate"):
        lake.write_table(Recipe(name, "1", {}, {}), pa.table({"value": [0.5]}))
    lake.write_bytes(b"a picture", "pictures", "leak_meter", "gain.png")
    found = removable(lake, Settings())
    assert {item.reason for item in found} == {"of a table that is called leakage_estimate today"}
    remove(lake, found)
    assert [(finding.name, finding.state) for finding in verify_lake(lake)] == [
        ("leakage_estimate.parquet", "ok")
    ]
    assert lake.names("pictures") == [] and removable(lake, Settings()) == []
