"""Pairs of prompts: the published JSON, a CSV, or the built-in ones.

The published form is that of bayoudhif/biomedclip-embeddings-analyzer: `{"experiment_name": ..., "prompt_pairs":
[{"pair_id": ..., "tumor": ..., "healthy": ...}]}`. Any two words may name the sides; the first one is what is
asked for. A pair may say by which labels a picture belongs to a side (`tumor_labels`, `healthy_labels`); else it
does by the side's own name.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from medembed_pipeline.image_text.errors import ImageTextError
from medembed_pipeline.lake.fields import described
from medembed_pipeline.words import read_words

_WORDS = Path(__file__).parent / "data" / "prompts.toml"
BUILT_IN = "built-in"
_LABELS = "_labels"
_SEPARATOR = "|"

PROMPT_PAIRS_SCHEMA = pa.schema(
    [
        described("experiment", pa.string(), "name of the experiment, as its file has it"),
        described("pair_id", pa.string(), "the pair; unique"),
        described("positive_side", pa.string(), "the word for what is asked for, such as tumor"),
        described("negative_side", pa.string(), "the word for its opposite, such as healthy"),
        described("positive", pa.string(), "the prompt of what is asked for"),
        described("negative", pa.string(), "the prompt of its opposite"),
        described(
            "positive_labels", pa.list_(pa.string()), "findings by which a picture belongs to the first side"
        ),
        described("negative_labels", pa.list_(pa.string()), "findings by which it belongs to the second"),
    ]
)


@dataclass(frozen=True)
class PromptPair:
    """Two prompts that say the opposite.

    Attributes
    ----------
    pair_id
        its name.
    positive, negative
        the prompts.
    positive_labels, negative_labels
        findings by which a picture belongs to a side.
    """

    pair_id: str
    positive: str
    negative: str
    positive_labels: tuple[str, ...]
    negative_labels: tuple[str, ...]


@dataclass(frozen=True)
class Prompts:
    """The pairs of one experiment.

    Attributes
    ----------
    experiment
        its name.
    sides
        the words for the two sides.
    pairs
        in the order of the file.
    """

    experiment: str
    sides: tuple[str, str]
    pairs: tuple[PromptPair, ...]

    def table(self) -> pa.Table:
        """Columns of `prompt_pairs`."""
        return pa.Table.from_pylist(
            [
                {
                    "experiment": self.experiment,
                    "pair_id": pair.pair_id,
                    "positive_side": self.sides[0],
                    "negative_side": self.sides[1],
                    "positive": pair.positive,
                    "negative": pair.negative,
                    "positive_labels": list(pair.positive_labels),
                    "negative_labels": list(pair.negative_labels),
                }
                for pair in self.pairs
            ],
            schema=PROMPT_PAIRS_SCHEMA,
        )

    def texts(self) -> list[str]:
        """The different prompts, in order, those of the first side of each pair before those of the second."""
        return list(dict.fromkeys(text for pair in self.pairs for text in (pair.positive, pair.negative)))


def prompts_of_table(table: pa.Table) -> Prompts:
    """The prompts again, from the table `prompt_pairs`."""
    rows = table.to_pylist()
    pairs = tuple(
        PromptPair(
            row["pair_id"],
            row["positive"],
            row["negative"],
            tuple(row["positive_labels"]),
            tuple(row["negative_labels"]),
        )
        for row in rows
    )
    return Prompts(rows[0]["experiment"], (rows[0]["positive_side"], rows[0]["negative_side"]), pairs)


def built_in_prompts() -> Prompts:
    """Of what the drawn cases show."""
    words = read_words(_WORDS)
    return _checked(str(words["experiment_name"]), [dict(pair) for pair in words["pairs"]], BUILT_IN)


def paraphrases(text: str) -> list[str]:
    """The same prompt in other words."""
    return [form.format(prompt=text) for form in read_words(_WORDS)["control"]["paraphrases"]]


def read_prompts(data: bytes, name: str) -> Prompts:
    """The pairs of a file.

    Parameters
    ----------
    data
        its bytes, UTF-8.
    name
        its name, which ends in .json or .csv.

    Raises
    ------
    ImageTextError
        it is neither, or a pair is broken; the pair and the field are named.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ImageTextError(f"{name}: is not UTF-8; save it as UTF-8.") from None
    if name.lower().endswith(".csv"):
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        pairs = [{key: value for key, value in row.items() if key is not None} for row in rows]
        return _checked(PurePosixPath(name).stem, [_listed(pair) for pair in pairs], name)
    try:
        found = json.loads(text)
    except ValueError:
        raise ImageTextError(
            f"{name}: is not JSON; expected {{experiment_name, prompt_pairs: [...]}}."
        ) from None
    if not isinstance(found, dict) or not isinstance(found.get("prompt_pairs"), list):
        raise ImageTextError(
            f"{name}: prompt_pairs is missing or no list; expected {{experiment_name, prompt_pairs: [...]}}."
        )
    return _checked(
        str(found.get("experiment_name") or PurePosixPath(name).stem), found["prompt_pairs"], name
    )


def _listed(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: [one.strip() for one in value.split(_SEPARATOR) if one.strip()]
        if key.endswith(_LABELS)
        else value
        for key, value in row.items()
        if value is not None and not (key.endswith(_LABELS) and not value.strip())
    }


def _checked(experiment: str, rows: Sequence[Any], name: str) -> Prompts:
    if not rows:
        raise ImageTextError(f"{name}: holds no pair; at least one is needed.")
    sides: tuple[str, str] | None = None
    pairs: dict[str, PromptPair] = {}
    for place, row in enumerate(rows, start=1):
        where = f"{name}, pair {place}"
        if not isinstance(row, dict):
            raise ImageTextError(f"{where}: is no object; expected pair_id and two sides.")
        pair_id = str(row.get("pair_id") if row.get("pair_id") is not None else "").strip()
        if not pair_id:
            raise ImageTextError(f"{where}, field pair_id: is missing or empty; give each pair its own.")
        where = f"{name}, pair {pair_id!r}"
        if pair_id in pairs:
            raise ImageTextError(f"{where}, field pair_id: occurs twice; give each pair its own.")
        own = [key for key in row if key != "pair_id" and not key.endswith(_LABELS)]
        if sides is None:
            if len(own) != 2:
                raise ImageTextError(
                    f"{where}: has {len(own)} fields besides pair_id ({', '.join(own) or 'none'}); expected "
                    "one for each of two sides, such as tumor and healthy."
                )
            sides = (own[0], own[1])
        pairs[pair_id] = _pair(pair_id, row, sides, own, where)
    if sides is None:
        raise ImageTextError(f"{name}: holds no pair; at least one is needed.")
    return Prompts(experiment, sides, tuple(pairs.values()))


def _pair(
    pair_id: str, row: Mapping[str, Any], sides: tuple[str, str], own: Sequence[str], where: str
) -> PromptPair:
    for field in sides:
        if not isinstance(row.get(field), str) or not row[field].strip():
            raise ImageTextError(f"{where}, field {field}: is missing or empty; expected a prompt.")
    others = sorted(
        {*own, *(f"{key}{_LABELS}" for key in sides)} - {*sides, *(f"{key}{_LABELS}" for key in sides)}
    )
    unknown = [key for key in row if key.endswith(_LABELS) and key.removesuffix(_LABELS) not in sides]
    if others or unknown:
        raise ImageTextError(
            f"{where}, field {(others or unknown)[0]}: is unknown; the first pair names the sides "
            f"{sides[0]} and {sides[1]}."
        )
    positive, negative = (row[field].strip() for field in sides)
    if positive == negative:
        raise ImageTextError(
            f"{where}, field {sides[1]}: is the same prompt as {sides[0]}; expected its opposite."
        )
    labels = []
    for field in sides:
        given = row.get(f"{field}{_LABELS}", [field])
        if (
            not isinstance(given, (list, tuple))
            or not given
            or not all(isinstance(one, str) for one in given)
        ):
            raise ImageTextError(f"{where}, field {field}{_LABELS}: expected a list of labels.")
        labels.append(tuple(given))
    return PromptPair(pair_id, positive, negative, labels[0], labels[1])
