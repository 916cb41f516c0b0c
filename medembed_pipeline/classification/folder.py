"""The classifier as a folder: plain arrays and JSON, no code and no pickle.

- `manifest.json`: what it is, the checkpoint that it belongs to, versions, settings, the sha256 of every other file;
- `head.safetensors`: what the head learned, calibration and thresholds;
- `words.json`: the words that it knows, where it sees words. They are words of train notes;
- `train_notes.safetensors`, `train_notes.json`: what it sees of the train notes, and their ids: how far a text is from
  all of them, and which are nearest;
- `README.md`: the card.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medembed_pipeline.classification.calibration import Calibration
from medembed_pipeline.classification.errors import ClassificationError
from medembed_pipeline.classification.features import Features, Scaling, WordWeights
from medembed_pipeline.classification.heads import Head, LinearHead, NeighborHead, PrevalenceHead
from medembed_pipeline.classification.serving import Decision
from medembed_pipeline.evaluation.vectors import FloatArray
from medembed_pipeline.lake.fingerprint import file_sha256
from medembed_pipeline.lake.model_folder import MANIFEST, ModelFormat, write_arrays
from medembed_pipeline.training.verification import file_names, verify_checkpoint

FOLDER = "classifiers"
ASSET = "specialty_classifier"
FORMAT = ModelFormat(1, "classifier", ASSET, FOLDER, ClassificationError)
CARD = "README.md"
HEAD, WORDS_FILE, TRAIN_ROWS, TRAIN_IDS = (
    "head.safetensors",
    "words.json",
    "train_notes.safetensors",
    "train_notes.json",
)


@dataclass(frozen=True)
class TrainRows:
    """What the classifier sees of the train notes, to find the nearest.

    Attributes
    ----------
    note_ids
        n ids.
    rows
        [n, d] of length 1: float64, or scipy.sparse.csr_matrix where words alone are seen.
    """

    note_ids: list[str]
    rows: Any


@dataclass(frozen=True)
class Guards:
    """What the classifier does not answer.

    Attributes
    ----------
    smallest_similarity
        a text whose nearest train note is less similar is far from all of them.
    smallest_known_words
        share of its words that must be known from train notes.
    largest_set
        labels in its set at most.
    """

    smallest_similarity: float
    smallest_known_words: float
    largest_set: int


@dataclass(frozen=True)
class Parts:
    """Everything that a classifier is made of, but the encoder.

    Attributes
    ----------
    rung
        name in the ladder.
    labels
        what it predicts, sorted.
    features
        how notes become rows.
    words
        those that are counted, sorted; for the features where these see words, and for `Guards` always.
    head
        what was learned.
    decision
        how scores become an answer.
    guards
        what is left to people.
    train
        the train notes.
    encoder
        what makes the vectors: `kind` (checkpoint, base, or none), and what is needed to load it.
    misses
        what the sets promise.
    """

    rung: str
    labels: list[str]
    features: Features
    words: tuple[str, ...]
    head: Head
    decision: Decision
    guards: Guards
    train: TrainRows
    encoder: dict[str, Any]
    misses: float


def write_classifier(folder: Path, parts: Parts, *, card: str, more: Mapping[str, Any]) -> dict[str, Any]:
    """Write a classifier; nothing in it depends on the time or the place.

    Parameters
    ----------
    folder
        there, and empty.
    parts
        of the classifier.
    card
        Markdown.
    more
        further entries of the manifest, JSON-able.

    Returns
    -------
    dict[str, Any]
        The manifest.
    """
    write_arrays(folder / HEAD, _head_arrays(parts))
    write_arrays(folder / TRAIN_ROWS, _train_arrays(parts.train))
    _write_json(folder / TRAIN_IDS, parts.train.note_ids)
    _write_json(folder / WORDS_FILE, list(parts.words))
    (folder / CARD).write_text(card, encoding="utf-8")
    manifest = {
        "format": FORMAT.number,
        "rung": parts.rung,
        "labels": parts.labels,
        "model": parts.features.model,
        "set_threshold": parts.decision.set_threshold,
        "misses": parts.misses,
        "guards": vars(parts.guards),
        "encoder": parts.encoder,
        "train_notes": len(parts.train.note_ids),
        **more,
        "files": {name: file_sha256(folder / name) for name in file_names(folder) if name != CARD},
    }
    _write_json(folder / MANIFEST, manifest)
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a classifier; ClassificationError where there is none, or it is of another format."""
    return FORMAT.manifest(folder)


def read_classifier(folder: Path) -> tuple[Parts, dict[str, Any]]:
    """A classifier's parts and manifest, after every file was hashed again.

    Raises
    ------
    ClassificationError
        no classifier, or a file is missing or altered.
    """
    from safetensors.numpy import load_file

    manifest = read_manifest(folder)
    problems = verify_checkpoint(folder)
    if problems:
        raise ClassificationError(
            f"{folder}: not what was written: {'; '.join(problems)}. Materialize specialty_classifier again."
        )
    arrays = load_file(folder / HEAD)
    words: list[str] = json.loads((folder / WORDS_FILE).read_text(encoding="utf-8"))
    train = _read_train(folder, load_file(folder / TRAIN_ROWS))
    scaling = Scaling(arrays["center"], float(arrays["scale"][0])) if "center" in arrays else None
    weights = WordWeights(arrays["columns"], arrays["idf"]) if "idf" in arrays else None
    decision = Decision(
        Calibration(arrays["slope"], arrays["shift"], arrays["total"], arrays["own"] > 0),
        arrays["thresholds"],
        float(manifest["set_threshold"]),
    )
    parts = Parts(
        rung=manifest["rung"],
        labels=manifest["labels"],
        features=Features(manifest["model"], scaling, weights),
        words=tuple(words),
        head=_read_head(arrays, train),
        decision=decision,
        guards=Guards(**manifest["guards"]),
        train=train,
        encoder=manifest["encoder"],
        misses=float(manifest["misses"]),
    )
    return parts, manifest


def _head_arrays(parts: Parts) -> dict[str, npt.NDArray[Any]]:
    head, decision = parts.head, parts.decision
    arrays: dict[str, npt.NDArray[Any]] = {
        "slope": decision.calibration.slope,
        "shift": decision.calibration.shift,
        "total": decision.calibration.total,
        "own": decision.calibration.own.astype(np.uint8),
        "thresholds": decision.thresholds,
    }
    if isinstance(head, LinearHead):
        arrays |= {"weights": head.weights, "bias": head.bias}
    elif isinstance(head, NeighborHead):
        arrays |= {"membership": head.membership, "neighbors": np.array([head.neighbors])}
    else:
        arrays["share"] = head.share
    if parts.features.scaling is not None:
        arrays |= {
            "center": parts.features.scaling.center,
            "scale": np.array([parts.features.scaling.scale]),
        }
    if parts.features.words is not None:
        arrays |= {"columns": parts.features.words.columns, "idf": parts.features.words.idf}
    return {name: np.ascontiguousarray(values) for name, values in arrays.items()}


def _read_head(arrays: Mapping[str, npt.NDArray[Any]], train: TrainRows) -> Head:
    if "weights" in arrays:
        return LinearHead(arrays["weights"], arrays["bias"])
    if "membership" in arrays:
        return NeighborHead(train.rows, arrays["membership"], int(arrays["neighbors"][0]))
    return PrevalenceHead(arrays["share"])


def _train_arrays(train: TrainRows) -> dict[str, npt.NDArray[Any]]:
    rows = train.rows
    if isinstance(rows, np.ndarray):
        return {"rows": np.ascontiguousarray(rows, dtype=np.float32)}
    return {
        "data": rows.data.astype(np.float32),
        "indices": rows.indices.astype(np.int32),
        "indptr": rows.indptr.astype(np.int64),
        "shape": np.array(rows.shape, dtype=np.int64),
    }


def _read_train(folder: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> TrainRows:
    from scipy.sparse import csr_matrix

    ids: list[str] = json.loads((folder / TRAIN_IDS).read_text(encoding="utf-8"))
    if "rows" in arrays:
        return TrainRows(ids, arrays["rows"].astype(np.float64))
    found = csr_matrix(
        (arrays["data"].astype(np.float64), arrays["indices"], arrays["indptr"]),
        shape=tuple(arrays["shape"].tolist()),
    )
    return TrainRows(ids, found)


def nearest_train(train: TrainRows, rows: Any, *, k: int) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """The k nearest train notes of some rows of length 1, the nearest first; ties by id.

    Returns
    -------
    tuple[npt.NDArray[np.int64], FloatArray]
        int64 [n, k] places among the train notes, float64 [n, k] their cosines.
    """
    from medembed_pipeline.classification.heads import nearest_rows

    if isinstance(train.rows, np.ndarray):
        found: tuple[npt.NDArray[np.int64], FloatArray] = nearest_rows(train.rows, rows, k=k)
        return found
    width = min(k, len(train.note_ids))
    similarity = np.asarray((rows @ train.rows.T).toarray(), dtype=np.float64)
    order = np.argsort(-np.round(similarity, 9), axis=1, kind="stable")[:, :width]
    return order, np.take_along_axis(similarity, order, axis=1)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
