"""Measure what `keep_freed_memory` is worth on this machine: `python -m medembed_pipeline.encoder.measure_memory`.

A forward and backward pass of MiniLM-sized feed-forward layers, before and after, in one process. CPU seconds are
compared, not those of the clock, so that other work on the machine disturbs little.
"""

import time
from typing import Any

from medembed_pipeline.encoder.memory import keep_freed_memory

_REPEATS = 5


def main() -> None:
    """Print the CPU seconds and page faults of one pass at several batch sizes, before and after."""
    import torch

    torch.manual_seed(0)
    layers = torch.nn.Sequential(
        *[
            torch.nn.Sequential(torch.nn.Linear(384, 1536), torch.nn.GELU(), torch.nn.Linear(1536, 384))
            for _ in range(6)
        ]
    )
    batches = {notes: torch.randn(notes, 128, 384) for notes in (16, 32, 64, 128)}
    before = {notes: _cost_of_a_pass(layers, inputs) for notes, inputs in batches.items()}
    print(f"taken by the C library: {keep_freed_memory()}")
    for notes, inputs in batches.items():
        (seconds, faults), (seconds_after, faults_after) = before[notes], _cost_of_a_pass(layers, inputs)
        print(
            f"{notes:4} notes of 128 tokens: {seconds:.3f} -> {seconds_after:.3f} CPU s (ratio "
            f"{seconds / seconds_after:.2f}), page faults {faults:,.0f} -> {faults_after:,.0f}"
        )


def _cost_of_a_pass(layers: Any, inputs: Any) -> tuple[float, float]:
    """CPU seconds and page faults of the cheapest of some passes."""
    import resource

    costs = []
    for _ in range(_REPEATS):
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        began = time.process_time()
        layers(inputs).sum().backward()
        seconds = time.process_time() - began
        costs.append((seconds, float(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults)))
    return min(costs)


if __name__ == "__main__":
    main()
