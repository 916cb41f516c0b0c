"""Fine-tuning until a validation score is reached, against `SentenceTransformerTrainer`."""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medembed_pipeline_tests.bench.comparison import (
    OURS,
    Measurement,
    Options,
    Row,
    Work,
)
from medembed_pipeline_tests.bench.measuring import InWorkers
from medembed_pipeline_tests.bench.notes import has_real_notes, note_rows

NEGATIVES, BATCH_HARD = "MultipleNegativesRankingLoss", "BatchHardSoftMarginTripletLoss"
LEARNING_RATE, BATCH_SIZE = 1e-4, 32
STEPS_BETWEEN_SCORES = 5
MOST_TIMES = 3
"""The peer is stopped after so many times what ours took; after once where only a quick look is wanted."""
_TARGET, _DATA = "target.json", "data.json"


class Training(InWorkers):
    """From the bundled model, with the same triplets, notes and validation notes, at 128 tokens."""

    name = "fine-tune"
    title = "Fine-tune to the same validation score"
    peers = (NEGATIVES, BATCH_HARD)

    def rows(self, options: Options) -> list[Row]:
        notes = 80 if options.quick else 300
        kind = "real" if has_real_notes(options.data) else "sample"
        what = f"fine-tuned on the train notes of {notes} {kind} notes, 128 tokens"
        values = {"notes": notes, "data": str(options.data.resolve())}
        return [Row("fine-tune", what, 1, {**values, "most_times": 1 if options.quick else MOST_TIMES})]

    def prepare(self, row: Row, folder: Path) -> None:
        import dagster as dg

        from medembed_pipeline.embeddings.assets import baseline_embeddings
        from medembed_pipeline.encoder.precision import with_resolved_precision
        from medembed_pipeline.encoder.settings import EncoderSettings
        from medembed_pipeline.lake.lake import Lake
        from medembed_pipeline.lake.publishing import LakeResource
        from medembed_pipeline.notes.assets import cleaned_notes, landing, note_splits
        from medembed_pipeline.triplets.assets import triplets
        from medembed_pipeline_tests.measure_training import training_data

        lake = folder / "lake"
        (lake / "landing").mkdir(parents=True)
        _write_notes(lake / "landing" / "notes.csv", Path(row.values["data"]), row.values["notes"])
        done = dg.materialize(
            [landing, cleaned_notes, note_splits, baseline_embeddings, triplets],
            resources={
                "lake": LakeResource(url=str(lake)),
                "encoder": with_resolved_precision(EncoderSettings()),
            },
            run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
        )
        assert done.success
        (folder / _DATA).write_text(json.dumps(asdict(training_data(Lake(str(lake))))), encoding="utf-8")

    def work(self, side: str, row: Row, folder: Path) -> Work:
        return _ours(folder) if side == OURS else _theirs(row, folder, side)

    def agreement(self, row: Row, folder: Path, ours: Measurement, side: str, theirs: Measurement) -> str:
        base, wanted, found = ours.facts["base"], ours.facts["score"], theirs.facts["score"]
        if wanted <= base:
            return f"validation score {base:.3f} before, and no better by ours: there is nothing to reach"
        reached = "reached" if found >= wanted else f"stopped at {found:.3f}"
        return f"validation score {base:.3f} before, {wanted:.3f} by ours; {reached}"


def _write_notes(landing: Path, data: Path, notes: int) -> None:
    rows = note_rows(data, notes)
    with landing.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


class Scorer:
    """The main metric among the labelled validation notes, by the definition of the pipeline's validation.

    Parameters
    ----------
    data
        what is trained on, and the validation notes.
    """

    def __init__(self, data: Any) -> None:
        from medembed_pipeline.evaluation.relevance import label_matrix

        notes = [note for note in sorted(set(data.validation_ids)) if data.specialties.get(note)]
        self.texts = [data.texts[note] for note in notes]
        members = label_matrix([data.specialties[note] for note in notes]).membership
        self._members = members.astype("float32")

    def score(self, vectors: Any) -> float:
        """Of float32 [n, d] vectors of `texts`."""
        from medembed_pipeline.training.validation import EpochChoice, retrieval_columns

        main = EpochChoice().main_metric
        return retrieval_columns(vectors, self._members, main_metric=main)["validation_score"]


def _read(folder: Path) -> Any:
    from medembed_pipeline.training.data import TrainingData

    return TrainingData(**json.loads((folder / _DATA).read_text(encoding="utf-8")))


def _ours(folder: Path) -> Work:
    """The whole recipe: head, passages, anchors, validation and averaging."""
    from medembed_pipeline.encoder import spec_of_settings
    from medembed_pipeline.encoder.model import load_encoder
    from medembed_pipeline.encoder.settings import EncoderSettings
    from medembed_pipeline.training.loop import train
    from medembed_pipeline.training.settings import TrainingSettings
    from medembed_pipeline.training.trained_spec import trained_spec

    data, scorer = _read(folder), Scorer(_read(folder))
    base = spec_of_settings(EncoderSettings())
    spec = trained_spec(EncoderSettings(), TrainingSettings())
    before = scorer.score(load_encoder(base, device="cpu").encode(scorer.texts))

    def run() -> tuple[Any, float]:
        began = time.perf_counter()
        encoder = train(spec, data, TrainingSettings(), device="cpu").encoder
        return encoder, time.perf_counter() - began

    def facts(found: tuple[Any, float]) -> dict[str, Any]:
        encoder, seconds = found
        score = scorer.score(encoder.encode(scorer.texts))
        (folder / _TARGET).write_text(json.dumps({"score": score, "seconds": seconds}))
        return {"score": score, "base": before}

    return Work(run, facts)


def _theirs(row: Row, folder: Path, loss_name: str) -> Work:
    """Trained until the validation score is ours, or for too long; scored every few steps, which is in its time."""
    import torch
    from datasets import Dataset
    from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, losses
    from sentence_transformers.sentence_transformer.training_args import SentenceTransformerTrainingArguments
    from transformers import TrainerCallback

    from medembed_pipeline.encoder import resolve_base
    from medembed_pipeline.encoder.precision import cpu_computes_in_bfloat16

    data, most_times = _read(folder), row.values["most_times"]
    scorer = Scorer(data)
    rows: dict[str, list[Any]]
    if loss_name == NEGATIVES:
        columns = zip(*data.train_triplets, strict=True)
        names = ("anchor", "positive", "negative")
        rows = {
            name: [data.texts[note] for note in notes] for name, notes in zip(names, columns, strict=True)
        }
        sampler = "no_duplicates"
    else:
        # The loss knows one label a note.
        notes = [note for note in data.train_ids if len(data.specialties[note]) == 1]
        labels = sorted({data.specialties[note][0] for note in notes})
        rows = {"sentence": [data.texts[note] for note in notes]}
        rows["label"] = [labels.index(data.specialties[note][0]) for note in notes]
        sampler = "group_by_label"
    dataset = Dataset.from_dict(rows)

    class StopAtTarget(TrainerCallback):
        """Scores the model every few steps, and ends the training."""

        def __init__(self, model: Any, target: dict[str, float]) -> None:
            self.model, self.target, self.score = model, target, 0.0
            self.began = time.perf_counter()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
            if state.global_step % STEPS_BETWEEN_SCORES == 0:
                self.model.eval()
                vectors = self.model.encode(scorer.texts, normalize_embeddings=True, show_progress_bar=False)
                self.model.train()
                self.score = max(self.score, scorer.score(vectors))
                too_long = time.perf_counter() - self.began > most_times * self.target["seconds"]
                control.should_training_stop = self.score >= self.target["score"] or too_long
            return control

    def run() -> float:
        target = json.loads((folder / _TARGET).read_text())
        torch.manual_seed(0)
        model = SentenceTransformer(str(resolve_base("bundled")), device="cpu")
        model.max_seq_length = 128
        output = tempfile.mkdtemp(dir=folder)
        arguments = SentenceTransformerTrainingArguments(
            output_dir=output,
            max_steps=100_000,  # the callback ends it
            per_device_train_batch_size=BATCH_SIZE,
            learning_rate=LEARNING_RATE,
            lr_scheduler_type="constant_with_warmup",
            warmup_steps=STEPS_BETWEEN_SCORES,
            bf16=cpu_computes_in_bfloat16(),
            use_cpu=True,
            batch_sampler=sampler,
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        stop = StopAtTarget(model, target)
        trainer = SentenceTransformerTrainer(
            model=model,
            args=arguments,
            train_dataset=dataset,
            loss=getattr(losses, loss_name)(model),
            callbacks=[stop],
        )
        trainer.train()
        shutil.rmtree(output, ignore_errors=True)
        return stop.score

    return Work(run, lambda score: {"score": score, "words": f"SentenceTransformerTrainer, {loss_name}"})
