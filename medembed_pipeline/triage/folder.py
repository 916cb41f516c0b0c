"""The triage model as a folder: plain arrays and JSON, no code and no pickle.

- `manifest.json`: versions, settings, the sha256 of every other file;
- `arms.json`: levels, arms, which of them are compared, and the encoders;
- `arms.safetensors`: what the arms learned;
- `adapters.safetensors`: what the encoders learned, where they were tuned;
- `README.md`: the card.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from medembed_pipeline.evaluation.vectors import FloatArray
from medembed_pipeline.lake.fingerprint import file_sha256
from medembed_pipeline.lake.model_folder import MANIFEST, ModelFormat, write_arrays
from medembed_pipeline.training.verification import file_names, verify_checkpoint
from medembed_pipeline.triage.adapters import Adapters
from medembed_pipeline.triage.arms import Arms, LateFusion
from medembed_pipeline.triage.cases import Levels
from medembed_pipeline.triage.errors import TriageError
from medembed_pipeline.triage.heads import Head
from medembed_pipeline.triage.metadata import MetadataColumn
from medembed_pipeline.triage.predictions import Chosen
from medembed_pipeline.triage.projection import Projection

FOLDER: Final = "triage_models"
ASSET: Final = "triage_model"
FORMAT: Final = ModelFormat(3, "triage model", ASSET, FOLDER, TriageError)
ABOUT, ARRAYS, CARD = "arms.json", "arms.safetensors", "README.md"
ADAPTERS = "adapters.safetensors"


@dataclass(frozen=True)
class Parts:
    """Everything that a triage model is made of, but the encoders.

    Attributes
    ----------
    levels
        what is predicted; none where nothing was learned.
    arms
        fitted.
    metadata
        the columns that the arm metadata sees.
    chosen
        which arms are compared; None where nothing was learned.
    encoders
        what makes the vectors of note and picture.
    why_empty
        what is needed where nothing was learned.
    adapters
        by part, what its encoder has learned; empty where the encoders are as `encoders` says.
    """

    levels: Levels
    arms: Arms
    metadata: tuple[MetadataColumn, ...]
    chosen: Chosen | None
    encoders: Mapping[str, Any]
    why_empty: str | None = None
    adapters: Mapping[str, Adapters] = field(default_factory=dict)


def write_model(folder: Path, parts: Parts, *, card: str, more: Mapping[str, Any]) -> None:
    """Write a model; nothing in it depends on the time or the place.

    Parameters
    ----------
    folder
        there, and empty.
    parts
        of the model.
    card
        Markdown.
    more
        further entries of the manifest, JSON-able.
    """
    arms = parts.arms
    arrays: dict[str, FloatArray] = {}
    heads: dict[str, dict[str, Any]] = {}
    for part, projection in arms.projections.items():
        arrays |= {f"projection/{part}/{name}": values for name, values in vars(projection).items()}
    for arm, head in arms.heads.items():
        if isinstance(head, LateFusion):
            heads[arm] = {"kind": "late", "weights": dict(head.weights)}
            arrays[f"arm/{arm}/prior"] = head.prior
        else:
            heads[arm] = {"kind": head.kind}
            arrays |= {f"arm/{arm}/{name}": values for name, values in head.weights.items()}
    write_arrays(folder / ARRAYS, arrays)
    if parts.adapters:
        learned = {
            f"{part}/{name}": values
            for part, own in parts.adapters.items()
            for name, values in own.arrays().items()
        }
        write_arrays(folder / ADAPTERS, learned)
    (folder / CARD).write_text(card, encoding="utf-8")
    about = {
        "levels": asdict(parts.levels),
        "heads": heads,
        "temperatures": dict(arms.temperatures),
        "tried": arms.tried,
        "absent": dict(arms.absent),
        "metadata": [asdict(column) for column in parts.metadata],
        "chosen": None if parts.chosen is None else asdict(parts.chosen),
        "encoders": parts.encoders,
        "why_empty": parts.why_empty,
        "adapters": {part: own.about() for part, own in parts.adapters.items()},
    }
    _write_json(folder / ABOUT, about)
    files = {name: file_sha256(folder / name) for name in file_names(folder) if name != CARD}
    _write_json(folder / MANIFEST, {"format": FORMAT.number, **more, "files": files})


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a triage model; TriageError where there is none, or it is of another format."""
    return FORMAT.manifest(folder)


def read_model(folder: Path) -> tuple[Parts, dict[str, Any]]:
    """A model's parts and manifest, after every file was hashed again.

    Raises
    ------
    TriageError
        no model, or a file is missing or altered.
    """
    from safetensors.numpy import load_file

    manifest = read_manifest(folder)
    problems = verify_checkpoint(folder)
    if problems:
        raise TriageError(
            f"{folder}: not what was written: {'; '.join(problems)}. Materialize triage_model again."
        )
    arrays: dict[str, dict[str, FloatArray]] = {}
    for name, values in load_file(folder / ARRAYS).items():
        owner, _, own = name.rpartition("/")
        arrays.setdefault(owner, {})[own] = values
    projections = {
        owner.removeprefix("projection/"): Projection(**own)
        for owner, own in arrays.items()
        if owner.startswith("projection/")
    }
    heads: dict[str, Head | LateFusion] = {}
    about: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    for arm, one in about["heads"].items():
        learned = arrays[f"arm/{arm}"]
        late = one["kind"] == "late"
        heads[arm] = LateFusion(one["weights"], learned["prior"]) if late else Head(one["kind"], learned)
    chosen = about["chosen"]
    parts = Parts(
        levels=Levels(tuple(about["levels"]["names"]), about["levels"]["ordered"]),
        arms=Arms(projections, heads, about["temperatures"], about["tried"], about["absent"]),
        metadata=tuple(
            MetadataColumn(**{**column, "values": tuple(column["values"])}) for column in about["metadata"]
        ),
        chosen=None if chosen is None else Chosen(**chosen),
        encoders=about["encoders"],
        why_empty=about["why_empty"],
        adapters=_read_adapters(folder, about["adapters"]),
    )
    return parts, manifest


def _read_adapters(folder: Path, about: Mapping[str, Any]) -> dict[str, Adapters]:
    from safetensors.numpy import load_file

    if not about:
        return {}
    arrays: dict[str, dict[str, Any]] = {}
    for name, values in load_file(folder / ADAPTERS).items():
        part, _, own = name.partition("/")
        arrays.setdefault(part, {})[own] = values
    return {part: Adapters.of(one, arrays.get(part, {})) for part, one in about.items()}
