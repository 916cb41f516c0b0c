"""Memory and speed of reading a large CSV: `python -m medembed_pipeline_tests.measure_landing --megabytes 1024`.

Writes sample notes again and again, each time slightly changed, into a file of the asked size, and materializes
`raw_transcriptions` and `rejected_rows` from it in this process.
"""

from __future__ import annotations

import argparse
import csv
import resource
import tempfile
import time
from pathlib import Path

import dagster as dg

from medembed_pipeline.lake.publishing import LakeResource
from medembed_pipeline.samples.corpus import COLUMNS, sample_rows


def write_large_csv(path: Path, megabytes: int) -> int:
    """Write a CSV of about that size; returns its rows."""
    rows = list(sample_rows(2_000, 7))
    written = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        while file.tell() < megabytes * 1024**2:
            for row in rows:
                writer.writerow({**row, "transcription": f"{row['transcription']} Copy {written}."})
                written += 1
    return written


def main() -> None:
    """Measure, and print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--folder", type=Path, help="where to put the file and the lake (default: temporary)")
    options = parser.parse_args()
    from medembed_pipeline.notes.assets import landing

    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "landing" / "large.csv"
        path.parent.mkdir()
        rows = write_large_csv(path, options.megabytes)
        size = path.stat().st_size / 1024**2
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        started = time.monotonic()
        result = dg.materialize([landing], resources={"lake": LakeResource(url=folder)})
        seconds = time.monotonic() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        kept = result.asset_materializations_for_node("landing")[0].metadata["dagster/row_count"].value
    print(
        f"{size:.0f} MB, {rows} rows, {kept} kept: {seconds:.0f} s ({size / seconds:.0f} MB/s), "
        f"peak {peak:.0f} MB of memory (before: {before:.0f} MB)"
    )


if __name__ == "__main__":
    main()
