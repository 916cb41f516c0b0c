"""The asset `finetuned_checkpoint`."""

import shutil
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import numpy.typing as npt

from medembed_pipeline.encoder import EncoderSpec, encoder_fingerprint
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import (
    AssetIO,
    asset_io,
    code_version,
    fact_metadata,
    launchpad_schema,
    launchpad_settings,
)
from medembed_pipeline.lake.tables import vectors
from medembed_pipeline.notes.memory import find_memory, remember_trained
from medembed_pipeline.settings import load_settings
from medembed_pipeline.tracking.publishing import track
from medembed_pipeline.tracking.runs import training_run
from medembed_pipeline.training import REVISION
from medembed_pipeline.training.checkpoints import (
    FOLDER,
    MANIFEST,
    Checkpoint,
    checkpoint_of,
    point_to,
)
from medembed_pipeline.training.data import TrainingData
from medembed_pipeline.training.figures import course_figures, history_values, trade_off_figures
from medembed_pipeline.training.known_notes import remember_known_notes
from medembed_pipeline.training.settings import TrainingSettings
from medembed_pipeline.training.trained_spec import trained_spec
from medembed_pipeline.training.validation import EpochChoice
from medembed_pipeline.training.warm_start import INPUT as WARM_START
from medembed_pipeline.training.warm_start import warm_start, without_trained_notes

SETTINGS = load_settings()
CHOICE = EpochChoice(
    main_metric=SETTINGS.verdict.main_metric, passages_tolerance=SETTINGS.tasks.passages_tolerance
)


@dg.asset(
    group_name="training",
    kinds={"pytorch", "huggingface"},
    deps=["triplets"],
    pool="gpu",
    code_version=code_version(REVISION, SETTINGS.training, SETTINGS.encoder.in_torch(), CHOICE),
    config_schema=launchpad_schema("finetuned_checkpoint", SETTINGS.training),
    required_resource_keys={"lake", "encoder"},
)
def finetuned_checkpoint(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    """The fine-tuned model: an immutable sentence-transformers folder with its manifest, history and model card.

    Training goes on from its last saved state when it was stopped, and is not repeated when a checkpoint of the same
    triplets, notes and settings exists.
    """
    settings = launchpad_settings(context, TrainingSettings)
    encoder: EncoderSettings = context.resources.encoder.in_torch()
    with asset_io(context, REVISION, settings, encoder, CHOICE) as work:
        spec = trained_spec(encoder, settings)
        find_memory(work.lake)  # whether it is whole is known before a training, not after it
        data = training_data(work, labels=settings.labels)
        if settings.labels and not data.train_triplets:
            context.log.warning(
                "the notes have no specialties to learn from: training on passages and anchoring alone"
            )
            settings = settings.model_copy(update={"labels": False})
        # The map begins as the identity, whatever the seed; only a projection of another size is drawn from it.
        drawn_from = settings.seed if settings.projection_dimensions else 0
        work.note_input("base_model", encoder_fingerprint(spec, precision=encoder.precision, seed=drawn_from))
        start = warm_start(work.lake, work.recipe()) if settings.warm_start else None
        if start is not None and start.data_version is not None:
            work.note_input(WARM_START, start.data_version)
        version = work.recipe().digest[:16]
        state_folder = work.lake.local_work_folder("store", "training", version)
        # Two runs that want the same checkpoint share its saved state: one trains, the other waits and finds it.
        with work.lake.machine_lock(f"training-{version}"):
            kept = work.lake.exists(FOLDER, version, MANIFEST)
            if kept:
                context.log.info(
                    f"the checkpoint {version} was made from the same triplets, notes and settings; it stands"
                )
            else:
                parent = start.checkpoint if start is not None else None
                fine_tune(work, version, spec, data, settings, encoder, parent, state_folder)
            shutil.rmtree(state_folder, ignore_errors=True)
        checkpoint = checkpoint_of(work.lake, version)
        remember_checkpoints(work.lake)
        point_to(work.lake, checkpoint, work.recipe())
        tracked = track(
            work.lake,
            SETTINGS.tracking,
            lambda: training_run(
                version, checkpoint.manifest(), checkpoint.history(), checkpoint.trade_off()
            ),
            context.log.warning,
        )
        return dg.MaterializeResult(
            data_version=dg.DataVersion(checkpoint.data_version),
            metadata={
                "kept": kept,
                **describe(work, checkpoint, work.lake.path(FOLDER, version)),
                **tracked,
            },
        )


def remember_checkpoints(lake: Lake) -> None:
    """Have the memory of notes tell which notes each checkpoint in the lake was trained on."""
    versions = [version for version in lake.names(FOLDER) if lake.exists(FOLDER, version, MANIFEST)]
    trained = {version: lake.read_json(FOLDER, version, "trained_notes.json") or [] for version in versions}
    remember_trained(lake, trained, datetime.now(timezone.utc))


def training_data(work: AssetIO, *, labels: bool) -> TrainingData:
    """The triplets with the texts and labels of their notes, and the validation notes.

    Parameters
    ----------
    work
        the asset's.
    labels
        whether to learn from them; without, or where there is no triplet, all train notes are trained on.
    """
    drawn, cleaned = work.input("triplets"), work.lake.table("cleaned_notes")
    triplets = drawn.read(["anchor_id", "positive_id", "negative_id", "split"])
    notes = cleaned.read(["note_id", "text", "specialties"]).to_pydict()
    if drawn.footer.recipe.inputs["cleaned_notes"] == cleaned.data_version:
        remember_known_notes(work.lake, drawn.data_version, notes["note_id"])
    splits = work.lake.table("note_splits").read().to_pydict()
    by_split: defaultdict[str, list[str]] = defaultdict(list)
    for note, split in zip(splits["note_id"], splits["split"], strict=True):
        by_split[split].append(note)
    validation = by_split["validation"]
    rows = {"train": [], "validation": []}  # type: dict[str, list[tuple[str, str, str]]]
    for row in triplets.to_pylist() if labels else []:
        rows[row["split"]].append((row["anchor_id"], row["positive_id"], row["negative_id"]))
    unlabelled = [] if rows["train"] else by_split["train"]
    in_triplets = {note for triples in rows.values() for triple in triples for note in triple}
    needed = in_triplets.union(validation, unlabelled)
    texts: dict[str, str] = {}
    specialties: dict[str, list[str]] = {}
    for note, text, names in zip(notes["note_id"], notes["text"], notes["specialties"], strict=True):
        if note in needed:
            texts[note], specialties[note] = text, names
    # What the training sees of cleaned_notes and note_splits: other notes may come and go without changing it.
    work.note_input(
        "notes_of_triplets", digest([[note, texts[note], specialties[note]] for note in sorted(texts)])
    )
    return TrainingData(
        texts=texts,
        specialties=specialties,
        train_triplets=rows["train"],
        validation_triplets=rows["validation"],
        validation_ids=validation,
        unlabelled_ids=unlabelled,
    )


def fine_tune(
    work: AssetIO,
    version: str,
    spec: EncoderSpec,
    data: TrainingData,
    settings: TrainingSettings,
    encoder: EncoderSettings,
    parent: Checkpoint | None,
    state_folder: Path,
) -> None:
    """Train, from the weights of `parent` where there is one, and publish the checkpoint folder."""
    from medembed_pipeline.training.checkpoint import write_checkpoint
    from medembed_pipeline.training.loop import train

    log = work.context.log
    base: EncoderSpec | None = None
    if parent is not None:
        log.info(f"training goes on from the checkpoint {parent.version}")
        spec, base = parent.encoder_spec(encoder.long_notes), spec
        data = without_trained_notes(data, parent.trained_note_ids())

    def on_step(step: int, steps: int, loss: float, notes_per_second: float) -> None:
        log.info(f"step {step} of {steps}: loss {loss:.4f}, {notes_per_second:.1f} notes/s")

    result = train(
        spec,
        data,
        settings,
        device=encoder.device,
        precision=encoder.precision,
        token_budget=encoder.token_budget,
        state_folder=state_folder,
        save_every_seconds=settings.save_every_seconds,
        keep_epochs_from=first_kept_epoch(settings, parent),
        choice=CHOICE,
        base=base,
        known=known_vectors(work, data, spec, encoder) if parent is None else None,
        log_every_steps=settings.log_every_steps,
        on_step=on_step,
        on_epoch=lambda row: log.info(_epoch_line(row)),
        on_warning=log.warning,
        progress=sys.stderr.isatty(),
    )
    if parent is not None:
        # The weights still hold what the earlier trainings saw, so those notes are not held out either.
        result = replace(result, trained_ids=sorted({*result.trained_ids, *parent.trained_note_ids()}))
    if not result.improved:
        log.warning(
            "no epoch was better on the validation notes than the base model and kept what it knew: the checkpoint "
            "is the model that the training began with"
        )
    with work.lake.staged_folder(FOLDER, version, last=MANIFEST) as folder:
        write_checkpoint(
            folder,
            result,
            spec=spec,
            data=data,
            options=settings,
            data_versions=work.recipe().inputs,
            settings=work.recipe().settings,
        )


def known_vectors(
    work: AssetIO, data: TrainingData, spec: EncoderSpec, encoder: EncoderSettings
) -> dict[str, npt.NDArray[np.float32]]:
    """Base vectors of train and validation notes, by id, where `baseline_embeddings` holds the very ones."""
    baseline = work.lake.table("baseline_embeddings")
    base = replace(spec, projection_dimensions=0)
    if baseline.footer.recipe.inputs.get("model") != encoder_fingerprint(base, precision=encoder.precision):
        return {}
    found = baseline.read(["note_id", "embedding"])
    matrix = vectors(found.column("embedding"))
    if spec.projection_dimensions not in (0, matrix.shape[1]):
        # A projection of another size is no identity to begin with: its vectors are others.
        return {}
    wanted = {*data.train_ids, *data.validation_ids}
    rows = zip(found.column("note_id").to_pylist(), matrix, strict=True)
    return {note: vector for note, vector in rows if note in wanted}


def first_kept_epoch(settings: TrainingSettings, parent: Checkpoint | None) -> int | None:
    """The first epoch whose model is kept: epoch 0 only where it is not the base model itself; None for none."""
    if not settings.keep_epochs:
        return None
    return 0 if parent is not None else 1


def _epoch_line(row: dict[str, Any]) -> str:
    return f"epoch {row['epoch']}: " + ", ".join(
        f"{name.replace('_', ' ')} {value:.3f}"
        for name, value in row.items()
        if value is not None and (name.startswith("validation") or name == "train_loss")
    )


def describe(work: AssetIO, checkpoint: Checkpoint, path: str) -> dict[str, Any]:
    """Metadata of a checkpoint: how it was made, its history as a table and as a curve."""
    from medembed_pipeline.pictures.drawing import picture

    manifest, history, trade_off = checkpoint.manifest(), checkpoint.history(), checkpoint.trade_off()
    facts = {
        "version": checkpoint.version,
        "best_epoch": manifest["best_epoch"],
        "share_of_tuned": manifest.get("share_of_tuned", 1.0),
        "chosen_by": manifest["chosen_by"],
        "improved_on_base": manifest["improved_on_base"],
        "base": manifest["base"],
        "device": manifest["device"],
        "precision": manifest["precision"],
        **manifest["counts"],
        "history": list(_plain(history)),
    }
    figures = course_figures(history_values(history), best_epoch=manifest["best_epoch"])
    if trade_off:
        facts["trade_off"] = list(_plain(trade_off))
        figures += trade_off_figures(trade_off)
    return {
        "path": dg.MetadataValue.path(path),
        **fact_metadata(facts),
        **work.publish_pictures(
            lambda: {figure.name: picture(figure) for figure in figures}, checkpoint.data_version
        ),
    }


def _plain(history: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    # Without labels, the figures of labels are recorded for no epoch: such a column is left out.
    recorded = {name for row in history for name, value in row.items() if value is not None}
    for row in history:
        yield {
            name: float("nan") if value is None else value for name, value in row.items() if name in recorded
        }
