"""Whether the tables of the lake are what was written: hashed again, batch by batch, against their footers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from medembed_pipeline.lake.fingerprint import ContentHasher, type_name
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import LakeTable, TableError

NOT_TABLES = frozenset(
    {
        "finetuned_checkpoint",
        "specialty_classifier",
        "triage_model",
        "model_card",
        "report",
        "released",
        "classifier_in_service",
        "withdrawn",
        "withdrawn_classifiers",
    }
)
"""Published names that are no tables; they are verified by those who write them."""

State = Literal["ok", "missing", "altered", "stale", "leftover"]


@dataclass(frozen=True)
class Finding:
    """What was found of one thing in the lake.

    Attributes
    ----------
    name
        the table, folder or file, relative to the lake.
    state
        `missing` and `altered` are errors; `stale` (made from an input that has changed since) and `leftover` (of a
        killed process; swept by the next run) are not.
    detail
        what exactly, without any text of notes.
    """

    name: str
    state: State
    detail: str

    @property
    def is_error(self) -> bool:
        """Whether data is lost or not what it was."""
        return self.state in ("missing", "altered")


def verify_tables(
    lake: Lake, versions: Mapping[str, str], remedies: Mapping[str, str] | None = None
) -> list[Finding]:
    """Check every table of the lake.

    Parameters
    ----------
    lake
        where they lie.
    versions
        current data versions of inputs that are no tables (`finetuned_checkpoint`).
    remedies
        what it means that a table is missing or altered, by its name, where it cannot be made again.

    Returns
    -------
    list[Finding]
        One finding per table, and one per input of a table that is gone or has changed since, sorted by name.
    """
    findings: dict[tuple[str, str], Finding] = {}
    tables: dict[str, LakeTable] = {}
    names = {*_table_names(lake), *lake.published_names()} - NOT_TABLES
    for name in sorted(names):
        try:
            table = lake.find_table(name)
        except TableError as error:
            detail = (remedies or {}).get(name, str(error))
            findings[name, ""] = Finding(f"{name}.parquet", "altered", detail)
            continue
        if table is None:
            detail = (remedies or {}).get(name, f"materialize {name} to make it again")
            findings[name, ""] = Finding(f"{name}.parquet", "missing", detail)
            continue
        tables[name] = table
        problem = altered(table)
        detail = f"{table.rows} rows, data version {table.data_version[:12]}"
        if problem:
            detail = (remedies or {}).get(name, problem)
        findings[name, ""] = Finding(f"{name}.parquet", "altered" if problem else "ok", detail)
    current = {**{name: table.data_version for name, table in tables.items()}, **versions}
    for name, table in tables.items():
        for upstream, version in table.footer.recipe.inputs.items():
            if upstream in current and current[upstream] != version:
                was, now = version[:12], current[upstream][:12]
                findings[name, upstream] = Finding(
                    f"{name}.parquet", "stale", f"made from {upstream} {was}, which is {now} by now"
                )
    return [findings[key] for key in sorted(findings)]


def _table_names(lake: Lake) -> list[str]:
    return [name.removesuffix(".parquet") for name in lake.names() if name.endswith(".parquet")]


def altered(table: LakeTable) -> str:
    """What differs from the footer; empty where nothing does."""
    footer = table.footer
    columns = {field.name: type_name(field.type) for field in table.schema}
    if footer.columns and columns != footer.columns:
        changed = sorted({*columns.items()} ^ {*footer.columns.items()})
        return f"its columns are not those that were written: {', '.join(name for name, _ in changed)}"
    hasher = ContentHasher(table.schema)
    rows = 0
    try:
        for batch in table.batches(rows=16_384):
            hasher.update(batch)
            rows += batch.num_rows
    except (pa.ArrowException, OSError, ValueError, UnicodeDecodeError) as error:
        return (
            f"cannot be read past row {rows} ({type(error).__name__}); remove it and materialize {table.name}"
        )
    if footer.rows not in (-1, rows):
        return f"has {rows} rows and was written with {footer.rows}; remove it and materialize {table.name}"
    if hasher.hexdigest() != footer.content_sha256:
        return f"its content is not what was written (sha256 differs); remove it and materialize {table.name}"
    return ""
