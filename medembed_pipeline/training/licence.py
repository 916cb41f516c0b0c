"""The licence of a base model, as its own card states it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from medembed_pipeline.encoder.spec import BUNDLED
from medembed_pipeline.training.verification import CARD_FILE

KNOWN_LICENCES = {"sentence-transformers/all-MiniLM-L6-v2": "apache-2.0"}
"""By the base's name: of the bundled model, for checkpoints that do not say it themselves."""


def licence_of_base(base: str) -> str | None:
    """The licence that a base model's README.md states; None where it states none, or is not on this machine.

    Parameters
    ----------
    base
        as in `EncoderSpec.base`. Nothing is fetched: a hub id is looked up in the hub's cache.
    """
    if base == BUNDLED:
        return KNOWN_LICENCES["sentence-transformers/all-MiniLM-L6-v2"]
    folder = Path(base).expanduser()
    if folder.is_dir():
        return stated_licence(folder / CARD_FILE)
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(base, CARD_FILE)
    except HFValidationError:
        return None
    return stated_licence(Path(found)) if isinstance(found, str) else None


def stated_licence(card: Path) -> str | None:
    """`license` of a model card's front matter; None where there is no card, or no licence in it."""
    import yaml

    try:
        text = card.read_text(encoding="utf-8-sig")
        found = re.match(r"---\s*\n(.*?)\n---", text, re.DOTALL)
        values: Any = yaml.safe_load(found[1]) if found else None
    except (OSError, ValueError, yaml.YAMLError):
        return None
    licence = values.get("license") if isinstance(values, dict) else None
    if isinstance(licence, list) and licence:
        licence = licence[0]
    # An identifier of the hub; whatever else stands there is no name that a reader could look up.
    if not isinstance(licence, str) or licence == "unknown" or not re.fullmatch(r"[\w.+-]{1,60}", licence):
        return None
    return licence
