"""DAGSTER_HOME of the project: where Dagster keeps its history, with telemetry off and the GPU pool limited."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from medembed_pipeline.settings import project_root

HOME_VARIABLE = "DAGSTER_HOME"


def prepare_dagster_home() -> Path:
    """Make `.dagster_home/` with its `dagster.yaml`, and name it in the environment.

    A DAGSTER_HOME that is set already is left as it is; where it names no folder yet, that is made.
    """
    named = os.environ.get(HOME_VARIABLE)
    if named:
        Path(named).mkdir(parents=True, exist_ok=True)
        return Path(named)
    root = project_root()
    home = root / ".dagster_home"
    home.mkdir(parents=True, exist_ok=True)
    own = root / "dagster.yaml"
    wanted = own if own.is_file() else Path(__file__).with_name("dagster.yaml")
    placed = home / "dagster.yaml"
    if not placed.is_file() or placed.read_bytes() != wanted.read_bytes():
        staged = home / f"dagster.yaml.{os.getpid()}"
        shutil.copyfile(wanted, staged)
        staged.replace(placed)
    os.environ[HOME_VARIABLE] = str(home)
    return home
