"""How the page was made: settings, versions, packages; without a secret and without a path of this machine."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PureWindowsPath
from typing import Any

from medembed_pipeline.evaluation.settings import SliceSettings
from medembed_pipeline.report.shown_table import ShownTable
from medembed_pipeline.settings import Settings

PACKAGES = (
    "medembed_pipeline",
    "dagster",
    "torch",
    "transformers",
    "numpy",
    "scipy",
    "scikit-learn",
    "numba",
    "cleanlab",
    "pyarrow",
)

_ABSOLUTE = re.compile(r"[/~\\]+[^/~\\\s]|[A-Za-z]:[/\\]|\.{1,2}[/\\]|[a-z0-9+]+://")


def provenance_part(
    tables: Mapping[str, ShownTable],
    *,
    checkpoint: Mapping[str, Any] | None = None,
    more_settings: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Settings of every table shown, data versions, the checkpoint's manifest, and the packages of this process.

    Parameters
    ----------
    tables
        what the page shows.
    checkpoint
        `version` and `manifest` of the tuned model; None where nothing is known of it.
    more_settings
        further settings, by the name of their section's class or by any other name.
    """
    manifest = (checkpoint or {}).get("manifest") or {}
    settings: dict[str, Any] = dict(manifest.get("settings") or {})
    versions: dict[str, str] = {}
    for table in tables.values():
        settings |= table.settings
        versions |= table.inputs
    for name, table in tables.items():
        if table.data_version:
            versions[name] = table.data_version
    settings |= more_settings or {}
    names = {type(section).__name__: name for name, section in Settings()}
    names[SliceSettings.__name__] = "slices"
    shown = {names.get(section, section): values for section, values in settings.items()}
    return {
        "settings": {name: without_paths(shown[name]) for name in sorted(shown)},
        "versions": dict(sorted(versions.items())),
        "checkpoint": without_paths(checkpoint) if checkpoint else None,
        "packages": package_versions(),
    }


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that the figures rest on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def without_paths(value: Any) -> Any:
    """A JSON-able value in which every path of this machine is cut down to its last name, at any depth."""
    if isinstance(value, str):
        return model_name(value) if _is_path(value) else value
    if isinstance(value, Mapping):
        return {key: without_paths(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_paths(inner) for inner in value]
    return value


def model_name(base: str) -> str:
    """A base model's name without the place it lies at: the last name of a folder, a hub id as it is."""
    if not _is_path(base):
        return base
    return PureWindowsPath(base.rstrip("/\\")).name or base


def _is_path(value: str) -> bool:
    if "\n" in value or len(value) > 1000:
        return False
    return bool(_ABSOLUTE.match(value)) or ("/" in value and Path(value).is_dir())
