"""A model as a folder of arrays and JSON, whose manifest holds the hashes of its files: what all kinds share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medembed_pipeline.errors import MedembedError

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class ModelFormat:
    """What the folders of a kind have in common.

    Attributes
    ----------
    number
        of the format that is written and read.
    kind
        what such a folder is called.
    asset
        that makes them.
    folder
        of the lake in which they lie.
    error
        raised where one can't be read.
    """

    number: int
    kind: str
    asset: str
    folder: str
    error: type[MedembedError]

    def manifest(self, folder: Path) -> dict[str, Any]:
        """The manifest of one.

        Raises
        ------
        MedembedError
            `error`: there is none, or it is of another format.
        """
        try:
            manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            found = int(manifest["format"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self.error(
                f"{folder}: no manifest of a {self.kind} can be read there ({type(error).__name__}). Give the folder "
                f"that {self.asset} has made, in {self.folder}/ of the data lake."
            ) from None
        if found != self.number:
            raise self.error(
                f"{folder}: a {self.kind} of format {found}, and this version reads format {self.number}. Materialize "
                f"{self.asset} with this version."
            )
        return manifest


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays in safetensors' format; a full disk is an OSError, which says so, and none of the library's own."""
    from safetensors.numpy import save

    path.write_bytes(save({name: np.ascontiguousarray(values) for name, values in arrays.items()}))
