"""Notes with a planted truth, and a lake of tables that hold it, as the evidence rooms would write them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.evaluation.metric_names import metric_key
from medembed_pipeline.evaluation.metrics_table import metrics_table
from medembed_pipeline.evaluation.neighbors import neighbors_table
from medembed_pipeline.evaluation.settings import EvaluationSettings
from medembed_pipeline.lake.fingerprint import file_sha256
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import Recipe, vector_column
from medembed_pipeline.notes.settings import CleaningSettings
from medembed_pipeline.training.checkpoints import FOLDER, MANIFEST, checkpoint_of, point_to
from medembed_pipeline.verdict.evidence import Evidence, Task, rank_gap, scope_figures
from medembed_pipeline.verdict.inputs import specialties_of
from medembed_pipeline.verdict.scopes import ScopeFigure, scope_tests
from medembed_pipeline.verdict.settings import VerdictSettings
from medembed_pipeline_tests.verdict.changes import slice_rows

SETTINGS = VerdictSettings()
EVALUATION = EvaluationSettings()
NO_CROSSINGS = {
    "notes_without_split": 0,
    "texts_in_two_splits": 0,
    "groups_in_two_splits": 0,
    "near_duplicates_in_two_splits": 0,
}
NOTHING_SEEN = {"notes": 0, "texts": 0, "duplicate_groups": 0, "near_duplicates": 0}

Health = dict[tuple[str, str], tuple[float, float, int]]
"""(figure, name) -> baseline, tuned, n."""


def detail_record(
    method: str = "near_duplicate", *, share: float | None = 0.9, notes: int = 40
) -> dict[str, Any]:
    """A record of the fact `detail` of embedding_diagnostics."""
    return {
        "method": method,
        "notes": notes,
        "random_order": 0.2,
        "baseline": 0.9,
        "tuned": 0.2 + 0.7 * (share or 0.0),
        "share_kept": share,
    }


@dataclass
class Notes:
    """Held-out notes and both models' vectors of them."""

    note_ids: list[str]
    specialties: list[list[str]]
    groups: list[str]
    baseline: npt.NDArray[np.float32]
    tuned: npt.NDArray[np.float32]
    health: Health = field(default_factory=dict)
    detail: list[dict[str, Any]] = field(default_factory=lambda: [detail_record()])


def unit(rows: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def planted(
    *,
    gain: float = 0.7,
    harmed: str | None = None,
    specialties: int = 6,
    notes: int = 16,
    dimensions: int = 48,
    tuned_dimensions: int = 48,
    seed: int = 0,
) -> Notes:
    """Notes around a centre per specialty; the tuned model draws them `gain` nearer to it.

    Parameters
    ----------
    harmed
        a specialty whose notes the tuned model takes for those of the others.
    """
    random = np.random.default_rng(seed)
    count = specialties * notes
    main = np.repeat(np.arange(specialties), notes)
    centers = unit(random.normal(size=(specialties, dimensions)))
    noise = unit(random.normal(size=(count, dimensions)))
    before = 0.55 * centers[main] + noise
    pulled = main.copy()
    if harmed is not None:
        own = np.flatnonzero([f"Specialty {number}" == harmed for number in main])
        pulled[own] = (main[own] + 1 + np.arange(len(own)) % (specialties - 1)) % specialties
    after = (0.55 + gain) * centers[pulled] + noise
    found = Notes(
        note_ids=[f"{number:032x}" for number in random.permutation(count) + 1],
        specialties=[[f"Specialty {number}"] for number in main],
        groups=[f"group {number}" for number in range(count)],
        baseline=unit(before),
        tuned=unit(after[:, :tuned_dimensions]),
    )
    found.health = measured_health(found)
    return found


def measured_health(notes: Notes) -> Health:
    """The figures of embedding_diagnostics that the rules read, by a few lines of numpy of their own."""
    names = np.array([one[0] for one in notes.specialties])
    figures: dict[str, list[float]] = {}
    for rows in (notes.baseline.astype(float), notes.tuned.astype(float)):
        similarity = rows @ rows.T
        np.fill_diagonal(similarity, -np.inf)
        nearest = np.argsort(-similarity, axis=1)[:, :10]
        counts = np.bincount(nearest.reshape(-1), minlength=len(rows)).astype(float)
        spread = counts.std()
        singular = np.linalg.svd(rows, compute_uv=False)
        shares = singular / singular.sum()
        figures.setdefault("hubness_skew", []).append(
            float(((counts - counts.mean()) ** 3).mean() / spread**3)
        )
        figures.setdefault("unreachable_share", []).append(float((counts == 0).mean()))
        figures.setdefault("effective_rank", []).append(
            float(np.exp(-(shares * np.log(shares + 1e-300)).sum()))
        )
        for name in np.unique(names):
            inside = similarity[np.ix_(names == name, names == name)]
            figures.setdefault(f"specialty_spread/{name}", []).append(
                float(1 - inside[np.isfinite(inside)].mean())
            )
    found: Health = {}
    for key, (before, after) in figures.items():
        figure, _, name = key.partition("/")
        found[figure, name] = (before, after, len(names))
    return found


def health_table(health: Health) -> pa.Table:
    """embedding_diagnostics, by the contract."""
    rows = [
        {"model": model, "figure": figure, "name": name, "value": value, "n": figures[2]}
        for (figure, name), figures in health.items()
        for model, value in zip(("baseline", "tuned"), figures[:2], strict=True)
    ]
    schema = pa.schema(
        [
            ("model", pa.string()),
            ("figure", pa.string()),
            ("name", pa.string()),
            ("value", pa.float64()),
            ("n", pa.int64()),
        ]
    )
    return pa.Table.from_pylist(rows, schema)


def neighbor_rows(notes: Notes) -> pa.Table:
    return pa.concat_tables(
        neighbors_table(model, notes.note_ids, rows, scored_note_ids=notes.note_ids, k=10)
        for model, rows in (("baseline", notes.baseline), ("tuned", notes.tuned))
    )


def metric_rows(notes: Notes) -> pa.Table:
    return metrics_table(
        notes.note_ids,
        notes.baseline,
        notes.tuned,
        notes.specialties,
        notes.groups,
        confidence=EVALUATION.confidence,
        minimum_notes=EVALUATION.minimum_specialty_notes,
    )


def evidence(
    notes: Notes,
    settings: VerdictSettings = SETTINGS,
    *,
    crossings: Mapping[str, int] = NO_CROSSINGS,
    trained_on: Mapping[str, int] = NOTHING_SEEN,
    seen_share: float = 0.0,
    slices: Sequence[ScopeFigure] = (),
    tasks: Sequence[Mapping[str, Any]] = (),
) -> Evidence:
    """What the asset would read of these notes."""
    metrics = metric_rows(notes)
    tested: dict[str, Any] = {
        "confidence": EVALUATION.confidence,
        "significance": settings.significance,
    }
    return Evidence(
        metrics=metrics,
        confidence=EVALUATION.confidence,
        scored_notes=len(notes.note_ids),
        scored_groups=len(set(notes.groups)),
        specialties=scope_tests(
            scope_figures(metrics, metric_key(settings.main_metric), specialties_of(metrics)),
            tolerance=settings.specialty_tolerance,
            **tested,
        ),
        specialty_sets=notes.specialties,
        slices=scope_tests(slices, tolerance=settings.slice_tolerance, **tested),
        tasks=[Task.from_record(record) for record in tasks],
        health=health_table(notes.health),
        rank_gap=rank_gap(neighbor_rows(notes)),
        crossings=crossings,
        trained_on=trained_on,
        seen_shares=[seen_share],
        checkpoint="0123456789abcdef",
        health_facts={"detail": notes.detail},
        leak_facts={"memorization_share_by_row": 0.4},
        label_facts={"ceiling_precision_at_5": 0.97},
    )


def write_checkpoint(lake: Lake, version: str, trained: list[str], *, content: str = "weights") -> None:
    """A checkpoint folder that verifies, without a model in it."""
    with lake.staged_folder(FOLDER, version, last=MANIFEST) as folder:
        (folder / "model.safetensors").write_text(f"{content} of {version}")
        (folder / "trained_notes.json").write_text(json.dumps(sorted(trained)))
        files = {path.name: file_sha256(path) for path in folder.iterdir()}
        (folder / MANIFEST).write_text(json.dumps({"files": files, "version": version}))


def fill_lake(
    lake: Lake,
    notes: Notes,
    *,
    version: str = "aaaaaaaaaaaaaaaa",
    trained: int = 12,
    changed_texts: pa.ChunkedArray | None = None,
    slices: Sequence[ScopeFigure] = (),
    tasks: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Every table that the verdict reads: the planted notes are held out, and `trained` others trained on."""
    random = np.random.default_rng(5)
    train_ids = [f"{number:032x}" for number in range(10_000, 10_000 + trained)]
    ids = [*notes.note_ids, *train_ids]
    if not lake.exists(FOLDER, version, MANIFEST):
        write_checkpoint(lake, version, train_ids)
    checkpoint = checkpoint_of(lake, version)
    point_to(lake, checkpoint, Recipe("finetuned_checkpoint", "1", {}, {}))
    versions: dict[str, str] = {"finetuned_checkpoint": checkpoint.data_version}

    def write(
        name: str,
        table: pa.Table,
        inputs: list[str],
        settings: dict[str, Any] | None = None,
        facts: dict[str, Any] | None = None,
    ) -> None:
        recipe = Recipe(name, "1", settings or {}, {one: versions[one] for one in inputs})
        versions[name] = lake.write_table(recipe, table, facts=facts).data_version

    words = [f"word{number}" for number in range(400)]
    cleaned = pa.table(
        {
            "note_id": ids,
            "text": [" ".join(random.choice(words, size=40)) for _ in ids],
            "specialties": [*notes.specialties, *([["Specialty 0"]] * trained)],
            "duplicate_group": [*notes.groups, *train_ids],
        }
    )
    if changed_texts is not None:
        cleaned = cleaned.set_column(1, "text", changed_texts)
    write("cleaned_notes", cleaned, [], {"CleaningSettings": CleaningSettings().result_values()})
    splits = pa.table(
        {
            "note_id": ids,
            "split": ["test"] * len(notes.note_ids) + ["train"] * trained,
            "group": [*notes.groups, *train_ids],
        }
    )
    write("note_splits", splits, ["cleaned_notes"])
    for model, rows in (("baseline", notes.baseline), ("tuned", notes.tuned)):
        extra = unit(random.normal(size=(trained, rows.shape[1])))
        table = pa.table({"note_id": ids, "embedding": vector_column(np.vstack([rows, extra]))})
        reads = ["cleaned_notes", *(["finetuned_checkpoint"] if model == "tuned" else [])]
        write(f"{model}_embeddings", table, reads)
    measured = [
        "cleaned_notes",
        "note_splits",
        "baseline_embeddings",
        "tuned_embeddings",
        "finetuned_checkpoint",
    ]
    write("neighbors", neighbor_rows(notes), measured)
    write(
        "embedding_metrics",
        metric_rows(notes),
        [*measured, "neighbors"],
        {"EvaluationSettings": EVALUATION.result_values()},
        {"scored_notes": len(notes.note_ids)},
    )
    write("slice_metrics", slice_rows(slices), measured)
    write(
        "task_metrics", pa.table({"task": pa.array([], pa.string())}), measured, facts={"tasks": list(tasks)}
    )
    write("embedding_diagnostics", health_table(notes.health), measured, facts={"detail": notes.detail})
    leaks = pa.table({"protocol": ["by_group"], "model": ["tuned"], "seen_share": [0.0]})
    write(
        "leakage_estimate",
        leaks,
        measured,
        facts={"held_out_protocol": "by_group", "memorization_share_by_row": 0.4},
    )
    labels = pa.table({"note_id": notes.note_ids})
    write("label_review", labels, measured, facts={"ceiling_precision_at_5": 0.97})
