"""What it costs to draw figures: seconds of this processor, and bytes of the page.

    python -m medembed_pipeline_tests.pictures.measure_figures

Prints a row each: loading the library, the first picture, a dozen, and the library that the page embeds, with its
bytes as they are and compressed.
"""

from __future__ import annotations

import gzip
import resource
import time

from medembed_pipeline.evaluation.figures import metrics_figures
from medembed_pipeline.pictures.specification import Known
from medembed_pipeline_tests.evaluation.test_figures import metrics

PICTURES = 12


def main() -> None:
    """Measure and print."""
    overall, by_specialty = metrics_figures(metrics(), Known())
    begun = time.process_time()

    def row(what: str, more: str = "") -> None:
        nonlocal begun
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{what:<42}{time.process_time() - begun:7.2f} s  {memory:5} MB  {more}")
        begun = time.process_time()

    from medembed_pipeline.pictures.drawing import page_library, picture

    row("loading")
    picture(overall)
    row("the first picture")
    for number in range(PICTURES):
        picture((overall, by_specialty)[number % 2])
    row(f"{PICTURES} pictures, half of 40 specialties")
    library = page_library().encode()
    row("the library of the page", f"{len(library):,} bytes, {len(gzip.compress(library)):,} compressed")


if __name__ == "__main__":
    main()
