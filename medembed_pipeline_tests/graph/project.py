"""A project of its own in a temporary folder: settings, lake, Dagster home, and a model small enough to train."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from medembed_pipeline_tests.graph.forking import ROOT, forking_process

LIMIT_SECONDS = 500

PCA_ALONE = 'methods = ["pca"]\n'
"""Maps that take no time."""

WITH_PICTURES = """
[images]
drawn_patients = 30
[triage]
tries = 2
folds = 2
[image_text]
steps = 20
deals = 20
"""
"""Few pictures, and little tried on them."""

WHOLE = f"""
[tasks]
clinical_codes = 100
{WITH_PICTURES}"""
"""All tasks, and pictures."""

SHORT = f"""
[tasks]
families = ["passages", "everyday_language"]
{WITH_PICTURES}"""
"""Without the clinical terms: each process that asks them reads the whole classification."""

NOTES_ALONE = """
[tasks]
families = ["passages"]
[images]
enabled = false
"""
"""Without pictures, and without the tasks whose texts are the same whatever the notes are."""

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
head_steps = 20
head_units = 64
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
{parts}
[projections]
dimensions = [2]
{more}
"""


MATERIALIZING = """
import dagster as dg
from medembed_pipeline.dagster_home import prepare_dagster_home
from medembed_pipeline.definitions import defs
with dg.DagsterInstance.from_config(str(prepare_dagster_home())) as instance:
    assets = [dg.AssetKey(name) for name in {names}]
    job = defs.resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(instance=instance, asset_selection=assets, run_config={config}).success
"""


def materializing(*names: str, config: dict[str, Any] | None = None) -> str:
    """Code that materializes some assets, as a person does in the UI."""
    return MATERIALIZING.format(names=names, config=config or {})


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
    parts
        settings of the tasks and pictures.
    """

    folder: Path
    model: Path
    lake_url: str = ""
    parts: str = SHORT
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lake_url = self.lake_url or str(self.folder / "data_lake")
        if not (self.folder / "medembed.toml").exists():
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
            model=self.model,
            encoder=encoder,
            triplets=triplets,
            training=training,
            parts=self.parts,
            more=more,
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
            "OMP_NUM_THREADS": "1",
            **self.environment,
        }

    def medembed(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the `medembed` command in the project, as a person does: in a process that loads everything."""
        return subprocess.run(
            [sys.executable, "-m", "medembed_pipeline.cli", *arguments],
            cwd=self.folder,
            env=self.environ(),
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the `medembed` command in a process that is forked from one with the libraries loaded."""
        return self._python("-m", "medembed_pipeline.cli", *arguments)

    def run(self) -> str:
        """`medembed run`, its pictures a few bytes; it must succeed. Returns what it printed."""
        done = self._python("-m", "medembed_pipeline_tests.graph.undrawn", "run")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def python(self, code: str) -> str:
        """Run code in a process of the project, its pictures a few bytes; returns what it printed."""
        drawing = "from medembed_pipeline_tests.graph.undrawn import stub_pictures\nstub_pictures()\n"
        done = self._python("-c", drawing + code)
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    def _python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return forking_process().run(
            list(arguments), cwd=self.folder, env=self.environ(), timeout=LIMIT_SECONDS
        )

    def land_samples(self, notes: int) -> None:
        """Land the sample corpus, as `medembed samples` does."""
        from medembed_pipeline.samples.corpus import write_sample_corpus

        write_sample_corpus(self.landing / "sample_notes.csv", notes=notes)

    def copy(self, folder: Path) -> Project:
        """The same in another folder, to be changed: settings, lake and history."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder, self.model, parts=self.parts)

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
