"""Maps of two models, against umap-learn called alone for each."""

from __future__ import annotations

from collections.abc import Mapping
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

ALONE = "umap-learn"
MODELS = ("baseline", "tuned")
NEIGHBORS, SEED = 15, 7
JUDGED_NEIGHBORS = 15
LEAST_TRUSTED = 0.02


class Maps(InWorkers):
    """UMAP of both models, with the search for neighbours on both sides."""

    name = "maps"
    title = "Maps of two models"
    peers = (ALONE,)

    def rows(self, options: Options) -> list[Row]:
        notes = 200 if options.quick else 5_000
        values = {"notes": notes, "dimensions": 2}
        return [Row("umap", f"UMAP of two models, {notes:,} notes, flat", 3, values)]

    def prepare(self, row: Row, folder: Path) -> None:
        import numpy as np

        generator = np.random.default_rng(9)
        notes, size, classes = row.values["notes"], 384, 30
        centers, own = generator.normal(size=(classes, size)), generator.normal(size=(notes, size))
        class_of = generator.integers(classes, size=notes)
        for model, signal in zip(MODELS, (0.5, 0.9), strict=True):
            vectors = signal * centers[class_of] + own + 0.3 * generator.normal(size=own.shape)
            np.save(folder / f"{model}.npy", vectors / np.linalg.norm(vectors, axis=1, keepdims=True))

    def work(self, side: str, row: Row, folder: Path) -> Work:
        import numpy as np

        vectors = {model: np.load(folder / f"{model}.npy").astype(np.float32) for model in MODELS}
        make = _ours if side == OURS else _alone
        dimensions = row.values["dimensions"]
        # numba compiles in a first call.
        make({model: rows[:100] for model, rows in vectors.items()}, dimensions)
        operations = len(MODELS) * 2.0 * row.values["notes"] ** 2 * vectors["tuned"].shape[1]

        def facts(found: dict[str, Any]) -> dict[str, Any]:
            from sklearn.manifold import trustworthiness

            trusted = {
                model: float(
                    trustworthiness(vectors[model], places, n_neighbors=JUDGED_NEIGHBORS, metric="cosine")
                )
                for model, places in found.items()
            }
            own = {"floor": {"float64": operations}} if side == OURS else {"words": ALONE}
            return {"trustworthiness": trusted, **own}

        return Work(lambda: make(vectors, dimensions), facts)

    def agreement(self, row: Row, folder: Path, ours: Measurement, side: str, theirs: Measurement) -> str:
        shown = []
        for model in MODELS:
            own, other = (one.facts["trustworthiness"][model] for one in (ours, theirs))
            if own < other - LEAST_TRUSTED:
                raise BenchError(f"{row.what}, {model}: trustworthiness {own:.3f}, {other:.3f} by {side}")
            shown.append(f"{own:.3f} and {other:.3f}")
        return f"trustworthiness {'; '.join(shown)}"


def _ours(vectors: Mapping[str, Any], dimensions: int) -> dict[str, Any]:
    from medembed_pipeline.evaluation.neighbors import nearest_neighbors
    from medembed_pipeline.maps.projections import project

    found = {}
    for model, rows in vectors.items():
        indices, similarities = nearest_neighbors(rows)
        found[model] = project(
            rows,
            method="umap",
            dimensions=dimensions,
            seed=SEED,
            neighbor_indices=indices,
            neighbor_similarities=similarities,
            umap_neighbors=NEIGHBORS,
        )
    return found


def _alone(vectors: Mapping[str, Any], dimensions: int) -> dict[str, Any]:
    import umap

    return {
        model: umap.UMAP(
            n_components=dimensions, n_neighbors=NEIGHBORS, metric="cosine", random_state=SEED
        ).fit_transform(rows)
        for model, rows in vectors.items()
    }
