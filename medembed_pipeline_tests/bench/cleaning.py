"""Landing files to different notes and their near-duplicate groups, against pandas, ftfy and datasketch."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medembed_pipeline_tests.bench.comparison import (
    BYTES,
    OURS,
    BenchError,
    Measurement,
    Options,
    Result,
    Row,
    Work,
    median_seconds,
)
from medembed_pipeline_tests.bench.measuring import InWorkers

PLAIN = "pandas, ftfy and datasketch"
PERMUTATIONS, THRESHOLD, SHINGLE_WORDS = 128, 0.8, 5
SAME_NOTES = 0.01
SEED, FEW = 1, 20


class Cleaning(InWorkers):
    """Sample notes in one CSV file."""

    name = "clean"
    title = "Read, clean, find near-duplicates"
    peers = (PLAIN,)

    def rows(self, options: Options) -> list[Row]:
        sizes = {200: 1, 400: 1} if options.quick else {10_000: 2, 100_000: 1}
        return [
            Row(f"{notes}", f"{notes:,} sample notes", repeats, {"notes": notes})
            for notes, repeats in sizes.items()
        ]

    def prepare(self, row: Row, folder: Path) -> None:
        from medembed_pipeline.samples.corpus import write_sample_corpus

        write_sample_corpus(folder / "notes.csv", notes=row.values["notes"], seed=SEED)
        # For what a first call loads, on either side.
        write_sample_corpus(folder / "few.csv", notes=FEW, seed=SEED)

    def work(self, side: str, row: Row, folder: Path) -> Work:
        return _ours(folder) if side == OURS else _plain(folder)

    def remarks(self, results: Sequence[Result]) -> list[str]:
        sizes = [int(result.name) for result in results]
        ours, theirs = (
            exponent(sizes, [median_seconds(side) for side in sides])
            for sides in zip(*((result.ours, result.theirs) for result in results), strict=True)
        )
        span = f"{min(sizes):,} to {max(sizes):,} notes"
        return [f"From {span} ours grows with their number to the power {ours:.2f}, theirs to {theirs:.2f}."]

    def agreement(self, row: Row, folder: Path, ours: Measurement, side: str, theirs: Measurement) -> str:
        own, other = (one.facts["counts"] for one in (ours, theirs))
        if abs(own["notes"] - other["notes"]) > SAME_NOTES * other["notes"]:
            raise BenchError(f"{row.what}: {own['notes']} notes by ours, {other['notes']} by {side}")
        return (
            f"{own['notes']:,} and {other['notes']:,} notes, "
            f"{own['repeated']:,} and {other['repeated']:,} of them near-duplicates of another"
        )


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """The power of the size by which seconds grow: the slope of a line on logarithmic scales, by least squares."""
    import numpy as np

    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def _ours(folder: Path) -> Work:
    """The assets themselves, on a new lake each time: with reading, hashing and writing of their tables."""
    import dagster as dg

    from medembed_pipeline.lake.lake import Lake
    from medembed_pipeline.lake.publishing import LakeResource
    from medembed_pipeline.notes.assets import cleaned_notes, landing

    def made(notes: Path) -> Lake:
        lake = Path(tempfile.mkdtemp(dir=folder))
        (lake / "landing").mkdir()
        # A link of the other kind would be rejected.
        os.link(notes, lake / "landing" / "notes.csv")
        logs = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
        resources = {"lake": LakeResource(url=str(lake))}
        assert dg.materialize([landing, cleaned_notes], resources=resources, run_config=logs).success
        return Lake(str(lake))

    def facts(lake: Lake) -> dict[str, Any]:
        groups = lake.table("cleaned_notes").read(["duplicate_group"]).column(0).to_pylist()
        counts = {"notes": len(groups), "repeated": len(groups) - len(set(groups))}
        return {"counts": counts, "floor": {BYTES: (folder / "notes.csv").stat().st_size}}

    made(folder / "few.csv")
    return Work(lambda: made(folder / "notes.csv"), facts)


def _plain(folder: Path) -> Work:
    """What the documentation of the three shows: a frame, its texts mended, a MinHash each, an index of them."""
    import ftfy
    import pandas as pd
    from datasketch import MinHash, MinHashLSH

    def counted(file: Path) -> dict[str, int]:
        frame = pd.read_csv(file)
        frame["text"] = (
            frame["transcription"].map(ftfy.fix_text).str.replace(r"\s+", " ", regex=True).str.strip()
        )
        frame["key"] = frame["text"].str.casefold()
        notes = frame.groupby("key", sort=True).agg({"text": "first", "medical_specialty": list})
        index = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS)
        group: dict[int, int] = {}

        def root(note: int) -> int:
            while group[note] != note:
                note = group[note]
            return note

        shingled = (_shingles(text) for text in notes.index)
        for note, signature in enumerate(MinHash.generator(shingled, num_perm=PERMUTATIONS)):
            group[note] = note
            for other in index.query(signature):
                group[root(note)] = root(other)
            index.insert(note, signature)
        return {"notes": len(notes), "repeated": sum(root(note) != note for note in group)}

    counted(folder / "few.csv")
    return Work(lambda: counted(folder / "notes.csv"), lambda counts: {"counts": counts, "words": PLAIN})


def _shingles(text: str) -> list[bytes]:
    words = text.split()
    runs = range(max(1, len(words) - SHINGLE_WORDS + 1))
    return list({" ".join(words[first : first + SHINGLE_WORDS]).encode() for first in runs})
