"""Models named on the command line: how each is loaded, and what it is called."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medembed_pipeline.encoder import EncoderSpec, read_spec
from medembed_pipeline.encoder.modules import read_json
from medembed_pipeline.encoder.spec import BUNDLED
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.visualize.errors import VisualizeError

BUNDLED_NAME = "all-MiniLM-L6-v2"
BUNDLED_WINDOW = 512
"""Positions of the bundled model: no window can be larger."""

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class NamedModel:
    """A model to score.

    Attributes
    ----------
    name
        to show; without the place it lies at.
    spec
        how it is loaded.
    folder
        its files, where it was given as a folder.
    """

    name: str
    spec: EncoderSpec
    folder: Path | None

    def kept(self, file: str) -> Any | None:
        """A JSON file that our checkpoints hold beside the model; None in a folder that is no such checkpoint."""
        path = self.folder / file if self.folder is not None else None
        if path is None or not path.is_file():
            return None
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            return None


def named_model(option: str, base: str) -> NamedModel:
    """The model that an option names.

    Parameters
    ----------
    option
        of the command line, for the message.
    base
        a model folder, a hub id (owner/name), or `bundled`.

    Raises
    ------
    VisualizeError
        there is no such model, or it is none that can be loaded.
    """
    folder = Path(base).expanduser()
    if base != BUNDLED and not folder.is_dir() and not _HUB_ID.fullmatch(base):
        raise VisualizeError(
            f"{option} {base}: there is no such folder. Give a model folder in sentence-transformers or "
            "transformers format, a hub id (owner/name), or `bundled`."
        )
    try:
        spec = read_spec(folder if folder.is_dir() else Path(base))
    except MedembedError as error:
        raise VisualizeError(f"{option} {base}: {error}") from None
    spec = replace(spec, max_tokens=min(spec.max_tokens, positions(Path(spec.base))))
    if base == BUNDLED:
        return NamedModel(BUNDLED_NAME, spec, None)
    if folder.is_dir():
        return NamedModel(folder.resolve().name or "model", spec, folder)
    return NamedModel(base, spec, None)


def positions(folder: Path) -> int:
    """How many tokens a model folder can read at once, by its config.json; a large number where it does not say."""
    config = read_json(folder / "config.json")
    found = config.get("max_position_embeddings")
    if found is None:
        return 1 << 20
    # RoBERTa's family counts positions from the padding id on.
    family = ("roberta", "camembert", "mpnet", "longformer")
    shifted = any(name in str(config.get("model_type")) for name in family)
    return int(found) - (int(config.get("pad_token_id") or 0) + 1 if shifted else 0)


def default_baseline(model: NamedModel) -> NamedModel:
    """The bundled model, reading as many tokens of a note as `model` does, and long notes as it does."""
    window = min(model.spec.max_tokens, BUNDLED_WINDOW)
    return NamedModel(BUNDLED_NAME, EncoderSpec(BUNDLED, "mean", window, model.spec.long_notes), None)


def with_different_names(models: Sequence[NamedModel]) -> list[NamedModel]:
    """The models with their folder's parent in the name, then a number, where names would be alike."""
    renamed: list[NamedModel] = []
    used: set[str] = set()
    for model in models:
        name = model.name
        if sum(other.name == name for other in models) > 1 and model.folder is not None:
            name = f"{model.folder.resolve().parent.name}/{name}"
        number = 2
        unique = name
        while unique in used:
            unique = f"{name} ({number})"
            number += 1
        used.add(unique)
        renamed.append(replace(model, name=unique))
    return renamed
