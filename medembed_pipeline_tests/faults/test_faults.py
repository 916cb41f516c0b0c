"""A short version of `make faults`: a process of its own, since it forks and must not have run torch before."""

import re
import subprocess
import sys

import pytest

from medembed_pipeline_tests.graph.forking import ROOT


@pytest.mark.live
def test_what_is_killed_is_made_good_by_the_next_run() -> None:
    # A table, two folders behind a pointer, and the page: each is published in its own way.
    steps = ["cleaned_notes", "finetuned_checkpoint", "specialty_classifier", "report"]
    arguments = ["--points", "4", "--only", "kill-writes", "stop-training", "--steps", *steps]
    arguments.append("--without-pictures")
    done = subprocess.run(
        [sys.executable, "-m", "medembed_pipeline_tests.faults.kill", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    hits = {
        name: int(count) for name, count in re.findall(r"\| ([a-z-]+) +\| +\d+ \| +(\d+) \|", done.stdout)
    }
    assert hits["kill-writes"] == 4 and hits["stop-training"] == 3
