"""`medembed triage`: the arms, the ledger, the shortcuts and the verdict on the cases of a folder, without Dagster."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from medembed_pipeline.encoder.settings import EncoderSettings, ImageEncoderSettings
from medembed_pipeline.evaluation.vectors import FloatArray
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.store import KeyedStore
from medembed_pipeline.lake.tables import LakeTable, Recipe
from medembed_pipeline.pictures.numbers import without_nan
from medembed_pipeline.pictures.specification import Known
from medembed_pipeline.settings import Settings, load_settings
from medembed_pipeline.triage.cases import TriageCases, triage_cases
from medembed_pipeline.triage.errors import TriageError
from medembed_pipeline.triage.inputs import encoders_part, masked_pictures, part_rows, said_by_arm
from medembed_pipeline.triage.ledger import ledger_table
from medembed_pipeline.triage.making import compared_arm, make_parts, verdict_of
from medembed_pipeline.triage.metadata import MetadataColumn
from medembed_pipeline.triage.metrics import metrics_table
from medembed_pipeline.triage.predictions import predictions_table
from medembed_pipeline.triage.settings import TriageSettings
from medembed_pipeline.triage.shortcuts import shortcut_table
from medembed_pipeline.triage.tuning import Encoders, Tuner


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command; what they leave open, the settings say."""
    parser.add_argument(
        "--images",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of pictures (PNG, JPEG, DICOM) and a CSV that joins them with notes, patients and levels",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--label-column", metavar="NAME", help="column of the CSV with the level or outcome")
    parser.add_argument(
        "--positive", action="append", metavar="LABEL", help="told from all other labels; may be repeated"
    )
    parser.add_argument("--view-column", metavar="NAME", help="column of the CSV with the view")
    parser.add_argument("--view", action="append", metavar="VIEW", help="takes part; may be repeated")
    parser.add_argument(
        "--tuned",
        choices=("heads", "adapters"),
        help="train heads on the encoders' vectors, or adapters of the encoders too; by default as [triage] tuned says",
    )


@dataclass(frozen=True)
class Folder:
    """A folder's cases with the vectors of their pictures.

    Attributes
    ----------
    lake
        keeps what was unpacked and encoded.
    images
        `raw_images`.
    embeddings
        `image_embeddings`.
    paired, splits
        as the tables `paired_cases` and `case_splits`.
    encoder, image_encoder
        of notes and pictures.
    """

    lake: Lake
    images: LakeTable
    embeddings: LakeTable
    paired: pa.Table
    splits: pa.Table
    encoder: EncoderSettings
    image_encoder: ImageEncoderSettings

    def cases(self, settings: TriageSettings) -> TriageCases:
        """Those that take part.

        Raises
        ------
        TriageError
            nothing can be learned from them; it says what is needed.
        """
        cases = triage_cases(self.paired, self.splits, settings)
        if cases.why_empty is not None:
            raise TriageError(f"--images: {cases.why_empty}.")
        return cases

    def tuner(self, cases: TriageCases, settings: TriageSettings) -> Tuner:
        """Of its encoders, for these cases; it prints how trainings went."""
        encoders = Encoders(self.lake, cases, self.images, self.encoder, self.image_encoder)
        return Tuner(encoders, settings, print)

    def rows(self, cases: TriageCases, metadata: Sequence[MetadataColumn]) -> dict[str, FloatArray]:
        """By part, a vector for every case."""
        return part_rows(self.lake, cases, self.embeddings, self.encoder, metadata)


def read_folder(folder: Path, output: Path, settings: Settings) -> Folder:
    """Unpack, pair, split and encode what a folder holds; done before, it is not done again.

    Parameters
    ----------
    folder
        of pictures and tables.
    output
        the folder `kept` in it holds what was unpacked and encoded.
    settings
        all of them.

    Raises
    ------
    TriageError
        the folder is not there, or holds no picture that can be used.
    """
    from medembed_pipeline.encoder.image_spec import image_encoder_fingerprint, image_spec_of_settings
    from medembed_pipeline.encoder.precision import with_resolved_precision
    from medembed_pipeline.engine import open_engine
    from medembed_pipeline.images.case_groups import split_cases
    from medembed_pipeline.images.folder import cases_of_folder, hashes_of
    from medembed_pipeline.images.vectors import image_embeddings_schema, image_embeddings_table

    if not folder.is_dir():
        raise TriageError(f"--images: {folder} is no folder.")
    output.mkdir(parents=True, exist_ok=True)
    lake = Lake(str(output / "kept"))
    images, paired = cases_of_folder(lake, folder, settings.images)
    if not images.rows:
        raise TriageError(f"--images: {folder} holds no picture that can be used; see rejected_images.")
    splits, _ = split_cases(paired, hashes_of(images), {}, settings.case_splits)
    spec = image_spec_of_settings(settings.image_encoder)
    store = KeyedStore(lake, "image_vectors", image_encoder_fingerprint(spec))
    with open_engine(lake, settings.engine) as engine:
        rows, facts = image_embeddings_table(images, spec, settings.image_encoder, store, engine)
        schema = image_embeddings_schema(facts["dimensions"])
        embeddings = lake.write_table(
            Recipe("image_embeddings", "command", {}, {}), rows.cast(schema), schema=schema
        )
    encoder = with_resolved_precision(settings.encoder).in_torch()
    return Folder(lake, images, embeddings, paired, splits, encoder, settings.image_encoder)


def run(options: argparse.Namespace) -> int:
    """Fit and measure, print the verdict, and write tables, pictures and the model; returns the exit status.

    Raises
    ------
    MedembedError
        a folder, file or setting that cannot be used.
    """
    settings = chosen_settings(load_settings(), options)
    found = read_folder(options.images, options.output, settings)
    triage: TriageSettings = settings.triage
    cases = found.cases(triage)
    tuner = found.tuner(cases, triage) if triage.tuned == "adapters" else None
    parts = make_parts(
        cases,
        lambda metadata: found.rows(cases, metadata),
        encoders_part(found.encoder, found.image_encoder, settings.images.kept_side),
        triage,
        tuner,
    )
    if parts.chosen is None:
        raise TriageError(f"--images: {parts.why_empty}.")
    rows = found.rows(cases, parts.metadata)
    if tuner is not None:
        rows |= tuner.rows(parts.adapters)
    seen = parts.arms.seen(rows)
    predictions, _ = predictions_table(cases, parts.arms, seen)
    metrics, facts = metrics_table(cases, said_by_arm(predictions), triage)
    ledger, _ = ledger_table(cases, parts.arms, seen, parts.chosen, triage)
    pictures = masked_pictures(cases, found.images, triage, found.image_encoder)
    meter, _ = shortcut_table(cases, pictures, compared_arm(cases, parts, rows, triage, tuner), triage)
    verdict, told = verdict_of(ledger, meter, parts, triage, settings.triage_verdict)
    tables = {
        "triage_predictions": predictions,
        "triage_metrics": metrics,
        "modality_ledger": ledger,
        "shortcut_meter": meter,
        "triage_verdict": verdict,
    }
    for name, table in tables.items():
        pq.write_table(table, options.output / f"{name}.parquet", compression="zstd")
    _write_model(options.output / "triage_model", parts, cases)
    _draw(options.output, tables, facts, triage.main_metric, parts.chosen.single)
    print(f"{len(cases)} cases of {cases.facts['patients']} patients, {facts['held_out_cases']} held out")
    for line in _lines(tables, triage.main_metric):
        print(line)
    print(told["sentence"])
    print(f"written to {options.output}")
    return 0


def chosen_settings(settings: Settings, options: argparse.Namespace) -> Settings:
    """The settings with what the options say."""
    images = {
        name: value
        for name, value in (("label_column", options.label_column), ("view_column", options.view_column))
        if value
    }
    triage = {
        name: value
        for name, value in (("positive", options.positive), ("views", options.view), ("tuned", options.tuned))
        if value
    }
    return settings.model_copy(
        update={
            "images": settings.images.model_copy(update=images),
            "triage": settings.triage.model_copy(update=triage),
        }
    )


def _write_model(folder: Path, parts: Any, cases: TriageCases) -> None:
    import shutil

    from medembed_pipeline.triage.card import triage_card
    from medembed_pipeline.triage.folder import write_model

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_model(folder, parts, card=triage_card(parts, cases.facts), more={})


def _draw(output: Path, tables: dict[str, pa.Table], facts: dict[str, Any], metric: str, single: str) -> None:
    from medembed_pipeline.pictures.drawing import picture
    from medembed_pipeline.triage.figures import arm_figures, ledger_figures, shortcut_figures

    known = Known(
        {
            "triage_metrics": facts,
            "modality_ledger": {"figure": metric, "single": single},
            "shortcut_meter": {"figure": metric},
        }
    )
    drawn = {
        "triage_metrics": arm_figures,
        "modality_ledger": ledger_figures,
        "shortcut_meter": shortcut_figures,
    }
    for table, figures in drawn.items():
        for figure in figures(without_nan(tables[table].to_pylist()), known):
            made = picture(figure)
            (output / f"{figure.name}.png").write_bytes(made.png)
            (output / f"{figure.name}.svg").write_bytes(made.svg)


def _lines(tables: dict[str, pa.Table], metric: str) -> list[str]:
    """The main figure of every arm, variant and shortcut."""
    lines = []
    for row in tables["modality_ledger"].to_pylist():
        if row["figure"] == metric and (row["over"] is None or row["variant"] == "as_it_is"):
            over = f" over {row['over'].replace('_', ' ')}" if row["over"] else ""
            lines.append(f"{row['arm']}, {row['variant']}{over}: {_value(row, signed=bool(over))}")
    for row in tables["shortcut_meter"].to_pylist():
        if row["figure"] == metric:
            where = row["input"] + ("" if row["scope"] == "all" else f", {row['scope']}")
            lines.append(f"{where}: {_value(row)}; levels shuffled {row['floor']:.3f}")
    return lines


def _value(row: dict[str, Any], *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{row['value']:{sign}.3f} [{row['ci_low']:{sign}.3f}, {row['ci_high']:{sign}.3f}]"
