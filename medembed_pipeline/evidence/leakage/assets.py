"""The asset `leakage_estimate`: how the same checkpoint would look under splits that leak."""

from typing import Any

import dagster as dg

from medembed_pipeline.described import OnPage
from medembed_pipeline.evaluation.inputs import MODELS, explained, held_out, rows_of
from medembed_pipeline.evidence.leakage import REVISION
from medembed_pipeline.evidence.leakage.corpus import leak_notes
from medembed_pipeline.evidence.leakage.estimate import LEAKAGE_ESTIMATE_SCHEMA
from medembed_pipeline.evidence.leakage.estimate import leakage_estimate as measure_leaks
from medembed_pipeline.evidence.leakage.figures import leak_figures
from medembed_pipeline.evidence.leakage.settings import LeakageSettings
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.publishing import (
    AssetIO,
    Built,
)
from medembed_pipeline.settings import load_settings
from medembed_pipeline.stage import stage

SETTINGS = load_settings()


@stage(
    group="evaluation",
    inputs=["cleaned_notes", "note_splits", "baseline_embeddings", "tuned_embeddings"],
    one_row="one figure under one way to split",
    schema=LEAKAGE_ESTIMATE_SCHEMA,
    revision=REVISION,
    settings=SETTINGS.leakage,
    kinds=["numpy"],
    page=OnPage(),
    figures=leak_figures,
)
def leakage_estimate(work: AssetIO, settings: LeakageSettings) -> dg.MaterializeResult[Any]:
    """The metrics as splits that leak would show them, and what share of the gain would be memory."""
    scored = held_out(work)
    notes = work.input("cleaned_notes")
    embeddings = {model: work.input(f"{model}_embeddings") for model in MODELS}
    shares = split_shares(work)

    def build() -> Built:
        columns = notes.read(
            ["note_id", "specialties", "document_types", "duplicate_group", "patients"]
        ).to_pydict()
        group_of = scored.group_of
        corpus = leak_notes(
            columns["note_id"],
            rows_of(embeddings["baseline"], columns["note_id"]),
            rows_of(embeddings["tuned"], columns["note_id"]),
            columns["specialties"],
            columns["document_types"],
            [group_of[note_id] for note_id in columns["note_id"]],
            trained=scored.trained,
            trained_groups=scored.trained_groups,
            held_out=scored.note_ids,
            near_duplicates=columns["duplicate_group"] if any(columns["patients"]) else None,
        )
        measured = measure_leaks(
            corpus,
            train=shares["train"],
            test=shares["test"],
            repeats=settings.repeats,
            seed=settings.seed,
            largest_pool=settings.largest_pool,
            confidence=settings.confidence,
            on_protocol=lambda name: work.context.log.info(f"{name} is scored"),
        )
        return explained(measured, scored.specialties)

    return work.publish(build, LEAKAGE_ESTIMATE_SCHEMA)


def split_shares(work: AssetIO) -> dict[str, float]:
    """The shares with which `note_splits` was made, noted as an input."""
    recipe = work.lake.table("note_splits").footer.recipe
    shares: dict[str, float] = {name: recipe.settings["SplitSettings"][name] for name in ("train", "test")}
    work.note_input("split_shares", digest(shares))
    return shares
