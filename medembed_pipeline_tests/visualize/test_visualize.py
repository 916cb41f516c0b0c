"""`medembed visualize` on a small model and sample notes, from the command's options to the files."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.notes.cleaning import clean_text, note_id
from medembed_pipeline.samples.corpus import write_sample_corpus
from medembed_pipeline.settings import SETTINGS_VARIABLE
from medembed_pipeline.visualize import command
from medembed_pipeline.visualize.data_file import land, sampled
from medembed_pipeline.visualize.models import default_baseline, named_model, with_different_names
from medembed_pipeline.visualize.options import add_arguments
from medembed_pipeline_tests.encoder.small_models import make_bert, make_roberta
from medembed_pipeline_tests.report.small_lake import make_lake, packed_parts

SETTINGS = """
[projections]
dimensions = [2]
[tasks]
families = ["passages", "everyday_language"]
[evaluation]
slices = ["no_column_of_the_file"]
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two models, saved as sentence-transformers folders of different dimensions."""
    from medembed_pipeline.encoder import EncoderSpec
    from medembed_pipeline.encoder.folder import save_encoder
    from medembed_pipeline.encoder.model import load_encoder

    folder = tmp_path_factory.mktemp("models")
    found = {}
    for name, seed, dimensions in (("first", 0, 0), ("second", 1, 0), ("narrow", 2, 8)):
        base = make_bert(folder / f"{name}_base", seed=seed)
        spec = EncoderSpec(str(base), max_tokens=32, projection_dimensions=dimensions)
        save_encoder(load_encoder(spec, device="cpu", precision="float32"), folder / name)
        found[name] = folder / name
    return found


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 sample notes."""
    path = tmp_path_factory.mktemp("data") / "notes.csv"
    write_sample_corpus(path, notes=60, seed=7)
    return path


@pytest.fixture(autouse=True)
def settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "medembed.toml"
    path.write_text(SETTINGS)
    monkeypatch.setenv(SETTINGS_VARIABLE, str(path))


def options(*arguments: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args([str(argument) for argument in arguments])


def test_end_to_end(
    models: dict[str, Path], data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    arguments = [
        "--model",
        models["first"],
        "--baseline",
        models["second"],
        "--data",
        data,
        "--output",
        output,
    ]
    compare = ["--compare", models["narrow"], models["second"]]
    assert (
        command.run(options(*arguments, *compare, "--skip-tsne", "--batch-size", 4, "--device", "cpu")) == 0
    )
    printed = capsys.readouterr().out
    assert "60 different notes. All are scored; which of them first was trained on is not known." in printed

    payload = json.loads(packed_parts((output / "report.html").read_bytes())["payload"])
    notes = pd.read_parquet(output / "cleaned_notes.parquet")
    assert len(notes) == 60 and "text" not in notes and payload["notes"]["id"] == notes["note_id"].tolist()
    assert payload["scored"].startswith("all notes (which of them the model was trained on is not known")
    assert payload["models"] == {"baseline": "second", "tuned": "first"}
    scored = [bool(len(names)) for names in notes["specialties"]]
    assert [bool(one) for one in payload["notes"]["scored"]] == scored
    assert payload["notes"]["source"][0].startswith("notes.csv:")
    keys = {one["key"] for one in payload["maps"]}
    assert {"pca-2", "umap-2", "aligned_umap-2", "joint_pca-2"} <= keys and not any(
        "tsne" in key for key in keys
    )
    assert set(payload["tables"]) == {
        "embedding_metrics",
        "similarity_evidence",
        "query_results",
        "label_confusions",
        "embedding_diagnostics",
        "task_metrics",
        "label_review",
    }
    assert str(tmp_path) not in json.dumps(payload) and str(models["first"].parent) not in json.dumps(payload)
    assert payload["made"]["settings"]["models"]["first"]["base"] == "first"

    _check_metrics(output, payload, scored)
    _check_comparison(output, payload, printed)
    for name in ("embedding_metrics/before_and_after", "projections/umap_map", "label_review/label_ceiling"):
        assert (output / "pictures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        svg = (output / "pictures" / f"{name}.svg").read_bytes()
        assert b"<svg" in svg[:1000] and b"held-out" not in svg and b"all split" not in svg
    assert not (output / "pictures" / "projections" / "tsne_map.png").exists()

    # A second call on the same folder: vectors are kept, what is no longer asked for goes.
    kept = sorted((output / "store" / "vectors").rglob("*.parquet"))
    assert command.run(options(*arguments, "--skip-tsne", "--skip-umap", "--max-notes", 40)) == 0
    assert sorted((output / "store" / "vectors").rglob("*.parquet")) == kept
    payload = json.loads(packed_parts((output / "report.html").read_bytes())["payload"])
    assert payload["comparison"] is None and len(payload["notes"]["id"]) == 40
    assert {one["method"] for one in payload["maps"]} == {"pca", "joint_pca"}
    assert not (output / "pictures" / "projections" / "umap_map.png").exists()
    assert not (output / "model_comparison.parquet").exists()


def _check_metrics(output: Path, payload: dict[str, Any], scored: list[bool]) -> None:
    """P@1 of both models, by brute force over the vectors that were written."""
    metrics = pd.read_parquet(output / "embedding_metrics.parquet")
    notes = pd.read_parquet(output / "cleaned_notes.parquet")
    labels = [set(names) for names, kept in zip(notes["specialties"], scored, strict=True) if kept]
    relevant = np.array([[bool(one & other) for other in labels] for one in labels])
    np.fill_diagonal(relevant, False)
    asks = relevant.any(axis=1)
    for model in ("baseline", "tuned"):
        vectors = np.stack(list(pd.read_parquet(output / f"{model}_embeddings.parquet")["embedding"]))[scored]
        similarity = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
        np.fill_diagonal(similarity, -2)
        expected = relevant[np.arange(len(labels)), similarity.argmax(axis=1)][asks].mean()
        row = metrics[(metrics.model == model) & (metrics.metric == "precision") & (metrics.k == 1)]
        assert row[row.scope == "all"]["value"].item() == pytest.approx(expected, abs=1e-9)
    assert payload["tables"]["embedding_metrics"]["metric"] == metrics["metric"].tolist()


def _check_comparison(output: Path, payload: dict[str, Any], printed: str) -> None:
    """The page's model first; the baseline against itself differs by nothing; all share the baseline's figures."""
    assert [one["name"] for one in payload["comparison"]] == ["first", "narrow", "second"]
    assert payload["comparison"][0]["metrics"] == payload["tables"]["embedding_metrics"]
    frames = [pd.DataFrame(one["metrics"]) for one in payload["comparison"]]
    baselines = [frame[frame.model == "baseline"]["value"].to_numpy(dtype=float) for frame in frames]
    for baseline in baselines[1:]:
        np.testing.assert_allclose(baseline, baselines[0], atol=1e-12)
    itself = frames[2][frames[2].model == "difference"]
    assert (itself["value"].dropna() == 0).all()
    table = pq.read_table(output / "model_comparison.parquet")
    assert set(table["checkpoint"].to_pylist()) == {"first", "narrow", "second"}
    assert all(name in printed for name in ("first", "narrow", "second", "P@5"))


def test_models_of_different_dimensions(models: dict[str, Path], data: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    assert (
        command.run(
            options(
                *("--model", models["narrow"], "--baseline", models["first"], "--data", data),
                *("--output", output, "--max-notes", 50, "--skip-tsne", "--skip-umap"),
            )
        )
        == 0
    )
    payload = json.loads(packed_parts((output / "report.html").read_bytes())["payload"])
    assert payload["displacement"]["distance"] is None and payload["displacement"]["overlap"]
    assert {one["method"] for one in payload["maps"]} == {"pca"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "no_such_folder"], "--model no_such_folder: there is no such folder"),
        (["--model", "DATA_FOLDER"], "holds no config.json"),
        (
            ["--baseline", "/no/such/place", "--model", "FIRST"],
            "--baseline /no/such/place: there is no such folder",
        ),
        (["--compare", "FIRST", "nowhere"], "--compare nowhere"),
        ([], "which model"),
        (["--model", "FIRST", "--max-notes", "0"], "--max-notes 0: expected 1 or more"),
        (["--model", "FIRST", "--batch-size", "-3"], "--batch-size -3"),
        (["--model", "FIRST", "--output", "DATA"], "is a file; give a folder"),
        (["--model", "FIRST", "--output", "LAKE"], "is a data lake"),
    ],
)
def test_bad_options_are_named(
    models: dict[str, Path], data: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    lake = tmp_path / "lake"
    if "LAKE" in arguments:
        make_lake(lake)
    stand_ins = {"FIRST": models["first"], "DATA": data, "DATA_FOLDER": data.parent, "LAKE": lake}
    given = [stand_ins.get(argument, argument) for argument in arguments]
    more = [] if "--output" in arguments else ["--output", tmp_path / "out"]
    with pytest.raises(MedembedError, match=message):
        command.run(options("--data", data, *given, *more))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "there is no file"),
        ("notes.docx", "x", "must end in .csv"),
        ("unlabelled.csv", "text\n" + "The patient was seen for chest pain today.\n" * 3, "holds no label"),
        ("other.csv", "a,b\n1,2\n", "no row that can be used"),
        ("empty.csv", "", "no row that can be used"),
        (
            "types.csv",
            "text,label\n" + "The patient was seen for chest pain.,Letters\n" * 4,
            "0 of 1 different notes",
        ),
    ],
)
def test_data_that_cannot_be_used_is_named(
    models: dict[str, Path], tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(MedembedError, match=message) as caught:
        command.run(options("--model", models["first"], "--data", path, "--output", tmp_path / "out"))
    assert "chest pain" not in str(caught.value)


def test_a_file_is_landed_by_its_name_also_where_the_landing_folder_would_pass_it_over(
    data: Path, tmp_path: Path
) -> None:
    for name, landed in (
        ("notes.csv", "notes.csv"),
        (".notes.csv", "data_notes.csv"),
        ("README.csv", "data_README.csv"),
    ):
        given = tmp_path / name
        given.write_bytes(data.read_bytes())
        linked = tmp_path / f"link_to_{landed}"
        linked.symlink_to(given)
        for number, path in enumerate((given, linked)):
            lake = Lake(str(tmp_path / f"lake_{landed}_{number}"))
            land(path, lake)
            (found,) = lake.names("landing")
            assert found == (landed if path == given else linked.name)
            file = Path(lake.path("landing", found))
            assert not file.is_symlink() and file.read_bytes() == data.read_bytes()


def test_a_sample_depends_on_the_notes_alone() -> None:
    notes = pa.table({"note_id": [f"{number:032x}" for number in range(200)]})
    small, large = (set(sampled(notes, most)["note_id"].to_pylist()) for most in (20, 50))
    assert len(small) == 20 and small < large and len(large) == 50
    assert set(sampled(notes.take(pa.array(range(199, -1, -1))), 20)["note_id"].to_pylist()) == small
    fewer = set(
        sampled(notes.filter(pa.array([number != 7 for number in range(200)])), 20)["note_id"].to_pylist()
    )
    assert len(fewer - small) <= 1
    ordered = sampled(notes, 20)["note_id"].to_pylist()
    assert ordered == sorted(ordered)
    assert sampled(notes, None) is notes and sampled(notes, 500) is notes


def test_windows_fit_the_models(tmp_path: Path) -> None:
    bert, roberta = make_bert(tmp_path / "bert", positions=40), make_roberta(tmp_path / "roberta")
    assert named_model("--model", str(bert)).spec.max_tokens == 40
    assert named_model("--model", str(roberta)).spec.max_tokens == 38
    baseline = default_baseline(named_model("--model", str(bert)))
    assert baseline.spec.max_tokens == 40 and baseline.name == "all-MiniLM-L6-v2"


def test_equal_names_are_told_apart(tmp_path: Path) -> None:
    folders = [make_bert(tmp_path / part / "model") for part in ("one", "two")]
    named = [named_model("--compare", str(folder)) for folder in [*folders, folders[0]]]
    assert [model.name for model in with_different_names(named)] == [
        "one/model",
        "two/model",
        "one/model (2)",
    ]


def test_a_checkpoint_of_ours_says_what_it_was_trained_on_and_nothing_of_the_notes_stays_but_the_page(
    models: dict[str, Path], data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All notes are scored all the same; what the checkpoint tells of its training reaches the page."""
    rows = pd.read_csv(data, dtype=str, keep_default_na=False)
    rows["mrn"] = [f"MRN-{number // 2:06d}" for number in range(len(rows))]
    path = tmp_path / "with_patients.csv"
    rows.to_csv(path, index=False)
    output = tmp_path / "out"
    known = _note_ids(path)[:25]
    history = [
        {"epoch": 0, "train_loss": None, "validation_map": 0.4},
        {"epoch": 1, "train_loss": 0.5, "validation_map": 0.5},
    ]
    ours = {
        "trained_notes.json": known,
        "history.json": history,
        "manifest.json": {"best_epoch": 1, "base": "tiny", "files": {"model.safetensors": "ab"}},
    }
    for name, content in ours.items():
        (models["second"] / name).write_text(json.dumps(content))
    try:
        assert command.run(options(*_quick(models["second"], models["first"], path, output))) == 0
    finally:
        for name in ours:
            (models["second"] / name).unlink()
    printed = capsys.readouterr()
    assert "25 of which second was trained on: its figures on them are memory, too." in printed.out

    page = (output / "report.html").read_bytes()
    payload = json.loads(packed_parts(page)["payload"])
    assert payload["scored"] == "all notes (25 of them the model was trained on)"
    labelled = [bool(names) for names in payload["notes"]["specialties"]]
    assert [bool(one) for one in payload["notes"]["scored"]] == labelled
    assert payload["split_names"] == ["all notes"]
    assert [row["epoch"] for row in payload["history"]] == [0, 1]
    assert payload["made"]["checkpoint"]["manifest"]["base"] == "tiny"
    assert not payload["slices"] and "slice_metrics" not in payload["tables"]
    assert set(pd.read_parquet(output / "embedding_metrics.parquet")["split"]) == {"all"}
    assert set(pd.read_parquet(output / "label_review.parquet")["split"]) == {"all"}
    tasks = pd.read_parquet(output / "task_metrics.parquet")
    assert set(tasks["family"]) == {"everyday_language"} and not tasks["decides"].any()

    words = ["MRN-0000", str(tmp_path), *(text[40:90] for text in rows["transcription"][:20])]
    files = [file for file in output.rglob("*") if file.is_file() and file.name != "report.html"]
    assert {file.suffix for file in files} == {".parquet", ".png", ".svg", ".lock"}
    for file in files:
        content = file.read_bytes()
        if file.suffix == ".parquet":
            table = pq.read_table(file)
            content += repr(table.schema.metadata).encode() + repr(table.to_pylist()).encode()
        for word in words:
            assert word.encode() not in content, file


def _note_ids(path: Path) -> list[str]:
    """Ids of the notes of a file, as the cleaning gives them."""
    texts = pd.read_csv(path, dtype=str, keep_default_na=False)["transcription"]
    return sorted({note_id(clean_text(text)) for text in texts})


def _quick(model: Path, baseline: Path, data: Path, output: Path) -> list[object]:
    given = ["--model", model, "--baseline", baseline, "--data", data, "--output", output]
    return [*given, "--skip-tsne", "--skip-umap", "--device", "cpu"]


def test_a_stage_that_fails_is_named_with_its_message(
    models: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in models["first"].iterdir():
        if file.is_file():
            (broken / file.name).write_bytes(file.read_bytes())
    (broken / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(MedembedError, match=r"^baseline_embeddings: ") as caught:
        command.run(options(*_quick(models["first"], broken, data, tmp_path / "out")))
    assert "dagster" not in str(caught.value)
    assert not list((tmp_path / "out" / ".staging").iterdir())
