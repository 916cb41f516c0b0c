"""What passes between driver and workers: files of the lake, named by what they hold.

`store/shards/<driver>/` has the tables of one driver's shards, `store/shards/results/` the results of all. A driver
removes its tables in any case, and the results once it needs them no more; those of a lost driver serve the next run,
and `medembed prune` removes what is left after a day.
"""

from __future__ import annotations

import pyarrow as pa

from medembed_pipeline.lake.lake import Lake

SHARDS = ("store", "shards")
RESULTS = (*SHARDS, "results")


def write_rows(lake: Lake, table: pa.Table, *parts: str) -> None:
    """Write a table whole, as an Arrow file; whoever writes under that name writes the same."""
    with lake.staged_file(*parts) as staged, pa.OSFile(str(staged), "wb") as file:
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.ipc.new_file(file, table.schema, options=options) as writer:
            writer.write_table(table)


def read_rows(lake: Lake, *parts: str) -> pa.Table | None:
    """The table of that name; None where there is none, or where it is damaged."""
    try:
        with lake.filesystem.open(lake.path(*parts), "rb") as file:
            content = file.read()
        return pa.ipc.open_file(pa.BufferReader(content)).read_all()
    except (FileNotFoundError, pa.ArrowInvalid):
        return None


def result_place(key: str) -> tuple[str, ...]:
    """Where the result of a shard lies."""
    return (*RESULTS, f"{key}.arrow")
