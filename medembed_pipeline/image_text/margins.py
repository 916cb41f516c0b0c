"""Margins: by how much a picture is nearer to one prompt of a pair than to the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.evaluation.vectors import FloatArray, unit_rows
from medembed_pipeline.image_text.prompts import PromptPair, Prompts, paraphrases
from medembed_pipeline.lake.fields import described

PREFERENCE_MARGINS_SCHEMA = pa.schema(
    [
        described("model", pa.string(), "base or finetuned"),
        described("pair_id", pa.string(), "the pair of prompts"),
        described("image_id", pa.string(), "the picture; each stands once in each pair"),
        described("split", pa.string(), "train, validation or test; figures are of test"),
        described(
            "side",
            pa.string(),
            "the side that its labels put it on; null where they say nothing",
            nullable=True,
        ),
        described(
            "positive_similarity", pa.float64(), "cosine of the picture and the prompt of what is asked for"
        ),
        described("negative_similarity", pa.float64(), "cosine of the picture and the opposite prompt"),
        described(
            "margin",
            pa.float64(),
            "the first less the second: above 0 the picture is nearer to the first side",
        ),
    ]
)

DECIMALS = 12
"""Figures are rounded here: further down, a matrix product depends on the number of threads."""


@dataclass(frozen=True)
class ShownPicture:
    """A picture of the cases: its labels, whose it is, and its split."""

    image_id: str
    labels: frozenset[str]
    group: str
    split: str


@dataclass(frozen=True)
class Space:
    """Pictures and prompts as one model sees them.

    Attributes
    ----------
    pictures
        float64 [n, d], unit rows, in the order of the pictures.
    texts
        by prompt (and paraphrase) its unit row [d].
    """

    pictures: FloatArray
    texts: Mapping[str, FloatArray]

    @classmethod
    def of(cls, pictures: npt.ArrayLike, texts: Sequence[str], rows: npt.ArrayLike) -> Space:
        """Of vectors [n, d] and [m, d], L2-normalised."""
        return cls(
            unit_rows(pictures, name="pictures"),
            dict(zip(texts, unit_rows(rows, name="prompts"), strict=True)),
        )

    def of_rows(self, rows: Sequence[int]) -> Space:
        """With some of the pictures."""
        return Space(self.pictures[np.asarray(rows, dtype=np.int64)], self.texts)

    def similarity(self, text: str) -> FloatArray:
        """Cosine of every picture and a text. float64 [n]."""
        return self.pictures @ self.texts[text]

    def margin(self, positive: str, negative: str) -> FloatArray:
        """float64 [n]."""
        return self.similarity(positive) - self.similarity(negative)

    def paraphrased_margin(self, pair: PromptPair) -> FloatArray:
        """The mean over paraphrases of both prompts. float64 [n]."""
        both = zip(paraphrases(pair.positive), paraphrases(pair.negative), strict=True)
        return np.mean([self.margin(positive, negative) for positive, negative in both], axis=0)


def all_texts(prompts: Prompts) -> list[str]:
    """Every prompt and every paraphrase of one, each once."""
    texts = prompts.texts()
    return list(dict.fromkeys([*texts, *(other for text in texts for other in paraphrases(text))]))


def shown_pictures(
    cases: Sequence[Mapping[str, Any]], splits: Mapping[str, str], groups: Mapping[str, str]
) -> list[ShownPicture]:
    """The different pictures of the cases, sorted by id; labels of several cases of one picture are put together.

    Parameters
    ----------
    cases
        rows with case_id, image_id and findings.
    splits, groups
        by case id; cases of one picture are in one group.
    """
    labels: dict[str, set[str]] = {}
    first: dict[str, str] = {}
    for case in cases:
        if case["image_id"] is not None:
            labels.setdefault(case["image_id"], set()).update(case["findings"])
            first.setdefault(case["image_id"], case["case_id"])
    return [
        ShownPicture(image, frozenset(labels[image]), groups[first[image]], splits[first[image]])
        for image in sorted(labels)
    ]


def sides_of(pair: PromptPair, pictures: Sequence[ShownPicture]) -> FloatArray:
    """1.0 for pictures of the first side, 0.0 of the second, NaN where labels say neither or both. float64 [n]."""
    positive, negative = {*pair.positive_labels}, {*pair.negative_labels}
    found = np.full(len(pictures), np.nan)
    for place, picture in enumerate(pictures):
        asked, opposite = bool(picture.labels & positive), bool(picture.labels & negative)
        if asked != opposite:
            found[place] = float(asked)
    return found


def margins_table(
    prompts: Prompts, pictures: Sequence[ShownPicture], spaces: Mapping[str, Space]
) -> pa.Table:
    """A row per model, pair and picture, with PREFERENCE_MARGINS_SCHEMA."""
    tables = []
    ids = [picture.image_id for picture in pictures]
    splits = [picture.split for picture in pictures]
    for model, space in spaces.items():
        for pair in prompts.pairs:
            sides = sides_of(pair, pictures)
            positive, negative = (
                space.similarity(text).round(DECIMALS) for text in (pair.positive, pair.negative)
            )
            names = {1.0: prompts.sides[0], 0.0: prompts.sides[1]}
            tables.append(
                pa.table(
                    {
                        "model": [model] * len(ids),
                        "pair_id": [pair.pair_id] * len(ids),
                        "image_id": ids,
                        "split": splits,
                        "side": pa.array([names.get(side) for side in sides.tolist()], pa.string()),
                        "positive_similarity": positive,
                        "negative_similarity": negative,
                        "margin": (positive - negative).round(DECIMALS),
                    },
                    schema=PREFERENCE_MARGINS_SCHEMA,
                )
            )
    return pa.concat_tables(tables) if tables else PREFERENCE_MARGINS_SCHEMA.empty_table()
