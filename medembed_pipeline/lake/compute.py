"""`pyarrow.compute`, loaded when a function of it is first used.

It makes its 280 functions anew in every process: a tenth of what loading the code location would take.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    import pyarrow.compute

    return getattr(pyarrow.compute, name)
