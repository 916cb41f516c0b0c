"""DAGSTER_HOME of the project: where Dagster keeps its history, with telemetry off and the GPU pool limited."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from medembed_pipeline.settings import project_root

HOME_VARIABLE = "DAGSTER_HOME"


def prepare_dagster_home() -> Path:
    """Make `.dagster_home/`, or what DAGSTER_HOME names, with its `dagster.yaml`; name it in the environment.

    A folder that DAGSTER_HOME names and that is there already is left as it is.
    """
    named = os.environ.get(HOME_VARIABLE)
    if named and Path(named).is_dir():
        return Path(named)
    root = project_root()
    home = Path(named) if named else root / ".dagster_home"
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
