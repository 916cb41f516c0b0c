"""A small lake in which truths are planted: what landed, was cleaned and split for real, with vectors made to measure.

Notes are landed, cleaned and split by the assets themselves. Vectors and checkpoints are written through the lake's own
API in place of encoding and training, so that what the tuned model does to which note is known. Everything after them
is materialized for real.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.embeddings.vectors import embeddings_schema
from medembed_pipeline.encoder import EncoderSpec
from medembed_pipeline.evaluation.settings import EvaluationSettings
from medembed_pipeline.evidence.diagnostics.settings import HealthSettings
from medembed_pipeline.evidence.labels.settings import LabelReviewSettings
from medembed_pipeline.evidence.leakage.settings import LeakageSettings
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import Recipe, vector_column
from medembed_pipeline.notes.merging import CLEANED_NOTES_SCHEMA
from medembed_pipeline.notes.settings import SplitSettings
from medembed_pipeline.notes.splits import NOTE_SPLITS_SCHEMA
from medembed_pipeline.tasks.settings import TaskSettings
from medembed_pipeline.training.checkpoints import FOLDER, MANIFEST, checkpoint_of, point_to
from medembed_pipeline.verdict.settings import VerdictSettings

FloatArray = npt.NDArray[np.float64]

SPECIALTIES = ["Cardiology", "Dermatology", "Neurology", "Orthopedics", "Radiology Oncology", "Urology"]
NOTES_PER_SPECIALTY = 50
DIMENSIONS = 32
WORDS_PER_NOTE = 50
BASELINE, TUNED = 0.55, 0.85
"""How strongly a note's vector shows its specialty, against what tells it from the others."""

EVIDENCE = (
    "neighbors",
    "embedding_metrics",
    "slice_metrics",
    "task_metrics",
    "note_displacement",
    "aligned_projections",
    "query_results",
    "label_confusions",
    "similarity_evidence",
    "embedding_diagnostics",
    "label_review",
    "leakage_estimate",
    "release_verdict",
)
CONFIG: dict[str, Any] = {
    "note_splits": SplitSettings(train=0.6, validation=0.1, test=0.3).model_dump(),
    "embedding_metrics": EvaluationSettings().model_dump(),
    "aligned_projections": {"methods": ["joint_pca"], "dimensions": [3]},
    "projections": {"methods": ["pca"], "dimensions": [2]},
    "embedding_diagnostics": HealthSettings().model_dump(),
    # The planted vectors are of no model that could read a task.
    "task_metrics": TaskSettings(families=[]).model_dump(),
    "label_review": LabelReviewSettings().model_dump(),
    "leakage_estimate": LeakageSettings(repeats=3).model_dump(),
    "release_verdict": VerdictSettings().model_dump(),
}
"""By asset; all fields where a test goes by them, so that nobody's `medembed.toml` decides."""


def unit(rows: npt.NDArray[np.floating[Any]]) -> FloatArray:
    """The rows, each of length 1."""
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float64)


@dataclass(frozen=True)
class Notes:
    """The notes of a lake, sorted by id.

    Attributes
    ----------
    ids
        n of them.
    specialties
        a set per note.
    groups
        near-duplicate group per note.
    splits
        train, validation or test per note.
    signal
        [n, d] unit rows, where a note belongs by its specialties.
    detail
        [n, d] unit rows, what tells a note from others; nearly the same for near-duplicates, and similar for notes of
        the same kind of sample.
    """

    ids: list[str]
    specialties: list[list[str]]
    groups: list[str]
    splits: list[str]
    signal: FloatArray
    detail: FloatArray

    def of(self, specialty: str) -> npt.NDArray[np.bool_]:
        """bool [n]: which carry the specialty."""
        return np.array([specialty in names for names in self.specialties])

    def in_split(self, split: str) -> npt.NDArray[np.bool_]:
        """bool [n]: which are in the split."""
        return np.array([own == split for own in self.splits])

    def vectors(self, strength: float | FloatArray) -> FloatArray:
        """[n, d] unit rows of a model that shows specialties so strongly; one strength, or one per note."""
        return unit(np.broadcast_to(strength, len(self.ids))[:, None] * self.signal + self.detail)


@dataclass(frozen=True)
class Evidence:
    """What a run left behind.

    Attributes
    ----------
    lake
        the lake.
    checks
        whether it passed, by the name of each asset check that ran.
    """

    lake: Lake
    checks: dict[str, bool]

    def rows(self, table: str, **wanted: Any) -> list[dict[str, Any]]:
        """The rows of a table, or those whose columns have these values."""
        rows: list[dict[str, Any]] = self.lake.table(table).read().to_pylist()
        return [row for row in rows if all(row[name] == value for name, value in wanted.items())]

    def value(self, table: str, **wanted: Any) -> float:
        """`value` of the one row that has these values."""
        (row,) = self.rows(table, **wanted)
        return float(row["value"])

    def facts(self, table: str) -> dict[str, Any]:
        """The facts of a table."""
        return dict(self.lake.table(table).footer.facts)

    @property
    def verdict(self) -> str:
        """deploy, retrain or inconclusive."""
        return str(self.facts("release_verdict")["verdict"])

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        return str(self.facts("release_verdict")["sentence"])

    def rule(self, name: str) -> dict[str, Any]:
        """One row of release_verdict."""
        (row,) = self.rows("release_verdict", rule=name)
        return row

    def rules(self, passed: bool | None) -> set[str]:
        """The deciding rules that ended so."""
        return {row["rule"] for row in self.rows("release_verdict", kind="decides", passed=passed)}


class PlantedLake:
    """A lake on disk with `raw_transcriptions`, `cleaned_notes` and `note_splits`; the rest is planted and measured."""

    def __init__(self, folder: Path, model: Path, notes: Notes) -> None:
        self.folder, self.model, self.notes = folder, model, notes
        self.lake = Lake(str(folder))

    @classmethod
    def make(cls, folder: Path, model: Path) -> PlantedLake:
        """Land the notes, and have them cleaned and split."""
        latent = _land(folder / "landing" / "notes.csv")
        materialize(folder, ["raw_transcriptions", "rejected_rows", "cleaned_notes", "note_splits"])
        lake = Lake(str(folder))
        cleaned = lake.table("cleaned_notes").read(["note_id", "text", "specialties", "duplicate_group"])
        table = lake.table("note_splits").read(["note_id", "split"]).to_pydict()
        splits = dict(zip(table["note_id"], table["split"], strict=True))
        found = cleaned.to_pydict()
        signal, detail = (np.array([latent[text][part] for text in found["text"]]) for part in (0, 1))
        notes = Notes(
            found["note_id"],
            found["specialties"],
            found["duplicate_group"],
            [splits[note_id] for note_id in found["note_id"]],
            unit(signal),
            unit(detail),
        )
        return cls(folder, model, notes)

    def copy(self, folder: Path) -> PlantedLake:
        """A lake to plant a truth in."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return PlantedLake(folder, self.model, self.notes)

    def change_notes(self, **columns: Mapping[str, Any]) -> None:
        """Give some notes another value in columns of `cleaned_notes`, by column and note id."""
        table = self.lake.table("cleaned_notes")
        rows, recipe = table.read(), table.footer.recipe
        for name, changes in columns.items():
            values = [
                changes.get(note_id, value)
                for note_id, value in zip(self.notes.ids, rows[name].to_pylist(), strict=True)
            ]
            place = rows.schema.get_field_index(name)
            rows = rows.set_column(
                place, rows.schema.field(name), pa.array(values, rows.schema.field(name).type)
            )
        self.lake.write_table(recipe, rows.cast(CLEANED_NOTES_SCHEMA), facts=table.footer.facts)
        self.notes = replace(
            self.notes,
            specialties=rows["specialties"].to_pylist(),
            groups=rows["duplicate_group"].to_pylist(),
        )
        self.change_splits({})

    def change_splits(self, changes: Mapping[str, str]) -> None:
        """Put some notes into another split, by note id."""
        splits = [changes.get(note, own) for note, own in zip(self.notes.ids, self.notes.splits, strict=True)]
        table = self.lake.table("note_splits")
        recipe = replace(
            table.footer.recipe, inputs={"cleaned_notes": self.lake.table("cleaned_notes").data_version}
        )
        columns = {"note_id": self.notes.ids, "split": splits, "group": self.notes.groups}
        rows = pa.table(columns).cast(NOTE_SPLITS_SCHEMA)
        self.lake.write_table(recipe, rows, facts=table.footer.facts)
        self.notes = replace(self.notes, splits=splits)

    def plant(
        self,
        tuned: npt.NDArray[np.floating[Any]],
        *,
        baseline: npt.NDArray[np.floating[Any]] | None = None,
        version: str = "a" * 16,
        seed: int = 0,
        base: str | None = None,
    ) -> None:
        """Publish a checkpoint that was trained on the train notes, and the vectors of both models.

        Parameters
        ----------
        tuned
            [n, e] unit rows.
        baseline
            [n, d] unit rows; by default those of `BASELINE`.
        version
            of the checkpoint.
        seed
            of its weights.
        base
            what the recipe of the baseline vectors names as base model; None for nothing.
        """
        notes = self.notes
        trained = [
            note_id for note_id, split in zip(notes.ids, notes.splits, strict=True) if split == "train"
        ]
        self._write_checkpoint(version, trained, seed)
        checkpoint = checkpoint_of(self.lake, version)
        point_to(self.lake, checkpoint, Recipe("finetuned_checkpoint", "1", {}, {"triplets": version}))
        inputs = {"cleaned_notes": self.lake.table("cleaned_notes").data_version}
        before = notes.vectors(BASELINE) if baseline is None else baseline
        self._write_vectors("baseline_embeddings", before, inputs, base)
        self._write_vectors(
            "tuned_embeddings", tuned, {**inputs, "finetuned_checkpoint": checkpoint.data_version}
        )

    def measure(self, *more: str, assets: Sequence[str] = EVIDENCE) -> Evidence:
        """Materialize assets, by default the evidence and the verdict, and `more` besides."""
        return Evidence(self.lake, materialize(self.folder, [*assets, *more]))

    def _write_vectors(
        self, name: str, rows: npt.NDArray[np.floating[Any]], inputs: dict[str, str], base: str | None = None
    ) -> None:
        settings = {} if base is None else {"EncoderSettings": {"base": base}}
        schema = embeddings_schema(rows.shape[1])
        table = pa.table({"note_id": self.notes.ids, "embedding": vector_column(rows.astype(np.float32))})
        self.lake.write_table(Recipe(name, "1", settings, inputs), table.cast(schema), schema=schema)

    def _write_checkpoint(self, version: str, trained: Sequence[str], seed: int) -> None:
        import torch

        from medembed_pipeline.encoder.model import load_encoder
        from medembed_pipeline.training.checkpoint import write_checkpoint
        from medembed_pipeline.training.data import TrainingData
        from medembed_pipeline.training.loop import TrainingResult
        from medembed_pipeline.training.settings import TrainingSettings

        spec = EncoderSpec(str(self.model), max_tokens=32)
        encoder = load_encoder(spec, device="cpu", precision="float32")
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weights in encoder.parameters():
                weights.add_(torch.randn(weights.shape, generator=generator), alpha=0.01)
        history = [
            {
                "epoch": epoch,
                "steps": 10 * epoch,
                "train_loss": None if epoch == 0 else 1.0 / epoch,
                "validation_loss": 1.0 / (1 + epoch),
                "validation_triplet_accuracy": 0.9,
                "validation_precision_at_5": 0.5 + 0.1 * epoch,
                "validation_map": 0.4 + 0.1 * epoch,
                "validation_score": 0.5 + 0.1 * epoch,
            }
            for epoch in range(3)
        ]
        ids, splits = self.notes.ids, self.notes.splits
        validation = [note for note, split in zip(ids, splits, strict=True) if split == "validation"]
        data = TrainingData(
            texts=dict.fromkeys(ids, ""),
            specialties=dict(zip(ids, self.notes.specialties, strict=True)),
            train_triplets=[
                [trained[place - 2], trained[place - 1], trained[place]] for place in range(len(trained))
            ],
            validation_triplets=[validation[:3]],
            validation_ids=validation,
        )
        with self.lake.staged_folder(FOLDER, version, last=MANIFEST) as folder:
            write_checkpoint(
                folder,
                TrainingResult(encoder, history, 2, data.train_ids, 0, 0),
                spec=spec,
                data=data,
                options=TrainingSettings(),
                data_versions={"triplets": version},
            )


def materialize(folder: Path, assets: Sequence[str]) -> dict[str, bool]:
    """Materialize assets of the real graph with their checks; returns whether each check passed, by name."""
    from medembed_pipeline.definitions import defs

    run_config = {
        "resources": {"lake": {"config": {"url": str(folder)}}},
        "loggers": {"console": {"config": {"log_level": "ERROR"}}},
        "ops": {name: {"config": CONFIG[name]} for name in assets if name in CONFIG},
    }
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_job_def("everything").execute_in_process(
            instance=instance,
            run_config=run_config,
            asset_selection=[dg.AssetKey(name) for name in assets],
        )
    return {one.check_name: one.passed for one in result.get_asset_check_evaluations()}


def _land(file: Path) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Write the landing file; returns where each text belongs and what tells it from others, by text.

    Of each specialty's notes every tenth is a near-duplicate of the one before it, every tenth is filed under the next
    specialty, too, and every three are of one kind of sample.
    """
    random = np.random.default_rng(11)
    syllables = [first + last for first in "bdfgklmnprstv" for last in "aeiou"]
    vocabulary = ["".join(random.choice(syllables, 3)) for _ in range(800)]
    centers = np.linalg.qr(random.normal(size=(DIMENSIONS, len(SPECIALTIES))))[0].T
    directions = unit(random.normal(size=(len(SPECIALTIES) * NOTES_PER_SPECIALTY, DIMENSIONS)))
    rows: list[dict[str, str]] = []
    latent: dict[str, tuple[FloatArray, FloatArray]] = {}
    words: list[str] = []
    detail = kind = directions[0]
    for number in range(len(SPECIALTIES) * NOTES_PER_SPECIALTY):
        main, place = divmod(number, NOTES_PER_SPECIALTY)
        if place % 3 == 0:
            kind = unit(random.normal(size=(1, DIMENSIONS)))[0]
        belongs = [main, (main + 1) % len(SPECIALTIES)] if place % 10 == 4 else [main]
        if place % 10 == 9:
            words = [*words[:-1], str(random.choice(vocabulary))]
            detail = detail + 0.15 * directions[number]
        else:
            words = list(random.choice(vocabulary, WORDS_PER_NOTE))
            detail = 0.5 * kind + 0.85 * directions[number]
        text = " ".join(words)
        latent[text] = (centers[belongs].sum(axis=0), detail)
        for one in belongs:
            rows.append(
                {
                    "transcription": text,
                    "medical_specialty": SPECIALTIES[one],
                    "sample_name": f"Sample {main} {place // 3} - {place % 3 + 1}",
                }
            )
    file.parent.mkdir(parents=True)
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return latent
