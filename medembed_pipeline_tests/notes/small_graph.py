"""A small lake whose notes are landed, cleaned and split by the assets themselves, with their checks."""

from __future__ import annotations

import csv
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import LakeResource
from medembed_pipeline.notes import checks
from medembed_pipeline.notes.assets import cleaned_notes, landing, note_splits
from medembed_pipeline.notes.memory import NoteMemory, find_memory

ASSETS = [landing, cleaned_notes, note_splits, *dg.load_asset_checks_from_modules([checks])]
SPLITS = {"train": 0.6, "validation": 0.1, "test": 0.3, "seed": 7, "test_from": ""}
SPECIALTIES = ("Cardiology", "Neurology", "Urology")


def texts(count: int, *, words: int = 60, seed: int = 1) -> list[str]:
    """Notes of random words, none like another."""
    generator = random.Random(seed)
    syllables = [first + last for first in "bdfgklmnprstv" for last in "aeiou"]
    vocabulary = ["".join(generator.choices(syllables, k=3)) for _ in range(1500)]
    return [" ".join(generator.choices(vocabulary, k=words)) + "." for _ in range(count)]


class SmallGraph:
    """A lake, and the assets of the notes run on it in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lake = Lake(str(folder))
        self.checks: dict[str, dg.AssetCheckEvaluation] = {}

    def land(self, rows: Sequence[str | Mapping[str, Any]], file: str = "notes.csv") -> None:
        """Write a landing file, in place of the one of that name; a row is a text, or cells by column."""
        path = self.folder / "landing" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        cells = [{"text": row} if isinstance(row, str) else dict(row) for row in rows]
        for number, row in enumerate(cells):
            row.setdefault("specialty", SPECIALTIES[number % len(SPECIALTIES)])
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(cells[0]))
            writer.writeheader()
            writer.writerows(cells)

    def run(self, *, fails: bool = False, **settings: Mapping[str, Any]) -> dg.ExecuteInProcessResult:
        """Materialize everything; `settings` by asset, all others as they are by default."""
        config = {"note_splits": SPLITS, **settings}
        result = dg.materialize(
            ASSETS,
            resources={"lake": LakeResource(url=self.lake.url)},
            run_config={
                "ops": {name: {"config": dict(values)} for name, values in config.items()},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            raise_on_error=False,
        )
        assert result.success is not fails
        self.checks = {one.check_name: one for one in result.get_asset_check_evaluations()}
        return result

    def failure(self, result: dg.ExecuteInProcessResult, step: str = "note_splits") -> str:
        return str(result.failure_data_for_node(step))

    @property
    def memory(self) -> NoteMemory:
        memory = find_memory(self.lake)
        assert memory is not None
        return memory

    def split_of_text(self, column: str = "split") -> dict[str, str]:
        """The split (or group) by text."""
        notes = self.lake.table("cleaned_notes").read(["note_id", "text"]).to_pydict()
        splits = self.lake.table("note_splits").read().to_pydict()
        of_note = dict(zip(splits["note_id"], splits[column], strict=True))
        return {text: of_note[note] for note, text in zip(notes["note_id"], notes["text"], strict=True)}

    def id_of_text(self) -> dict[str, str]:
        notes = self.lake.table("cleaned_notes").read(["note_id", "text"]).to_pydict()
        return dict(zip(notes["text"], notes["note_id"], strict=True))

    def facts(self, table: str = "note_splits") -> dict[str, Any]:
        return dict(self.lake.table(table).footer.facts)
