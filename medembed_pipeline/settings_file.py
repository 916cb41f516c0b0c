"""Writes `medembed.toml` with every field, its meaning and its range, from the model in `settings.py`."""

from __future__ import annotations

import json
import textwrap
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from medembed_pipeline.section import Section
from medembed_pipeline.settings import Settings

HEADING = """\
# Settings of medembed_pipeline. Every field stands here with its default; change what you need.
# A key that is unknown or out of range is refused before anything runs, naming the key, the value and the range.
# The data lake's place comes from the environment: MEDEMBED_DATA_LAKE (a folder or an fsspec URL).
"""


def render_settings_file(settings: Settings) -> str:
    """The text of a `medembed.toml` that holds `settings`, each field documented."""
    parts = [HEADING]
    for name in type(settings).model_fields:
        section: Section = getattr(settings, name)
        parts.append(f"\n# {(section.__doc__ or '').strip().splitlines()[0]}\n[{name}]\n")
        for field, info in type(section).model_fields.items():
            parts.append(_field(field, info, getattr(section, field)))
    return "".join(parts)


def _field(name: str, info: FieldInfo, value: Any) -> str:
    about = f"{info.description} {_allowed(info)}".strip()
    comment = textwrap.fill(about, 108, initial_indent="# ", subsequent_indent="# ")
    return f"{comment}\n{name} = {_toml(value)}\n"


def _allowed(info: FieldInfo) -> str:
    if get_origin(info.annotation) is Literal:
        return "One of: " + ", ".join(str(choice) for choice in get_args(info.annotation)) + "."
    bounds = info.metadata
    low = [f"at least {bound.ge}" for bound in bounds if isinstance(bound, Ge)]
    low += [f"above {bound.gt}" for bound in bounds if isinstance(bound, Gt)]
    high = [f"at most {bound.le}" for bound in bounds if isinstance(bound, Le)]
    high += [f"below {bound.lt}" for bound in bounds if isinstance(bound, Lt)]
    return f"Range: {', '.join(low + high)}." if low or high else ""


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        inner = ", ".join(f"{json.dumps(key)} = {json.dumps(item)}" for key, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list):
        if len(json.dumps(value)) < 90:
            return json.dumps(value)
        return "[\n" + "".join(f"    {json.dumps(item)},\n" for item in value) + "]"
    return json.dumps(value)
