"""Every table of `medembed visualize`: each by the pure function that its asset calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from medembed_pipeline.encoder import EncoderSpec
from medembed_pipeline.lake.tables import vector_column
from medembed_pipeline.report.standalone import MODELS, SPLIT, Built, Scored, Step, Tables, scores
from medembed_pipeline.settings import Settings

if TYPE_CHECKING:
    from medembed_pipeline.evidence.health.table import HealthNotes
    from medembed_pipeline.maps.inputs import MapInputs


def steps(
    scored: Scored, settings: Settings, tables: Tables, specs: Mapping[str, EncoderSpec]
) -> Iterator[Step]:
    """Every table that notes, vectors and models allow, in an order in which each has what it reads.

    The leak meter and the verdict are not among them: both need to know what the model was trained on.

    Args:
        scored: all notes.
        settings: of the project; `projections.methods` says which maps.
        tables: what the steps before have made.
        specs: of `baseline` and `tuned`, for the texts of the tasks.

    Yields:
        The name of a table, the settings that reach it, and the function that makes it.
    """
    labelled = scored.labelled()
    for model in MODELS:
        yield f"{model}_embeddings", None, partial(_embeddings, scored, model)
    yield "neighbors", settings.neighbors, lambda: _neighbors(scored, labelled, settings)
    yield "embedding_metrics", settings.evaluation, lambda: _metrics(labelled, settings, tables)
    yield "projections", settings.projections, lambda: _projections(settings, tables)
    yield "aligned_projections", settings.alignment, lambda: _aligned(settings, tables)
    yield "note_movement", settings.alignment, lambda: _movement(settings, tables)
    yield "retrieval_ledger", None, lambda: _ledger(labelled, tables)
    yield "specialty_confusions", None, lambda: _confusions(labelled, tables)
    yield "similarity_evidence", settings.similarity, lambda: _similarity(labelled, settings, tables)
    yield "space_health", settings.health, lambda: _health(labelled, settings, tables)
    yield "task_metrics", settings.tasks, lambda: _tasks(settings, tables, specs)
    yield "label_review", settings.label_review, lambda: _labels(scored, labelled, settings)


def _embeddings(scored: Scored, model: str) -> Built:
    from medembed_pipeline.embeddings.vectors import embeddings_schema

    matrix = scored.embeddings[model]
    columns = {"note_id": pa.array(scored.note_ids, pa.string()), "embedding": vector_column(matrix)}
    return pa.table(columns).cast(embeddings_schema(matrix.shape[1])), {"dimensions": matrix.shape[1]}


def _neighbors(scored: Scored, labelled: Scored, settings: Settings) -> Built:
    from medembed_pipeline.evaluation.neighbors import neighbors_table

    parts = [
        neighbors_table(
            model,
            scored.note_ids,
            scored.embeddings[model],
            scored_note_ids=labelled.note_ids,
            k=settings.neighbors.neighbors,
        )
        for model in MODELS
    ]
    return pa.concat_tables(parts), {"scored_notes": len(labelled.note_ids)}


def _metrics(labelled: Scored, settings: Settings, tables: Tables) -> Built:
    table = scores(labelled, settings)
    return table, {"scored_notes": len(labelled.note_ids)}


def _map_inputs(tables: Tables) -> MapInputs:
    from medembed_pipeline.maps.inputs import map_inputs

    names = ("baseline_embeddings", "tuned_embeddings", "neighbors")
    return map_inputs(**{name: tables.rows[name] for name in names})


def _projections(settings: Settings, tables: Tables) -> Built:
    from medembed_pipeline.maps.assets import make_maps

    return make_maps(_map_inputs(tables), settings.projections, _silent)


def _aligned(settings: Settings, tables: Tables) -> Built:
    """AlignedUMAP and joint PCA; the latter alone where UMAP is not wanted."""
    from medembed_pipeline.maps.assets import make_aligned_maps

    chosen = settings.alignment
    if "umap" not in settings.projections.methods:
        chosen = chosen.model_copy(update={"methods": ["joint_pca"]})
    return make_aligned_maps(_map_inputs(tables), chosen, _silent)


def _silent(_: str) -> None:
    """Each map is a part of one step, which has its bar already."""


def _movement(settings: Settings, tables: Tables) -> Built:
    from medembed_pipeline.maps.assets import make_movement

    return make_movement(_map_inputs(tables), settings.alignment)


def _ledger(labelled: Scored, tables: Tables) -> Built:
    from medembed_pipeline.evidence.ledger.ledger import retrieval_ledger_table

    return retrieval_ledger_table(
        labelled.note_ids,
        labelled.specialties,
        labelled.duplicate_groups,
        embeddings=dict(labelled.embeddings),
        neighbors=tables.rows["neighbors"],
    )


def _confusions(labelled: Scored, tables: Tables) -> Built:
    from medembed_pipeline.evidence.ledger.confusions import specialty_confusions_table

    return specialty_confusions_table(
        labelled.note_ids, labelled.specialties, neighbors=tables.rows["neighbors"]
    )


def _similarity(labelled: Scored, settings: Settings, tables: Tables) -> Built:
    from medembed_pipeline.evidence.similarity.table import similarity_table

    return similarity_table(
        labelled.note_ids,
        labelled.specialties,
        labelled.embeddings,
        tables.rows["neighbors"],
        [],
        settings.similarity,
    )


def _health(labelled: Scored, settings: Settings, tables: Tables) -> Built:
    from medembed_pipeline.evidence.health.table import health_table

    chosen = settings.health
    return health_table(
        health_notes(labelled),
        labelled.embeddings,
        tables.rows["neighbors"],
        hub_neighbors=chosen.hub_neighbors,
        detail_neighbors=chosen.detail_neighbors,
        classifier_neighbors=chosen.classifier_neighbors,
    )


def health_notes(labelled: Scored) -> HealthNotes:
    """All notes as scored and none as training notes, so that there is no classifier among the figures."""
    from medembed_pipeline.evidence.health.table import HealthNotes

    count = len(labelled.note_ids)
    return HealthNotes(
        note_ids=labelled.note_ids,
        specialties=labelled.specialties,
        held_out=np.ones(count, dtype=np.bool_),
        training=np.zeros(count, dtype=np.bool_),
        kinds={"near_duplicate": [frozenset([group]) for group in labelled.duplicate_groups]},
    )


def _tasks(settings: Settings, tables: Tables, specs: Mapping[str, EncoderSpec]) -> Built:
    """The tasks that need no note: which notes were held out is not known, so no passage can be asked for."""
    from medembed_pipeline.tasks.encoding import task_vectors
    from medembed_pipeline.tasks.gather import all_tasks
    from medembed_pipeline.tasks.table import task_table

    families = [
        family for family in settings.tasks.families if family in ("clinical_terms", "everyday_language")
    ]
    chosen = settings.tasks.model_copy(update={"families": families})
    tasks = all_tasks(chosen)
    return task_table(
        tasks,
        {model: task_vectors(tables.lake, specs[model], settings.encoder, tasks) for model in MODELS},
        confidence=chosen.confidence,
        tolerance=chosen.tolerance,
        decides=lambda family, name: False,
    )


def _labels(scored: Scored, labelled: Scored, settings: Settings) -> Built:
    from medembed_pipeline.evidence.labels.review import label_review_table

    chosen = settings.label_review
    splits: dict[str, Any] = dict.fromkeys(scored.note_ids, SPLIT)
    return label_review_table(
        scored.note_ids,
        scored.specialties,
        scored.duplicate_groups,
        splits,
        scored.embeddings["baseline"],
        held_out_ids=labelled.note_ids,
        folds=chosen.folds,
        repeats=chosen.repeats,
        threshold=chosen.several_threshold,
        seed=chosen.seed,
    )
