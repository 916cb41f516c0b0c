"""How the history is kept: read, added to and written under one lock, and never begun again by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from medembed_pipeline.history.table import (
    CHECKPOINT_HISTORY_SCHEMA,
    NAME,
    HistoryError,
    Judgement,
    history_version,
    note_figures,
    task_figures,
    with_judgement,
)
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import LakeTable, Recipe, TableError
from medembed_pipeline.lake.verification import altered
from medembed_pipeline.training.checkpoints import FOLDER, MANIFEST
from medembed_pipeline.verdict.released import withdrawn_versions

VERDICT = "release_verdict"
FIGURES = {"embedding_metrics": note_figures, "task_metrics": lambda rows, _: task_figures(rows)}
"""Tables whose figures are kept, and how they are read; extend it for others."""

MEANING = "what was released when, and what it gave, is then not known of the time before"
REMEDY = (
    f"it cannot be made again: {MEANING}. Restore it from a backup of the lake, put back a version that is kept with "
    f"`medembed rollback --of {NAME}`, or begin a new one with `medembed history --start-over`"
)


def find_history(lake: Lake) -> LakeTable | None:
    """The history; None where there never was one.

    Raises
    ------
    HistoryError
        it was there and is gone, or is not what was written.
    """
    try:
        table = lake.find_table(NAME)
    except TableError:
        raise HistoryError(f"{lake.table_path(NAME)} is damaged: {REMEDY}.") from None
    if table is None:
        if NAME in lake.published_names():
            raise HistoryError(f"{lake.table_path(NAME)} is gone: {REMEDY}.")
        return None
    if altered(table):
        raise HistoryError(f"{lake.table_path(NAME)} is not what was written: {REMEDY}.")
    return table


def add_judgement(
    lake: Lake, recipe: Recipe, judgement: Judgement, figures: Iterable[Mapping[str, Any]]
) -> tuple[LakeTable, bool]:
    """Add one judgement to the history that stands when it is this work's turn.

    Rows are only ever added, so work that began earlier and ends later adds its own and takes none away: the history is
    the one table of the lake that does not go by who began last.

    Parameters
    ----------
    lake
        of the asset's work.
    recipe
        what the judgement is made from.
    judgement
        what was judged.
    figures
        what was found.

    Returns
    -------
    tuple[LakeTable, bool]
        The table, and whether it stood already as it is.

    Raises
    ------
    HistoryError
        as in `find_history`.
    """
    with lake.lock(NAME):
        standing = find_history(lake)
        history = None if standing is None else standing.read().cast(CHECKPOINT_HISTORY_SCHEMA)
        rows = with_judgement(history, judgement, figures)
        kept = standing is not None and rows is history
        if standing is None or not kept:
            standing = lake.write_table(
                recipe,
                rows,
                schema=CHECKPOINT_HISTORY_SCHEMA,
                data_version=history_version(rows),
                is_merged=True,
            )
    return standing, kept


def start_over(lake: Lake) -> None:
    """Begin an empty history in place of one that is lost.

    Raises
    ------
    HistoryError
        there is a whole one, or there never was one.
    """
    with lake.lock(NAME):
        try:
            standing = find_history(lake)
        except HistoryError:
            rows = CHECKPOINT_HISTORY_SCHEMA.empty_table()
            recipe = Recipe(NAME, "started over", {}, {})
            lake.write_table(recipe, rows, schema=CHECKPOINT_HISTORY_SCHEMA, is_merged=True)
            return
    if standing is None:
        raise HistoryError(f"there is no history yet, and none was lost. Materialize {NAME} to begin one.")
    raise HistoryError(f"{standing.path} is whole and holds {standing.rows} rows; it is not started over.")


def read_judgement(lake: Lake, verdict: LakeTable, evidence: Mapping[str, LakeTable]) -> Judgement:
    """What the verdict in the lake judged.

    Parameters
    ----------
    lake
        where the checkpoint lies, if it still does.
    verdict
        table `release_verdict`.
    evidence
        the tables of FIGURES that are there.

    Raises
    ------
    HistoryError
        the verdict was not drawn from these tables.
    """
    for name, table in evidence.items():
        if verdict.footer.recipe.inputs.get(name, table.data_version) != table.data_version:
            raise HistoryError(
                f"{VERDICT} was drawn from another {name} than stands. Materialize {VERDICT} again."
            )
    facts = verdict.footer.facts
    version = str(facts["checkpoint"])
    manifest = lake.read_json(FOLDER, version, MANIFEST) or {}
    tuned = lake.find_table("tuned_embeddings")
    return Judgement(
        checkpoint=version,
        evidence={
            VERDICT: verdict.data_version,
            **{name: table.data_version for name, table in sorted(evidence.items())},
        },
        made_at=_time(lake.modified(FOLDER, version, MANIFEST)) if manifest else None,
        judged_at=_time(lake.modified(f"{VERDICT}.parquet")),
        base=str(manifest.get("base", "")),
        precision=str(
            (tuned.footer.facts if tuned else {}).get("precision") or manifest.get("precision", "")
        ),
        verdict=str(facts["verdict"]),
        taken_back=version in withdrawn_versions(lake),
    )


def read_figures(verdict: LakeTable, evidence: Mapping[str, LakeTable]) -> list[dict[str, Any]]:
    """The figures of the tables of FIGURES that are there."""
    main = str(verdict.footer.facts["main_metric"])
    return [row for name, table in evidence.items() for row in FIGURES[name](table.read(), main)]


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(round(seconds, 3), tz=timezone.utc)
