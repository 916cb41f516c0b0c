"""What `medembed serve` and its worker take from the command line. Light to load: every command does."""

from __future__ import annotations

import argparse
from pathlib import Path

from medembed_pipeline.serving.settings import ServingSettings


def with_options(settings: ServingSettings, host: str | None, port: int | None) -> ServingSettings:
    """The settings, with what the command line says instead."""
    changed = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    return ServingSettings.model_validate({**settings.model_dump(), **changed})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What both processes take."""
    parser.add_argument("--host", help="address to listen on (default: [serving] host, this machine alone)")
    parser.add_argument("--port", type=int, help="port to listen on (default: [serving] port)")
    parser.add_argument("--keys", type=Path, help="file of keys (default: MEDEMBED_SERVING_KEYS_FILE)")
    parser.add_argument("--audit-log", type=Path, help="file of the audit log (default: standard output)")
