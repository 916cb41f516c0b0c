"""What a person gets from `medembed run`: every table, readable without us, and the headline."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from medembed_pipeline_tests.graph.names import GROUPS
from medembed_pipeline_tests.graph.project import Project

TABLES = {
    "raw_transcriptions": {"source_file", "source_row", "text", "label", "keywords", "about"},
    "rejected_rows": {"source_file", "source_row", "reason", "row_bytes"},
    "cleaned_notes": {"note_id", "text", "specialties", "document_types", "source_rows", "duplicate_group"},
    "note_splits": {"note_id", "split", "group"},
    "triplets": {"anchor_id", "positive_id", "negative_id", "split", "strategy", "positive_similarity"},
    "recipe_study": {"number", "state", "score", "head_learning_rate", "looks"},
    "classifier_study": {"number", "state", "score", "rung", "validation_map", "looks"},
    "classifier_adapters_study": {"number", "state", "score", "adapter_rank", "validation_map", "looks"},
    "baseline_embeddings": {"note_id", "embedding"},
    "tuned_embeddings": {"note_id", "embedding"},
    "neighbors": {"model", "note_id", "rank", "neighbor_id", "similarity"},
    "embedding_metrics": {"model", "split", "scope", "metric", "k", "value", "ci_low", "ci_high", "n"},
    "projections": {"note_id", "model", "method", "dimensions", "x", "y", "z", "trustworthiness"},
    "aligned_projections": {"note_id", "model", "method", "dimensions", "x", "y", "z", "trustworthiness"},
    "note_displacement": {"note_id", "displacement", "neighbor_overlap", "rank"},
    "similarity_evidence": {"figure", "model", "group", "other", "position", "statistic", "value", "n"},
    "slice_metrics": {
        "slice",
        "value_name",
        "model",
        "metric",
        "k",
        "value",
        "ci_low",
        "ci_high",
        "n",
        "share",
    },
    "label_probabilities": {
        "note_id",
        "label",
        "split",
        "source",
        "carries",
        "probability",
        "tfidf",
        "tuned",
    },
    "classification_metrics": {
        "model",
        "over",
        "scope_kind",
        "scope",
        "metric",
        "k",
        "value",
        "ci_low",
        "ci_high",
        "n",
    },
    "classification_errors": {"note_id", "expected", "came", "confidence", "nearest", "label_doubted"},
    "classifier_verdict": {"rule", "kind", "passed", "reason"},
    "checkpoint_history": {
        "checkpoint",
        "judgement",
        "judged_at",
        "verdict",
        "released",
        "task",
        "difference",
    },
    "query_results": {"rank", "note_id", "change", "neighbors_baseline", "relevant_tuned", "won", "lost"},
    "label_confusions": {"model", "specialty", "wrong_specialty", "weight", "share"},
    "embedding_diagnostics": {"model", "figure", "name", "value", "n"},
    "label_review": {"rank", "note_id", "suggested", "label_quality", "judgement"},
    "leakage_estimate": {"protocol", "model", "metric", "k", "value", "seen_share"},
    "release_verdict": {"rule", "kind", "passed", "value", "threshold", "reason", "evidence"},
}
METRICS = {
    "precision",
    "mrr",
    "ndcg",
    "map",
    "silhouette",
    "davies_bouldin",
    "positive_similarity",
    "negative_similarity",
    "margin",
    "separation",
}


def read(project: Project, table: str) -> pd.DataFrame:
    return pd.read_parquet(Path(project.lake_url) / f"{table}.parquet")


def test_every_asset_prints_a_line_and_the_headline_ends_it(finished_project: Project) -> None:
    output = (finished_project.folder / "output.txt").read_text()
    for table in TABLES:
        assert re.search(rf"{table} +[\d,]+ rows +[\d.]+ s", output), output
    assert re.search(r"P@5 +[\d.]+ \[[\d., ]+\] +[\d.]+ \[[\d., ]+\] +[+-][\d.]+ \[", output), output


@pytest.mark.parametrize("table", TABLES)
def test_pandas_reads_every_table_whole(finished_project: Project, table: str) -> None:
    assert set(read(finished_project, table).columns) >= TABLES[table]


def test_the_tables_join_by_id_and_every_note_is_everywhere(finished_project: Project) -> None:
    notes = set(read(finished_project, "cleaned_notes")["note_id"])
    assert len(notes) == len(read(finished_project, "cleaned_notes"))
    for table in (
        "note_splits",
        "baseline_embeddings",
        "tuned_embeddings",
        "projections",
        "note_displacement",
    ):
        assert set(read(finished_project, table)["note_id"]) == notes, table
    raw_ids = set(read(finished_project, "raw_transcriptions")["row_id"])
    assert {row for rows in read(finished_project, "cleaned_notes")["source_rows"] for row in rows} == raw_ids


def test_triplets_come_from_train_and_validation_notes_alone(finished_project: Project) -> None:
    split = read(finished_project, "note_splits").set_index("note_id")["split"]
    triplets = read(finished_project, "triplets")
    for column in ("anchor_id", "positive_id", "negative_id"):
        assert (triplets[column].map(split) == triplets["split"]).all()


def test_the_metrics_are_all_there_and_precision_agrees_with_a_plain_loop(finished_project: Project) -> None:
    metrics = read(finished_project, "embedding_metrics")
    overall = metrics[metrics["scope"] == "all"]
    models = {"baseline", "tuned", "difference", "lexical", "tuned_over_lexical"}
    assert set(overall["metric"]) >= METRICS and set(metrics["model"]) == models
    assert "macro" in set(metrics["scope"])
    notes = read(finished_project, "cleaned_notes").set_index("note_id")
    split = read(finished_project, "note_splits").set_index("note_id")["split"]
    scored = [note for note in sorted(split[split == "test"].index) if len(notes.loc[note, "specialties"])]
    labels = [set(notes.loc[note, "specialties"]) for note in scored]
    for model in ("baseline", "tuned"):
        table = read(finished_project, f"{model}_embeddings").set_index("note_id")["embedding"]
        vectors = np.stack([table[note] for note in scored]).astype(np.float64)
        similarity = vectors @ vectors.T
        np.fill_diagonal(similarity, -9)
        values = []
        for row in range(len(scored)):
            if any(labels[row] & labels[other] for other in range(len(scored)) if other != row):
                nearest = np.argsort(-similarity[row], kind="stable")[:5]
                values.append(np.mean([bool(labels[row] & labels[other]) for other in nearest]))
        found = overall[
            (overall["model"] == model) & (overall["metric"] == "precision") & (overall["k"] == 5)
        ]
        assert found["value"].item() == pytest.approx(np.mean(values), abs=1e-9)


def test_the_checkpoint_loads_without_us_and_gives_the_tuned_vectors(finished_project: Project) -> None:
    from sentence_transformers import SentenceTransformer

    lake = Path(finished_project.lake_url)
    pointer = json.loads((lake / "finetuned_checkpoint.json").read_text())
    model = SentenceTransformer(str(lake / "checkpoints" / pointer["version"]), device="cpu")
    notes = read(finished_project, "cleaned_notes").head(20)
    tuned = read(finished_project, "tuned_embeddings").set_index("note_id")["embedding"]
    ours = np.stack([tuned[note] for note in notes["note_id"]])
    manifest = json.loads((lake / "checkpoints" / pointer["version"] / "manifest.json").read_text())
    theirs = model.encode(notes["text"].tolist())
    # They compute in float32; where the hardware computes in bfloat16, we do, to three digits.
    np.testing.assert_allclose(theirs, ours, atol=1e-4 if manifest["precision"] == "float32" else 1e-2)
    assert (theirs * ours).sum(axis=1).min() > 0.999


def test_every_map_is_made_and_pictures_are_in_the_metadata_and_small(
    finished_project: Project, tmp_path: Path
) -> None:
    mapped = finished_project.copy(tmp_path / "project")
    mapped.configure(more="")
    done = mapped.command("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(read(mapped, "projections")["method"]) == {"umap", "tsne", "pca"}
    wanted = {
        "finetuned_checkpoint": (finished_project, ["loss", "validation"]),
        "embedding_metrics": (finished_project, ["before_and_after", "change_by_specialty"]),
        "projections": (mapped, ["umap_map", "tsne_map", "pca_map"]),
    }
    for asset, (project, names) in wanted.items():
        materialization = project.materializations(asset)[0].asset_materialization
        assert materialization is not None
        for name in names:
            text = str(materialization.metadata[name].value)
            assert text.startswith("![") and "data:image/png;base64," in text
            assert len(text) < 200_000 * 4 / 3


def test_a_first_run_makes_everything_and_says_so(finished_project: Project) -> None:
    for asset in GROUPS:
        materialization = finished_project.materializations(asset)[-1].asset_materialization
        assert materialization is not None and materialization.metadata["kept"].value is False, asset


def test_a_second_run_keeps_everything_and_says_so(finished_project: Project, tmp_path: Path) -> None:
    project = finished_project.copy(tmp_path / "project")
    before = {path: path.stat().st_mtime_ns for path in Path(project.lake_url).glob("*.parquet")}
    versions = project.data_versions()
    output = project.run()
    assert before and output.count("unchanged") == len(GROUPS)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert project.data_versions() == versions
