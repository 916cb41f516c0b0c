"""The last line of a page or a card: a comment that says what the file was made from, and what it holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from medembed_pipeline.lake.fingerprint import digest

START, END = b"\n<!-- medembed ", b" -->\n"


def signed_line(values: Mapping[str, Any]) -> bytes:
    """JSON-able values as a comment of HTML and Markdown, with the line break before it.

    Nothing in it can end the comment early.
    """
    text = json.dumps({**values, "footer_digest": digest(values)}, sort_keys=True)
    text = text.replace("--", "-\\u002d").replace("<", "\\u003c").replace(">", "\\u003e")
    return START + text.encode("ascii") + END


def read_signed_line(line: bytes) -> dict[str, Any]:
    """The values of a `signed_line`.

    Raises
    ------
    ValueError
        it is none, or was changed since.
    """
    if not (line.startswith(START) and line.endswith(END)):
        raise ValueError("no signed line")
    values = json.loads(line[len(START) : -len(END)])
    if not isinstance(values, dict) or values.pop("footer_digest", None) != digest(values):
        raise ValueError("a signed line that was changed")
    return values


def split_signed(content: bytes) -> tuple[bytes, bytes]:
    """A file as what stands before its last comment of this kind, and that comment; empty where it has none."""
    start = content.rfind(START)
    return (content, b"") if start < 0 else (content[:start], content[start:])
