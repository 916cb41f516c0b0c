"""`medembed experiment PRESET --data FILE [--output DIR]`: train a published set-up again, and score it honestly."""

from __future__ import annotations

import math
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.evidence.leakage.memory import memorization_share

TABLE_FILE = "experiment.parquet"
PAGE_FILE = "experiment.md"
PICTURE_FILE = "experiment"
STATE_FOLDER = ".experiment_state"

_SETS = {
    "all_rows": "all rows",
    "training_rows": "training rows",
    "held_out_rows": "held-out rows",
    "new_texts": "held-out, new text",
}
_METRICS: tuple[tuple[str, int | None, str], ...] = (
    ("precision", 5, "P@5"),
    ("map", None, "MAP"),
    ("silhouette", None, "silhouette"),
    ("davies_bouldin", None, "Davies-Bouldin"),
)


def run(preset: Path, data: Path, output: Path | None) -> int:
    """Run an experiment, print its table, and write it.

    Parameters
    ----------
    preset
        the preset file, or the name of one in `presets/`.
    data
        a file of labelled rows, in any format that may land.
    output
        folder for `experiment.parquet`, `experiment.md`, `experiment.png` and `experiment.svg`; None writes nothing.
        A stopped experiment with the same output folder goes on where it was.

    Returns
    -------
    int
        0, the exit status.

    Raises
    ------
    MedembedError
        the preset or the data cannot be used, the training fails, or the folder cannot be written.
    """
    from medembed_pipeline.evidence.leakage.experiment import run_experiment
    from medembed_pipeline.evidence.leakage.experiment_rows import read_rows
    from medembed_pipeline.evidence.leakage.preset import load_preset
    from medembed_pipeline.pictures.leakage_pictures import experiment_picture

    path = preset_path(preset)
    chosen = load_preset(path)
    rows, found = read_rows(data, chosen.data, seed=chosen.random.seed)
    wanted = chosen.data.rows_per_specialty
    for name, count in found.items():
        if count < wanted:
            print(f"{name}: {count} rows in the file, fewer than {wanted}; all are taken")
    if output is not None:
        _make_folder(output)
    started = time.monotonic()
    shown = sys.stderr.isatty()
    result = run_experiment(
        rows,
        chosen,
        state_folder=output / STATE_FOLDER if output is not None else None,
        on_line=(lambda line: None) if shown else (lambda line: print(f"  {line}", flush=True)),
        progress=shown,
    )
    print(f"trained and scored in {time.monotonic() - started:.0f} s\n")
    page = experiment_page(result.table, result.facts, title=path.stem)
    print(page, end="")
    if output is not None:
        picture = experiment_picture(result.table)
        try:
            pq.write_table(result.table, output / TABLE_FILE)
            (output / PAGE_FILE).write_text(page, encoding="utf-8")
            (output / f"{PICTURE_FILE}.png").write_bytes(picture.png)
            (output / f"{PICTURE_FILE}.svg").write_bytes(picture.svg)
        except OSError as error:
            raise MedembedError(f"--output {output}: can't be written ({error})") from error
        shutil.rmtree(output / STATE_FOLDER, ignore_errors=True)
        print(f"\nwritten to {output}")
    return 0


def preset_path(preset: Path) -> Path:
    """The preset's file: as given, or `presets/<name>.toml` of the project."""
    from medembed_pipeline.settings import project_root

    named = project_root() / "presets" / f"{preset}.toml"
    return named if not preset.exists() and len(preset.parts) == 1 and named.is_file() else preset


def experiment_page(table: pa.Table, facts: Mapping[str, Any], *, title: str) -> str:
    """The result as Markdown: the counts, a table per figure, and what share of the gain is memory.

    Parameters
    ----------
    table
        EXPERIMENT_SCHEMA.
    facts
        of `ExperimentResult`.
    title
        the experiment's name.
    """
    found = {(row["scored"], row["epoch"], row["metric"], row["k"]): row for row in table.to_pylist()}
    epochs = sorted({epoch for _, epoch, _, _ in found})
    lines = [
        f"# Experiment: {title}",
        "",
        f"{facts['rows']} rows, {facts['different_texts']} different texts; {facts['training_rows']} rows trained on, "
        f"{facts['held_out_rows']} held out, of which {facts['held_out_rows_with_text_in_training']} have their very "
        "text in training.",
    ]
    for metric, k, label in _METRICS:
        lines += [
            "",
            f"## {label}",
            "",
            "| epoch | " + " | ".join(_SETS.values()) + " |",
            "|---|" + "---|" * len(_SETS),
        ]
        for epoch in epochs:
            cells = [_cell(found[name, epoch, metric, k]) for name in _SETS]
            lines.append(f"| {epoch} | " + " | ".join(cells) + " |")
    sizes = ", ".join(f"{_SETS[name]} {found[name, 0, 'precision', 5]['n']}" for name in _SETS)
    lines += [
        "",
        f"Rows scored: {sizes}. In brackets the 95% interval of the change against epoch 0, paired, over texts.",
        "",
        *_memory_lines(found, epochs[-1]),
    ]
    return "\n".join(lines) + "\n"


def _memory_lines(
    found: Mapping[tuple[str, int, str, int | None], Mapping[str, Any]], last: int
) -> list[str]:
    """A sentence per figure: what the last epoch gained on rows it trained on, and on as many that it did not.

    All rows are no measure for it: precision depends on the number of candidates, and there are more of them.
    """
    lines = []
    for metric, k, label in _METRICS[:2]:
        apparent = found["training_rows", last, metric, k]["change"]
        true = found["held_out_rows", last, metric, k]["change"]
        share = memorization_share(apparent, true)
        told = "" if share is None else f": {share:.0%} of the gain on training rows is memory"
        lines.append(
            f"- {label} after {last} epochs: {_signed(apparent)} on training rows, {_signed(true)} on as many "
            f"held-out rows{told}."
        )
    return lines


def _cell(row: Mapping[str, Any]) -> str:
    if not math.isfinite(row["value"]):
        return "undefined"
    text = f"{row['value']:.3f}"
    if row["epoch"] and math.isfinite(row["change_low"]):
        text += f" [{_signed(row['change_low'])}, {_signed(row['change_high'])}]"
    return text


def _signed(value: float) -> str:
    return f"{value:+.3f}" if math.isfinite(value) else "undefined"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MedembedError(
            f"--output {folder}: the folder can't be made ({error}); give another one"
        ) from error
