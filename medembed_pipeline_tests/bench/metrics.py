"""All figures of two models with their intervals, against the figures alone by scikit-learn and numpy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from medembed_pipeline_tests.bench.comparison import (
    OURS,
    BenchError,
    Measurement,
    Options,
    Row,
    Work,
)
from medembed_pipeline_tests.bench.measuring import InWorkers

PLAIN = "scikit-learn and numpy"
MODELS = ("baseline", "tuned")
SPECIALTIES = 12
SHARE_WITH_TWO = 0.13
SHARE_IN_PAIRS = 0.1
SIGNAL = {"baseline": 0.5, "tuned": 0.8}
SAME = 1e-6
MOST_BYTES = 4e9
BLOCK = 500
MOST_OF_PEER = 20_000  # beyond, the peer would take most of an hour
WARMED_UP_ON = 100


class Metrics(InWorkers):
    """Drawn vectors of two models, of notes with one or two of twelve specialties, some of them near-duplicates."""

    name = "metrics"
    title = "All metrics, with intervals"
    peers = (PLAIN,)

    def rows(self, options: Options) -> list[Row]:
        sizes, dimensions = ({300: 1}, 16) if options.quick else ({20_000: 2, 100_000: 1}, 384)
        return [
            Row(
                f"{notes}",
                f"all figures of two models, {notes:,} x {dimensions}"
                + ("; theirs without intervals, specialties and difference" if notes <= MOST_OF_PEER else ""),
                repeats,
                {"notes": notes, "dimensions": dimensions},
            )
            for notes, repeats in sizes.items()
        ]

    def prepare(self, row: Row, folder: Path) -> None:
        import numpy as np

        notes, dimensions = row.values["notes"], row.values["dimensions"]
        generator = np.random.default_rng(3)
        first = generator.integers(SPECIALTIES, size=notes)
        second = np.where(
            generator.random(notes) < SHARE_WITH_TWO, generator.integers(SPECIALTIES, size=notes), first
        )
        # A near-duplicate is in the group of the note before it.
        groups = np.arange(notes) - (generator.random(notes) < SHARE_IN_PAIRS)
        centers = generator.normal(size=(SPECIALTIES, dimensions))
        common = generator.normal(size=(notes, dimensions))
        for model, signal in SIGNAL.items():
            vectors = signal * (centers[first] + centers[second]) / 2 + common
            vectors += 0.5 * generator.normal(size=vectors.shape)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            np.save(folder / f"{model}.npy", vectors.astype(np.float32))
        labels = [
            sorted({f"specialty {one:02}", f"specialty {two:02}"})
            for one, two in zip(first, second, strict=True)
        ]
        (folder / "labels.json").write_text(json.dumps(labels), encoding="utf-8")
        np.save(folder / "groups.npy", groups)

    def peers_of(self, row: Row) -> tuple[str, ...]:
        return self.peers if row.values["notes"] <= MOST_OF_PEER else ()

    def work(self, side: str, row: Row, folder: Path) -> Work:
        return _ours(folder) if side == OURS else _plain(folder)

    def agreement(self, row: Row, folder: Path, ours: Measurement, side: str, theirs: Measurement) -> str:
        if ours.peak_bytes > MOST_BYTES:
            raise BenchError(
                f"{row.what}: ours took {ours.peak_bytes / 1e9:.1f} GB of memory, 4 are promised"
            )
        expected = theirs.facts["values"]
        apart = {name: abs(ours.facts["values"][name] - value) for name, value in expected.items()}
        worst = max(apart, key=apart.__getitem__)
        if not apart[worst] <= SAME:
            raise BenchError(f"{row.what}: {worst} differs by {apart[worst]:.2g}, {SAME:g} is promised")
        return f"{len(expected)} figures within {apart[worst]:.0e}"


def read_drawn(folder: Path) -> tuple[dict[str, Any], list[list[str]], Any]:
    """Vectors by model, specialties and groups of the notes that `Metrics.prepare` drew."""
    import numpy as np

    vectors = {model: np.load(folder / f"{model}.npy") for model in MODELS}
    labels: list[list[str]] = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    return vectors, labels, np.load(folder / "groups.npy")


def _ours(folder: Path) -> Work:
    from medembed_pipeline.evaluation.metrics_table import metrics_table

    vectors, labels, groups = read_drawn(folder)
    # With leading zeros the order of the ids is that of the rows.
    ids = [f"{row:08}" for row in range(len(labels))]
    operations = len(MODELS) * 2.0 * len(ids) ** 2 * vectors["tuned"].shape[1]

    def figures(number: int) -> Any:
        baseline, tuned = (vectors[model][:number] for model in MODELS)
        return metrics_table(ids[:number], baseline, tuned, labels[:number], groups[:number].tolist())

    # What a first call loads is not measured, on either side.
    figures(WARMED_UP_ON)

    def facts(table: Any) -> dict[str, Any]:
        values = {
            f"{row['model']} {row['metric']} {row['k'] or ''}".strip(): row["value"]
            for row in table.to_pylist()
            if row["scope"] == "all" and row["model"] in MODELS
        }
        return {"values": values, "floor": {"float64": operations}}

    return Work(lambda: figures(len(ids)), facts)


def _plain(folder: Path) -> Work:
    import numpy as np
    from sklearn.preprocessing import MultiLabelBinarizer

    vectors, labels, _ = read_drawn(folder)
    member = MultiLabelBinarizer().fit_transform(labels).astype(np.float64)

    def figures(number: int) -> dict[str, float]:
        return {
            f"{model} {name}": value
            for model, rows in vectors.items()
            for name, value in plain_figures(rows[:number].astype(np.float64), member[:number]).items()
        }

    figures(WARMED_UP_ON)
    return Work(lambda: figures(len(labels)), lambda values: {"values": values, "words": PLAIN})


def plain_figures(rows: Any, member: Any) -> dict[str, float]:
    """The figures of one model as they are written down without this project.

    Parameters
    ----------
    rows
        float64 [n, d], L2-normalised up to float32.
    member
        float64 [n, specialties].
    """
    import numpy as np
    from sklearn.metrics import davies_bouldin_score, silhouette_score

    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    sizes = member.sum(axis=1)
    queries: dict[str, list[Any]] = {}
    pairs = np.zeros((2, 3))
    ranks = np.arange(1, len(rows))
    for first in range(0, len(rows), BLOCK):
        block = np.arange(first, min(first + BLOCK, len(rows)))
        similarity = rows[block] @ rows.T
        shared = member[block] @ member.T
        gains = shared / (sizes[block, None] + sizes - shared)
        others = np.ones(similarity.shape, dtype=bool)
        others[np.arange(len(block)), block] = False
        for kind, chosen in enumerate(((gains > 0) & others, (gains == 0) & others)):
            found = similarity[chosen]
            pairs[kind] += len(found), found.sum(), np.square(found).sum()
        similarity[~others] = -np.inf
        gains[~others] = 0.0
        order = np.argsort(-similarity, axis=1)[:, :-1]
        ranked = np.take_along_axis(gains, order, axis=1)
        ideal = -np.sort(-gains, axis=1)[:, :10]
        relevant = ranked > 0
        total = relevant.sum(axis=1)
        precisions = np.cumsum(relevant, axis=1) / ranks
        discount = 1 / np.log2(np.arange(2, 12))[: ideal.shape[1]]
        with np.errstate(invalid="ignore"):
            scores = {f"precision {k}": relevant[:, :k].sum(axis=1) / k for k in (1, 5, 10)}
            scores["mrr"] = 1.0 / (1 + relevant.argmax(axis=1))
            scores["ndcg 10"] = (ranked[:, :10] @ discount) / (ideal @ discount)
            scores["map"] = (precisions * relevant).sum(axis=1) / total
        for name, values in scores.items():
            queries.setdefault(name, []).append(values[total > 0])
    figures = {name: float(np.concatenate(values).mean()) for name, values in queries.items()}
    single = sizes == 1
    classes = member[single].argmax(axis=1)
    figures["silhouette"] = float(silhouette_score(rows[single], classes, metric="cosine"))
    figures["davies_bouldin"] = float(davies_bouldin_score(rows[single], classes))
    means = pairs[:, 1] / pairs[:, 0]
    spreads = np.sqrt(pairs[:, 2] / pairs[:, 0] - means**2)
    for kind, name in enumerate(("positive", "negative")):
        figures[f"{name}_similarity"] = float(means[kind])
        figures[f"{name}_similarity_std"] = float(spreads[kind])
    figures["margin"] = float(means[0] - means[1])
    figures["separation"] = float((means[0] - means[1]) / np.sqrt(np.square(spreads).sum() / 2))
    return figures
