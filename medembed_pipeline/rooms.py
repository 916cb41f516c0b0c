"""The rooms of the house, found on disk: what a folder holds is part of it, and nobody keeps a list."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import medembed_pipeline

ORDER = (
    "notes",
    "encoder",
    "images",
    "triplets",
    "training",
    "study",
    "embeddings",
    "evaluation",
    "maps",
    "evidence.similarity",
    "evidence.queries",
    "evidence.diagnostics",
    "tasks",
    "distillation",
    "evidence.labels",
    "evidence.leakage",
    "image_text",
    "verdict",
    "classification",
    "triage",
    "history",
    "card",
    "report",
    "tracking",
    "serving",
    "lake",
    "engine",
    "automation",
)
"""In which order they are shown; a room that is not named here comes last."""


@cache
def files_of_rooms(name: str) -> dict[str, Path]:
    """The files `name` of all rooms, by room and in order; a room is a folder of the package, or one below it."""
    found = {
        ".".join(file.parent.relative_to(package).parts): file
        for package in map(Path, medembed_pipeline.__path__)
        for file in package.glob(f"**/{name}")
        if file.parent != package
    }
    places = {room: place for place, room in enumerate(ORDER)}
    ordered = sorted(found, key=lambda room: (places.get(room, len(places)), room))
    return {room: found[room] for room in ordered}


@cache
def modules_of_rooms(name: str) -> tuple[ModuleType, ...]:
    """The modules `name` of all rooms, in order."""
    rooms = files_of_rooms(f"{name}.py")
    return tuple(import_module(f"{medembed_pipeline.__name__}.{room}.{name}") for room in rooms)
