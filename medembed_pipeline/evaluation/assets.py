"""Assets of the group `evaluation`: nearest neighbours and the metrics on held-out notes."""

from functools import partial
from typing import Any

import dagster as dg
import pyarrow as pa

from medembed_pipeline.described import OnPage
from medembed_pipeline.engine import LocalEngine, open_engine
from medembed_pipeline.evaluation import REVISION
from medembed_pipeline.evaluation.figures import metrics_figures, slice_figures
from medembed_pipeline.evaluation.found_elsewhere import (
    FOUND_ELSEWHERE,
    FoundElsewhere,
    read_found_elsewhere,
)
from medembed_pipeline.evaluation.inputs import (
    MODELS,
    explained,
    held_out,
    read_embeddings,
    rows_of,
    texts_of,
)
from medembed_pipeline.evaluation.metrics_table import METRICS_SCHEMA, metrics_table
from medembed_pipeline.evaluation.neighbors import NEIGHBORS_SCHEMA, neighbors_table
from medembed_pipeline.evaluation.relevance import evaluation_counts
from medembed_pipeline.evaluation.settings import EvaluationSettings, NeighborSettings, SliceSettings
from medembed_pipeline.evaluation.sharded_metrics import sharded_blocks
from medembed_pipeline.evaluation.sharded_neighbors import sharded_neighbors
from medembed_pipeline.evaluation.slices import SLICE_METRICS_SCHEMA, slice_metrics_table
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.publishing import (
    AssetIO,
    Built,
    fact_metadata,
)
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.notes.slices import read_slices
from medembed_pipeline.settings import load_settings
from medembed_pipeline.stage import stage

SETTINGS = load_settings()
SLICES = SliceSettings(**SETTINGS.evaluation.model_dump())
INPUTS = ["cleaned_notes", "note_splits", "baseline_embeddings", "tuned_embeddings"]


@stage(
    group="evaluation",
    inputs=INPUTS,
    one_row="one neighbour of one note",
    schema=NEIGHBORS_SCHEMA,
    revision=REVISION,
    settings=SETTINGS.neighbors,
    kinds=["numpy"],
)
def neighbors(work: AssetIO, settings: NeighborSettings) -> dg.MaterializeResult[Any]:
    """Cosine neighbours of every note in both models, exact by default; the metrics and the maps read them."""
    scored = held_out(work)
    embeddings = {model: work.input(f"{model}_embeddings") for model in MODELS}
    found: FoundElsewhere | None = None
    if settings.found_elsewhere:
        found = read_found_elsewhere(work.lake, settings.found_elsewhere)
        work.note_input("found_elsewhere", found.sha256)

    def build() -> Built:
        labelled = [note for note, names in zip(scored.note_ids, scored.specialties, strict=True) if names]
        parts = []
        for model, table in embeddings.items():
            ids, matrix = read_embeddings(table)
            parts.append(
                neighbors_table(
                    model,
                    ids,
                    matrix,
                    scored_note_ids=labelled,
                    k=settings.neighbors,
                    nearest=nearest,
                    nearest_of_all=partial(found.nearest, model) if found else None,
                )
            )
        more = {FOUND_ELSEWHERE: found.facts} if found else {}
        return pa.concat_tables(parts), {"scored_notes": len(labelled), **more}

    with open_engine(work.lake, SETTINGS.engine, work.context.log.info) as engine:
        # In one process a block of queries among all candidates is the quickest.
        nearest = None if isinstance(engine, LocalEngine) else partial(sharded_neighbors, engine)
        return work.publish(build, NEIGHBORS_SCHEMA)


@stage(
    group="evaluation",
    inputs=INPUTS,
    one_row="one figure",
    schema=METRICS_SCHEMA,
    revision=REVISION,
    settings=SETTINGS.evaluation,
    kinds=["numpy"],
    page=OnPage(),
    figures=metrics_figures,
)
def embedding_metrics(work: AssetIO, settings: EvaluationSettings) -> dg.MaterializeResult[Any]:
    """Baseline, tuned, their paired difference, and plain word matching on held-out test notes, with intervals."""
    scored = held_out(work)
    embeddings = {model: work.input(f"{model}_embeddings") for model in MODELS}
    notes = work.input("cleaned_notes")

    def build() -> Built:
        from medembed_pipeline.evaluation.lexical import lexical_vectors

        counts = evaluation_counts(scored.specialties, minimum_notes=settings.minimum_specialty_notes)
        facts = {
            "scored_notes": counts.notes_scored,
            "notes_without_specialty": counts.notes_without_specialty,
            "notes_excluded_as_trained_on": scored.excluded,
            "queries_without_relevant": counts.queries_without_relevant,
            "specialties_too_small": len(counts.small_specialties),
        }
        if not counts.notes_scored:
            return explained((METRICS_SCHEMA.empty_table(), facts), scored.specialties)
        table = metrics_table(
            scored.note_ids,
            baseline=rows_of(embeddings["baseline"], scored.note_ids),
            tuned=rows_of(embeddings["tuned"], scored.note_ids),
            specialties=scored.specialties,
            groups=scored.groups,
            split=scored.split,
            lexical=lexical_vectors(texts_of(notes, scored.note_ids), fit_on=notes.strings("text")),
            confidence=settings.confidence,
            minimum_notes=settings.minimum_specialty_notes,
            blocks_of=blocks_of,
        )
        return table, facts

    with open_engine(work.lake, SETTINGS.engine, work.context.log.info) as engine:
        # Threads of one process share what they read.
        blocks_of = None if isinstance(engine, LocalEngine) else partial(sharded_blocks, engine)
        return work.publish(build, METRICS_SCHEMA, describe_metrics)


def describe_metrics(table: LakeTable) -> dict[str, Any]:
    """The overall figures as a table."""
    shown = [
        {name: row[name] for name in ("model", "metric", "k", "value", "ci_low", "ci_high", "n")}
        for row in table.read().to_pylist()
        if row["scope"] == "all"
    ]
    return fact_metadata({"overall": shown}) if shown else {}


@stage(
    group="evaluation",
    # raw_transcriptions is no dependency on purpose: a row is named by what it says, so a note whose rows say something
    # else is another row of cleaned_notes; and what lands without reaching a note reaches no slice.
    inputs=INPUTS,
    one_row="one figure of the notes of one value of a slice",
    schema=SLICE_METRICS_SCHEMA,
    revision=REVISION,
    settings=SLICES,
    kinds=["numpy"],
    page=OnPage(),
    figures=slice_figures,
)
def slice_metrics(work: AssetIO, settings: SliceSettings) -> dg.MaterializeResult[Any]:
    """Retrieval figures by site, sex, age, or any other column of the landing files in `[evaluation] slices`."""
    if not settings.slices:
        return work.publish(lambda: (SLICE_METRICS_SCHEMA.empty_table(), {}), SLICE_METRICS_SCHEMA)
    scored = held_out(work)
    embeddings = {model: work.input(f"{model}_embeddings") for model in MODELS}
    slices = scored_slices(work, scored.note_ids, settings.slices)

    def build() -> Built:
        table = slice_metrics_table(
            scored.note_ids,
            baseline=rows_of(embeddings["baseline"], scored.note_ids),
            tuned=rows_of(embeddings["tuned"], scored.note_ids),
            specialties=scored.specialties,
            groups=scored.groups,
            slices=slices,
            confidence=settings.confidence,
        )
        # Counts alone: a value may name a person or a place, and facts reach Dagster's database.
        counted = [
            {"slice": name, "values": len(values)}
            for name, values in _values_by_slice(table, settings.slices).items()
        ]
        return explained((table, {"slices": counted}), scored.specialties)

    return work.publish(build, SLICE_METRICS_SCHEMA)


def scored_slices(work: AssetIO, note_ids: list[str], names: list[str]) -> dict[str, list[list[str]]]:
    """The values of some notes by slice, noted as an input in place of the landed rows, of which few reach a slice."""
    notes = work.input("cleaned_notes")
    row_of = {note_id: row for row, note_id in enumerate(notes.strings("note_id"))}
    slices = {
        name: [values[row_of[note_id]] for note_id in note_ids]
        for name, values in read_slices(work.lake.table("raw_transcriptions"), notes, names).items()
    }
    work.note_input("slice_values", digest(slices))
    return slices


def _values_by_slice(table: pa.Table, names: list[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {name: set() for name in names}
    for name, value in zip(table["slice"].to_pylist(), table["value_name"].to_pylist(), strict=True):
        found[name].add(value)
    return found
