"""The machine in words, and how fast it multiplies matrices and copies memory: what the floors rest on."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from medembed_pipeline.encoder.precision import cpu_computes_in_bfloat16
from medembed_pipeline_tests.bench.comparison import BYTES
from medembed_pipeline_tests.bench.measuring import ROOT, environment

PACKAGES = (
    "torch",
    "transformers",
    "sentence-transformers",
    "numpy",
    "scikit-learn",
    "umap-learn",
    "datasketch",
)
_FLAGS = {
    "avx2": "AVX2",
    "avx512f": "AVX512",
    "avx512_vnni": "AVX512-VNNI",
    "avx512_bf16": "AVX512-bf16",
    "amx_bf16": "AMX",
}
_SIDE, _QUICK_SIDE = 2048, 256
_BYTES, _QUICK_BYTES = 1 << 28, 1 << 22
_TRIES, _COPIES = 7, 9


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def described() -> str:
    """Cores, instruction set, memory and the packages' versions; no name of the machine."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        flags = next((line.split() for line in lines if line.startswith("flags")), [])
    except OSError:
        flags = []
    known = ", ".join(words for flag, words in _FLAGS.items() if flag in flags)
    parts = [f"{cores()} cores of {platform.machine()}" + (f" with {known}" if known else "")]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        parts.append(f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 1e9:.0f} GB of memory")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    return f"{'; '.join(parts)}; Python {platform.python_version()}, {versions}"


def measured_rates(*, quick: bool) -> dict[str, float]:
    """Operations a second of matrix products by number format, and bytes a second of a copy (read and written).

    The best of several, with as many threads as the libraries take by themselves.
    """
    import numpy as np
    import torch

    side, size = (_QUICK_SIDE, _QUICK_BYTES) if quick else (_SIDE, _BYTES)
    operations = 2.0 * side**3
    rates = {}
    generator = np.random.default_rng(0)
    matrix = generator.normal(size=(side, side))
    formats = {"float32": torch.float32}
    if cpu_computes_in_bfloat16():  # where it is emulated, the products would take minutes
        formats["bfloat16"] = torch.bfloat16
    for name, kind in formats.items():
        tensor = torch.from_numpy(matrix).to(kind)
        rates[name] = operations / _best(lambda factor=tensor: factor @ factor)  # type: ignore[misc]
    rates["float64"] = operations / _best(lambda: matrix @ matrix)
    source = np.ones(size, dtype=np.uint8)
    target = np.empty_like(source)
    rates[BYTES] = 2.0 * size / _best(lambda: np.copyto(target, source), _COPIES)
    return rates


def rates_of_a_process(*, quick: bool) -> dict[str, float]:
    """`measured_rates` in a process of its own, so that this one stays small."""
    command = [sys.executable, "-m", "medembed_pipeline_tests.bench.machine", *(["--quick"] if quick else [])]
    done = subprocess.run(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, check=True)
    rates: dict[str, float] = json.loads(done.stdout)
    return rates


def _best(work: Callable[[], object], tries: int = _TRIES) -> float:
    seconds = []
    for _ in range(tries):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


if __name__ == "__main__":
    print(json.dumps(measured_rates(quick="--quick" in sys.argv)))
