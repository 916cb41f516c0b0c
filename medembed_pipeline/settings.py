"""Every parameter of the pipeline: the sections of all rooms, read from `medembed.toml` and the environment.

Dagster's launchpad shows the same fields with the values of the file as their defaults, and the data lake's location
alone comes from the environment (`MEDEMBED_DATA_LAKE`).
"""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import create_model

from medembed_pipeline.rooms import modules_of_rooms
from medembed_pipeline.section import Section, SettingsError, validate

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SETTINGS_VARIABLE = "MEDEMBED_SETTINGS"
DATA_LAKE_VARIABLE = "MEDEMBED_DATA_LAKE"


def sections() -> dict[str, type[Section]]:
    """The sections of all rooms by their tables, in the order of the file."""
    declared = [
        value
        for module in modules_of_rooms("settings")
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Section) and value.__module__ == module.__name__
    ]
    return {section.table: section for section in declared if section.table}


if TYPE_CHECKING:

    class Settings(Section):
        """All sections of `medembed.toml`: an attribute per table."""

        def __init__(self, **tables: Section) -> None: ...

        def __getattr__(self, table: str) -> Any: ...

else:
    Settings = create_model(
        "Settings",
        __base__=Section,
        **{table: (section, section()) for table, section in sections().items()},
    )


def project_root() -> Path:
    """The folder that holds `medembed.toml`: the working directory, or one above it, or where the code lies."""
    here = Path.cwd()
    for folder in (here, *here.parents, Path(__file__).resolve().parent.parent):
        if (folder / "medembed.toml").is_file():
            return folder
    return here


def data_lake_url() -> str:
    """Where the data lives: `MEDEMBED_DATA_LAKE` (a folder or an fsspec URL), else `data_lake/` of the project."""
    return os.environ.get(DATA_LAKE_VARIABLE) or str(project_root() / "data_lake")


def load_settings(path: Path | None = None) -> Settings:
    """Read and check the settings.

    Parameters
    ----------
    path
        the file; by default `MEDEMBED_SETTINGS`, else `medembed.toml` of the project. Without a file every field has
        its default.

    Raises
    ------
    SettingsError
        the file is missing, is not TOML, or holds an unknown key or a value out of range.
    """
    named = os.environ.get(SETTINGS_VARIABLE)
    if path is None and named:
        path = Path(named)
    if path is not None and not path.is_file():
        raise SettingsError(
            f"settings file not found: {path}. Give an existing file, or unset {SETTINGS_VARIABLE}."
        )
    if path is None:
        path = project_root() / "medembed.toml"
        if not path.is_file():
            return Settings()
    return _parsed(path.read_bytes(), str(path))


@cache
def _parsed(content: bytes, where: str) -> Settings:
    """The settings in a file's content: every room asks for them while it is loaded."""
    try:
        values = tomllib.loads(content.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{where} is not valid TOML: {error}. Mend the line, or start from a fresh copy."
        ) from None
    return validate(Settings, values, where=where)
