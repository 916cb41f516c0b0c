"""The arms: what sees the note, the picture, the metadata, or note and picture; all tuned with the same effort."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from medembed_pipeline.evaluation.vectors import FloatArray, IntArray
from medembed_pipeline.evidence.labels.folds import group_codes, stratified_group_folds
from medembed_pipeline.study.search import search
from medembed_pipeline.study.space import Choice, Real, Space, Values
from medembed_pipeline.study.store import MemoryTrials
from medembed_pipeline.study.table import best_trial
from medembed_pipeline.study.trial import Trial
from medembed_pipeline.triage.cases import TRAIN, VALIDATION, TriageCases
from medembed_pipeline.triage.heads import Head, Kind, fit_head, log_softmax
from medembed_pipeline.triage.projection import Projection
from medembed_pipeline.triage.settings import TriageSettings
from medembed_pipeline.triage.temperature import fit_temperature

NOTE, PICTURE, METADATA = "note", "picture", "metadata"
LATE, POINTS, CONCATENATED, GATED = "late_fusion", "points", "concatenated", "gated"
SINGLE: Final = {NOTE: "the note", PICTURE: "the picture", METADATA: "metadata"}
FUSIONS: Final = {
    LATE: "late fusion of note and picture",
    POINTS: "the sum of points for note and picture",
    CONCATENATED: "note and picture concatenated",
    GATED: "gated fusion of note and picture",
}
ARMS: Final = {**SINGLE, **FUSIONS}
"""Every arm, in the order of the tables, and what it is."""

_DECAY = Real("decay", 1e-3, 1.0, log=True)
_SPACES: Final = {
    POINTS: Space([Choice("units", (4, 8)), Real("decay", 1e-4, 0.1, log=True)]),
    GATED: Space([Choice("units", (8, 16)), _DECAY]),
    LATE: Space([Real("note", 0.1, 2.0), Real("picture", 0.1, 2.0)]),
}
_SPACE: Final = Space([Choice("units", (0, 16)), _DECAY])
_STARTS: Final = {
    POINTS: {"units": 8, "decay": 0.003},
    GATED: {"units": 16, "decay": 0.03},
    LATE: {"note": 1.0, "picture": 1.0},
}
_KINDS: Final[Mapping[str, Kind]] = {POINTS: "points", GATED: "gated"}
_START: Final = {"units": 0, "decay": 0.03}
OVER_ARMS: Final = (LATE, POINTS)
"""Fusions of what the single arms say; the others see vectors."""


def parts_of(arm: str) -> tuple[str, ...]:
    """What an arm sees."""
    return (NOTE, PICTURE) if arm in FUSIONS else (arm,)


@dataclass(frozen=True)
class LateFusion:
    """Weighs what note and picture say by themselves: the sum of their log probabilities, less the prior's.

    With both weights 1 it is right where note and picture are independent given the level.

    Attributes
    ----------
    weights
        by part.
    prior
        float64 [levels], log of the levels' shares in the train cases.
    """

    weights: Mapping[str, float]
    prior: FloatArray

    def logits(self, said: Mapping[str, FloatArray]) -> FloatArray:
        """float64 [n, levels], of the parts' logits."""
        found = self.prior * (1.0 - sum(self.weights.values()))
        return np.asarray(
            found + sum(weight * log_softmax(said[part]) for part, weight in self.weights.items())
        )


@dataclass(frozen=True)
class Arms:
    """The fitted arms.

    Attributes
    ----------
    projections
        by part, what a head sees of its vectors.
    heads
        by arm.
    temperatures
        by arm, by which its logits are divided; fitted on validation cases.
    tried
        a record per arm and setting that was tried.
    absent
        by arm that could not be made, what it takes.
    """

    projections: Mapping[str, Projection]
    heads: Mapping[str, Head | LateFusion]
    temperatures: Mapping[str, float]
    tried: list[dict[str, Any]] = field(default_factory=list)
    absent: Mapping[str, str] = field(default_factory=dict)

    def seen(self, rows: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        """What heads see of the parts' vectors, those that there is a projection for."""
        return {
            part: self.projections[part].apply(own) for part, own in rows.items() if part in self.projections
        }

    def logits(self, arm: str, seen: Mapping[str, FloatArray]) -> FloatArray:
        """float64 [n, levels], from what heads see."""
        head = self.heads[arm]
        if isinstance(head, LateFusion):
            return head.logits({part: self.logits(part, seen) for part in head.weights})
        return head.logits(self.inputs(arm, seen))

    def inputs(self, arm: str, seen: Mapping[str, FloatArray]) -> list[FloatArray]:
        """What an arm sees of each of its parts: its vectors, or log probabilities by the part's own arm."""
        if arm in OVER_ARMS:
            return [log_softmax(self.logits(part, seen)) for part in parts_of(arm)]
        return [seen[part] for part in parts_of(arm)]

    def probabilities(self, arm: str, logits: FloatArray) -> FloatArray:
        """float64 [n, levels], calibrated."""
        return np.asarray(np.exp(log_softmax(logits / self.temperatures[arm])))


RowsBy = Callable[[IntArray], Mapping[str, FloatArray]]
"""Places of train cases -> by part, vectors of all cases by encoders that have learned from these cases alone."""


def fit_arms(
    cases: TriageCases,
    rows: Mapping[str, FloatArray],
    settings: TriageSettings,
    rows_by: RowsBy | None = None,
) -> Arms:
    """Tune every arm within the train split, by patient, fit it on all of it, and calibrate it on validation cases.

    Principal components know no level, and are found once for all folds. Encoders that were tuned do know it: then each
    fold has those that have not learned from the cases it asks, with components of their own.

    Parameters
    ----------
    cases
        that take part.
    rows
        by part, float64 [n, d] vectors; what stands where a case lacks the part is not looked at.
    settings
        of the room.
    rows_by
        of tuned encoders, for every part but the metadata; None where they know no level.
    """
    fold_of = _folds(cases, settings)
    absent = {part: f"no case has a {part}" for part in (NOTE, PICTURE) if part not in rows}
    projections: dict[str, Projection] = {}
    for part, own in rows.items():
        train = cases.rows(TRAIN, (part,))
        why = _too_few(cases, train, part, settings)
        if why or not own.shape[1]:
            absent[part] = why or "none is named in [triage] metadata"
        else:
            projections[part] = Projection.fit(own[train], settings.components)
    seen = {part: projection.apply(rows[part]) for part, projection in projections.items()}
    in_fold = _seen_by_fold(cases, rows, seen, fold_of, settings, rows_by)
    heads: dict[str, Head | LateFusion] = {}
    unfolded: dict[str, FloatArray] = {}
    tried: list[dict[str, Any]] = []
    for arm in ARMS:
        parts = parts_of(arm)
        if any(part not in seen for part in parts):
            absent.setdefault(arm, "; ".join(absent[part] for part in parts if part in absent))
            continue
        train = cases.rows(TRAIN, parts)
        why = _too_few(cases, train, " and ".join(parts), settings)
        if why:
            absent[arm] = why
            continue
        tuned = _Tuned(arm, train, cases, seen, in_fold, unfolded, fold_of, settings)
        heads[arm], unfolded[arm] = tuned.head, tuned.unfolded
        tried += tuned.tried
    found = Arms(projections, heads, dict.fromkeys(heads, 1.0), tried, absent)
    temperatures = {}
    for arm in heads:
        asked = cases.rows(VALIDATION, parts_of(arm))
        logits = found.logits(arm, {part: seen[part][asked] for part in parts_of(arm)})
        temperatures[arm] = fit_temperature(logits, cases.level[asked])
    return Arms(projections, heads, temperatures, tried, absent)


def _folds(cases: TriageCases, settings: TriageSettings) -> IntArray:
    """The fold of each train case, the same for every arm; -1 for all others."""
    train = cases.rows(TRAIN)
    found = np.full(len(cases), -1, dtype=np.int64)
    found[train] = stratified_group_folds(
        cases.membership[train],
        group_codes(cases.groups[train].tolist()),
        folds=settings.folds,
        seed=settings.seed,
    )
    return found


def _seen_by_fold(
    cases: TriageCases,
    rows: Mapping[str, FloatArray],
    seen: Mapping[str, FloatArray],
    fold_of: IntArray,
    settings: TriageSettings,
    rows_by: RowsBy | None,
) -> dict[int, Mapping[str, FloatArray]]:
    """By fold, what heads see of every case when that fold is asked."""
    folds = np.unique(fold_of[fold_of >= 0]).tolist()
    if rows_by is None:
        return dict.fromkeys(folds, seen)
    found: dict[int, Mapping[str, FloatArray]] = {}
    for fold in folds:
        known = np.flatnonzero((fold_of >= 0) & (fold_of != fold))
        own = {part: values for part, values in rows_by(known).items() if part in seen}
        found[fold] = {
            **seen,
            **{part: _components(cases, part, values, known, settings) for part, values in own.items()},
        }
    return found


def _components(
    cases: TriageCases, part: str, rows: FloatArray, known: IntArray, settings: TriageSettings
) -> FloatArray:
    have = known[cases.has(part)[known]]
    return Projection.fit(rows[have], settings.components).apply(rows)


def _too_few(cases: TriageCases, train: IntArray, what: str, settings: TriageSettings) -> str | None:
    patients = len(np.unique(cases.groups[train]))
    levels = len(np.unique(cases.level[train]))
    needed = min(settings.minimum_patients, len(np.unique(cases.groups[cases.rows(TRAIN)])))
    if patients >= max(4, needed // 2) and levels == len(cases.levels.names):
        return None
    return (
        f"{patients} train patients with {what}, of {levels} of {len(cases.levels.names)} levels; at least "
        f"{max(4, needed // 2)} patients and all levels are needed"
    )


class _Tuned:
    """An arm after its search."""

    def __init__(
        self,
        arm: str,
        train: IntArray,
        cases: TriageCases,
        seen: Mapping[str, FloatArray],
        in_fold: Mapping[int, Mapping[str, FloatArray]],
        unfolded: Mapping[str, FloatArray],
        fold_of: IntArray,
        settings: TriageSettings,
    ) -> None:
        self._arm, self._train, self._cases, self._settings = arm, train, cases, settings

        def parts(of: Mapping[str, FloatArray]) -> list[FloatArray]:
            return [log_softmax(unfolded[part]) if arm in OVER_ARMS else of[part] for part in parts_of(arm)]

        self._parts = parts(seen)
        self._parts_in = {fold: parts(own) for fold, own in in_fold.items()}
        self._said = unfolded
        self._fold_of = fold_of[train]
        self._found: dict[int, FloatArray] = {}
        shares = cases.membership[train].mean(axis=0)
        self._prior = np.log(shares)
        store = MemoryTrials()
        search(
            _SPACES.get(arm, _SPACE),
            self._score,
            trials=settings.tries,
            seed=settings.seed,
            storage=store,
            start=_STARTS.get(arm, _START),
        )
        records = [record for number in range(settings.tries) if (record := store.get(number)) is not None]
        best = best_trial(records)
        assert best is not None
        self.tried = [
            {
                "arm": arm,
                "trial": one.number,
                **one.values,
                "log_loss": -(one.mean or 0.0),
                "chosen": one is best,
            }
            for one in records
        ]
        self.head = self._fitted(best.values, train, self._parts)
        self.unfolded = self._found[best.number]

    def _fitted(self, values: Values, rows: IntArray, parts: Sequence[FloatArray]) -> Head | LateFusion:
        if self._arm == LATE:
            return LateFusion({part: float(values[part]) for part in parts_of(LATE)}, self._prior)
        units = int(values["units"])
        return fit_head(
            _KINDS.get(self._arm, "hidden" if units else "linear"),
            [part[rows] for part in parts],
            self._cases.level[rows],
            len(self._cases.levels.names),
            units=units,
            decay=float(values["decay"]),
            seed=self._settings.seed,
        )

    def _score(self, values: Values, trial: Trial) -> Sequence[float]:
        """Mean log likelihood of each fold; out-of-fold logits are kept, for fusions of arms are fitted on them."""
        found = np.zeros((len(self._cases), len(self._cases.levels.names)))
        scores = []
        for fold in np.unique(self._fold_of).tolist():
            asked = self._train[self._fold_of == fold]
            parts = self._parts_in[fold]
            head = self._fitted(values, self._train[self._fold_of != fold], parts)
            if isinstance(head, LateFusion):
                found[asked] = head.logits({part: self._said[part][asked] for part in head.weights})
            else:
                found[asked] = head.logits([part[asked] for part in parts])
            truth = self._cases.level[asked]
            scores.append(float(log_softmax(found[asked])[np.arange(len(asked)), truth].mean()))
        self._found[trial.number] = found
        return scores
