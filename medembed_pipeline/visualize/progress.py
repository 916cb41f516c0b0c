"""What is shown while the command works: a bar on a terminal, else a line per stage."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Progress:
    """Writes to stderr."""

    def __init__(self) -> None:
        self._on_terminal = sys.stderr.isatty()
        self._bar: Any = None

    def say(self, message: str) -> None:
        """A line, where there is no bar."""
        if not self._on_terminal:
            print(f"  {message}", file=sys.stderr, flush=True)

    def warn(self, message: str) -> None:
        """A line in any case."""
        print(f"  warning: {message}", file=sys.stderr, flush=True)

    @contextmanager
    def bar(self, stages: int) -> Iterator[None]:
        """Show how many of some stages are done, until the block ends."""
        from tqdm import tqdm

        with tqdm(total=stages, desc="tables", unit="stage", disable=not self._on_terminal) as self._bar:
            yield
        self._bar = None

    def begun(self, stage: str) -> None:
        """A stage begins."""
        self.say(f"making {stage}")
        if self._bar is not None:
            self._bar.set_postfix_str(stage)

    def done(self) -> None:
        """A stage is done."""
        if self._bar is not None:
            self._bar.update()
