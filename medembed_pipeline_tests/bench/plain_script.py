"""What a person would write in place of the pipeline: its peers, glued together in one script.

`python -m medembed_pipeline_tests.bench.plain_script NOTES.csv TASKS.json MODEL OUT`: notes and tasks in; tables of
figures and pictures out. It reads every text as often as such scripts do, once for each model.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import ftfy
import matplotlib
import numpy as np
import pandas as pd
import torch
import umap
from cleanlab.multilabel_classification.filter import find_label_issues
from datasets import Dataset
from datasketch import MinHash, MinHashLSH
from scipy.stats import bootstrap, spearmanr
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, losses
from sentence_transformers.sentence_transformer.training_args import SentenceTransformerTrainingArguments
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE
from sklearn.metrics import davies_bouldin_score, f1_score, label_ranking_average_precision_score
from sklearn.metrics import silhouette_score as silhouette
from sklearn.model_selection import GridSearchCV, GroupShuffleSplit, cross_val_predict
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MultiLabelBinarizer, normalize

from medembed_pipeline.encoder.precision import cpu_computes_in_bfloat16

matplotlib.use("Agg")
import matplotlib.pyplot as plt

WINDOW, BATCH, LEARNING_RATE, SEED = 128, 32, 1e-4, 7
TRIPLETS_PER_NOTE, MOST_TRIPLETS = 5, 2_000
PERMUTATIONS, THRESHOLD, SHINGLE_WORDS = 128, 0.8, 5
SHARES = {"test": 0.2, "validation": 0.1}
RESAMPLES = 1_000
REGULARIZATION = [3.0, 10.0, 30.0, 100.0, 300.0]
FOLDS = 5


def main(notes_file: str, tasks_file: str, model_folder: str, out: str) -> None:
    """Everything, in order."""
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    notes = cleaned(Path(notes_file))
    split = divided(notes)
    texts, held_out = notes["text"].tolist(), np.flatnonzero(split == "test")
    labels = MultiLabelBinarizer().fit_transform(notes["labels"])
    base = loaded(model_folder)
    tasks = json.loads(Path(tasks_file).read_text(encoding="utf-8"))
    vectors, figures = {"baseline": encoded(base, texts)}, {"baseline": task_figures(base, tasks)}
    tuned = tuned_model(model_folder, notes, split, folder)
    vectors["tuned"], figures["tuned"] = encoded(tuned, texts), task_figures(tuned, tasks)
    pd.DataFrame(figures).to_csv(folder / "tasks.csv")
    scores = {model: retrieval(rows[held_out], labels[held_out]) for model, rows in vectors.items()}
    metrics_table(scores, vectors, labels, held_out).to_csv(folder / "metrics.csv", index=False)
    for model, rows in vectors.items():
        pd.DataFrame(rows).to_parquet(folder / f"{model}.parquet")
    maps(vectors, labels.argmax(axis=1), folder)
    heatmaps(vectors, labels, held_out, folder)
    classifiers(notes["text"], vectors, labels, split).to_csv(folder / "classifiers.csv")
    doubted(vectors["baseline"], labels).to_csv(folder / "doubted.csv")
    tuned.save_pretrained(str(folder / "model"))


def cleaned(file: Path) -> pd.DataFrame:
    """A row for each different text, with its labels and its group of near-duplicates."""
    frame = pd.read_csv(file).dropna(subset=["transcription"])
    frame["text"] = frame["transcription"].map(ftfy.fix_text).str.replace(r"\s+", " ", regex=True).str.strip()
    frame["key"] = frame["text"].str.casefold()
    notes = frame.groupby("key", sort=True).agg(text=("text", "first"), labels=("medical_specialty", set))
    index, group = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS), list(range(len(notes)))
    for note, text in enumerate(notes.index):
        words = text.split()
        signature = MinHash(num_perm=PERMUTATIONS)
        for first in range(max(1, len(words) - SHINGLE_WORDS + 1)):
            signature.update(" ".join(words[first : first + SHINGLE_WORDS]).encode())
        group[note] = min((group[other] for other in index.query(signature)), default=note)
        index.insert(note, signature)
    notes["group"] = group
    return notes.reset_index(drop=True)


def divided(notes: pd.DataFrame) -> Any:
    """train, validation or test for each note, a group whole."""
    split = np.full(len(notes), "train", dtype=object)
    for name, share in SHARES.items():
        left = np.flatnonzero(split == "train")
        parts = GroupShuffleSplit(1, test_size=share * len(notes) / len(left), random_state=SEED)
        _, taken = next(parts.split(left, groups=notes["group"].to_numpy()[left]))
        split[left[taken]] = name
    return split


def loaded(folder: str) -> SentenceTransformer:
    """The base model, in bfloat16 where the processor computes in it."""
    kind = {"dtype": torch.bfloat16} if cpu_computes_in_bfloat16() else {}
    model = SentenceTransformer(folder, device="cpu", model_kwargs=kind)
    model.max_seq_length = WINDOW
    return model


def encoded(model: SentenceTransformer, texts: list[str]) -> Any:
    """float32 [n, d] unit rows."""
    return model.encode(
        texts, batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
    ).astype(np.float32)


def tuned_model(model_folder: str, notes: pd.DataFrame, split: Any, folder: Path) -> SentenceTransformer:
    """One pass over triplets of the train notes."""
    random = np.random.default_rng(SEED)
    train = np.flatnonzero(split == "train")
    by_label: dict[str, list[int]] = {}
    for note in train:
        for label in notes["labels"][note]:
            by_label.setdefault(label, []).append(note)
    rows: list[list[str]] = []
    while len(rows) < min(MOST_TRIPLETS, TRIPLETS_PER_NOTE * len(train)):
        anchor = random.choice(train)
        label = random.choice(sorted(notes["labels"][anchor]))
        positive, negative = random.choice(by_label[label]), random.choice(train)
        if positive != anchor and not notes["labels"][anchor] & notes["labels"][negative]:
            rows.append([notes["text"][note] for note in (anchor, positive, negative)])
    dataset = Dataset.from_dict(
        dict(zip(("anchor", "positive", "negative"), map(list, zip(*rows, strict=True)), strict=True))
    )
    model = SentenceTransformer(model_folder, device="cpu")
    model.max_seq_length = WINDOW
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(folder / "training"),
        num_train_epochs=1,
        per_device_train_batch_size=BATCH,
        learning_rate=LEARNING_RATE,
        warmup_steps=5,
        bf16=cpu_computes_in_bfloat16(),
        use_cpu=True,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=SEED,
    )
    SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=dataset,
        loss=losses.MultipleNegativesRankingLoss(model),
    ).train()
    return model.to(torch.bfloat16) if cpu_computes_in_bfloat16() else model


def task_figures(model: SentenceTransformer, tasks: list[dict[str, Any]]) -> dict[str, float]:
    """Mean reciprocal rank, accuracy or Spearman of each task."""
    figures = {}
    for task in tasks:
        first, second = (encoded(model, task[part]) for part in ("first", "second"))
        if task["kind"] == "ranking":
            similar = first @ second.T
            of_pairs = similar[task["query"], task["candidate"]]
            ranks = 1 + (similar[task["query"]] > of_pairs[:, None]).sum(axis=1)
            best = pd.Series(ranks).groupby(task["query"]).min()
            figures[task["name"]] = float((1 / best).mean())
        elif task["kind"] == "triplets":
            third = encoded(model, task["third"])
            closer = (first * second).sum(axis=1) > (first * third).sum(axis=1)
            figures[task["name"]] = float(closer.mean())
        else:
            figures[task["name"]] = float(spearmanr((first * second).sum(axis=1), task["scores"])[0])
    return figures


def retrieval(rows: Any, labels: Any) -> dict[str, Any]:
    """Precision at 1, 5 and 10, average precision and nDCG at 10 of each held-out note."""
    similar = rows @ rows.T
    np.fill_diagonal(similar, -np.inf)
    relevant = (labels @ labels.T > 0) & ~np.eye(len(rows), dtype=bool)
    order = np.argsort(-similar, axis=1)[:, :-1]
    hits = np.take_along_axis(relevant, order, axis=1).astype(float)
    ranks = np.arange(1, hits.shape[1] + 1)
    total = np.maximum(hits.sum(axis=1), 1)
    gains = 1 / np.log2(ranks[:10] + 1)
    best = np.cumsum(gains)[np.minimum(total, 10).astype(int) - 1]
    found = {f"precision@{k}": hits[:, :k].mean(axis=1) for k in (1, 5, 10)}
    found["average precision"] = (hits * np.cumsum(hits, axis=1) / ranks).sum(axis=1) / total
    found["ndcg@10"] = (hits[:, :10] * gains).sum(axis=1) / best
    return found


def metrics_table(scores: Any, vectors: Any, labels: Any, held_out: Any) -> pd.DataFrame:
    """Means with bootstrap intervals, over all notes and by label; cluster figures without."""
    rows = []
    of_note = labels[held_out]
    scopes = {
        "all": np.ones(len(held_out), dtype=bool),
        **{f"label {column}": of_note[:, column] == 1 for column in range(of_note.shape[1])},
    }
    for scope, chosen in scopes.items():
        if chosen.sum() < 2:
            continue
        for metric in scores["baseline"]:
            before, after = (scores[model][metric][chosen] for model in ("baseline", "tuned"))
            for name, values in {"baseline": before, "tuned": after, "difference": after - before}.items():
                ends = bootstrap((values,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=SEED)
                low, high = ends.confidence_interval
                rows.append([scope, name, metric, values.mean(), low, high])
    for model, all_rows in vectors.items():
        own, classes = all_rows[held_out], of_note.argmax(axis=1)
        rows.append(["all", model, "silhouette", silhouette(own, classes, metric="cosine"), None, None])
        rows.append(["all", model, "davies-bouldin", davies_bouldin_score(own, classes), None, None])
    return pd.DataFrame(rows, columns=["scope", "model", "metric", "value", "low", "high"])


def maps(vectors: Any, classes: Any, folder: Path) -> None:
    """PCA, t-SNE, UMAP and aligned UMAP of both models, flat and in space, as pictures."""
    for dimensions in (2, 3):
        found = {
            method: [make(dimensions).fit_transform(rows) for rows in vectors.values()]
            for method, make in {
                "pca": lambda d: PCA(d),
                "tsne": lambda d: TSNE(d, perplexity=16, metric="cosine", random_state=SEED),
                "umap": lambda d: umap.UMAP(n_components=d, metric="cosine", random_state=SEED),
            }.items()
        }
        same = [{note: note for note in range(len(classes))}]
        aligned = umap.AlignedUMAP(n_components=dimensions, metric="cosine", random_state=SEED)
        found["aligned"] = aligned.fit_transform(list(vectors.values()), relations=same)
        for method, places in found.items():
            drawing = plt.figure(figsize=(12, 6))
            for at, (model, own) in enumerate(zip(vectors, places, strict=True)):
                axes = drawing.add_subplot(1, 2, at + 1, projection="3d" if dimensions == 3 else None)
                columns: Any = np.asarray(own).T
                axes.scatter(*columns, **{"c": classes, "cmap": "tab20", "marker": "."})
                axes.set_title(model)
            saved(drawing, folder / f"{method}_{dimensions}")


def heatmaps(vectors: Any, labels: Any, held_out: Any, folder: Path) -> None:
    """Mean similarity of labels, and the similarities of pairs, before and after."""
    of_note = labels[held_out].astype(float)
    count = np.maximum(of_note.sum(axis=0), 1)
    drawing, axes = plt.subplots(2, 2, figsize=(14, 12))
    for at, (model, rows) in enumerate(vectors.items()):
        similar = rows[held_out] @ rows[held_out].T
        axes[0, at].imshow(of_note.T @ similar @ of_note / count / count[:, None], cmap="viridis")
        axes[0, at].set_title(model)
        together = of_note @ of_note.T > 0
        axes[1, at].hist([similar[together], similar[~together]], bins=100, density=True)
    saved(drawing, folder / "similarities")


def saved(drawing: Any, path: Path) -> None:
    """As PNG and as SVG."""
    for kind in ("png", "svg"):
        drawing.savefig(path.with_suffix(f".{kind}"), dpi=150)
    plt.close(drawing)


def classifiers(texts: Any, vectors: Any, labels: Any, split: Any) -> pd.DataFrame:
    """TF-IDF, base and tuned vectors, each with its best setting by folds of the train notes; neighbours that vote."""
    train, test = (np.flatnonzero(split == name) for name in ("train", "test"))
    known = labels[train].sum(axis=0) >= FOLDS
    wanted, truth = labels[train][:, known], labels[test][:, known]
    logistic = OneVsRestClassifier(LogisticRegression(class_weight="balanced", max_iter=1_000))
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    arms: dict[str, tuple[Any, Any, str, list[float]]] = {
        "tf-idf": (make_pipeline(words, logistic), texts.to_numpy(), "onevsrestclassifier__", REGULARIZATION)
    }
    for model, rows in vectors.items():
        arms[f"{model} vectors"] = (logistic, rows, "", REGULARIZATION)
    found = {}
    for name, (model, inputs, prefix, values) in arms.items():
        search = GridSearchCV(model, {f"{prefix}estimator__C": values}, scoring="f1_macro", cv=FOLDS)
        found[name] = scored(search.fit(inputs[train], wanted).predict_proba(inputs[test]), truth)
    for model, rows in vectors.items():
        search = GridSearchCV(
            KNeighborsClassifier(metric="cosine"),
            {"n_neighbors": [5, 10, 20, 40, 80]},
            scoring="f1_macro",
            cv=FOLDS,
        ).fit(rows[train], wanted)
        each = search.predict_proba(rows[test])
        likely = np.stack([one[:, 1] if one.shape[1] == 2 else np.zeros(len(test)) for one in each], axis=1)
        found[f"{model} neighbours"] = scored(likely, truth)
    return pd.DataFrame(found)


def scored(probabilities: Any, truth: Any) -> dict[str, float]:
    """Macro-F1 at one half, and the average precision of the ranking of labels."""
    return {
        "macro-F1": f1_score(truth, probabilities > 0.5, average="macro", zero_division=0),
        "ranking": label_ranking_average_precision_score(truth, probabilities),
    }


def doubted(rows: Any, labels: Any) -> pd.Series:
    """Notes whose labels look wrong, by cleanlab over out-of-fold probabilities."""
    known = labels.sum(axis=0) >= FOLDS
    logistic = OneVsRestClassifier(LogisticRegression(class_weight="balanced", max_iter=1_000, C=10))
    likely = cross_val_predict(logistic, normalize(rows), labels[:, known], cv=FOLDS, method="predict_proba")
    own = [list(np.flatnonzero(note)) for note in labels[:, known]]
    some = [at for at, names in enumerate(own) if names]
    issues = find_label_issues(
        [own[at] for at in some], likely[some], return_indices_ranked_by="self_confidence"
    )
    return pd.Series(np.array(some)[issues])


if __name__ == "__main__":
    main(*sys.argv[1:])
