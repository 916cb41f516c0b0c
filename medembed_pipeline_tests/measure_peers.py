"""Processor time of comparisons of `make bench`, both sides in turn in one process: for a machine that others use too.

    OMP_NUM_THREADS=1 python -m medembed_pipeline_tests.measure_peers clean maps encode-pictures

Seconds by the clock say nothing where others work on the same cores, and processor time nearly the same. It does not
show what several cores would give; with one thread neither side uses them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

from medembed_pipeline_tests.bench.cleaning import Cleaning
from medembed_pipeline_tests.bench.comparison import OURS, Options, Row
from medembed_pipeline_tests.bench.maps import Maps
from medembed_pipeline_tests.bench.measuring import InWorkers
from medembed_pipeline_tests.bench.picture_encoding import PictureEncoding

MEASURED: dict[str, InWorkers] = {one.name: one for one in (Cleaning(), Maps(), PictureEncoding())}
HEADER = "| work | against | ours | theirs | times as fast |\n|---|---|---|---|---|"


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="+", choices=MEASURED)
    parser.add_argument("--rounds", type=int, help="of each row; else as many as the bench takes")
    given = parser.parse_args()
    print(HEADER)
    for comparison in map(MEASURED.__getitem__, given.names):
        for row in comparison.rows(Options()):
            print(measured(comparison, row, rounds=given.rounds or row.repeats), flush=True)


def measured(comparison: InWorkers, row: Row, *, rounds: int) -> str:
    """A row of the table, the median of some rounds; which side begins changes from round to round."""
    (peer,) = comparison.peers
    with tempfile.TemporaryDirectory() as folder:
        comparison.prepare(row, Path(folder))
        works = {side: comparison.work(side, row, Path(folder)) for side in (OURS, peer)}
        seconds: dict[str, list[float]] = {side: [] for side in works}
        for number in range(rounds):
            for side in list(works)[:: 1 if number % 2 == 0 else -1]:
                start = time.process_time()
                works[side].run()
                seconds[side].append(time.process_time() - start)
    ours, theirs = (median(seconds[side]) for side in (OURS, peer))
    ratios = [their / own for own, their in zip(seconds[OURS], seconds[peer], strict=True)]
    spread = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    return f"| {row.what} | {peer} | {ours:.2f} s | {theirs:.2f} s | {spread} |"


if __name__ == "__main__":
    main()
