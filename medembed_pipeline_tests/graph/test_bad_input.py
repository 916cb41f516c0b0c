"""Bad input: one clear error, nothing lost, the old version stands."""

from pathlib import Path

import pandas as pd
import pytest

from medembed_pipeline_tests.graph.project import NOTES_ALONE, PCA_ALONE, Project


@pytest.fixture
def project(tmp_path: Path, small_model: Path) -> Project:
    return Project(tmp_path, small_model, parts=NOTES_ALONE)


def write_notes(project: Project, labels: list[str | None], name: str = "notes.csv") -> None:
    texts = [
        f"SUBJECTIVE: note number {row} says that the patient was seen for item {row * 7919 % 1013} and word{row}."
        for row in range(len(labels))
    ]
    pd.DataFrame({"text": texts, "label": labels}).to_csv(project.landing / name, index=False)


def test_an_empty_landing_folder_names_the_folder_and_the_way_out(project: Project) -> None:
    from medembed_pipeline.lake.lake import Lake
    from medembed_pipeline.notes.landing import EmptyLandingError, landed_files

    with pytest.raises(EmptyLandingError) as caught:
        landed_files(Lake(project.lake_url))
    assert str(project.landing) in str(caught.value) and "medembed samples" in str(caught.value)


def test_one_specialty_is_a_warning_and_the_run_goes_on(project: Project) -> None:
    write_notes(project, ["Cardiology"] * 40)
    output = project.run()
    assert "check there_are_labels_to_learn_from: warn. 0 specialties can be told apart" in output
    # Notes of a line have no passages, so nothing can show a gain, and the verdict says so.
    assert "Verdict: Inconclusive: judged on passages" in output and "not measured" in output
    assert (Path(project.lake_url) / "report.html").exists()


def test_a_small_specialty_under_other_column_names_is_mapped_but_not_trained_on_nor_scored(
    project: Project,
) -> None:
    write_notes(project, ["Cardiology", "Neurology", "Urology"] * 40 + ["Rare Disease"] * 2 + [None] * 5)
    path = project.landing / "notes.csv"
    pd.read_csv(path).rename(columns={"text": "what_was_said", "label": "ward"}).to_csv(path, index=False)
    project.configure(more=PCA_ALONE + '[landing]\ntext_column = "what_was_said"\nlabel_column = "ward"')
    project.run()
    lake = Path(project.lake_url)
    notes = pd.read_parquet(lake / "cleaned_notes.parquet")
    assert len(notes) == 127
    rare = set(notes[notes["specialties"].map(lambda names: "Rare Disease" in names)]["note_id"])
    assert len(rare) == 2
    assert rare <= set(pd.read_parquet(lake / "projections.parquet")["note_id"])
    triplets = pd.read_parquet(lake / "triplets.parquet")
    assert not rare & set(triplets[["anchor_id", "positive_id", "negative_id"]].to_numpy().ravel())
    assert "Rare Disease" not in set(pd.read_parquet(lake / "embedding_metrics.parquet")["scope"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[training]\nepochs = 0\n", "training.epochs = 0"),
        ("[training]\nepoch = 3\n", "training.epoch: unknown key"),
    ],
)
def test_a_bad_setting_is_refused_before_anything_runs(project: Project, text: str, message: str) -> None:
    project.land_samples(30)
    (project.folder / "medembed.toml").write_text(text)
    done = project.command("run")
    assert done.returncode == 2 and message in done.stderr
    assert not project.dagster_home.exists()


def test_a_base_model_that_cannot_be_had_is_one_clear_error(project: Project) -> None:
    project.land_samples(30)
    settings = '[encoder]\nbase = "nobody/no-such-model"\n[images]\nenabled = false\n'
    (project.folder / "medembed.toml").write_text(settings)
    done = project.command("run")
    assert done.returncode == 1 and "is not in the local hub cache" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert not (Path(project.lake_url) / "baseline_embeddings.parquet").exists()


def test_only_broken_files_stop_the_graph_at_the_check_and_good_data_stands(
    finished_project: Project, tmp_path: Path
) -> None:
    project = finished_project.copy(tmp_path / "project")
    before = (Path(project.lake_url) / "cleaned_notes.parquet").read_bytes()
    (project.landing / "sample_notes.csv").unlink()
    (project.landing / "cut.csv.gz").write_bytes(b"\x1f\x8b\x08\x00cut")
    (project.landing / "picture.csv").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
    done = project.command("run")
    assert done.returncode == 1 and "enough_rows_are_kept" in done.stdout + done.stderr
    rejected = pd.read_parquet(Path(project.lake_url) / "rejected_rows.parquet")
    assert sorted(rejected["source_file"]) == ["cut.csv.gz", "picture.csv"]
    assert (Path(project.lake_url) / "cleaned_notes.parquet").read_bytes() == before
