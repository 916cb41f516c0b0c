"""One side of one row in a process of its own: `python -m medembed_pipeline_tests.bench.worker NAME SIDE FOLDER ROW`.

Says one line when it is ready; then does the work once for every line that it reads, and answers with a line of JSON.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

from medembed_pipeline_tests.bench.comparison import Row

_STATUS, _SET_BACK = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def main(name: str, side: str, folder: str, row: str) -> None:
    """Get ready, and serve."""
    # What libraries print goes to where errors go; this process's own answers keep the output.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    from medembed_pipeline_tests.bench.comparisons import COMPARISONS

    comparison, own = COMPARISONS[name], Row(**json.loads(row))
    if side == "prepare":
        comparison.prepare(own, Path(folder))
        print("{}", file=answers, flush=True)
        return
    work = comparison.work(side, own, Path(folder))
    print("{}", file=answers, flush=True)
    for _ in sys.stdin:
        set_peak_back()
        began = time.perf_counter()
        found = work.run()
        seconds = time.perf_counter() - began
        peak = peak_bytes()
        measured = {"seconds": seconds, "peak_bytes": peak, "facts": work.facts(found)}
        print(json.dumps(measured), file=answers, flush=True)


def set_peak_back() -> None:
    """Let the peak of resident memory begin at what is resident now, where the kernel can (Linux)."""
    try:
        _SET_BACK.write_text("5")
    except OSError:
        return


def peak_bytes() -> int:
    """The peak of this process's resident memory."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    main(*sys.argv[1:])
