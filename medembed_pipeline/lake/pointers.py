"""Pointers of the lake: which of several immutable folders is the current one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publication import OutdatedWorkError
from medembed_pipeline.lake.tables import Recipe


def move_pointer(lake: Lake, asset: str, *, version: str, data_version: str, recipe: Recipe) -> None:
    """Write `<asset>.json`, so that it names a folder that was made.

    Raises
    ------
    OutdatedWorkError
        newer work has made it name another one.
    """
    name = f"{asset}.json"
    pointer: Mapping[str, Any] = {"version": version, "data_version": data_version, "recipe": vars(recipe)}
    if lake.read_json(name) == pointer:
        lake.confirm(asset)
    if lake.read_json(name) == pointer:
        return
    try:
        lake.write_json(pointer, name)
    except OutdatedWorkError:
        if lake.read_json(name) != pointer:
            raise
