"""How long each asset takes for many notes, and then for a few more.

Run by `make incremental`, or `python -m medembed_pipeline_tests.measure_incremental`. Every round runs in a process
of its own, so that nothing is kept in memory between them. What a process needs before it can do anything (imports,
loading the model) is measured apart, as the fixed start.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ASSETS = ["raw_transcriptions", "rejected_rows", "cleaned_notes", "note_splits", "baseline_embeddings"]
TRAINED = ["triplets", "finetuned_checkpoint"]
LAST = ["tuned_embeddings"]
FEW = 200
SETTINGS = """
[encoder]
base = "{model}"
max_tokens = {tokens}
[triplets]
train_triplets = 100
validation_triplets = 50
[training]
epochs = 1
"""


def main() -> None:
    """Few notes in a lake of their own; then all notes, some more, nothing new. Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notes", type=int, default=20_000)
    parser.add_argument("--more", type=int, default=200)
    parser.add_argument("--max-tokens", type=int, default=16)
    parser.add_argument("--small-model", action="store_true", help="a model of 2 layers for the bundled one")
    parser.add_argument("--round", choices=["first", "more", "unchanged"])
    parser.add_argument("--keep", type=Path, help="folder to work in, kept afterwards")
    options = parser.parse_args()
    if options.round:
        run_round(options.round)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        measure(folder, options.notes, options.more, options.max_tokens, small=options.small_model)


class TooLongError(Exception):
    """A round that was given up."""


@dataclass(frozen=True)
class Rounds:
    """Seconds by step of every round.

    Attributes
    ----------
    start
        a few notes in a lake of their own.
    first, more, unchanged
        all notes; some more; nothing new.
    """

    start: dict[str, float]
    first: dict[str, float]
    more: dict[str, float]
    unchanged: dict[str, float]

    @property
    def stages(self) -> list[str]:
        """The steps whose work grows with the notes, in the order in which they ran."""
        return [name for name in self.first if name in (*ASSETS, "landing", *LAST) and name in self.more]

    def cost_of_more(self, stage: str) -> float:
        """Seconds that a stage took for the notes that came, beyond its start."""
        return max(0.0, self.more[stage] - self.start[stage])


def measure(folder: Path, notes: int, more: int, tokens: int, *, small: bool) -> None:
    """Run the rounds and print what they took."""
    rounds = run_rounds(folder, notes, more, tokens, small=small)
    print(
        f"{notes} notes, then {more} more; {'small' if small else 'bundled'} model, {tokens} tokens; seconds."
    )
    print(f"start: what the asset takes for {FEW} notes alone; share: (more - start) / first.")
    print(
        f"| {'asset or check':<36} | {'first':>7} | {'more':>7} | {'start':>7} | {'share':>6} | {'unchanged':>9} |"
    )
    print(f"|{'-' * 38}|{'-' * 8}:|{'-' * 8}:|{'-' * 8}:|{'-' * 7}:|{'-' * 10}:|")
    for name, seconds in rounds.first.items():
        if name not in rounds.more:
            continue
        share = f"{rounds.cost_of_more(name) / seconds:6.1%}" if name in rounds.stages else ""
        print(
            f"| {name:<36} | {seconds:7.2f} | {rounds.more[name]:7.2f} | {rounds.start[name]:7.2f} | {share:>6} "
            f"| {rounds.unchanged.get(name, 0):9.2f} |"
        )


def run_rounds(
    folder: Path,
    notes: int,
    more: int,
    tokens: int,
    *,
    small: bool,
    again: bool = True,
    seconds: float | None = None,
) -> Rounds:
    """Few notes in a lake of their own; then all notes, some more, nothing new: each in a process of its own.

    Parameters
    ----------
    folder
        to work in.
    notes, more
        how many, and how many more.
    tokens
        the window.
    small
        a model of two layers in place of the bundled one.
    again
        whether to run the round with nothing new.
    seconds
        that a round may take.

    Raises
    ------
    SystemExit
        a round failed.
    TooLongError
        a round took longer.
    """
    from medembed_pipeline.samples.corpus import write_sample_corpus

    few = folder / "few"
    for some in (folder, few):
        (some / "data_lake" / "landing").mkdir(parents=True, exist_ok=True)
    landing = folder / "data_lake" / "landing"
    model = "bundled"
    if small:
        from medembed_pipeline_tests.encoder.small_models import make_bert

        model = str(make_bert(folder / "model"))
    for some in (folder, few):
        (some / "medembed.toml").write_text(SETTINGS.format(tokens=tokens, model=model))
    write_sample_corpus(few / "data_lake" / "landing" / "few.csv", notes=FEW, seed=3)
    write_sample_corpus(landing / "first.csv", notes=notes, seed=1)
    beginning = _round(few, "first", seconds)
    first = _round(folder, "first", seconds)
    write_sample_corpus(landing / "more.csv", notes=more, seed=2)
    second = _round(folder, "more", seconds)
    return Rounds(beginning, first, second, _round(folder, "unchanged", seconds) if again else {})


def _round(folder: Path, name: str, seconds: float | None) -> dict[str, float]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MEDEMBED", "DAGSTER"))}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "medembed_pipeline_tests.measure_incremental", "--round", name],
            cwd=folder,
            env={**kept, "MEDEMBED_DATA_LAKE": str(folder / "data_lake"), "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise TooLongError(f"the round {name} took more than {seconds:.0f} s") from None
    if done.returncode:
        raise SystemExit(f"the round {name} failed")
    timings: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"{name}: {sum(timings.values()):.0f} s", file=sys.stderr, flush=True)
    return timings


def run_round(name: str) -> None:
    """Materialize in this process, after a measured start; prints seconds per step as JSON."""
    began = time.monotonic()
    import dagster as dg

    from medembed_pipeline.definitions import defs
    from medembed_pipeline.encoder import spec_of_settings
    from medembed_pipeline.encoder.model import load_encoder
    from medembed_pipeline.settings import load_settings

    settings = load_settings().encoder
    load_encoder(spec_of_settings(settings))
    timings = {"(fixed start: imports and model)": time.monotonic() - began}
    wanted = [*ASSETS, *(TRAINED if name == "first" else []), *LAST]
    selection = dg.AssetSelection.assets(*wanted)
    job = dg.define_asset_job("measured", selection=selection)
    everything = dg.Definitions(
        assets=defs.assets, asset_checks=defs.asset_checks, jobs=[job], resources=defs.resources
    )
    with dg.DagsterInstance.ephemeral() as instance:
        result = everything.resolve_job_def("measured").execute_in_process(
            instance=instance, run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
        )
        starts: dict[str, float] = {}
        for record in instance.all_logs(result.run_id):
            event = record.dagster_event
            if event is None or event.step_key is None:
                continue
            if event.event_type_value == "STEP_START":
                starts[event.step_key] = record.timestamp
            elif event.event_type_value == "STEP_SUCCESS":
                timings[event.step_key] = record.timestamp - starts[event.step_key]
    print(json.dumps(timings))


if __name__ == "__main__":
    main()
