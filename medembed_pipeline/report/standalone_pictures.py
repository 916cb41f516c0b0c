"""The pictures of `medembed visualize`: those that the assets show, drawn from its tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import PictureFiles
from medembed_pipeline.report.standalone import SPLIT, Tables

PICTURED = frozenset({"umap", "tsne", "pca", "aligned_umap"})

Drawing = tuple[str, str, Callable[[], PictureFiles]]


def drawings(tables: Tables, specialties: Mapping[str, list[str]]) -> Iterator[Drawing]:
    """Every picture that the tables allow.

    Args:
        tables: all of them, made.
        specialties: of every note, by id.

    Yields:
        The table it is of, its name, and the function that draws it.
    """
    yield from _metrics(tables)
    yield from _maps(tables, specialties)
    yield from _movement(tables, specialties)
    yield from _similarity(tables.rows["similarity_evidence"], specialties)
    yield from _ledger(tables)
    yield from _health(tables)
    yield from _tasks(tables)
    yield from _labels(tables)


def write_picture(lake: Lake, table: str, name: str, picture: PictureFiles) -> set[tuple[str, ...]]:
    """Write `pictures/<table>/<name>.png` and `.svg`; returns where."""
    places = {}
    for suffix, content in (("png", picture.png), ("svg", picture.svg)):
        places["pictures", table, f"{name}.{suffix}"] = content
    for place, content in places.items():
        lake.write_bytes(content, *place)
    return set(places)


def remove_other_pictures(lake: Lake, kept: set[tuple[str, ...]]) -> None:
    """Remove pictures of earlier calls that this one did not draw, in the folders of its tables alone."""
    for table in {place[1] for place in kept}:
        for name in lake.names("pictures", table):
            if name.endswith((".png", ".svg")) and ("pictures", table, name) not in kept:
                lake.remove("pictures", table, name)


def _metrics(tables: Tables) -> Iterator[Drawing]:
    from medembed_pipeline.pictures.metrics_pictures import metrics_picture, specialty_change_picture

    metrics, facts = tables.rows["embedding_metrics"], tables.facts["label_review"]
    ceilings = {(one["metric"], one["k"]): one["ceiling"] for one in facts["ceilings"]}
    name = "embedding_metrics"
    yield name, "before_and_after", lambda: metrics_picture(metrics, split=SPLIT, ceilings=ceilings)
    if set(metrics["scope"].to_pylist()) - {"all", "macro"}:
        yield name, "change_by_specialty", lambda: specialty_change_picture(metrics, split=SPLIT)


def _maps(tables: Tables, specialties: Mapping[str, list[str]]) -> Iterator[Drawing]:
    from medembed_pipeline.maps.tables import MAP_QUALITY_SCHEMA
    from medembed_pipeline.pictures.maps_picture import maps_picture

    for name in ("projections", "aligned_projections"):
        rows = tables.rows[name]
        quality = pa.Table.from_pylist(tables.facts[name]["trustworthiness"], schema=MAP_QUALITY_SCHEMA)
        flat = set(rows.filter(pc.equal(rows["dimensions"], 2))["method"].to_pylist())
        for method in sorted(flat & PICTURED):
            draw = partial(maps_picture, rows, specialties, method=method, quality=quality)
            yield name, f"{method}_map", draw


def _movement(tables: Tables, specialties: Mapping[str, list[str]]) -> Iterator[Drawing]:
    from medembed_pipeline.pictures.aligned_picture import arrows_picture, movement_picture

    moved, facts = tables.rows["note_movement"], tables.facts["note_movement"]
    aligned, floors = tables.rows["aligned_projections"], tables.facts["aligned_projections"]["noise_floors"]
    if any(one["dimensions"] == 2 for one in floors):
        draw = partial(arrows_picture, aligned, moved, specialties, noise_floors=floors)
        yield "aligned_projections", "arrows", draw
    yield "note_movement", "distribution", partial(movement_picture, moved, facts=facts)


def _similarity(evidence: pa.Table, specialties: Mapping[str, list[str]]) -> Iterator[Drawing]:
    from medembed_pipeline.pictures.heatmap_pictures import documents_picture, specialties_picture
    from medembed_pipeline.pictures.similarity_pictures import distributions_picture, neighbors_picture

    figures = set(evidence["figure"].to_pylist())
    possible: list[tuple[str, str, Callable[[], Any]]] = [
        ("spread", "distributions", lambda: distributions_picture(evidence)),
        ("specialties", "specialties", lambda: specialties_picture(evidence)),
        ("documents", "documents", lambda: documents_picture(evidence, specialties)),
        ("neighbors", "neighbors", lambda: neighbors_picture(evidence, specialties)),
    ]
    yield from (("similarity_evidence", name, draw) for figure, name, draw in possible if figure in figures)


def _ledger(tables: Tables) -> Iterator[Drawing]:
    from medembed_pipeline.pictures.ledger_pictures import change_picture, confusions_picture

    ledger, confusions = tables.rows["retrieval_ledger"], tables.rows["specialty_confusions"]
    if len(ledger) > tables.facts["retrieval_ledger"]["notes_without_relevant"]:
        yield "retrieval_ledger", "change_by_note", lambda: change_picture(ledger)
    if len(confusions):
        yield "specialty_confusions", "confusions", lambda: confusions_picture(confusions)


def _health(tables: Tables) -> Iterator[Drawing]:
    from medembed_pipeline.pictures.health_pictures import (
        health_figures_picture,
        hubness_picture,
        specialty_spread_picture,
    )

    health, k = tables.rows["space_health"], tables.facts["space_health"]["hub_neighbors"]
    yield "space_health", "figures_before_and_after", lambda: health_figures_picture(health)
    yield "space_health", "how_often_notes_are_found", lambda: hubness_picture(health, k=k)
    if "specialty_spread" in health["figure"].to_pylist():
        yield "space_health", "spread_within_specialties", lambda: specialty_spread_picture(health)


def _tasks(tables: Tables) -> Iterator[Drawing]:
    from medembed_pipeline.pictures.task_pictures import task_changes_picture, task_levels_picture

    tasks = tables.rows["task_metrics"]
    if len(tasks):
        yield "task_metrics", "what_was_kept", lambda: task_changes_picture(tasks)
        yield "task_metrics", "before_and_after", lambda: task_levels_picture(tasks)


def _labels(tables: Tables) -> Iterator[Drawing]:
    from medembed_pipeline.pictures.label_pictures import ceiling_picture, label_quality_picture

    review, facts = tables.rows["label_review"], tables.facts["label_review"]
    if facts["notes_judged"]:
        yield "label_review", "label_quality", lambda: label_quality_picture(review)
    if facts["ceilings"]:
        metrics = tables.rows["embedding_metrics"]
        yield "label_review", "label_ceiling", lambda: ceiling_picture(facts["ceilings"], metrics)
