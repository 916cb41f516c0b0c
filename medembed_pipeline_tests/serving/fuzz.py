"""Requests made up from the OpenAPI document, in thousands: none may be answered with an error of the service.

`make fuzz-serving`, or `python -m medembed_pipeline_tests.serving.fuzz --cases 10000`. The lake is small.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from medembed_pipeline_tests.serving.conftest import Running, running
from medembed_pipeline_tests.serving.small_lake import Guess, add_image_text, add_triage, make_lake

ANSWERED = re.compile(r'medembed_requests_total\{route="([^"]*)",status="(\d+)"\} (\d+)')


def main() -> int:
    """Fuzz until enough was asked; returns 1 where an answer was an error of the service."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--program", default=str(Path(sys.executable).with_name("schemathesis")))
    options = parser.parse_args()
    if shutil.which(options.program) is None:
        print("schemathesis is not installed: pip install '.[fuzz]'", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as scratch, pytest.MonkeyPatch.context() as patch:
        # 503 without a model is an answer, but looks like an error of the service.
        patch.setattr("medembed_pipeline.serving.snapshot.load_classifier", lambda *_: Guess())
        folder = Path(scratch)
        small = make_lake(folder / "made")
        add_triage(small, "t1", seed=1)
        add_image_text(small)
        with running(small, folder) as made:
            seed = 1
            while sum(answered(made).values()) < options.cases:
                ask(options.program, made.url, seed, folder)
                seed += 1
            found = answered(made)
            failed = [line for line in made.said if "failed" in line]
    for (route, status), count in sorted(found.items()):
        print(f"{count:>8}  {status}  {route}")
    wrong = sum(count for (_, status), count in found.items() if status.startswith("5"))
    print(f"{sum(found.values())} requests, {wrong} answered with an error of the service")
    for line in failed:
        print(line)
    return 1 if wrong or failed else 0


def ask(program: str, url: str, seed: int, folder: Path) -> None:
    """One round of schemathesis, which ends early where it has found something."""
    subprocess.run(
        [
            program,
            "run",
            f"{url}/openapi.json",
            *("--checks", "not_a_server_error"),
            *("--max-examples", "1000"),
            *("--seed", str(seed)),
            "--continue-on-failure",
            "--no-shrink",
            *("--suppress-health-check", "all"),
            *("--warnings", "off"),
        ],
        cwd=folder,
        check=False,
        stdout=subprocess.DEVNULL,
    )


def answered(made: Running) -> Counter[tuple[str, str]]:
    """How many requests were answered, by route and status."""
    found: Counter[tuple[str, str]] = Counter()
    for route, status, count in ANSWERED.findall(made.service.metrics.text().decode()):
        found[route, status] += int(float(count))
    return found


if __name__ == "__main__":
    sys.exit(main())
