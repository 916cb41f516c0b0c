"""The asset `projections`: where every note lies on every map."""

from typing import Any

import dagster as dg
import pyarrow as pa

from medembed_pipeline.lake.publishing import (
    Built,
    asset_work,
    code_version,
    column_schema,
    inline_picture,
    launchpad_schema,
    launchpad_settings,
)
from medembed_pipeline.lake.tables import LakeTable, vectors
from medembed_pipeline.maps import REVISION
from medembed_pipeline.maps.tables import PROJECTIONS_SCHEMA
from medembed_pipeline.settings import ProjectionSettings, load_settings

SETTINGS = load_settings()
MODELS = ("baseline", "tuned")
PICTURED = ("umap", "tsne")


@dg.asset(
    group_name="evaluation",
    kinds={"parquet", "umap", "scikitlearn"},
    deps=["cleaned_notes", "baseline_embeddings", "tuned_embeddings", "neighbors"],
    code_version=code_version(REVISION, SETTINGS.projections),
    config_schema=launchpad_schema("projections", SETTINGS.projections),
    metadata=column_schema(PROJECTIONS_SCHEMA),
    required_resource_keys={"lake"},
)
def projections(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    """PCA, t-SNE and UMAP of both models, flat and in space, with how far each map can be trusted."""
    settings = launchpad_settings(context, ProjectionSettings)
    with asset_work(context, REVISION, settings) as work:
        notes, nearest = work.input("cleaned_notes"), work.input("neighbors")
        embeddings = {model: work.input(f"{model}_embeddings") for model in MODELS}

        def report(message: str) -> None:
            context.log.info(message)

        return work.publish(
            lambda: make_maps(embeddings, nearest, settings, report),
            PROJECTIONS_SCHEMA,
            lambda table: describe_maps(table, notes),
        )


def make_maps(
    embeddings: dict[str, LakeTable], nearest: LakeTable, settings: ProjectionSettings, report: Any
) -> Built:
    """All maps of both models, and their trustworthiness as facts."""
    from medembed_pipeline.maps.tables import (
        make_projections,
        map_quality_table,
        neighbor_arrays,
        projections_table,
    )

    neighbors = nearest.read()
    maps = []
    matrices = {}
    ids: list[str] = []
    for model, table in embeddings.items():
        rows = table.read()
        ids = rows.column("note_id").to_pylist()
        matrices[model] = vectors(rows.column("embedding"))
        indices, similarities = neighbor_arrays(neighbors, model=model, note_ids=ids)
        for one in make_projections(
            model=model,
            note_ids=ids,
            embeddings=matrices[model],
            neighbor_indices=indices,
            neighbor_similarities=similarities,
            seed=settings.seed,
            methods=settings.methods,
            dimensions=settings.dimensions,
            perplexity=settings.tsne_perplexity,
            umap_neighbors=settings.umap_neighbors,
            minimum_distance=settings.umap_minimum_distance,
        ):
            report(f"{one.method} in {one.dimensions} dimensions of the {model} model is done")
            maps.append(one)
    quality = map_quality_table(maps, embeddings=matrices, seed=settings.seed)
    return projections_table(maps, note_ids=ids), {"trustworthiness": quality.to_pylist()}


def describe_maps(table: LakeTable, notes: LakeTable) -> dict[str, Any]:
    """The two models side by side, coloured by specialty."""
    from medembed_pipeline.maps.tables import MAP_QUALITY_SCHEMA
    from medembed_pipeline.pictures.maps_picture import maps_picture

    made = {row["method"] for row in table.footer.facts["trustworthiness"] if row["dimensions"] == 2}
    columns = notes.read(["note_id", "specialties"]).to_pydict()
    specialties = dict(zip(columns["note_id"], columns["specialties"], strict=True))
    quality = pa.Table.from_pylist(table.footer.facts["trustworthiness"], schema=MAP_QUALITY_SCHEMA)
    rows = table.read()
    return {
        f"{method}_map": inline_picture(
            maps_picture(rows, specialties, method=method, quality=quality), method
        )
        for method in PICTURED
        if method in made
    }
