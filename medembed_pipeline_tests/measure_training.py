"""What each part of the training recipe gives, and what it costs: tuned minus base on held-out notes and on tasks.

    python -m medembed_pipeline_tests.measure_training LAKE [--seeds 3] [--variants recipe former ...] [--tokens 256]

LAKE is a data lake in which `make run` has been; a person's own tasks are taken from its folder `tasks/`. Nothing is
written there. Every variant trains on the same notes, in one process, one after the other. Seconds are processor time
of the training with its validation: with one thread (OMP_NUM_THREADS=1) they hardly depend on what else runs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from medembed_pipeline.encoder import Role, spec_of_settings
from medembed_pipeline.encoder.dense import through_head
from medembed_pipeline.encoder.model import Encoder, load_encoder
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.evaluation.metric_names import metric_key
from medembed_pipeline.evaluation.relevance import label_matrix
from medembed_pipeline.evaluation.retrieval import retrieval_scores
from medembed_pipeline.evaluation.vectors import effective_rank, unit_rows
from medembed_pipeline.evidence.diagnostics.detail import (
    Detail,
    kinds_by_name,
    share_kept,
    within_class_recall,
)
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import vectors
from medembed_pipeline.tasks.encoding import TextVectors
from medembed_pipeline.tasks.gather import all_tasks
from medembed_pipeline.tasks.own import own_folders
from medembed_pipeline.tasks.passages import passage_task
from medembed_pipeline.tasks.scoring import score_task
from medembed_pipeline.tasks.settings import TaskSettings
from medembed_pipeline.tasks.table import metric_name
from medembed_pipeline.tasks.task import NotAsked, RankingTask, Task
from medembed_pipeline.training.data import TrainingData
from medembed_pipeline.training.loop import train
from medembed_pipeline.training.settings import TrainingSettings
from medembed_pipeline.training.trained_spec import trained_spec

PLAIN: dict[str, Any] = {
    "map_steps": 0,
    "passage_weight": 0.0,
    "anchors_per_batch": 0,
    "average_shares": [],
}
ADAPTERS: dict[str, Any] = {"tuned": "adapters", "anchor_vector_weight": 5.0}
VARIANTS: dict[str, dict[str, Any]] = {
    "recipe": {},
    "without noise": {"head_noise": 0.0},
    "without further parts": {"further_share": 0.0},
    "without passages": {"passage_weight": 0.0},
    "without gate and anchoring": {"anchors_per_batch": 0},
    "without averaging": {"average_shares": []},
    "without detail": {"detail_weight": 0.0},
    "100 steps": {"head_steps": 100},
    "512 units": {"head_units": 512},
    "adapters": ADAPTERS,
    "adapters, all layers": {
        **ADAPTERS,
        "tuned_share": 1.0,
        "learning_rate": 1e-3,
        "notes_per_batch": 128,
        "anchors_per_batch": 80,
        "passage_weight": 0.5,
    },
    "biases": {**ADAPTERS, "tuned": "biases", "learning_rate": 1e-2},
    "all weights of a third": {**ADAPTERS, "tuned": "all", "learning_rate": 1e-3},
    "linear map alone": {**ADAPTERS, "epochs": 1, "learning_rate": 1e-9},
    # As many notes encoded as by the former default, which packed 2,000 triplets into batches twice.
    "former": {
        **PLAIN,
        "tuned": "all",
        "tuned_share": 1.0,
        "notes_per_batch": 128,
        "learning_rate": 3e-4,
        "epochs": 5,
        "temperature": 0.1,
        "early_stopping_patience": 0,
    },
}
DETAIL_NEIGHBORS = 10


def main() -> None:
    """Train, score, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lake", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--variants", nargs="+", choices=sorted(VARIANTS), default=["recipe", "former"])
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--tokens", type=int, default=EncoderSettings().max_tokens, help="of the window")
    parser.add_argument("--long-notes", choices=["cut", "windows"], default=EncoderSettings().long_notes)
    options = parser.parse_args()
    window = EncoderSettings(max_tokens=options.tokens, long_notes=options.long_notes)
    bench = Bench(Lake(str(options.lake)), options.precision, window)
    before = bench.scores(bench.encoder)
    columns = [*(name for name in before if not name.startswith("_")), "share", "seconds"]
    print("| variant | " + " | ".join(columns) + " |\n|" + "---|" * (1 + len(columns)))
    print(
        "| base model | " + " | ".join(f"{before.get(name, float('nan')):.3f}" for name in columns) + " |",
        flush=True,
    )
    for name in options.variants:
        rows = [bench.change(before, VARIANTS[name], seed) for seed in range(7, 7 + options.seeds)]
        for row in rows if len(rows) > 1 else []:
            print(
                f"| {name}, one seed | " + " | ".join(_shown(row, column) for column in columns) + " |",
                flush=True,
            )
        mean = {column: float(np.mean([row[column] for row in rows])) for column in columns}
        print(f"| {name} | " + " | ".join(_shown(mean, column) for column in columns) + " |", flush=True)


def training_data(lake: Lake) -> TrainingData:
    """What the asset trains on: the notes and triplets of a lake, with all texts."""
    notes = lake.table("cleaned_notes").read(["note_id", "text", "specialties"]).to_pydict()
    splits = lake.table("note_splits").read(["note_id", "split"]).to_pydict()
    triplets: dict[str, list[tuple[str, str, str]]] = {"train": [], "validation": []}
    for row in lake.table("triplets").read().to_pylist():
        triplets[row["split"]].append((row["anchor_id"], row["positive_id"], row["negative_id"]))
    return TrainingData(
        dict(zip(notes["note_id"], notes["text"], strict=True)),
        dict(zip(notes["note_id"], notes["specialties"], strict=True)),
        triplets["train"],
        triplets["validation"],
        [
            note
            for note, split in zip(splits["note_id"], splits["split"], strict=True)
            if split == "validation"
        ],
    )


Encode = Callable[..., npt.NDArray[np.float32]]


def task_figures(tasks: Iterable[Task], encode: Encode) -> dict[str, float]:
    """The main figure of each task, by an encoder's `encode`."""
    found = {}
    for task in tasks:
        wanted = list(dict.fromkeys(task.texts()))
        space = TextVectors(wanted, encode(wanted))
        if isinstance(task, RankingTask):
            asked = list(dict.fromkeys(task.queries))
            space = space.with_queries(TextVectors(asked, encode(asked, role="query")))
        scored = score_task(task, {"baseline": space, "tuned": space})
        found[f"{task.name} {metric_name(task.main)}"] = float(scored.figures["tuned"][task.main].value[0])
    return found


class Bench:
    """The notes of a lake, and how a model does on those that are held out."""

    def __init__(self, lake: Lake, precision: str, window: EncoderSettings) -> None:
        notes = (
            lake.table("cleaned_notes").read(["note_id", "text", "specialties", "source_rows"]).to_pydict()
        )
        splits = lake.table("note_splits").read(["note_id", "split", "group"]).to_pydict()
        self._precision = precision
        self._texts = dict(zip(notes["note_id"], notes["text"], strict=True))
        self._specialties = dict(zip(notes["note_id"], notes["specialties"], strict=True))
        self._group = dict(zip(splits["note_id"], splits["group"], strict=True))
        self._held_out = sorted(
            note for note, split in zip(splits["note_id"], splits["split"], strict=True) if split == "test"
        )
        self._data = training_data(lake)
        baseline = lake.table("baseline_embeddings").read()
        rows = zip(baseline.column("note_id").to_pylist(), vectors(baseline.column("embedding")), strict=True)
        self._known = dict(rows)
        names = lake.table("raw_transcriptions").read(["row_id", "sample_name"]).to_pydict()
        name_of_row = dict(zip(names["row_id"], names["sample_name"], strict=True))
        self._kinds = dict(
            zip(notes["note_id"], kinds_by_name(notes["source_rows"], name_of_row), strict=True)
        )
        self._window = window
        self.base = spec_of_settings(window)
        self.encoder = load_encoder(self.base, precision=precision)
        self._read: dict[tuple[str, str], npt.NDArray[np.float32]] = {}
        if window != EncoderSettings():
            # The lake's are of another window.
            self._known = {}
        settings = TaskSettings()

        def passages() -> Any:
            return passage_task(
                self._held_out,
                [self._texts[note] for note in self._held_out],
                [self._group[note] for note in self._held_out],
                window=self.base.max_tokens,
                words=settings.passage_words,
                per_note=settings.passages_per_note,
                notes_at_most=settings.passage_notes,
                seed=settings.seed,
            )

        self._tasks = [
            task
            for task in all_tasks(settings, passages, own_folders(lake))
            if not isinstance(task, NotAsked)
        ]

    def encode_by(self, encoder: Encoder) -> Encode:
        """The encoder's `encode`; of a head over the base model, which reads no text twice, through the head."""

        def encode(texts: list[str], role: Role = "document") -> npt.NDArray[np.float32]:
            if not len(encoder.head) and encoder is not self.encoder:
                return encoder.encode(texts, role=role)
            new = [text for text in texts if (text, role) not in self._read]
            self._read.update(
                zip(((text, role) for text in new), self.encoder.encode(new, role=role), strict=True)
            )
            found = torch.from_numpy(np.stack([self._read[text, role] for text in texts]))
            with torch.inference_mode():
                return through_head(encoder.head, found).numpy()

        return encode

    def change(self, before: dict[str, Any], values: dict[str, Any], seed: int) -> dict[str, Any]:
        """Tuned minus base of every figure; of detail and rank the share that is kept."""
        settings = TrainingSettings(**{**values, "seed": seed})
        spec = trained_spec(self._window, settings)
        began = time.process_time()
        result = train(spec, self._data, settings, precision=self._precision, known=self._known)
        seconds = time.process_time() - began
        after = self.scores(result.encoder)
        row = {name: after[name] - value for name, value in before.items() if not name.startswith("_")}
        row["rank"] = after["rank"] / before["rank"]
        kept = share_kept(before["_detail"], after["_detail"])
        return row | {
            "detail": float("nan") if kept is None else kept,
            "share": result.share,
            "seconds": seconds,
        }

    def scores(self, encoder: Encoder) -> dict[str, Any]:
        """Every figure of one model."""
        labelled = [note for note in self._held_out if self._specialties[note]]
        everything = sorted(note for note in self._texts if self._specialties[note])
        encode = self.encode_by(encoder)
        of_notes = dict(zip(everything, encode([self._texts[note] for note in everything]), strict=True))
        rows = unit_rows(np.stack([of_notes[note] for note in labelled]))
        labels = label_matrix([self._specialties[note] for note in labelled])
        found: dict[str, Any] = {}
        scores = retrieval_scores(rows, labels.membership)
        for name in ("precision@5", "map"):
            values = scores[metric_key(name)]
            found[name] = float(values[np.isfinite(values)].mean())
        found |= task_figures(self._tasks, encode)
        found["rank"] = effective_rank(rows)
        detail: Detail = within_class_recall(
            unit_rows(np.stack([of_notes[note] for note in everything])),
            label_matrix([self._specialties[note] for note in everything]).membership,
            [self._kinds[note] for note in everything],
            np.array([note in set(labelled) for note in everything]),
            k=DETAIL_NEIGHBORS,
        )
        return found | {"detail": detail.kept, "_detail": detail}


def _shown(row: dict[str, Any], column: str) -> str:
    if column == "seconds":
        return f"{row[column]:.0f}"
    return f"{row[column]:.2f}" if column in ("rank", "detail", "share") else f"{row[column]:+.3f}"


if __name__ == "__main__":
    main()
