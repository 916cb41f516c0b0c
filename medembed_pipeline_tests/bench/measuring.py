"""The sides as processes: workers that stay, whose work is timed inside, and commands that are timed as a whole."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, Any, ClassVar

from medembed_pipeline_tests.bench.comparison import (
    OURS,
    BenchError,
    Comparison,
    Contender,
    Measurement,
    Row,
)

ROOT = Path(__file__).resolve().parents[2]
_SHOWN = 3_000  # characters of a failed process's output


def environment(**more: str) -> dict[str, str]:
    """Of the sides' processes: nobody's settings, and no network."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MEDEMBED", "DAGSTER"))}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "true",
        "DAGSTER_DISABLE_TELEMETRY": "1",
        **more,
    }


class Worker(Contender):
    """A side in a process that stays: what it loads is not measured, its peak memory is set back before each run.

    Parameters
    ----------
    name
        of the comparison.
    side
        of it.
    row, folder
        what it works on.
    python
        interpreter to run it with.
    """

    def __init__(self, name: str, side: str, row: Row, folder: Path, *, python: Path | None = None) -> None:
        self._what = f"{name}, {row.name}, {side}"
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed when the worker is left)
        arguments = [name, side, str(folder), json.dumps(asdict(row))]
        self._process = subprocess.Popen(
            [str(python or sys.executable), "-m", "medembed_pipeline_tests.bench.worker", *arguments],
            cwd=folder,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._answer()

    def measure(self) -> Measurement:
        """Have it do the work once."""
        assert self._process.stdin is not None
        self._process.stdin.write("run\n")
        self._process.stdin.flush()
        return Measurement(**self._answer())

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace")
            raise BenchError(f"{self._what} ended early:\n{said[-_SHOWN:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()


class InWorkers(Comparison):
    """A comparison whose sides are processes that stay.

    Attributes
    ----------
    peers
        names of the sides that ours is compared with.
    """

    peers: ClassVar[tuple[str, ...]]

    def contenders(self, row: Row, folder: Path) -> Mapping[str, Contender]:
        """See `Comparison`."""
        return {side: Worker(self.name, side, row, folder) for side in (OURS, *self.peers_of(row))}

    def peers_of(self, row: Row) -> tuple[str, ...]:
        """Those that do the work of a row."""
        return self.peers


class Command(Contender):
    """A side that is a whole process: from its start to its end, with what it loads.

    Parameters
    ----------
    command
        program and arguments.
    folder
        working directory.
    environ
        its environment.
    facts
        of every measurement.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        environ: Mapping[str, str],
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        self._command, self._folder, self._environ = list(command), folder, dict(environ)
        self._facts = dict(facts or {})

    def measure(self) -> Measurement:
        """Run it once.

        Raises
        ------
        BenchError
            it ends with another status than 0.
        """
        with tempfile.TemporaryFile() as output:
            began = time.perf_counter()
            process = subprocess.Popen(
                self._command, cwd=self._folder, env=self._environ, stdout=output, stderr=output
            )
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                output.seek(0)
                said = output.read().decode(errors="replace")
                raise BenchError(f"{' '.join(self._command)} failed:\n{said[-_SHOWN:]}")
        # Linux tells kilobytes, macOS bytes.
        unit = 1 if sys.platform == "darwin" else 1024
        return Measurement(seconds, usage.ru_maxrss * unit, self._facts)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing of it is left."""


def in_turn(sides: Mapping[str, Contender], repeats: int) -> dict[str, list[Measurement]]:
    """Measure the sides in turn, so often; which one begins changes, so that a drifting machine favours none."""
    found: dict[str, list[Measurement]] = {side: [] for side in sides}
    with contextlib.ExitStack() as stack:
        for contender in sides.values():
            stack.enter_context(contender)
        for number in range(repeats):
            for side in list(sides) if number % 2 == 0 else reversed(list(sides)):
                found[side].append(sides[side].measure())
    return found


def prepared(comparison: Comparison, row: Row, folder: Path) -> None:
    """Write the row's files, in a process of its own, so that this one stays small."""
    if type(comparison).prepare is not Comparison.prepare:
        with Worker(comparison.name, "prepare", row, folder):
            pass
