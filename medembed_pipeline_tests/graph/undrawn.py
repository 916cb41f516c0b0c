"""The `medembed` command with pictures of a few bytes: `python -m medembed_pipeline_tests.graph.undrawn run`."""

from __future__ import annotations

import importlib
import os
import pkgutil
from typing import Any


def stub_pictures() -> None:
    """Let every picture be a few bytes, each time others, and the page be without what draws its figures.

    Both take most of the time of a small run.
    """
    import medembed_pipeline.pictures as pictures
    from medembed_pipeline.pictures.figure import Picture

    def picture(*_: Any, **__: Any) -> Picture:
        return Picture(os.urandom(64), os.urandom(64))

    for found in pkgutil.iter_modules(pictures.__path__):
        module = importlib.import_module(f"{pictures.__name__}.{found.name}")
        for name in list(vars(module)):
            if name.endswith("_picture") or name == "rendered":
                setattr(module, name, picture)
            elif name == "page_library":
                setattr(module, name, str)


if __name__ == "__main__":
    stub_pictures()
    from medembed_pipeline.cli import end_process

    end_process()
