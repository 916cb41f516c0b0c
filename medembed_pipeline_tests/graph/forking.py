"""A process that has the libraries loaded, and forks one that runs a project's code.

Loading them takes longer than most of what a test runs. Nothing of ours is loaded before the fork: settings are read
when it is.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import random
import runpy
import signal
import subprocess
import sys
import tempfile
import traceback
import types
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LOADED = [
    "dagster._core.execution.api",
    "dagster._core.storage.event_log.sqlite.sqlite_event_log",
    "alembic.command",
    "torch",
    "transformers.models.bert.modeling_bert",
    "transformers.models.bert.tokenization_bert",
    "sentence_transformers",
    "scipy.stats",
    "scipy.optimize",
    "sklearn.cluster",
    "sklearn.decomposition",
    "sklearn.feature_extraction.text",
    "sklearn.linear_model",
    "sklearn.manifold",
    "sklearn.metrics",
    "sklearn.model_selection",
    "cleanlab.multilabel_classification.filter",
    "datasketch",
    "fsspec",
    "ftfy",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "pandas",
    "PIL.Image",
    "pyarrow.compute",
    "pyarrow.parquet",
]


class ForkingProcess:
    """Runs one piece of code at a time, each in a process of its own that is forked from one with LOADED loaded."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=ROOT,
            # Read while the libraries load.
            env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self, arguments: list[str], *, cwd: Path, env: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run `python` with arguments that begin with `-m` and a module, or with `-c` and code.

        Raises
        ------
        subprocess.TimeoutExpired
            it took longer than `timeout` seconds.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        with tempfile.TemporaryDirectory() as folder:
            outputs = [Path(folder) / name for name in ("stdout", "stderr")]
            wanted = {
                "arguments": arguments,
                "cwd": str(cwd),
                "env": dict(env),
                "outputs": [str(path) for path in outputs],
                "timeout": timeout,
            }
            self._process.stdin.write(json.dumps(wanted) + "\n")
            self._process.stdin.flush()
            status = int(self._process.stdout.readline())
            said = [path.read_text(errors="replace") for path in outputs]
        if status == -signal.SIGALRM:
            raise subprocess.TimeoutExpired(arguments, timeout, *said)
        return subprocess.CompletedProcess(arguments, status, *said)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


@cache
def forking_process() -> ForkingProcess:
    """The one of this process; it ends with it."""
    process = ForkingProcess()
    atexit.register(process.close)
    return process


def serve() -> None:
    """Load the libraries, and fork a process for every line of standard input."""
    with contextlib.redirect_stdout(sys.stderr):
        for name in LOADED:
            importlib.import_module(name)
    gc.freeze()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _run(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _run(wanted: dict[str, Any]) -> None:
    """Be the process that was wanted, to its end."""
    import numpy as np

    status = 1
    try:
        for number, path in enumerate(wanted["outputs"], 1):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(wanted["cwd"])
        os.environ.clear()
        os.environ.update(wanted["env"])
        random.seed()
        np.random.seed()
        signal.setitimer(signal.ITIMER_REAL, wanted["timeout"])
        option, what, *arguments = wanted["arguments"]
        sys.argv = [option, *arguments]
        if option == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            main = sys.modules["__main__"] = types.ModuleType("__main__")
            exec(compile(what, "<string>", "exec"), main.__dict__)
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    serve()
