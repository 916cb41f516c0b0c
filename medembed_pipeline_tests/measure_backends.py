"""What each backend costs in quality, and how fast it is: held-out notes of a lake, base model and others.

    python -m medembed_pipeline_tests.measure_backends LAKE [--models FOLDER ...] [--notes N] [--tasks]

LAKE is a data lake with `cleaned_notes` and `note_splits`; nothing is written there. Seconds are processor time of the
encoding: with one thread (OMP_NUM_THREADS=1) they hardly depend on what else runs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medembed_pipeline.encoder import EncoderSpec, read_spec, spec_of_settings
from medembed_pipeline.encoder.model import Encoder, load_encoder
from medembed_pipeline.encoder.settings import (
    COMPUTED_IN,
    EncoderSettings,
    backend_and_precision,
    missing_packages,
)
from medembed_pipeline.evaluation.metric_names import metric_key
from medembed_pipeline.evaluation.relevance import label_matrix
from medembed_pipeline.evaluation.retrieval import retrieval_scores
from medembed_pipeline.evaluation.vectors import unit_rows
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.tasks.gather import all_tasks
from medembed_pipeline.tasks.passages import passage_task
from medembed_pipeline.tasks.settings import TaskSettings
from medembed_pipeline.tasks.task import NotAsked
from medembed_pipeline_tests.measure_training import task_figures

METRICS = ("precision@5", "map")


def main() -> None:
    """Encode and score, print a table for each model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lake", type=Path)
    parser.add_argument("--models", nargs="+", default=["bundled"], help="'bundled' and model folders")
    parser.add_argument("--formats", nargs="+", choices=COMPUTED_IN, default=list(COMPUTED_IN))
    parser.add_argument("--notes", type=int, help="the first so many held-out notes (default: all)")
    parser.add_argument("--max-tokens", type=int, default=EncoderSettings().max_tokens)
    parser.add_argument("--tasks", action="store_true", help="score the tasks, too")
    options = parser.parse_args()
    held_out = HeldOutTexts(Lake(str(options.lake)), options.notes, options.max_tokens, tasks=options.tasks)
    formats = [name for name in options.formats if not missing_packages(backend_and_precision(name)[0])]
    with tempfile.TemporaryDirectory() as scratch:
        for base in options.models:
            measure(held_out, base, options.max_tokens, formats, Lake(scratch))


def measure(held_out: HeldOutTexts, base: str, max_tokens: int, formats: list[str], exports: Lake) -> None:
    """One model in every format; differences are to float32 in torch."""
    spec = spec_of_settings(EncoderSettings(base=base, max_tokens=max_tokens))
    if base != "bundled":
        spec = EncoderSpec(**{**vars(read_spec(Path(base))), "max_tokens": max_tokens})
    print(f"\n{Path(base).name}, {len(held_out.texts)} held-out notes, {max_tokens} tokens\n")
    reference: tuple[npt.NDArray[np.float32], dict[str, float]] | None = None
    for name in ["float32", *(name for name in formats if name != "float32")]:
        encoder = load_encoder(spec, device="cpu", precision=name, lake=exports)
        encoder.encode(held_out.texts[:8])
        began = time.process_time()
        rows = encoder.encode(held_out.texts)
        seconds = time.process_time() - began
        scores = held_out.scores(rows, encoder)
        if reference is None:
            reference = rows, scores
            print(
                "| format | notes per second of a core | lowest cosine | mean | " + " | ".join(scores) + " |"
            )
            print("|" + "---|" * (4 + len(scores)))
        cosines = np.einsum("ij,ij->i", rows, reference[0])
        shown = [
            f"{value:.4f} ({value - reference[1][figure]:+.4f})" if name != "float32" else f"{value:.4f}"
            for figure, value in scores.items()
        ]
        print(
            f"| {name} | {len(rows) / seconds:.0f} | {cosines.min():.4f} | {cosines.mean():.4f} | "
            + " | ".join(shown)
            + " |",
            flush=True,
        )


class HeldOutTexts:
    """The labelled test notes of a lake, and how vectors of them do.

    Parameters
    ----------
    lake
        with cleaned and split notes.
    number
        the first so many by id; None for all.
    max_tokens
        of the window, which the passages are cut for.
    tasks
        whether the tasks are scored, too.
    """

    def __init__(self, lake: Lake, number: int | None, max_tokens: int, *, tasks: bool) -> None:
        notes = lake.table("cleaned_notes").read(["note_id", "text", "specialties"]).to_pydict()
        splits = lake.table("note_splits").read(["note_id", "split", "group"]).to_pydict()
        split_of = dict(zip(splits["note_id"], splits["split"], strict=True))
        group_of = dict(zip(splits["note_id"], splits["group"], strict=True))
        rows = sorted(zip(notes["note_id"], notes["text"], notes["specialties"], strict=True))
        kept = [row for row in rows if split_of[row[0]] == "test" and row[2]][:number]
        self.texts = [text for _, text, _ in kept]
        self._membership = label_matrix([specialties for _, _, specialties in kept]).membership
        settings = TaskSettings()

        def passages() -> Any:
            return passage_task(
                [note for note, _, _ in kept],
                self.texts,
                [group_of[note] for note, _, _ in kept],
                window=max_tokens,
                words=settings.passage_words,
                per_note=settings.passages_per_note,
                notes_at_most=settings.passage_notes,
                seed=settings.seed,
            )

        found = all_tasks(settings, passages, []) if tasks else []
        self._tasks = [task for task in found if not isinstance(task, NotAsked)]

    def scores(self, rows: npt.NDArray[np.float32], encoder: Encoder) -> dict[str, float]:
        """Means over the notes, and the main figure of every task."""
        scored = retrieval_scores(unit_rows(rows), self._membership)
        found: dict[str, float] = {}
        for name in METRICS:
            values = scored[metric_key(name)]
            found[name] = float(values[np.isfinite(values)].mean())
        found |= task_figures(self._tasks, encoder.encode)
        return found


if __name__ == "__main__":
    main()
