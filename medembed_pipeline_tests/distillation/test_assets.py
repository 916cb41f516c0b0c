"""The static model of a graph that has run: its tables, and the command that takes it away."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from medembed_pipeline.distillation.models import UNKNOWN, static_model_of
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline_tests.graph.project import Project


def test_the_model_knows_the_tokens_of_train_notes_and_is_measured_on_held_out_notes(
    finished_project: Project,
) -> None:
    lake = Lake(finished_project.lake_url)
    tokens = lake.table("token_vectors")
    ids = tokens.read(["token_id"]).column("token_id").to_pylist()
    assert ids == sorted(set(ids)) and ids[0] == UNKNOWN and len(ids) < tokens.footer.facts["vocabulary"]
    notes, splits = (lake.table(name).read().to_pydict() for name in ("cleaned_notes", "note_splits"))
    text_of = dict(zip(notes["note_id"], notes["text"], strict=True))
    train = [
        text_of[note]
        for note, split in zip(splits["note_id"], splits["split"], strict=True)
        if split == "train"
    ]
    model = static_model_of(lake)
    held = np.flatnonzero(np.asarray(model.counter.counts(train).sum(axis=0)).reshape(-1))
    assert ids[1:] == held.tolist()
    rows = pd.read_parquet(Path(finished_project.lake_url) / "static_metrics.parquet")
    assert set(rows["model"]) == {"tuned", "static", "static_over_tuned"}
    assert {"notes", "first_stage", "passages"} <= set(rows["task"])
    tuned = pd.read_parquet(Path(finished_project.lake_url) / "embedding_metrics.parquet")
    measured = tuned[(tuned.model == "tuned") & (tuned.scope == "all") & (tuned.metric == "map")].value.item()
    ours = rows[(rows.task == "notes") & (rows.model == "tuned") & (rows.metric == "map")].value.item()
    assert ours == measured


def test_it_is_written_as_a_folder_once(finished_project: Project, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    done = finished_project.command("distill", str(tmp_path / "static"))
    assert done.returncode == 0 and "tokens with a vector of" in done.stdout, done.stderr
    text = "Pain of the left knee."
    model = static_model_of(Lake(finished_project.lake_url))
    theirs = SentenceTransformer(str(tmp_path / "static"), device="cpu").encode(
        [text], show_progress_bar=False
    )
    np.testing.assert_allclose(model.encode([text]), theirs, atol=1e-6)
    again = finished_project.command("distill", str(tmp_path / "static"))
    assert again.returncode == 2 and "is there already" in again.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["static"]
