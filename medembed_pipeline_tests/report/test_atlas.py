"""The export holds one map with its neighbours in the form that embedding-atlas reads."""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.report import atlas
from medembed_pipeline.report.atlas import NEIGHBORS, atlas_table
from medembed_pipeline.report.errors import ReportError
from medembed_pipeline.settings import DATA_LAKE_VARIABLE, SETTINGS_VARIABLE
from medembed_pipeline_tests.report import small_tables as small
from medembed_pipeline_tests.report.small_lake import make_lake


def exported(method: str = "umap", model: str = "tuned", count: int = small.NOTES) -> pa.Table:
    tables = small.all_tables(count)
    return atlas_table(
        tables["cleaned_notes"].rows,
        tables["note_splits"].rows,
        tables["projections"].rows,
        tables["neighbors"].rows,
        method=method,
        model=model,
    )


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    atlas.add_arguments(parser)
    return parser.parse_args(arguments)


@pytest.fixture
def lake_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "lake"
    make_lake(folder)
    settings = tmp_path / "medembed.toml"
    settings.write_text('[report]\nnote_text = "full"\n')
    monkeypatch.setenv(DATA_LAKE_VARIABLE, str(folder))
    monkeypatch.setenv(SETTINGS_VARIABLE, str(settings))
    return folder


def test_rows_are_notes_on_their_places() -> None:
    table = exported(model="baseline")
    assert table["id"].to_pylist() == small.ids() and table["text"].to_pylist() == small.texts()
    places = np.column_stack([table["x"].to_numpy(), table["y"].to_numpy()])
    np.testing.assert_allclose(places, small.map_points(), atol=1e-5)
    splits = dict(zip(*(small.note_splits()[name].to_pylist() for name in ("note_id", "split")), strict=True))
    assert table["split"].to_pylist() == [splits[name] for name in small.ids()]
    assert table["specialty"].to_pylist()[0] == "Cardiology" and table["specialty"].to_pylist()[-1] is None
    assert table["specialties"].to_pylist()[0] == ["Cardiology", "Urology"]


def test_neighbors_are_row_positions_with_growing_distances() -> None:
    for seed, model in ((1, "baseline"), (2, "tuned")):
        found = exported(model=model)["neighbors"].to_pylist()
        matrix = small.vectors(seed, 8).astype(np.float64)
        similarity = matrix @ matrix.T
        np.fill_diagonal(similarity, -2)
        order = np.argsort(-similarity, axis=1)[:, :12]
        # All rows have as many, because embedding-atlas stacks them into one array.
        assert np.stack([np.array(row["ids"]) for row in found]).tolist() == order.tolist()
        distances = np.stack([np.array(row["distances"]) for row in found])
        np.testing.assert_allclose(distances, 1 - np.take_along_axis(similarity, order, axis=1), atol=1e-6)
        assert (distances >= 0).all() and (np.diff(distances, axis=1) >= 0).all()
    assert len(exported(count=40)["neighbors"][0].as_py()["ids"]) == min(NEIGHBORS, 12)


def test_pandas_reads_it_as_embedding_atlas_does(
    lake_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert atlas.run(options()) == 0
    path = lake_folder / "exports" / "atlas.parquet"
    frame = pd.read_parquet(path)
    assert list(frame.columns) == ["id", "x", "y", "text", "specialty", "specialties", "split", "neighbors"]
    first = frame["neighbors"][0]
    assert set(first) == {"ids", "distances"} and len(first["ids"]) == len(first["distances"]) == 12
    printed = capsys.readouterr().out
    assert f"embedding-atlas {path} --text text --x x --y y --neighbors neighbors" in printed
    assert small.SECRET not in printed


def test_another_map_into_a_file(lake_folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "new folder" / "map.parquet"
    assert atlas.run(options("--output", str(target), "--map", "aligned_umap", "--model", "tuned")) == 0
    places = pd.read_parquet(target)[["x", "y"]].to_numpy()
    np.testing.assert_allclose(places, small.map_points() + 1, atol=1e-5)
    assert [path.name for path in target.parent.iterdir()] == ["map.parquet"]


@pytest.mark.parametrize(("choice", "text"), [("masked", True), ("none", False)])
def test_text_follows_the_settings(
    lake_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, choice: str, text: bool
) -> None:
    settings = tmp_path / "private.toml"
    settings.write_text(f'[report]\nnote_text = "{choice}"\n')
    monkeypatch.setenv(SETTINGS_VARIABLE, str(settings))
    assert atlas.run(options()) == 0
    path = lake_folder / "exports" / "atlas.parquet"
    frame = pd.read_parquet(path)
    assert ("text" in frame) is text
    everything = frame.to_csv()
    assert small.PHONE not in everything and (small.SECRET in everything) is text


def test_what_is_not_there_is_named(lake_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ReportError, match="no 2-D map 'tsne' of the model 'tuned'; there are: aligned_umap, umap"
    ):
        atlas.run(options("--map", "tsne"))
    with pytest.raises(ReportError, match="is a folder"):
        atlas.run(options("--output", str(tmp_path)))
    with pytest.raises(SystemExit):
        options("--map", "som")
    (lake_folder / "neighbors.parquet").unlink()
    with pytest.raises(MedembedError, match="Materialize neighbors first"):
        atlas.run(options())


def test_a_map_of_other_notes_is_refused() -> None:
    tables = small.all_tables()
    with pytest.raises(ReportError, match="Materialize projections again"):
        atlas_table(
            tables["cleaned_notes"].rows.slice(1),
            tables["note_splits"].rows,
            tables["projections"].rows,
            tables["neighbors"].rows,
        )


def test_one_note_has_no_neighbors() -> None:
    places = small.places("umap", 2, {"tuned": np.zeros((1, 2))})
    table = atlas_table(small.cleaned_notes(1), small.note_splits(1), places, small.neighbors(4).slice(0, 0))
    assert table["neighbors"].to_pylist() == [{"ids": [], "distances": []}]
