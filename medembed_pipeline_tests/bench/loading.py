"""Loading the code location, against importing Dagster alone."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from medembed_pipeline_tests.bench.comparison import OURS, Comparison, Contender, Options, Row
from medembed_pipeline_tests.bench.measuring import Command, environment

DAGSTER = "import dagster"


class Loading(Comparison):
    """Two processes from start to end; the goal is under 1.5 times what Dagster takes."""

    name = "load"
    title = "Load the code location"

    def rows(self, options: Options) -> list[Row]:
        return [Row("load", "`import medembed_pipeline.definitions`, the whole process", 7)]

    def contenders(self, row: Row, folder: Path) -> Mapping[str, Contender]:
        imports = {OURS: "import medembed_pipeline.definitions", DAGSTER: DAGSTER}
        return {
            side: Command([sys.executable, "-c", code], folder, environment(), {"words": f"`{side}`"})
            for side, code in imports.items()
        }
