"""What threads make comes in order, and none of them holds a core that it does not need."""

import subprocess
import sys
import time

import pytest

from medembed_pipeline.threads import in_threads


@pytest.mark.parametrize("are_small", [False, True])
def test_results_come_in_order(are_small: bool) -> None:
    def waited(number: int) -> int:
        time.sleep(0.02 if number % 3 == 0 else 0.0)
        return number * number

    assert list(in_threads(waited, range(12), are_small=are_small)) == [
        number * number for number in range(12)
    ]


def test_no_core_is_busy_after_a_product_of_matrices() -> None:
    code = """
import time
import medembed_pipeline
import numpy as np
rows = np.ones((600, 600))
rows @ rows
before = time.process_time()
time.sleep(0.2)
print(time.process_time() - before)
"""
    # With the threads that a person's process has; tests run with one.
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"OMP_NUM_THREADS": "2"}
    )
    assert float(done.stdout) < 0.02
