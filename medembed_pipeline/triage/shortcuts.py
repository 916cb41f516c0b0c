"""The table `shortcut_meter`: what tells the level without being a reason for it.

References: J. R. Zech et al., "Variable generalization performance of a deep learning model to detect pneumonia in
chest radiographs", PLOS Medicine 2018; G. Maguolo, L. Nanni, Information Fusion 76 (2021); A. J. DeGrave, J. D.
Janizek, S.-I. Lee, "AI for radiographic COVID-19 detection selects shortcuts over signal", Nature Machine
Intelligence 3 (2021).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from medembed_pipeline.classification.features import WordWeights, count_words
from medembed_pipeline.classification.heads import fit_linear
from medembed_pipeline.evaluation.jackknife import Jackknife, difference, intervals
from medembed_pipeline.evaluation.vectors import BoolArray, FloatArray, IntArray
from medembed_pipeline.evidence.labels.folds import group_codes, stratified_group_folds
from medembed_pipeline.lake.fields import described
from medembed_pipeline.triage.cases import TEST, TRAIN, TriageCases
from medembed_pipeline.triage.masking import numbers_alone, without_words
from medembed_pipeline.triage.metadata import fit_metadata, metadata_rows
from medembed_pipeline.triage.metrics import NUMBERS, number_rows, rounded
from medembed_pipeline.triage.projection import Projection
from medembed_pipeline.triage.scoring import numbered, triage_figures
from medembed_pipeline.triage.settings import TriageSettings

WORDS, NUMBERS_ALONE = "words", "numbers"
DIAGNOSIS_MASKED, PICTURE_MASKED = "diagnosis_words_masked", "picture_words_masked"
SOURCE, VIEW = "source", "view"
BORDER, CENTRE, WHOLE = "border_only", "centre_blacked_out", "whole_picture_small"
LEFT_OUT: Final = "source_left_out"
INPUTS: Final = {
    WORDS: "the words of the note, by TF-IDF",
    NUMBERS_ALONE: "the numbers in the note alone",
    DIAGNOSIS_MASKED: "the words of the note without those that name a disease",
    PICTURE_MASKED: "the words of the note without those that tell of a picture",
    SOURCE: "the source alone",
    VIEW: "the view alone",
    BORDER: "the picture's border alone",
    CENTRE: "the picture with its centre blacked out",
    WHOLE: "the whole picture as small as those",
    LEFT_OUT: "the compared arm, on a source that it has not learned from",
}
"""Every input, in the order of the table, and what it is."""
OF_NOTE: Final = (WORDS, NUMBERS_ALONE, DIAGNOSIS_MASKED, PICTURE_MASKED)
OF_PICTURE: Final = (BORDER, CENTRE, WHOLE)
MASKED: Final = (DIAGNOSIS_MASKED, PICTURE_MASKED)
FIGURES: Final = ("auc", "accuracy", "weighted_f1", "macro_f1", "kappa")
"""Those that are higher the more is known of the level."""
MOST_COMPONENTS: Final = 64
"""Of small or masked pictures."""

SHORTCUT_METER_SCHEMA = pa.schema(
    [
        described("input", pa.string(), "what is seen: " + ", ".join(INPUTS)),
        described("scope", pa.string(), "all, or the source that was left out"),
        *NUMBERS,
        described("floor", pa.float64(), "mean of the figure with shuffled levels; NaN where there is none"),
        described("floor_low", pa.float64(), "the lowest of them"),
        described("floor_high", pa.float64(), "the highest of them"),
        described(
            "reference",
            pa.float64(),
            "the figure of what it is compared with on the same cases: the words for masked words, else the arm",
        ),
        described("difference", pa.float64(), "value - reference, paired"),
        described("difference_low", pa.float64(), "lower end of its interval; NaN where there is none"),
        described("difference_high", pa.float64(), "upper end"),
        described(
            "share",
            pa.float64(),
            "(value - floor) / (reference - floor): NaN where the reference is at the floor",
        ),
    ]
)


@dataclass(frozen=True)
class Compared:
    """The arm that shortcuts are held against.

    Attributes
    ----------
    name
        of the arm.
    probabilities
        float64 [n, levels] of every case; NaN where the arm cannot see it.
    without
        places of train cases -> the arm's probabilities of every case when it is fitted on these alone.
    """

    name: str
    probabilities: FloatArray
    without: Callable[[IntArray], FloatArray]


def shortcut_table(
    cases: TriageCases,
    pictures: Mapping[str, FloatArray],
    compared: Compared,
    settings: TriageSettings,
) -> tuple[pa.Table, dict[str, Any]]:
    """Every input against the floor of shuffled levels, and against the compared arm.

    All inputs get a logistic regression, as many tries as an arm, and the same folds by patient in the train split.

    Parameters
    ----------
    cases
        that take part.
    pictures
        of OF_PICTURE, float64 [n, d] a row per case; those that are absent are not scored.
    compared
        the arm that the verdict goes by.
    settings
        tries, folds, shuffles, seed, confidence.
    """
    rows: list[dict[str, Any]] = []
    scored: dict[str, FloatArray] = {}
    for name in INPUTS:
        found = _features(name, cases, pictures)
        if found is None:
            continue
        features, usable = found
        own = _Input(cases, features, usable, settings)
        if not own.can_be_scored:
            continue
        scored[name] = own.probabilities()
        reference = scored[WORDS] if name in MASKED else compared.probabilities
        rows += _rows(name, "all", cases, scored[name], reference, settings, own.floors(), usable)
    for source, probabilities, usable in _left_out(cases, compared, settings):
        rows += _rows(LEFT_OUT, source, cases, probabilities, compared.probabilities, settings, [], usable)
    table = pa.Table.from_pylist(rows, schema=SHORTCUT_METER_SCHEMA)
    return table, {"compared": compared.name, "shuffles": settings.shuffles}


def _features(
    name: str, cases: TriageCases, pictures: Mapping[str, FloatArray]
) -> tuple[Any, BoolArray] | None:
    """What is seen of every case, and which cases have it; None where nothing is."""
    train = cases.rows(TRAIN)
    if name in OF_NOTE:
        usable = cases.has("note")
        texts = [_read(name, note or "") for note in cases.notes]
        known = np.intersect1d(train, np.flatnonzero(usable))
        counts = count_words(texts).counts
        if not counts.shape[1] or not len(known):
            return None
        return WordWeights.fit(counts[known], smallest_word_notes=2).weigh(counts), usable
    if name in (SOURCE, VIEW):
        if len({value for value in cases.columns[name] if value is not None}) < 2:
            return None
        fitted = fit_metadata(cases.columns, [name], train.tolist())
        return metadata_rows(fitted, cases.columns, len(cases)), np.ones(len(cases), dtype=np.bool_)
    if name in pictures:
        usable = cases.has("picture")
        known = np.intersect1d(train, np.flatnonzero(usable))
        if not len(known):
            return None
        return Projection.fit(pictures[name][known], MOST_COMPONENTS).apply(pictures[name]), usable
    return None


def _read(name: str, note: str) -> str:
    if name == NUMBERS_ALONE:
        return numbers_alone(note)
    if name in MASKED:
        return without_words(note, name.partition("_")[0])
    return note


class _Input:
    """One input: tuned, fitted, and fitted again on shuffled levels."""

    def __init__(
        self, cases: TriageCases, features: Any, usable: BoolArray, settings: TriageSettings
    ) -> None:
        self._cases, self._features, self._settings = cases, features, settings
        self._train = np.intersect1d(cases.rows(TRAIN), np.flatnonzero(usable))
        self._membership = cases.membership
        self._usable = usable

    @property
    def can_be_scored(self) -> bool:
        """Whether train and held-out cases of two levels have it."""
        held = np.intersect1d(self._cases.rows(TEST), np.flatnonzero(self._usable))
        return all(len(np.unique(self._cases.level[rows])) > 1 for rows in (self._train, held))

    def probabilities(self) -> FloatArray:
        """float64 [n, levels] of every case."""
        settings, train = self._settings, self._train
        fold_of = stratified_group_folds(
            self._membership[train],
            group_codes(self._cases.groups[train].tolist()),
            folds=settings.folds,
            seed=settings.seed,
        )
        losses = []
        grid = np.geomspace(0.03, 100.0, settings.tries)
        for value in grid:
            loss = 0.0
            for fold in np.unique(fold_of):
                known, asked = train[fold_of != fold], train[fold_of == fold]
                said = self._fitted(known, self._membership[known], value, asked)
                loss -= float(np.log(said[np.arange(len(asked)), self._cases.level[asked]]).sum())
            losses.append(loss)
        self._best = float(grid[int(np.argmin(losses))])
        every = np.arange(len(self._cases))
        return self._fitted(train, self._membership[train], self._best, every)

    def floors(self) -> list[tuple[FloatArray, IntArray]]:
        """The same with the levels shuffled within the train and within the held-out cases; and these levels, of all.

        Of the held-out ones, too: an input of few values tells apart what it tells apart, whatever was learned.
        """
        every = np.arange(len(self._cases))
        held = np.intersect1d(self._cases.rows(TEST), np.flatnonzero(self._usable))
        found = []
        for shuffle in range(self._settings.shuffles):
            random = np.random.default_rng((self._settings.seed, shuffle))
            level = self._cases.level.copy()
            for rows in (self._train, held):
                level[rows] = level[random.permutation(rows)]
            membership = np.eye(self._membership.shape[1])[level[self._train]]
            found.append((self._fitted(self._train, membership, self._best, every), level))
        return found

    def _fitted(self, known: IntArray, membership: FloatArray, value: float, asked: IntArray) -> FloatArray:
        head = fit_linear(self._features[known], membership, inverse_regularization=value)
        said = np.clip(head.probabilities(self._features[asked]), 1e-6, None)
        return np.asarray(said / said.sum(axis=1, keepdims=True))


def _left_out(
    cases: TriageCases, compared: Compared, settings: TriageSettings
) -> list[tuple[str, FloatArray, BoolArray]]:
    """Each source of which enough held-out patients of two levels came, seen by the arm that was fitted without it."""
    found = []
    sources = [value or "" for value in cases.columns[SOURCE]]
    can_see = np.asarray(np.isfinite(compared.probabilities).all(axis=1), dtype=np.bool_)
    for source in sorted(set(sources) - {""}):
        of_source = np.array([value == source for value in sources], dtype=np.bool_)
        own = of_source & can_see
        held = np.flatnonzero(own & (cases.split == TEST))
        left = np.flatnonzero((cases.split == TRAIN) & ~of_source & can_see)
        enough = len(np.unique(cases.groups[held])) >= settings.minimum_patients // 2
        if not enough or len(np.unique(cases.level[held])) < 2:
            continue
        if set(cases.level[left].tolist()) == set(range(len(cases.levels.names))):
            found.append((source, compared.without(left), own))
    return found


def _rows(
    name: str,
    scope: str,
    cases: TriageCases,
    probabilities: FloatArray,
    reference: FloatArray,
    settings: TriageSettings,
    floors: Sequence[tuple[FloatArray, IntArray]],
    usable: BoolArray,
) -> list[dict[str, Any]]:
    """A row per figure, on the held-out cases that both can see."""
    held = np.flatnonzero((cases.split == TEST) & usable & np.isfinite(reference).all(axis=1))
    if not len(held):
        return []

    def figures(said: FloatArray, level: IntArray) -> dict[str, Jackknife]:
        return triage_figures(said[held], level[held], numbered(cases.groups[held]), cases.levels)

    own, other = (figures(said, cases.level) for said in (probabilities, reference))
    below = [figures(said, level) for said, level in floors]
    rows = []
    for numbers in number_rows(own, len(held), confidence=settings.confidence):
        figure = numbers["figure"]
        if figure not in FIGURES or figure not in other:
            continue
        floor = [float(one[figure].value[0]) for one in below if figure in one]
        apart = difference(own[figure], other[figure])
        ends = intervals(apart, confidence=settings.confidence)
        least = float(np.mean(floor)) if floor else float("nan")
        beyond = float(other[figure].value[0]) - least
        share = (numbers["value"] - least) / beyond if abs(beyond) > 1e-9 else float("nan")
        rows.append(
            {
                "input": name,
                "scope": scope,
                **numbers,
                "floor": rounded(least),
                "floor_low": rounded(min(floor, default=float("nan"))),
                "floor_high": rounded(max(floor, default=float("nan"))),
                "reference": rounded(other[figure].value[0]),
                "difference": rounded(apart.value[0]),
                "difference_low": rounded(ends.low[0]),
                "difference_high": rounded(ends.high[0]),
                "share": rounded(share),
            }
        )
    return rows
