"""Materializes parts of the graph in forked children, so that each can be killed and none costs an import.

The parent imports everything, and runs neither torch nor pyarrow itself: what these start does not survive a fork.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
import traceback
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from medembed_pipeline_tests.graph.forking import LOADED
from medembed_pipeline_tests.graph.undrawn import stub_pictures

STEPS = [
    ["raw_images", "case_rows", "rejected_images"],
    ["paired_cases", "case_splits"],
    ["image_embeddings"],
    [
        "prompt_pairs",
        "image_text_vectors",
        "preference_margins",
        "image_text_metrics",
        "image_text_examples",
    ],
    ["triage_model"],
    ["triage_predictions", "triage_metrics", "modality_ledger", "shortcut_meter", "triage_verdict"],
    ["raw_transcriptions", "rejected_rows"],
    ["cleaned_notes"],
    ["note_splits"],
    ["baseline_embeddings"],
    ["triplets"],
    ["finetuned_checkpoint"],
    ["tuned_embeddings"],
    ["neighbors"],
    ["embedding_metrics", "slice_metrics"],
    ["task_metrics"],
    ["token_vectors", "static_metrics"],
    ["projections"],
    ["aligned_projections"],
    ["recipe_study", "classifier_study", "classifier_adapters_study"],
    ["note_displacement"],
    ["similarity_evidence", "query_results", "label_confusions"],
    ["embedding_diagnostics", "label_review"],
    ["leakage_estimate"],
    ["label_probabilities"],
    ["specialty_classifier"],
    ["classification_metrics"],
    ["classification_errors"],
    ["classifier_verdict"],
    ["release_verdict"],
    ["checkpoint_history"],
    ["model_card"],
    ["report"],
    ["served_snapshot"],
]
"""What is disturbed together, by its first asset. Most trials are made of every step, so tables that are written alike
stand together; and what lies before a step is not made anew after it, so pictures, whose steps take long, come first.
"""
SETTINGS = """
[encoder]
base = "{model}"
max_tokens = 16
[triplets]
train_triplets = 90
validation_triplets = 30
[training]
head_steps = 20
head_units = 64
save_every_seconds = 0
log_every_steps = 1000
[neighbors]
neighbors = 10
[projections]
methods = ["pca"]
dimensions = [2]
[alignment]
methods = ["joint_pca"]
dimensions = [2]
[label_review]
repeats = 1
[tasks]
families = ["passages"]
[image_encoder]
base = "{image_model}"
[images]
enabled = {pictures}
kept_side = 128
[triage]
tries = 2
folds = 2
deals = 1
shuffles = 2
components = 8
smallest_level_patients = 2
[leakage]
repeats = 1
"""
LIMIT_SECONDS = 1200.0
PATIENTS = 24
"""Drawn patients at first, each of two cases; six more come with the new notes."""


def prepare(folder: Path, *, pictures: bool = True) -> None:
    """Make the small model and the settings, and import everything. Call once, before anything else.

    Parameters
    ----------
    folder
        where they lie.
    pictures
        whether the graph has the rooms of pictures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1", MEDEMBED_SETTINGS=str(folder / "medembed.toml")
    )
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
    settings = SETTINGS.format(
        model=folder / "model", image_model=folder / "image_model", pictures=str(pictures).lower()
    )
    (folder / "medembed.toml").write_text(settings)
    for name in LOADED:
        import_module(name)
    from medembed_pipeline.definitions import defs

    defs.resolve_job_def("everything")
    stub_pictures()

    def make_model() -> None:
        from medembed_pipeline_tests.encoder.small_image_models import make_resnet
        from medembed_pipeline_tests.encoder.small_models import make_bert

        make_bert(folder / "model")
        make_resnet(folder / "image_model")

    assert in_child(make_model) == 0


def start_child(work: Callable[[], object], output: Path | None = None) -> int:
    """Run a function in a forked child, its output in a file; returns the process id."""
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        where = os.open(output or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(where, 1)
        os.dup2(where, 2)
        work()
        status = 0
    except SystemExit as error:
        status = int(error.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def wait(process: int, *, kill_after: float | None = None) -> int:
    """Wait for a child; returns its exit status, negative for the signal that ended it.

    Parameters
    ----------
    process
        of `start_child`.
    kill_after
        seconds until it is killed.
    """
    began = time.monotonic()
    while True:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        elapsed = time.monotonic() - began
        if elapsed >= (LIMIT_SECONDS if kill_after is None else kill_after):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.002 if kill_after is not None else 0.01)


def in_child(work: Callable[[], object], output: Path | None = None) -> int:
    """Run a function in a forked child to its end; returns the exit status."""
    return wait(start_child(work, output))


def materialize(lake: Path, assets: list[str] | None = None, config: dict[str, Any] | None = None) -> None:
    """Materialize assets (by default all) in this process, which must be a child.

    Raises
    ------
    RuntimeError
        with the messages of the steps that failed.
    """
    import dagster as dg

    from medembed_pipeline.definitions import defs

    run_config = {
        "resources": {"lake": {"config": {"url": str(lake)}}},
        "loggers": {"console": {"config": {"log_level": "ERROR"}}},
        **(config or {}),
    }
    selection = None if assets is None else [dg.AssetKey(name) for name in assets]
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_job_def("everything").execute_in_process(
            instance=instance, run_config=run_config, asset_selection=selection, raise_on_error=False
        )
    if not result.success:
        from medembed_pipeline.console import plain_message

        failed = [event for event in result.all_events if event.is_step_failure]
        messages = [plain_message(event.event_specific_data.error) for event in failed]  # type: ignore[union-attr]
        raise RuntimeError("FAILED: " + " | ".join(messages))


def versions(lake: Path) -> dict[str, str]:
    """Data version and content hash of everything published. Reads with pyarrow: in children only.

    The history holds times, and the page shows them: of these two what they were made from, and what they say besides.
    """
    from medembed_pipeline.card.card_file import read_footer
    from medembed_pipeline.classification.classifiers import CLASSIFIERS
    from medembed_pipeline.lake.lake import Lake
    from medembed_pipeline.report.page_file import find_page
    from medembed_pipeline.training.checkpoints import CHECKPOINTS, FOLDER
    from medembed_pipeline.training.verification import CARD_FILE
    from medembed_pipeline.triage.models import MODELS

    opened = Lake(str(lake))
    found = {}
    for path in sorted(lake.glob("*.parquet")):
        footer = opened.table(path.stem).footer
        # These hold when something was seen or judged; their versions leave that out.
        timeless = path.stem in ("checkpoint_history", "note_memory")
        found[path.stem] = (
            footer.data_version if timeless else f"{footer.data_version} {footer.content_sha256}"
        )
    for folders in (CHECKPOINTS, CLASSIFIERS, MODELS):
        pointer = opened.read_json(folders.file)
        if pointer:
            found[folders.asset] = pointer["data_version"]
    for version in opened.names(FOLDER):
        content = opened.read_bytes(FOLDER, version, CARD_FILE)
        card = read_footer(content) if content else None
        if card:
            found[f"card of {version}"] = card.data_version
    page = find_page(opened)
    if page:
        found["report"] = page.recipe.digest
    return found


def wrong(lake: Path) -> list[str]:
    """What `medembed verify` calls missing or altered, and tables that pandas cannot read. In children only."""
    import pandas as pd

    from medembed_pipeline.lake.lake import Lake
    from medembed_pipeline.maintenance import verify_lake

    problems = [
        f"{finding.name}: {finding.detail}" for finding in verify_lake(Lake(str(lake))) if finding.is_error
    ]
    for path in sorted(lake.glob("*.parquet")):
        try:
            pd.read_parquet(path)
        except Exception as error:
            problems.append(f"{path.name}: pandas cannot read it ({type(error).__name__})")
    return problems


def temporary_files(lake: Path) -> list[str]:
    """What should not outlive a run: staged files, half-written states."""
    found = [*(lake / ".staging").glob("*"), *(lake / "store" / "training").glob("*")]
    found += [path for path in lake.rglob("*") if path.suffix in (".partial", ".beside", ".tmp")]
    return sorted(str(path.relative_to(lake)) for path in found)


@dataclass(frozen=True)
class Stages:
    """Lakes at every stage of an update that nothing disturbs.

    Attributes
    ----------
    folder
        `<folder>/<number>` is the lake before step `number` of `STEPS` recomputes its part.
    end
        versions of everything after the last step.
    seconds
        how long each step took, by its number.
    """

    folder: Path
    end: dict[str, str]
    seconds: dict[int, float]

    @property
    def steps(self) -> list[int]:
        """The numbers of the steps that are disturbed."""
        return sorted(self.seconds)

    def copy(self, step: int, to: Path) -> Path:
        """A lake to spoil, as it was before a step."""
        if to.exists():
            shutil.rmtree(to)
        shutil.copytree(self.folder / str(step), to, symlinks=True)
        return to


def land(lake: Path, name: str, *, notes: int, patients: int, seed: int) -> None:
    """Put a file of notes and, where the graph has pictures, a folder of drawn cases into the landing folders. In
    children only."""
    from medembed_pipeline.samples.case_plan import CaseCorpus
    from medembed_pipeline.samples.cases import write_drawn_cases
    from medembed_pipeline.samples.corpus import write_sample_corpus
    from medembed_pipeline.settings import load_settings

    (lake / "landing").mkdir(parents=True, exist_ok=True)
    write_sample_corpus(lake / "landing" / f"{name}.csv", notes=notes, seed=seed)
    if load_settings().images.enabled:
        write_drawn_cases(lake / "landing_images" / name, CaseCorpus(patients=patients, seed=seed))


def make_stages(folder: Path, *, notes: int = 110, steps: Collection[int] = range(len(STEPS))) -> Stages:
    """Fill a lake, change the landing folder, and update step by step, keeping a copy before each of `steps`.

    Parameters
    ----------
    folder
        where the copies lie.
    notes
        in the first file; a quarter as many come with the second, and new cases.
    steps
        those that are disturbed, of `STEPS`; what lies between them is made together.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lake = folder / "lake"
    _succeed(lambda: land(lake, "first", notes=notes, patients=PATIENTS, seed=1), folder)
    _succeed(lambda: materialize(lake), folder)
    _succeed(lambda: land(lake, "second", notes=notes // 4, patients=PATIENTS // 4, seed=2), folder)
    seconds = {}
    waiting: list[str] = []
    known = _asset_names()

    def make(assets: list[str]) -> None:
        if assets:
            _succeed(lambda: materialize(lake, assets), folder)

    for number, assets in enumerate(STEPS):
        if number not in steps:
            waiting += [asset for asset in assets if asset in known]
            continue
        make(waiting)
        waiting = []
        shutil.copytree(lake, folder / str(number), symlinks=True)
        began = time.monotonic()
        make(assets)
        seconds[number] = time.monotonic() - began
    make(waiting)
    end = ask(lambda: versions(lake), folder)
    return Stages(folder, end, seconds)


def _asset_names() -> set[str]:
    from medembed_pipeline.definitions import defs

    return {key.path[-1] for key in defs.resolve_asset_graph().get_all_asset_keys()}


def ask(question: Callable[[], Any], folder: Path) -> Any:
    """The JSON-able answer of a function that is run in a child."""
    answer = folder / "answer.json"
    answer.unlink(missing_ok=True)
    _succeed(lambda: answer.write_text(json.dumps(question())), folder)
    return json.loads(answer.read_text())


def _succeed(work: Callable[[], object], folder: Path) -> None:
    output = folder / "output.txt"
    status = in_child(work, output)
    if status:
        raise RuntimeError(
            f"a child that nothing disturbed ended with {status}:\n{output.read_text()[-3000:]}"
        )


@contextlib.contextmanager
def file_size_limit(limit: int) -> Iterator[None]:
    """No file of this process may grow beyond `limit` bytes: to a program the same as a full disk."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, previous)
