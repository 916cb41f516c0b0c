"""Columns of tables, each with what it is in words."""

import pyarrow as pa


def described(name: str, kind: pa.DataType, description: str, *, nullable: bool = False) -> pa.Field:
    """A column that says what it holds; the tables page shows it, and the Dagster UI.

    Parameters
    ----------
    name
        of the column.
    kind
        its type.
    description
        a phrase: what it is, its unit, what a missing value means.
    nullable
        whether values may be missing.
    """
    return pa.field(name, kind, nullable=nullable, metadata={"description": description})
