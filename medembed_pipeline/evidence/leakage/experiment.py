"""The published experiment, trained for real: what a split by row and scoring on all rows make of a gain.

The row is the item, as in the published set-ups: ids are row ids, each row has one label, two rows are relevant to
each other where their labels are equal, and a text that occurs in two rows may be trained on and scored. Every
epoch's model is scored on four sets of rows:

- `all_rows`: training rows and held-out rows together, as published;
- `training_rows`: a sample of the training rows, as many as are held out;
- `held_out_rows`: the rows that were not trained on;
- `new_texts`: those held-out rows whose very text is in no training row.

Precision at k depends on the number of candidates, so compare `training_rows` with `held_out_rows` (equally many),
and within a set compare an epoch with epoch 0, the base model.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.encoder import EncoderSpec, spec_of_base
from medembed_pipeline.evaluation.jackknife import Jackknife, group_numbers
from medembed_pipeline.evaluation.metric_names import MetricKey
from medembed_pipeline.evaluation.metrics_table import (
    DIFFERENCE,
    METRICS,
    ScoredNotes,
    figure_intervals,
    note_figures,
)
from medembed_pipeline.evaluation.relevance import LabelMatrix, label_matrix
from medembed_pipeline.evaluation.vectors import IntArray
from medembed_pipeline.evidence.leakage.experiment_rows import (
    ExperimentRows,
    held_out_rows,
    in_training_text,
)
from medembed_pipeline.evidence.leakage.memory import DECIMALS
from medembed_pipeline.evidence.leakage.preset import ExperimentPreset
from medembed_pipeline.evidence.leakage.simulation import LeakageError
from medembed_pipeline.lake.fields import described
from medembed_pipeline.training import TrainingData
from medembed_pipeline.training.settings import TrainingSettings
from medembed_pipeline.triplets.sampling import LabelledNotes, sample_triplets

SCORED_SETS = ("all_rows", "training_rows", "held_out_rows", "new_texts")
_VALIDATION_TRIPLETS = 400

OnLine = Callable[[str], None]
"""Called with a sentence about how far the experiment is."""

EXPERIMENT_SCHEMA = pa.schema(
    [
        described(
            "scored", pa.string(), "rows that are scored: all_rows, training_rows, held_out_rows, new_texts"
        ),
        described("epoch", pa.int32(), "epochs trained, 0 for the base model"),
        described("metric", pa.string(), "name of the figure, as in embedding_metrics"),
        described(
            "k", pa.int32(), "ranks looked at, null where the metric has no such number", nullable=True
        ),
        described("value", pa.float64(), "the figure, NaN where undefined"),
        described("ci_low", pa.float64(), "lower end of the jackknife interval over texts, NaN where none"),
        described("ci_high", pa.float64(), "upper end of the jackknife interval over texts, NaN where none"),
        described("change", pa.float64(), "value minus the base model's on the same rows"),
        described("change_low", pa.float64(), "lower end of the paired interval of the change"),
        described("change_high", pa.float64(), "upper end of the paired interval of the change"),
        described("n", pa.int64(), "rows scored"),
    ]
)


@dataclass(frozen=True)
class ExperimentResult:
    """What came of an experiment.

    Attributes
    ----------
    table
        EXPERIMENT_SCHEMA, by scored set, epoch and metric.
    facts
        counts: rows, different texts, held-out rows, and how many of them have their text in training.
    """

    table: pa.Table
    facts: dict[str, Any]


def run_experiment(
    rows: ExperimentRows,
    preset: ExperimentPreset,
    *,
    state_folder: Path | None = None,
    on_line: OnLine = lambda line: None,
    progress: bool = False,
) -> ExperimentResult:
    """Split, train and score.

    Parameters
    ----------
    rows
        of `read_rows`.
    preset
        how to split, train and score them.
    state_folder
        where the state of the training and the model of each epoch are kept meanwhile, so that a stopped experiment
        goes on; None for a temporary folder.
    on_line
        told how far it is.
    progress
        show a bar.

    Raises
    ------
    MedembedError
        the rows allow no triplets, or the training fails; see `train`.
    """
    from medembed_pipeline.encoder.model import load_encoder

    seed = preset.random.seed
    held_out, units = held_out_rows(rows, preset.split, seed=seed)
    sets = scored_sets(rows, held_out, seed=seed)
    spec = spec_of_base(
        preset.encoder.base, pooling=preset.encoder.pooling, max_tokens=preset.encoder.max_tokens
    )
    how: dict[str, Any] = {"device": preset.encoder.device, "precision": preset.encoder.precision}
    base = load_encoder(spec, seed=seed, **how)
    vectors = base.encode(rows.texts)
    data = _training_data(rows, held_out, units, vectors, preset)
    facts = {
        "rows": len(rows),
        "different_texts": len(np.unique(rows.text_numbers)),
        "training_rows": int((~held_out).sum()),
        "held_out_rows": int(held_out.sum()),
        "held_out_rows_with_text_in_training": int((held_out & in_training_text(rows, held_out)).sum()),
    }
    scorer = _Scorer(rows, sets, preset)
    scorer.score(0, vectors)
    if state_folder is not None:
        _train_and_score(spec, data, preset, state_folder, scorer, on_line, progress)
    else:
        with tempfile.TemporaryDirectory() as folder:
            _train_and_score(spec, data, preset, Path(folder), scorer, on_line, progress)
    return ExperimentResult(scorer.table(), facts)


def scored_sets(rows: ExperimentRows, held_out: npt.NDArray[np.bool_], *, seed: int) -> dict[str, IntArray]:
    """Positions of the rows of each scored set, ascending.

    Raises
    ------
    LeakageError
        nothing is held out, or nothing is left to train on.
    """
    training, held = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    if not len(training) or not len(held):
        raise LeakageError(
            f"split: {len(training)} rows to train on and {len(held)} held out; expected some of both. "
            "Change split.held_out_share, or take more rows."
        )
    count = min(len(held), len(training))
    sample = np.random.default_rng((seed, 2)).choice(training, size=count, replace=False)
    return {
        "all_rows": np.arange(len(rows)),
        "training_rows": np.sort(sample),
        "held_out_rows": held,
        "new_texts": np.flatnonzero(held_out & ~in_training_text(rows, held_out)),
    }


def _training_data(
    rows: ExperimentRows,
    held_out: npt.NDArray[np.bool_],
    units: list[str],
    vectors: npt.NDArray[np.float32],
    preset: ExperimentPreset,
) -> TrainingData:
    """Random triplets of the training rows, and of the held-out rows for the loss that is watched."""
    triplets: list[list[tuple[str, str, str]]] = []
    for members, total in (
        (np.flatnonzero(~held_out), preset.training.triplets),
        (np.flatnonzero(held_out), _VALIDATION_TRIPLETS),
    ):
        labelled = LabelledNotes(
            [rows.ids[row] for row in members],
            vectors[members],
            [frozenset([rows.labels[row]]) for row in members],
            [units[row] for row in members],
        )
        usable = sorted({rows.labels[row] for row in members})
        drawn = sample_triplets(
            labelled, usable=usable, total=total, strategy="random", seed=preset.random.seed
        )
        places = np.stack([drawn.anchor, drawn.positive, drawn.negative], axis=1).tolist()
        ids = labelled.note_ids
        triplets.append(
            [(ids[anchor], ids[positive], ids[negative]) for anchor, positive, negative in places]
        )
    return TrainingData(
        texts=dict(zip(rows.ids, rows.texts, strict=True)),
        specialties={row: [label] for row, label in zip(rows.ids, rows.labels, strict=True)},
        train_triplets=triplets[0],
        validation_triplets=triplets[1],
        validation_ids=[rows.ids[row] for row in np.flatnonzero(held_out)],
    )


def _train_and_score(
    spec: EncoderSpec,
    data: TrainingData,
    preset: ExperimentPreset,
    state_folder: Path,
    scorer: _Scorer,
    on_line: OnLine,
    progress: bool,
) -> None:
    from medembed_pipeline.encoder import read_spec
    from medembed_pipeline.encoder.model import load_encoder
    from medembed_pipeline.training.loop import train
    from medembed_pipeline.training.state import clear_state

    training, how = preset.training, preset.encoder
    # Every epoch is looked at, the harmful ones too, and nothing is done that the published set-ups did not do.
    options = TrainingSettings(
        **training.model_dump(exclude={"triplets"}),
        early_stopping_patience=0,
        seed=preset.random.seed,
        map_steps=0,
        training_tokens=0,
        passage_weight=0,
        anchors_per_batch=0,
        average_shares=[],
    )
    result = train(
        spec,
        data,
        options,
        device=how.device,
        precision=how.precision,
        state_folder=state_folder,
        keep_epochs_from=1,
        on_step=lambda step, steps, loss, rate: on_line(
            f"step {step} of {steps}: loss {loss:.4f}, {rate:.1f} rows/s"
        ),
        on_epoch=lambda row: on_line(f"epoch {row['epoch']} of {training.epochs} is trained"),
        on_warning=on_line,
        progress=progress,
    )
    for epoch, folder in sorted(result.epoch_folders.items()):
        encoder = load_encoder(read_spec(folder), device=how.device, precision=how.precision)
        scorer.score(epoch, encoder.encode(scorer.rows.texts))
        on_line(f"epoch {epoch} is scored")
    clear_state(state_folder)


class _Scorer:
    """Scores model after model on the same sets, each against the base model."""

    def __init__(self, rows: ExperimentRows, sets: dict[str, IntArray], preset: ExperimentPreset) -> None:
        self.rows = rows
        self._sets = sets
        self._confidence = preset.evaluation.confidence
        labels = label_matrix([[label] for label in rows.labels])
        self._ready = {
            name: ScoredNotes(
                note_ids=tuple(rows.ids[row] for row in members),
                order=np.arange(len(members)),
                labels=LabelMatrix(labels.names, labels.membership[members]),
                eligible=(),
                groups=group_numbers(rows.text_numbers[members].tolist()),
            )
            for name, members in sets.items()
        }
        self._base: npt.NDArray[np.float32] | None = None
        self._found: dict[tuple[str, int], dict[str, dict[MetricKey, Jackknife]]] = {}

    def score(self, epoch: int, vectors: npt.NDArray[np.float32]) -> None:
        """Score the vectors float32 [rows, d] of one epoch; epoch 0 comes first."""
        if self._base is None:
            self._base = vectors
        for name, members in self._sets.items():
            self._found[name, epoch] = note_figures(
                self._ready[name], {"baseline": self._base[members], "tuned": vectors[members]}
            )

    def table(self) -> pa.Table:
        """Everything scored so far."""
        rows = []
        for (name, epoch), found in sorted(
            self._found.items(), key=lambda item: (SCORED_SETS.index(item[0][0]), item[0][1])
        ):
            for key in METRICS:
                value, low, high = self._figure(found, "tuned", key)
                change, change_low, change_high = self._figure(found, DIFFERENCE, key)
                rows.append(
                    {
                        "scored": name,
                        "epoch": epoch,
                        "metric": key[0],
                        "k": key[1],
                        "value": value,
                        "ci_low": low,
                        "ci_high": high,
                        "change": change,
                        "change_low": change_low,
                        "change_high": change_high,
                        "n": len(self._sets[name]),
                    }
                )
        return pa.Table.from_pylist(rows, schema=EXPERIMENT_SCHEMA)

    def _figure(
        self, found: dict[str, dict[MetricKey, Jackknife]], model: str, key: MetricKey
    ) -> tuple[float, float, float]:
        ends = figure_intervals(found[model], key, model, self._confidence)
        numbers = (found[model][key].value[0], ends.low[0], ends.high[0])
        value, lower, upper = (round(float(number), DECIMALS) for number in numbers)
        return value, lower, upper
