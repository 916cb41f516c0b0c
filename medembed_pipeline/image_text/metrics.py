"""The table `image_text_metrics`: what the margins are worth, with controls and intervals by patient."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from medembed_pipeline.evaluation.jackknife import (
    Jackknife,
    difference,
    group_numbers,
    intervals,
    joined,
    mean_jackknife,
    mean_of_columns,
)
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray
from medembed_pipeline.image_text.margins import DECIMALS, ShownPicture, Space, sides_of
from medembed_pipeline.image_text.prompts import Prompts
from medembed_pipeline.image_text.scores import auc_jackknife, off_diagonal_mean, silhouette
from medembed_pipeline.image_text.settings import ImageTextSettings
from medembed_pipeline.lake.fields import described

IMAGE_TEXT_METRICS_SCHEMA = pa.schema(
    [
        described("model", pa.string(), "base, finetuned, or difference (finetuned - base, paired)"),
        described(
            "arm",
            pa.string(),
            "as_written, or a control: sides_swapped, paraphrased (the mean over other words), shuffled "
            "(prompts dealt at "
            "random to pairs and sides)",
        ),
        described("pair_id", pa.string(), "the pair; null for all pairs together", nullable=True),
        described("figure", pa.string(), "auc, accuracy, margin_mean, ...: see docs/image-text.md"),
        described("value", pa.float64(), "the figure; what cannot be had is absent"),
        described(
            "ci_low",
            pa.float64(),
            "lower end of the interval by patient; of shuffled: of the deals; NaN where there is none",
        ),
        described("ci_high", pa.float64(), "upper end"),
        described("n", pa.int64(), "pictures, or prompts, behind it"),
        described("groups", pa.int64(), "independent groups (patients) behind it; 0 where it is of prompts"),
    ]
)
MODELS: Final = ("base", "finetuned")
_QUANTILES: Final = (5, 25, 50, 75, 95)


class _Figures:
    """What is measured of one model on the held-out pictures."""

    def __init__(
        self, prompts: Prompts, pictures: Sequence[ShownPicture], space: Space, settings: ImageTextSettings
    ) -> None:
        self._prompts = prompts
        self._space = space
        self._settings = settings
        self._groups: IntArray = group_numbers([picture.group for picture in pictures])
        self._count = int(self._groups.max(initial=-1)) + 1
        self.sides = {pair.pair_id: sides_of(pair, pictures) for pair in prompts.pairs}
        self.asked = [pair for pair in prompts.pairs if self.lacks(pair.pair_id) is None]

    def lacks(self, pair_id: str) -> str | None:
        """Why a pair has no figure by labels; None where it has."""
        sides = self.sides[pair_id]
        least = self._settings.minimum_patients
        for side, name in ((1.0, self._prompts.sides[0]), (0.0, self._prompts.sides[1])):
            patients = len(np.unique(self._groups[sides == side]))
            if patients < least:
                return f"{patients} patients with a picture that is labelled {name}; {least} are needed"
        return None

    def margins(self, arm: str) -> dict[str, FloatArray]:
        """By pair, float64 [n]."""
        space = self._space
        if arm == "paraphrased":
            return {pair.pair_id: space.paraphrased_margin(pair) for pair in self._prompts.pairs}
        sign = -1.0 if arm == "sides_swapped" else 1.0
        return {
            pair.pair_id: sign * space.margin(pair.positive, pair.negative) for pair in self._prompts.pairs
        }

    def by_labels(self, arm: str) -> dict[tuple[str | None, str], Jackknife]:
        """AUC and accuracy of each pair, and their mean over pairs."""
        margins = self.margins(arm)
        found: dict[tuple[str | None, str], Jackknife] = {}
        for pair in self.asked:
            sides, margin = self.sides[pair.pair_id], margins[pair.pair_id]
            right = np.where(np.isnan(sides), np.nan, ((margin > 0) == (sides == 1.0)).astype(float))
            found[pair.pair_id, "auc"] = auc_jackknife(margin, sides, self._groups, self._count)
            found[pair.pair_id, "accuracy"] = mean_jackknife(right, self._groups)
        for figure in ("auc", "accuracy") if self.asked else ():
            parts = joined([found[pair.pair_id, figure] for pair in self.asked])
            found[None, figure] = mean_of_columns(parts, groups=self._count)
        if len(self.asked) > 1 and self._one_question():
            mean = np.mean([margins[pair.pair_id] for pair in self.asked], axis=0)
            sides = self.sides[self.asked[0].pair_id]
            found[None, "auc_of_mean_margin"] = auc_jackknife(mean, sides, self._groups, self._count)
        return found

    def _one_question(self) -> bool:
        first = self.sides[self.asked[0].pair_id]
        return all(np.array_equal(first, self.sides[pair.pair_id], equal_nan=True) for pair in self.asked)

    def of_margins(self) -> dict[tuple[str | None, str], Jackknife]:
        """The margins' distribution; its mean and the share above 0 with intervals."""
        found: dict[tuple[str | None, str], Jackknife] = {}
        for pair_id, margin in self.margins("as_written").items():
            found[pair_id, "margin_mean"] = mean_jackknife(margin, self._groups)
            found[pair_id, "share_above_zero"] = mean_jackknife((margin > 0).astype(float), self._groups)
            for quantile in _QUANTILES:
                found[pair_id, f"margin_p{quantile:02}"] = _plain(float(np.percentile(margin, quantile)))
            found[pair_id, "margin_sd"] = _plain(float(margin.std(ddof=1)) if len(margin) > 1 else math.nan)
        return found

    def shuffled(self) -> tuple[float, float, float] | None:
        """Mean AUC when the prompts are dealt at random to pairs and sides, and the range of 95% of the deals."""
        texts = self._prompts.texts()
        if not self.asked or len(texts) < 4:
            return None
        similarity = {text: self._space.similarity(text) for text in texts}
        random = np.random.default_rng(self._settings.seed)
        means = []
        for _ in range(self._settings.deals):
            dealt = random.permutation(len(texts))
            values = []
            for place, pair in enumerate(self.asked):
                one, other = (texts[dealt[(2 * place + side) % len(texts)]] for side in (0, 1))
                values.append(_auc(similarity[one] - similarity[other], self.sides[pair.pair_id]))
            means.append(np.mean(values))
        low, high = np.percentile(means, [2.5, 97.5])
        return float(np.mean(means)), float(low), float(high)

    def of_spaces(self, pictures: int) -> dict[str, float]:
        """Likeness of different prompts and of different pictures, and how well the sides lie apart."""
        texts = self._prompts.texts()
        rows = np.array([self._space.texts[text] for text in texts])
        asked = {pair.positive for pair in self._prompts.pairs}
        sides = [text in asked for text in texts]
        return {
            "prompt_similarity_mean": off_diagonal_mean(rows),
            "prompt_similarity_with_itself": float(np.square(rows.mean(axis=0)).sum()),
            "picture_similarity_mean": off_diagonal_mean(self._space.pictures),
            "silhouette": silhouette(rows, sides),
            "silhouette_repeated": silhouette(rows, sides, repeats=max(pictures, 1)),
        }


def _auc(scores: FloatArray, sides: FloatArray) -> float:
    from scipy.stats import rankdata

    chosen = ~np.isnan(sides)
    ranks, positive = rankdata(scores[chosen]), sides[chosen] == 1.0
    above = int(positive.sum())
    return float((ranks[positive].sum() - above * (above + 1) / 2) / (above * (len(ranks) - above)))


def _plain(value: float) -> Jackknife:
    """A figure without an interval."""
    return Jackknife(np.array([value]), np.full((0, 1), np.nan), np.zeros(1), np.zeros(1, dtype=np.int64))


def metrics_table(
    prompts: Prompts,
    pictures: Sequence[ShownPicture],
    spaces: Mapping[str, Space],
    settings: ImageTextSettings,
) -> tuple[pa.Table, dict[str, Any]]:
    """All figures of the held-out pictures.

    Parameters
    ----------
    prompts
        the pairs.
    pictures
        those that are measured on, each once.
    spaces
        by model (base, finetuned) the same pictures.
    settings
        confidence, deals, and how many patients a figure needs.

    Returns
    -------
    tuple[pa.Table, dict[str, Any]]
        A table with IMAGE_TEXT_METRICS_SCHEMA, and the facts `pictures`, `patients` and `absent`, a record for each
        pair that has no figure by labels.
    """
    rows: list[dict[str, Any]] = []
    absent: list[dict[str, Any]] = []
    groups = len({picture.group for picture in pictures})
    facts = {"pictures": len(pictures), "patients": groups, "experiment": prompts.experiment}
    if not pictures or not spaces:
        absent.append({"pair_id": "all", "why": "no held-out picture"})
        return IMAGE_TEXT_METRICS_SCHEMA.empty_table(), {**facts, "absent": absent}
    measured = {model: _Figures(prompts, pictures, space, settings) for model, space in spaces.items()}
    by_labels = {
        (model, arm): figures.by_labels(arm)
        for model, figures in measured.items()
        for arm in ("as_written", "sides_swapped", "paraphrased")
    }
    sizes = _sizes(measured, len(pictures))
    for (model, arm), found in by_labels.items():
        rows += _rows(model, arm, found, sizes, settings.confidence)
    for model, figures in measured.items():
        rows += _rows(model, "as_written", figures.of_margins(), sizes, settings.confidence)
        rows += _more(model, figures, len(pictures), groups, len(prompts.texts()))
    if set(MODELS) <= set(spaces):
        base, tuned = (by_labels[model, "as_written"] for model in MODELS)
        changes = {key: difference(tuned[key], base[key]) for key in base}
        rows += _rows("difference", "as_written", changes, sizes, settings.confidence)
    some = next(iter(measured.values()))
    absent += [
        {"pair_id": pair.pair_id, "why": why}
        for pair in prompts.pairs
        if (why := some.lacks(pair.pair_id)) is not None
    ]
    table = pa.Table.from_pylist(rows, schema=IMAGE_TEXT_METRICS_SCHEMA)
    return table, {**facts, "absent": absent}


def _sizes(measured: Mapping[str, _Figures], pictures: int) -> dict[str | None, int]:
    some = next(iter(measured.values()))
    sizes: dict[str | None, int] = {None: pictures}
    for pair, sides in some.sides.items():
        sizes[pair] = int((~np.isnan(sides)).sum())
    return sizes


def _rows(
    model: str,
    arm: str,
    found: Mapping[tuple[str | None, str], Jackknife],
    sizes: Mapping[str | None, int],
    confidence: float,
) -> Iterator[dict[str, Any]]:
    for (pair_id, figure), value in found.items():
        share = model != "difference" and figure in (
            "auc",
            "accuracy",
            "auc_of_mean_margin",
            "share_above_zero",
        )
        lowest, highest = (0.0, 1.0) if share else (-math.inf, math.inf)
        if not math.isfinite(value.value[0]):
            continue
        labelled = figure in ("auc", "accuracy")
        ends = intervals(value, confidence=confidence, lowest=lowest, highest=highest)
        yield {
            "model": model,
            "arm": arm,
            "pair_id": pair_id,
            "figure": figure,
            "value": _rounded(value.value[0]),
            "ci_low": _rounded(ends.low[0]),
            "ci_high": _rounded(ends.high[0]),
            "n": sizes[pair_id] if labelled else sizes[None],
            "groups": int(value.groups[0]),
        }


def _more(model: str, figures: _Figures, pictures: int, groups: int, texts: int) -> Iterator[dict[str, Any]]:
    whole = {"model": model, "pair_id": None}
    dealt = figures.shuffled()
    if dealt is not None:
        value, low, high = map(_rounded, dealt)
        ends = {"ci_low": low, "ci_high": high, "n": pictures, "groups": groups}
        yield {**whole, "arm": "shuffled", "figure": "auc", "value": value, **ends}
    for figure, value in figures.of_spaces(pictures).items():
        if math.isfinite(value):
            none = {"ci_low": math.nan, "ci_high": math.nan, "groups": 0}
            number = pictures if figure.startswith("picture") else texts
            yield {
                **whole,
                "arm": "as_written",
                "figure": figure,
                "value": _rounded(value),
                **none,
                "n": number,
            }


def _rounded(value: float) -> float:
    return round(float(value), DECIMALS) + 0.0
