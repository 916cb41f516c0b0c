"""The table on a live daemon, with a small model: what runs, without anybody asking, and what does not.

One session, in the order in which the tests stand: each goes on where the one before it ended.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from medembed_pipeline_tests.automation.live import LiveProject, live
from medembed_pipeline_tests.graph.forking import ROOT
from medembed_pipeline_tests.graph.names import EMBEDDED, EVALUATED, NOTES
from medembed_pipeline_tests.graph.project import PCA_ALONE, Project

pytestmark = pytest.mark.live
AUTOMATION = "\n[automation]\nenabled = true\nlanding_interval_seconds = 2\nlanding_settle_seconds = 1\n"
HELD_TRAINING = """
import time
from pathlib import Path
import medembed_pipeline.training.assets as assets
train = assets.fine_tune
def held(*arguments, **named):
    while Path({hold!r}).exists():
        time.sleep(0.2)
    return train(*arguments, **named)
assets.fine_tune = held
"""
EDITED = 'methods = ["pca", "tsne"]\n'


def write_notes(project: Project, name: str, count: int, seed: int) -> None:
    labels = ["Cardiology", "Neurology", "Urology", "Radiology Oncology"]
    texts = [
        f"SUBJECTIVE: visit {seed} number {row}: the patient was seen for item {(seed * 7919 + row * 104729) % 99991} "
        f"with finding{seed}x{row} in the {labels[row % 4]} ward."
        for row in range(count)
    ]
    frame = pd.DataFrame({"text": texts, "label": [labels[row % 4] for row in range(count)]})
    frame.to_csv(project.landing / name, index=False)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, small_model: Path) -> Iterator[LiveProject]:
    folder = tmp_path_factory.mktemp("live")
    project = Project(folder / "project", Path(shutil.copytree(small_model, folder / "model")))
    project.configure(more=PCA_ALONE + AUTOMATION)
    (folder / "sitecustomize.py").write_text(HELD_TRAINING.format(hold=str(project.folder / "hold")))
    project.environment["PYTHONPATH"] = f"{folder}:{ROOT}"
    write_notes(project, "first.csv", 100, seed=1)
    project.run()
    with live(project) as running:
        running.wait(lambda: any("landing_sensor" in str(run["tags"]) for run in running.runs()))
        running.wait_until_quiet()
        yield running


def test_what_was_made_before_is_not_made_again(running: LiveProject) -> None:
    made = running.made()
    assert {made.pop("raw_transcriptions"), made.pop("rejected_rows")} == {
        2
    }  # the sensor looked for the first time
    assert set(made.values()) == {1}


def test_materialize_all_with_nothing_changed_keeps_everything(running: LiveProject) -> None:
    tables = sorted(Path(running.project.lake_url).glob("*.parquet"))
    before = [path.stat().st_mtime_ns for path in tables]
    run_id = running.launch("everything")
    took = running.wait(
        lambda: next(run for run in running.runs() if run["runId"] == run_id)["status"] == "SUCCESS"
    )
    print(f"Materialize all, nothing changed: {took:.1f} s")
    assert [path.stat().st_mtime_ns for path in tables] == before
    made = running.made()
    running.wait_until_quiet()
    assert running.made() == made


def test_new_notes_reach_the_page_without_training(running: LiveProject) -> None:
    made = running.made()
    began = time.time()
    write_notes(running.project, "second.csv", 2, seed=2)
    running.wait(lambda: running.made()["report"] > made["report"])
    report(running, began)
    running.wait_until_quiet()
    new = set(running.made() - made)
    assert new == {*NOTES, *EMBEDDED, *EVALUATED}
    assert max((running.made() - made).values()) == 1
    newest = running.nodes()["tuned_embeddings"]["assetMaterializations"][0]["metadataEntries"]
    assert next(one["intValue"] for one in newest if one["label"] == "notes_the_checkpoint_has_not_seen") == 2


def report(running: LiveProject, began: float) -> None:
    for name, node in running.nodes().items():
        moment = int(node["assetMaterializations"][0]["timestamp"]) / 1000 - began
        if moment > 0:
            print(f"{name}: {moment:.1f} s after the file was dropped")


def test_an_edited_parameter_is_taken_up_and_reaches_what_it_feeds(running: LiveProject) -> None:
    made = running.made()
    running.project.configure(more=EDITED + AUTOMATION)
    took = running.wait(lambda: running.made()["report"] > made["report"])
    print(f"the page {took:.1f} s after the settings file was saved")
    running.wait_until_quiet()
    assert running.made() - made == {"projections": 1, "report": 1, "served_snapshot": 1}


def test_a_change_during_training_is_trained_on_once_afterwards(running: LiveProject) -> None:
    made = running.made()
    hold = running.project.folder / "hold"
    hold.touch()
    running.project.configure(training="seed = 8", more=EDITED + AUTOMATION + 'retraining = "on_change"\n')
    running.wait(lambda: is_training(running) and running.made()["triplets"] > made["triplets"])
    trained_on = running.made()["triplets"]
    write_notes(running.project, "third.csv", 4, seed=3)
    running.wait(lambda: running.made()["triplets"] > trained_on)
    assert is_training(running)
    hold.unlink()
    running.wait_until_quiet()
    assert (running.made() - made)["finetuned_checkpoint"] == 2
    # Of the new notes at once, with the checkpoint there was; then of the last checkpoint.
    assert (running.made() - made)["tuned_embeddings"] >= 2


def is_training(running: LiveProject) -> bool:
    """Whether a run that is to make the checkpoint has got so far."""
    made = {one["runId"] for one in running.nodes()["finetuned_checkpoint"]["assetMaterializations"]}
    return any(
        run["status"] == "STARTED"
        and run["runId"] not in made
        and "finetuned_checkpoint" in [one["path"][-1] for one in run["assetSelection"] or []]
        for run in running.runs()
    )


def test_a_failure_is_not_repeated_and_new_data_is_tried(running: LiveProject) -> None:
    config = running.project.model / "config.json"
    aside = config.rename(config.with_name("config.aside"))
    made, runs = running.made(), len(running.runs())
    write_notes(running.project, "fourth.csv", 2, seed=4)
    running.wait(lambda: any(run["status"] == "FAILURE" for run in running.runs()))
    running.wait_until_quiet()
    failed = [run for run in running.runs()[:-runs] if run["status"] == "FAILURE"]
    assert len(failed) == 1
    aside.rename(config)
    write_notes(running.project, "fifth.csv", 2, seed=5)
    running.wait(lambda: running.made()["report"] > made["report"])
    running.wait_until_quiet()
    assert sum(run["status"] == "FAILURE" for run in running.runs()) == 1
    assert set(Path(running.project.lake_url).glob("*.parquet"))


def training_run(running: LiveProject) -> str:
    """The run that is training now."""
    for run in running.runs():
        selected = [one["path"][-1] for one in run["assetSelection"] or []]
        if run["status"] == "STARTED" and ("finetuned_checkpoint" in selected or not selected):
            return str(run["runId"])
    return ""


def steps(running: LiveProject, run_id: str) -> list[int]:
    """The steps of the training that a run has logged."""
    found = (re.match(r"step (\d+) of", message) for message in running.messages(run_id))
    return [int(match[1]) for match in found if match]


LONG = "early_stopping_patience = 0\nlog_every_steps = 1\nseed = 9"


def train_for_long(running: LiveProject) -> None:
    """Save settings under which a training takes a minute, and tells every step."""
    running.project.configure(training=LONG, more=EDITED + AUTOMATION)
    settings = running.project.folder / "medembed.toml"
    settings.write_text(settings.read_text().replace("head_steps = 20\n", "head_steps = 4000\n"))


def test_a_training_cancelled_in_the_ui_stops_at_once_and_goes_on_where_it_was(running: LiveProject) -> None:
    train_for_long(running)
    running.wait(lambda: len(steps(running, training_run(running))) > 20 if training_run(running) else False)
    run_id = training_run(running)
    running.cancel(run_id)
    took = running.wait(lambda: running.status(run_id) == "CANCELED")
    print(f"cancelled training stopped after {took:.1f} s")
    assert took < 10
    last = steps(running, run_id)[-1]
    running.wait_until_quiet()
    assert not training_run(running), "a cancelled training is left alone"
    again = running.launch("train")
    running.wait(lambda: len(steps(running, again)) > 0)
    assert last <= steps(running, again)[0] <= last + 2
    running.cancel(again)
    running.wait(lambda: running.status(again) == "CANCELED")


def test_the_plug_is_pulled_during_a_training_and_everything_goes_on(running: LiveProject) -> None:
    running.wait_until_quiet()
    made = running.made()
    again = running.launch("train")
    running.wait(lambda: len(steps(running, again)) > 20)
    running.kill()
    reached = time.monotonic()
    running.start()
    last = steps(running, again)[-1]
    running.wait(lambda: running.made()["finetuned_checkpoint"] > made["finetuned_checkpoint"], 900)
    print(f"trained to its end {time.monotonic() - reached:.0f} s after the plug was pulled")
    running.wait_until_quiet()
    assert running.made()["finetuned_checkpoint"] == made["finetuned_checkpoint"] + 1
    later = [run["runId"] for run in running.runs() if run["runId"] != again]
    resumed = next(found for found in (steps(running, run_id) for run_id in later) if found)
    assert resumed[0] >= last
    verified = running.project.medembed("verify")
    assert verified.returncode == 0, verified.stdout


def test_daemon_and_webserver_are_restarted_while_new_notes_are_taken_in(running: LiveProject) -> None:
    running.wait_until_quiet()
    made = running.made()
    write_notes(running.project, "sixth.csv", 2, seed=6)
    running.wait(lambda: running.made()["raw_transcriptions"] > made["raw_transcriptions"])
    running.stop()
    running.start()
    running.wait(lambda: running.made()["report"] > made["report"])
    running.wait_until_quiet()
    assert max((running.made() - made).values()) == 1
    assert {*NOTES, *EMBEDDED, *EVALUATED} <= set(running.made() - made)
