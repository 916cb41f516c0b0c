"""A project of its own in a temporary folder: settings, lake, Dagster home, and a model small enough to train."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

ROOT = Path(__file__).resolve().parents[2]

PCA_ALONE = 'methods = ["pca"]\n'
"""Maps that take no time."""

SMALL = """
[encoder]
base = "{model}"
max_tokens = 32
{encoder}
[triplets]
train_triplets = 150
validation_triplets = 40
{triplets}
[training]
epochs = 1
notes_per_batch = 16
save_every_seconds = 0
{training}
[alignment]
methods = ["joint_pca"]
[label_review]
repeats = 1
[leakage]
repeats = 3
[tasks]
clinical_codes = 100
[images]
drawn_patients = 30
[projections]
dimensions = [2]
{more}
"""


@dataclass
class Project:
    """A folder with `medembed.toml`, `data_lake/` and `.dagster_home/`.

    Attributes
    ----------
    folder
        where it lies.
    model
        the base model's folder.
    lake_url
        the data lake.
    """

    folder: Path
    model: Path
    lake_url: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lake_url = self.lake_url or str(self.folder / "data_lake")
        self.configure()

    @property
    def landing(self) -> Path:
        """The landing folder."""
        folder = Path(self.lake_url) / "landing"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def dagster_home(self) -> Path:
        """Where Dagster keeps its history."""
        return self.folder / ".dagster_home"

    def configure(
        self, encoder: str = "", triplets: str = "", training: str = "", more: str = PCA_ALONE
    ) -> None:
        """Write the settings, with further lines in some sections; `more` begins in that of the maps."""
        text = SMALL.format(
            model=self.model, encoder=encoder, triplets=triplets, training=training, more=more
        )
        (self.folder / "medembed.toml").write_text(text, encoding="utf-8")

    def environ(self) -> dict[str, str]:
        """The environment of the project's processes."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("MEDEMBED", "DAGSTER"))
        }
        return {
            **kept,
            "MEDEMBED_DATA_LAKE": self.lake_url,
            "PYTHONPATH": str(ROOT),
            "HF_HUB_OFFLINE": "1",
            **self.environment,
        }

    def medembed(self, *arguments: str, timeout: float = 500) -> subprocess.CompletedProcess[str]:
        """Run the `medembed` command in the project."""
        return subprocess.run(
            [sys.executable, "-m", "medembed_pipeline.cli", *arguments],
            cwd=self.folder,
            env=self.environ(),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def run(self) -> str:
        """`medembed run`, which must succeed; returns what it printed."""
        done = self.medembed("run")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def materializations(self, asset: str) -> list[dg.EventLogRecord]:
        """Every materialization of an asset, newest first."""
        with dg.DagsterInstance.from_config(str(self.dagster_home)) as instance:
            found = instance.fetch_materializations(dg.AssetKey(asset), limit=100)
            return list(found.records)

    def data_versions(self) -> dict[str, str]:
        """The current data version of every asset that was materialized."""
        with dg.DagsterInstance.from_config(str(self.dagster_home)) as instance:
            versions = {}
            for key in instance.all_asset_keys():
                event = instance.get_latest_data_version_record(key)
                materialization = event.asset_materialization if event else None
                tags: Any = (materialization.tags if materialization else None) or {}
                versions[key.path[-1]] = str(tags.get("dagster/data_version"))
            return versions
