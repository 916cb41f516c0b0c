"""Writes docs/tables.md from the schemas, so that the page and the tables cannot drift apart."""

from __future__ import annotations

import pyarrow as pa

from medembed_pipeline.described import described_tables

HEADING = """\
# Tables

Every table is one Parquet file, `<lake>/<name>.parquet`, that `pandas.read_parquet` reads whole. Ids join the tables,
not row positions. The footer of each file says what it was made from. This page is written by
`medembed tables > docs/tables.md`.
"""


def render_tables_page() -> str:
    """The text of docs/tables.md."""
    parts = [HEADING]
    for name, table in described_tables().items():
        parts.append(
            f"\n## {name}\n\nOne row is {table.one_row}.\n\n| column | type | what it is |\n|---|---|---|\n"
        )
        for field in table.schema:
            about = (field.metadata or {}).get(b"description", b"").decode().replace("|", "\\|")
            parts.append(f"| `{field.name}` | {_type(field.type)} | {about} |\n")
        parts.append(table.more)
    return "".join(parts)


def _type(type_: pa.DataType) -> str:
    return str(type_).replace("item: ", "").replace("element: ", "")
