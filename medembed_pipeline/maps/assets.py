"""The assets `projections`, `aligned_projections`, `note_displacement`: where notes lie, and how far they moved."""

from collections.abc import Callable
from functools import partial
from typing import Any

import dagster as dg
import pyarrow as pa

from medembed_pipeline.lake.publishing import (
    AssetIO,
    Built,
    PictureFiles,
)
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.maps import REVISION
from medembed_pipeline.maps.displacement import NOTE_DISPLACEMENT_SCHEMA, note_displacement_table
from medembed_pipeline.maps.figures import displacement_figures
from medembed_pipeline.maps.inputs import MapInputs, map_inputs
from medembed_pipeline.maps.settings import AlignmentSettings, ProjectionSettings
from medembed_pipeline.maps.tables import ALIGNED_PROJECTIONS_SCHEMA, MAP_QUALITY_SCHEMA, PROJECTIONS_SCHEMA
from medembed_pipeline.pictures.drawing import picture
from medembed_pipeline.settings import load_settings
from medembed_pipeline.stage import stage

SETTINGS = load_settings()
PICTURED = ("umap", "tsne", "pca")


@stage(
    group="evaluation",
    inputs=["cleaned_notes", "baseline_embeddings", "tuned_embeddings", "neighbors"],
    one_row="a note's place on one map",
    schema=PROJECTIONS_SCHEMA,
    revision=REVISION,
    settings=SETTINGS.projections,
    kinds=["scikitlearn", "umap"],
)
def projections(work: AssetIO, settings: ProjectionSettings) -> dg.MaterializeResult[Any]:
    """PCA, t-SNE and UMAP of both models, flat and in space, with how far each map can be trusted."""
    notes = work.input("cleaned_notes")
    inputs = _tables(work)
    work.draw = partial(draw_maps, notes)
    return work.publish(
        lambda: make_maps(inputs(), settings, work.context.log.info),
        PROJECTIONS_SCHEMA,
    )


@stage(
    group="evaluation",
    inputs=["cleaned_notes", "baseline_embeddings", "tuned_embeddings", "neighbors"],
    one_row="a note's place on a map on which baseline and tuned can be compared",
    schema=ALIGNED_PROJECTIONS_SCHEMA,
    revision=REVISION,
    settings=SETTINGS.alignment,
    kinds=["umap"],
)
def aligned_projections(work: AssetIO, settings: AlignmentSettings) -> dg.MaterializeResult[Any]:
    """Both models on one map, by AlignedUMAP and by a joint PCA: what moves there moved, above a noise floor."""
    notes = work.input("cleaned_notes")
    inputs = _tables(work)
    work.draw = partial(draw_aligned_maps, notes, inputs, settings)
    return work.publish(
        lambda: make_aligned_maps(inputs(), settings, work.context.log.info),
        ALIGNED_PROJECTIONS_SCHEMA,
    )


@stage(
    group="evaluation",
    # cleaned_notes is not read, but new notes then reach it in the same run as the other maps.
    inputs=["cleaned_notes", "baseline_embeddings", "tuned_embeddings", "neighbors"],
    one_row="how far a note moved",
    schema=NOTE_DISPLACEMENT_SCHEMA,
    revision=REVISION,
    settings=SETTINGS.alignment,
)
def note_displacement(work: AssetIO, settings: AlignmentSettings) -> dg.MaterializeResult[Any]:
    """How far each note moved: exactly, in the full space, and by the neighbours it lost."""
    inputs = _tables(work)
    work.draw = draw_displacement
    return work.publish(lambda: make_displacement(inputs(), settings), NOTE_DISPLACEMENT_SCHEMA)


def _tables(work: AssetIO) -> Callable[[], MapInputs]:
    """Note both embeddings and neighbors as inputs; they are read when the returned function is called."""
    tables = {name: work.input(name) for name in ("baseline_embeddings", "tuned_embeddings", "neighbors")}

    def read() -> MapInputs:
        return map_inputs(**{name: table.read() for name, table in tables.items()})

    return read


def make_maps(inputs: MapInputs, settings: ProjectionSettings, report: Callable[[str], None]) -> Built:
    """All maps of both models, and their trustworthiness as facts."""
    from medembed_pipeline.maps.tables import judged, make_projections, map_quality_table, projections_table

    maps = []
    for model, space in inputs.spaces.items():
        for one in make_projections(
            model=model,
            note_ids=inputs.note_ids,
            embeddings=space.embeddings,
            neighbor_indices=space.neighbor_indices,
            neighbor_similarities=space.neighbor_similarities,
            seed=settings.seed,
            methods=settings.methods,
            dimensions=settings.dimensions,
            perplexity=settings.tsne_perplexity,
            umap_neighbors=settings.umap_neighbors,
            minimum_distance=settings.umap_minimum_distance,
        ):
            report(f"{one.method} in {one.dimensions} dimensions of the {model} model is done")
            maps.append(one)
    maps = judged(maps, embeddings=inputs.embeddings, seed=settings.seed)
    quality = map_quality_table(maps, embeddings=inputs.embeddings, seed=settings.seed)
    return projections_table(maps, note_ids=inputs.note_ids), {"trustworthiness": quality.to_pylist()}


def make_aligned_maps(inputs: MapInputs, settings: AlignmentSettings, report: Callable[[str], None]) -> Built:
    """The maps that hold both models, their trustworthiness and noise floors as facts."""
    from medembed_pipeline.maps.aligned import aligned_projections_table, make_aligned_projections
    from medembed_pipeline.maps.tables import map_quality_table

    found = make_aligned_projections(
        inputs.spaces["baseline"],
        inputs.spaces["tuned"],
        seed=settings.seed,
        methods=settings.methods,
        dimensions=settings.dimensions,
        regularisation=settings.regularisation,
        umap_neighbors=settings.umap_neighbors,
        minimum_distance=settings.umap_minimum_distance,
        overlap_neighbors=settings.overlap_neighbors,
        report=report,
    )
    quality = map_quality_table(found.maps, embeddings=inputs.embeddings, seed=settings.seed)
    facts = {
        "noise_floors": found.noise_floors,
        "trustworthiness": quality.to_pylist(),
        "left_out": found.left_out,
    }
    return aligned_projections_table(found.maps, note_ids=inputs.note_ids), facts


def make_displacement(inputs: MapInputs, settings: AlignmentSettings) -> Built:
    """Displacement and neighbour overlap of every note."""
    baseline, tuned = inputs.spaces["baseline"], inputs.spaces["tuned"]
    return note_displacement_table(
        inputs.note_ids,
        baseline=baseline.embeddings,
        tuned=tuned.embeddings,
        baseline_neighbors=baseline.neighbor_indices,
        tuned_neighbors=tuned.neighbor_indices,
        overlap_neighbors=settings.overlap_neighbors,
        seed=settings.seed,
    )


def draw_maps(notes: LakeTable, table: LakeTable) -> dict[str, PictureFiles]:
    """The two models side by side, coloured by specialty."""
    from medembed_pipeline.pictures.maps_picture import maps_picture

    made = {row["method"] for row in table.footer.facts["trustworthiness"] if row["dimensions"] == 2}
    rows, specialties, quality = table.read(), _specialties(notes), _quality(table)
    return {
        f"{method}_map": maps_picture(rows, specialties, method=method, quality=quality)
        for method in PICTURED
        if method in made
    }


def draw_aligned_maps(
    notes: LakeTable, inputs: Callable[[], MapInputs], settings: AlignmentSettings, table: LakeTable
) -> dict[str, PictureFiles]:
    """Both models on the aligned map, and where the notes went that moved most."""
    from medembed_pipeline.pictures.aligned_picture import arrows_picture
    from medembed_pipeline.pictures.maps_picture import maps_picture

    rows, specialties, quality = table.read(), _specialties(notes), _quality(table)
    floors = table.footer.facts["noise_floors"]
    made = {row["method"] for row in floors if row["dimensions"] == 2}
    if not made:
        return {}
    moved, _ = make_displacement(inputs(), settings)
    maps = {
        f"{method}_map": maps_picture(rows, specialties, method=method, quality=quality)
        for method in ("aligned_umap", "joint_pca")
        if method in made
    }
    return {**maps, "arrows": arrows_picture(rows, moved, specialties, noise_floors=floors)}


def draw_displacement(table: LakeTable) -> dict[str, PictureFiles]:
    """How displacement and neighbour overlap are distributed."""
    rows = table.read(["displacement", "neighbor_overlap"]).to_pydict()
    floor = table.footer.facts["displacement_floor"]
    figures = displacement_figures(rows["displacement"], rows["neighbor_overlap"], floor=floor)
    return {figure.name: picture(figure) for figure in figures}


def _specialties(notes: LakeTable) -> dict[str, list[str]]:
    columns = notes.read(["note_id", "specialties"]).to_pydict()
    return dict(zip(columns["note_id"], columns["specialties"], strict=True))


def _quality(table: LakeTable) -> pa.Table:
    return pa.Table.from_pylist(table.footer.facts["trustworthiness"], schema=MAP_QUALITY_SCHEMA)
