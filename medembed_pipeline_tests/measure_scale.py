"""What each stage takes for more and more sample notes: processor time, memory, and the power by which it grows.

    python -m medembed_pipeline_tests.measure_scale [--notes 1000 3000 10000 30000 100000] [--price 0.05] \\
        [--write docs/scale.md]

A second table carries these powers on: where one machine ends, and what a million and 100 million notes would take.

Notes are landed, cleaned and split for real; vectors of both models are drawn, since encoding grows with the tokens and
nothing else. Every size is a lake and a process of its own, with one thread; seconds are processor time, which hardly
depends on what else runs. A size that takes longer than `--minutes` is ended, and what it had made counts.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import numpy.typing as npt
import psutil

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.pictures.drawing import picture
from medembed_pipeline.pictures.specification import Drawing, Figure
from medembed_pipeline_tests.bench.cleaning import exponent
from medembed_pipeline_tests.bench.measuring import environment
from medembed_pipeline_tests.bench.worker import peak_bytes, set_peak_back
from medembed_pipeline_tests.marked_page import replace_between

NOTES = (1_000, 3_000, 10_000, 30_000, 100_000)
LANDED = ("raw_transcriptions", "rejected_rows", "cleaned_notes", "note_splits")
SCORED = (
    "triplets",
    "neighbors",
    "embedding_metrics",
    "slice_metrics",
    "label_confusions",
    "embedding_diagnostics",
    "label_review",
    "leakage_estimate",
    "projections",
    "aligned_projections",
    "note_displacement",
)
DIMENSIONS = 384
BASELINE, TUNED = 0.55, 0.85
"""How strongly a drawn vector shows its specialty, against what tells it from the others."""
SETTINGS = """
[projections]
methods = ["pca", "umap"]
dimensions = [2]
[alignment]
methods = ["aligned_umap"]
dimensions = [2]
"""
FITTED_FROM = 3_000
"""Notes from which on a power is fitted: below, what a stage takes for none hides it."""
BEGIN, END = "<!-- scale -->", "<!-- end of scale -->"
CARRIED_BEGIN, CARRIED_END = "<!-- carried on -->", "<!-- end of carried on -->"
CARRIED_TO = (1_000_000, 100_000_000)
DAY = 24 * 3600


@dataclass(frozen=True)
class Step:
    """What one step took.

    Attributes
    ----------
    stage
        its name.
    notes
        in the corpus.
    seconds
        of processor time.
    peak
        bytes of resident memory of the process, at the most while it ran.
    """

    stage: str
    notes: int
    seconds: float
    peak: int


def main() -> None:
    """Measure every size, print the table, and write it with its picture where that is wanted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--notes", nargs="+", type=int, default=NOTES)
    parser.add_argument("--minutes", type=float, default=60, help="for a size, at the most")
    parser.add_argument("--price", type=float, default=0.05, help="of an hour of one core")
    parser.add_argument(
        "--memory", type=float, default=psutil.virtual_memory().total / 1e9, help="GB of one machine"
    )
    parser.add_argument("--write", type=Path, help="page between whose marks the tables go")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure_one(options.one, options.notes[0])
        return
    steps = [step for notes in sorted(options.notes) for step in measured(notes, options.minutes * 60)]
    lines, carried = table(steps), carried_on(steps, memory=options.memory * 1e9, price=options.price)
    print("\n".join([*lines, "", *carried]))
    if options.write:
        sizes = " ".join(map(str, sorted(options.notes)))
        command = f"`python -m medembed_pipeline_tests.measure_scale --notes {sizes}`"
        replace_between(options.write, BEGIN, END, "\n".join([f"{command}, one thread:", "", *lines]))
        replace_between(options.write, CARRIED_BEGIN, CARRIED_END, "\n".join(carried))
        (options.write.parent / "images" / "scale.png").write_bytes(picture(figure(steps)).png)


def measured(notes: int, seconds: float) -> list[Step]:
    """The steps of one size, in a process that is ended after so many seconds."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "medembed.toml").write_text(SETTINGS)
        command = [sys.executable, "-m", "medembed_pipeline_tests.measure_scale", "--one", scratch]
        with (folder / "steps").open("w+") as said:
            process = subprocess.Popen(
                [*command, "--notes", str(notes)],
                cwd=folder,
                env=environment(OMP_NUM_THREADS="1", NUMBA_NUM_THREADS="1"),
                stdout=said,
            )
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                print(f"{notes} notes: ended after {seconds:.0f} s", file=sys.stderr)
            else:
                if process.returncode:
                    raise SystemExit(f"{notes} notes: failed")
            said.seek(0)
            steps = [Step(**json.loads(line)) for line in said if line.endswith("\n")]
    print(f"{notes} notes: {sum(step.seconds for step in steps):.0f} s", file=sys.stderr, flush=True)
    return steps


class _Said(logging.Handler):
    """Prints what each step took, when it is done."""

    def __init__(self, notes: int) -> None:
        super().__init__(logging.DEBUG)
        self._notes = notes
        self._began = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        event = getattr(record, "dagster_meta", {}).get("dagster_event")
        if event is None:
            return
        if event.event_type_value == "STEP_START":
            set_peak_back()
            self._began = time.process_time()
        elif event.event_type_value == "STEP_SUCCESS":
            step = Step(
                event.step_key, self._notes, round(time.process_time() - self._began, 3), peak_bytes()
            )
            print(json.dumps(vars(step)), flush=True)


def measure_one(folder: Path, notes: int) -> None:
    """Materialize the stages on sample notes in this process; prints a line of JSON for each."""
    from medembed_pipeline.definitions import defs
    from medembed_pipeline.samples.corpus import write_sample_corpus
    from medembed_pipeline_tests.encoder.small_models import make_bert
    from medembed_pipeline_tests.graph.planted_lake import Notes, PlantedLake

    lake = folder / "lake"
    write_sample_corpus(lake / "landing" / "notes.csv", notes=notes, seed=3)
    said = logging.Logger("medembed_scale")
    said.addHandler(_Said(notes))
    measuring = dg.logger(config_schema=None)(lambda _: said)
    job = dg.Definitions(
        assets=defs.assets,
        asset_checks=defs.asset_checks,
        jobs=[dg.define_asset_job("measured")],
        resources=defs.resources,
        loggers={"measuring": measuring},
    ).resolve_job_def("measured")

    def materialize(names: Sequence[str]) -> None:
        config = {"resources": {"lake": {"config": {"url": str(lake)}}}, "loggers": {"measuring": {}}}
        with dg.DagsterInstance.ephemeral() as instance:
            job.execute_in_process(
                instance=instance, run_config=config, asset_selection=[dg.AssetKey(name) for name in names]
            )

    materialize(LANDED)
    cleaned = Lake(str(lake)).table("cleaned_notes").read(["note_id", "specialties", "duplicate_group"])
    splits = Lake(str(lake)).table("note_splits").read(["note_id", "split"]).to_pydict()
    split_of = dict(zip(splits["note_id"], splits["split"], strict=True))
    found = cleaned.to_pydict()
    ids = found["note_id"]
    planted = PlantedLake(
        lake,
        make_bert(folder / "model"),
        Notes(
            ids,
            found["specialties"],
            found["duplicate_group"],
            [split_of[note] for note in ids],
            np.empty((0, 0)),
            np.empty((0, 0)),
        ),
    )
    signal, detail = drawn(found["specialties"])
    planted.plant(_unit(TUNED * signal + detail), baseline=_unit(BASELINE * signal + detail))
    materialize(SCORED)


def drawn(specialties: Sequence[Sequence[str]]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """float32 [n, 384] twice: a direction for the specialties of each note, and one of its own; each of length 1."""
    random = np.random.default_rng(11)
    names = sorted({name for own in specialties for name in own})
    centres = np.linalg.qr(random.standard_normal((DIMENSIONS, len(names))))[0].T.astype(np.float32)
    place = {name: at for at, name in enumerate(names)}
    signal = np.stack([centres[[place[name] for name in own]].sum(axis=0) for own in specialties])
    detail = random.standard_normal((len(specialties), DIMENSIONS), dtype=np.float32)
    return _unit(signal), _unit(detail)


def _unit(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-12))
    return rows


def power(steps: Sequence[Step]) -> float | None:
    """The exponent of the seconds of one stage over the notes, by least squares of the logarithms; None of one size."""
    sizes = [(step.notes, step.seconds) for step in steps if step.notes >= FITTED_FROM and step.seconds > 0]
    if len(sizes) < 2:
        return None
    return exponent(*zip(*sizes, strict=True))


def table(steps: Sequence[Step]) -> list[str]:
    """A row for each stage: seconds for each size, its power, and the peak of memory of the largest size.

    Asset checks and stages that never took a second are left out.
    """
    sizes = sorted({step.notes for step in steps})
    by_stage: dict[str, dict[int, Step]] = {}
    for step in steps:
        by_stage.setdefault(step.stage, {})[step.notes] = step
    lines = [
        f"| stage | {' | '.join(f'{size:,}' for size in sizes)} | grows as | memory at {sizes[-1]:,} |",
        "|" + "---|" * (3 + len(sizes)),
    ]
    for stage, found in by_stage.items():
        if max(step.seconds for step in found.values()) < 1:
            continue
        cells = [f"{found[size].seconds:.1f}" if size in found else "" for size in sizes]
        grown = power(list(found.values()))
        last = found.get(sizes[-1])
        lines.append(
            f"| `{stage}` | {' | '.join(cells)} | {'' if grown is None else f'n^{grown:.2f}'} "
            f"| {'' if last is None else f'{last.peak / 1e9:.1f} GB'} |"
        )
    return lines


def carried_on(steps: Sequence[Step], *, memory: float, price: float) -> list[str]:
    """A row for each stage of `table`: where one machine ends, and what more notes would take, by its power.

    Seconds are carried on from the largest size by the stage's power, or by n where that is less (what a stage takes
    for no note at all hides it in small sizes); memory along a line through the smallest size that is fitted and the
    largest.

    Parameters
    ----------
    steps
        of at least two sizes that are fitted.
    memory
        bytes of one machine.
    price
        of an hour of one core, in any currency.
    """
    by_stage: dict[str, list[Step]] = {}
    for step in steps:
        by_stage.setdefault(step.stage, []).append(step)
    lines = [
        f"| stage | one machine of {memory / 1e9:.0f} GB ends at | "
        + " | ".join(f"{notes:,} notes" for notes in CARRIED_TO)
        + " |",
        "|" + "---|" * (2 + len(CARRIED_TO)),
    ]
    hours_of_all = dict.fromkeys(CARRIED_TO, 0.0)
    for stage, found in by_stage.items():
        fit = power(found)
        if fit is None or max(step.seconds for step in found) < 1:
            continue
        grown = max(fit, 1.0)
        fitted = [step for step in found if step.notes >= FITTED_FROM]
        first, last = fitted[0], fitted[-1]
        per_note = max(last.peak - first.peak, 1) / (last.notes - first.notes)
        by_memory = last.notes + (memory - last.peak) / per_note
        by_time = last.notes * (DAY / last.seconds) ** (1 / grown)
        ends = f"{_rounded(min(by_memory, by_time))} notes, by {'memory' if by_memory < by_time else 'time'}"
        cells = []
        for notes in CARRIED_TO:
            hours = last.seconds * (notes / last.notes) ** grown / 3600
            hours_of_all[notes] += hours
            cells.append(f"{_rounded(hours)} h, {_rounded(hours * price)}")
        lines.append(f"| `{stage}` | {ends} | {' | '.join(cells)} |")
    cells = [f"{_rounded(hours)} h, {_rounded(hours * price)}" for hours in hours_of_all.values()]
    return [*lines, f"| together | | {' | '.join(cells)} |"]


def _rounded(value: float) -> str:
    """Two digits that count, for an estimate."""
    return f"{float(f'{value:.2g}'):,.10g}"


def figure(steps: Sequence[Step]) -> Figure:
    """Seconds over notes, both as powers of ten, a line for each stage."""
    shown = {step.stage for step in steps if step.seconds >= 1}
    rows: list[dict[str, Any]] = [
        {"stage": step.stage, "notes": step.notes, "seconds": max(step.seconds, 0.01)}
        for step in steps
        if step.stage in shown
    ]
    last: dict[str, Mapping[str, Any]] = {row["stage"]: row for row in rows}
    ends = _apart(sorted(last.values(), key=lambda row: row["seconds"]))
    along = {"field": "notes", "type": "quantitative", "scale": {"type": "log"}, "title": "notes"}
    up = {"field": "seconds", "type": "quantitative", "scale": {"type": "log"}, "title": "processor seconds"}
    color = {"field": "stage", "type": "nominal", "legend": None, "scale": {"scheme": "tableau20"}}
    return Figure(
        name="scale",
        title="What each stage takes for more notes",
        reading="Processor seconds of one thread. A line as steep as the diagonal of the grid grows "
        "with the number of notes.",
        label="Seconds of each stage over the number of notes, both on logarithmic axes",
        drawing=Drawing(
            {"steps": rows, "ends": ends},
            {
                "height": 520,
                "layer": [
                    {
                        "data": {"name": "steps"},
                        "mark": {"type": "line", "point": True},
                        "encoding": {"x": along, "y": up, "color": color},
                    },
                    {
                        "data": {"name": "ends"},
                        "mark": {"type": "text", "align": "left", "dx": 8},
                        "encoding": {
                            "x": along,
                            "y": {**up, "field": "place"},
                            "text": {"field": "stage"},
                            "color": color,
                        },
                    },
                ],
            },
        ),
    )


def _apart(ends: Sequence[Mapping[str, Any]], factor: float = 1.45) -> list[dict[str, Any]]:
    """The ends of the lines with places for their names, from the lowest up, each a factor above the one before."""
    placed: list[dict[str, Any]] = []
    for row in ends:
        least = placed[-1]["place"] * factor if placed else 0.0
        placed.append({**row, "place": max(row["seconds"], least)})
    return placed


if __name__ == "__main__":
    main()
