"""The asset `embedding_diagnostics`: whether the tuned space is still a healthy one."""

from collections.abc import Sequence
from typing import Any

import dagster as dg
import numpy as np

from medembed_pipeline.described import OnPage
from medembed_pipeline.evaluation.inputs import MODELS, held_out, rows_of
from medembed_pipeline.evidence.diagnostics import REVISION
from medembed_pipeline.evidence.diagnostics.detail import kinds_by_name
from medembed_pipeline.evidence.diagnostics.figures import health_figures
from medembed_pipeline.evidence.diagnostics.settings import HealthSettings
from medembed_pipeline.evidence.diagnostics.table import HEALTH_SCHEMA, HealthNotes, health_table
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import (
    AssetIO,
    Built,
)
from medembed_pipeline.settings import load_settings
from medembed_pipeline.stage import stage

SETTINGS = load_settings()
NAME_COLUMN = "sample_name"
Kinds = list[frozenset[str]]


@stage(
    group="evaluation",
    inputs=[
        "cleaned_notes",
        "note_splits",
        "finetuned_checkpoint",
        "baseline_embeddings",
        "tuned_embeddings",
        "neighbors",
    ],
    one_row="one figure of a space",
    schema=HEALTH_SCHEMA,
    revision=REVISION,
    settings=SETTINGS.health,
    kinds=["numpy", "scikitlearn"],
    page=OnPage(mixed=("name",), mixed_figures=("hub",)),
    figures=health_figures,
)
def embedding_diagnostics(work: AssetIO, settings: HealthSettings) -> dg.MaterializeResult[Any]:
    """Hubs, collapse, detail within specialties and classifiers, before and after tuning."""
    names = sample_names(work.lake)
    work.note_input(NAME_COLUMN, digest(sorted(names.items())))
    notes = health_notes(work, names)
    embeddings = {model: work.input(f"{model}_embeddings") for model in MODELS}
    nearest = work.input("neighbors")

    def build() -> Built:
        return health_table(
            notes,
            {model: rows_of(rows, notes.note_ids) for model, rows in embeddings.items()},
            nearest.read(),
            hub_neighbors=settings.hub_neighbors,
            detail_neighbors=settings.detail_neighbors,
            classifier_neighbors=settings.classifier_neighbors,
        )

    return work.publish(build, HEALTH_SCHEMA)


def sample_names(lake: Lake) -> dict[str, str]:
    """The `sample_name` of each landed row that has one, by row id; none where the column is absent.

    `raw_transcriptions` is no input of the asset: a row id is a hash of the row's cells, so what is looked up
    here is decided by `source_rows` of `cleaned_notes`, and a file that lands without a new row changes nothing.
    """
    raw = lake.table("raw_transcriptions")
    column = next(
        (name for name in raw.schema.names if "_".join(name.casefold().split()) == NAME_COLUMN), None
    )
    if column is None:
        return {}
    rows = raw.read(["row_id", column]).to_pydict()
    return {row_id: name for row_id, name in zip(rows["row_id"], rows[column], strict=True) if name}


def health_notes(work: AssetIO, names: dict[str, str]) -> HealthNotes:
    """The labelled notes of the lake, or all where none is, with their part in the split and their kinds."""
    scored = set(held_out(work).note_ids)
    columns = ["note_id", "specialties", "duplicate_group", "source_rows"]
    rows = work.input("cleaned_notes").read(columns).to_pylist()
    # The shape of a space can be told without labels.
    rows = [row for row in rows if row["specialties"]] or rows
    rows.sort(key=lambda row: row["note_id"])
    splits = work.input("note_splits").read().to_pydict()
    split_of = dict(zip(splits["note_id"], splits["split"], strict=True))
    return HealthNotes(
        note_ids=[row["note_id"] for row in rows],
        specialties=[row["specialties"] for row in rows],
        held_out=np.array([row["note_id"] in scored for row in rows], dtype=np.bool_),
        training=np.array([split_of[row["note_id"]] == "train" for row in rows], dtype=np.bool_),
        kinds=note_kinds(rows, names),
    )


def note_kinds(rows: Sequence[dict[str, Any]], names: dict[str, str]) -> dict[str, Kinds]:
    """What makes two notes mates in detail, by method; a method that gives no note a kind is left out."""
    found: dict[str, Kinds] = {
        "near_duplicate": [frozenset([row["duplicate_group"]]) for row in rows],
        "sample_name": kinds_by_name([row["source_rows"] for row in rows], names),
    }
    return {method: kinds for method, kinds in found.items() if any(kinds)}
