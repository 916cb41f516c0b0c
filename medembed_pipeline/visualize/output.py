"""The output folder: tables without texts, pictures, and the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import LakeTable, Recipe
from medembed_pipeline.report.provenance import without_paths
from medembed_pipeline.visualize import REVISION
from medembed_pipeline.visualize.errors import VisualizeError

CODE = "visualize-"
"""How the code revision of a table begins that lies in an output folder."""

COMPARISON = "model_comparison"


def open_output(folder: Path) -> Lake:
    """The output folder, made where it is not there.

    Raises
    ------
    VisualizeError
        it cannot be made, or is a data lake.
    """
    if folder.exists() and not folder.is_dir():
        raise VisualizeError(f"--output {folder} is a file; give a folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VisualizeError(f"--output {folder} cannot be made ({error.strerror or error}).") from None
    output = Lake(str(folder.resolve()))
    notes = output.find_table("cleaned_notes")
    if output.exists("landing") or (notes is not None and not notes.footer.recipe.code.startswith(CODE)):
        raise VisualizeError(
            f"--output {folder} is a data lake, whose tables would be replaced; give another folder."
        )
    return output


def take_tables(lake: Lake, output: Lake, names: Iterable[str]) -> dict[str, str]:
    """Copy tables; of the notes neither texts nor whose they are: the page alone holds texts, as its settings say.

    Returns
    -------
    dict[str, str]
        Their data versions, by name.
    """
    versions = {}
    for name in names:
        table = lake.table(name)
        recipe = _recipe(table)
        if name == "cleaned_notes":
            written = output.write_table(recipe, _anonymous(table.read()))
        else:
            facts = table.footer.facts
            written = output.write_table(recipe, table.batches(), schema=table.schema, facts=facts)
        versions[name] = written.data_version
    return versions


def _recipe(table: LakeTable) -> Recipe:
    recipe = table.footer.recipe
    return replace(recipe, code=f"{CODE}{REVISION}", settings=without_paths(recipe.settings))


def _anonymous(notes: pa.Table) -> pa.Table:
    notes = notes.drop_columns(["text"])
    for name, empty in (("patients", []), ("note_keys", []), ("note_date", None)):
        place = notes.schema.get_field_index(name)
        field = notes.schema.field(place)
        notes = notes.set_column(place, field, pa.array([empty] * len(notes), field.type))
    return notes


def take_pictures(lake: Lake, output: Lake) -> None:
    """Copy all pictures, and remove those of earlier calls from the folders of the same tables."""
    for table in lake.names("pictures"):
        drawn = [name for name in lake.names("pictures", table) if name.endswith((".png", ".svg"))]
        for name in drawn:
            content = lake.read_bytes("pictures", table, name)
            if content is not None:
                output.write_bytes(content, "pictures", table, name)
        for name in output.names("pictures", table):
            if name.endswith((".png", ".svg")) and name not in drawn:
                output.remove("pictures", table, name)


def write_comparison(
    output: Lake, metrics: Sequence[tuple[str, pa.Table]], inputs: Mapping[str, str]
) -> str | None:
    """Write the metrics of several models under each other, with their name in the column `checkpoint`.

    Parameters
    ----------
    output
        in which one of an earlier call is removed where there is but one model.
    metrics
        by name, with the columns of `embedding_metrics`.
    inputs
        data versions of what they were made from.

    Returns
    -------
    str | None
        The data version; None where there is but one model.
    """
    if len(metrics) == 1:
        output.remove(f"{COMPARISON}.parquet")
        return None
    parts = [
        rows.add_column(0, "checkpoint", pa.array([name] * len(rows), pa.string())) for name, rows in metrics
    ]
    recipe = Recipe(COMPARISON, f"{CODE}{REVISION}", {}, dict(inputs))
    return output.write_table(recipe, pa.concat_tables(parts)).data_version
