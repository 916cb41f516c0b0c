"""A trial of a head, or of adapters: learned from the train notes, scored on the validation notes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from medembed_pipeline.classification.features import NoteRows
from medembed_pipeline.classification.ladder import RUNG_OF, RUNGS, WORDS, TrainNotes, fit_features, fit_head
from medembed_pipeline.classification.notes import VALIDATION, ClassifierNotes
from medembed_pipeline.classification.scoring import LOWER_IS_BETTER, Truth, overall_figures
from medembed_pipeline.classification.serving import CHOICES, decide
from medembed_pipeline.classification.settings import ClassificationSettings
from medembed_pipeline.evaluation.jackknife import group_numbers
from medembed_pipeline.evaluation.vectors import FloatArray
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.study.space import Choice, Real, Space, Values, Whole
from medembed_pipeline.study.trial import Objective, Trial

FIGURES = {f"validation_{name}": f"{shown} on the validation notes" for name, (_, shown) in CHOICES.items()}
"""What a trial notes besides its score."""

HEAD_SPACE = Space(
    [
        Choice("rung", tuple(rung.name for rung in RUNGS if rung.kind in ("linear", "neighbors"))),
        Real("inverse_regularization", 0.3, 1000.0, log=True),
        Choice("class_weight", ("none", "balanced")),
        Whole("smallest_word_notes", 2, 10, log=True),
        Whole("neighbors", 3, 100, log=True),
    ]
)
HEAD_START: Values = {
    "rung": WORDS,
    "inverse_regularization": 100.0,
    "class_weight": ClassificationSettings().class_weight,
    "smallest_word_notes": ClassificationSettings().smallest_word_notes,
    "neighbors": 10,
}

ADAPTERS_SPACE = Space(
    [
        Real("adapter_learning_rate", 5e-5, 5e-3, log=True),
        Whole("adapter_rank", 2, 64, log=True),
        Real("adapter_scale", 0.5, 8.0, log=True),
        Choice("adapter_layers", ("all", "query_value")),
    ]
)
PUBLISHED: Sequence[Values] = tuple(
    {
        "adapter_learning_rate": rate,
        "adapter_rank": 16,
        "adapter_scale": 2.0,
        "adapter_layers": "query_value",
    }
    for rate in (1e-4, 3e-4, 5e-5)
)
"""The three configurations behind the published accuracy of 0.542, of which the second was the best."""


@dataclass(frozen=True)
class StudyNotes:
    """What trials see: train and validation notes, and no others.

    Attributes
    ----------
    texts
        of the train notes, then of the validation notes.
    train
        the train notes.
    validation
        the validation notes.
    truth
        what is true of these.
    """

    texts: list[str]
    train: TrainNotes
    validation: NoteRows
    truth: Truth

    @classmethod
    def of(cls, notes: ClassifierNotes, texts: Sequence[str], rows: NoteRows) -> StudyNotes:
        """Take them out of all notes.

        Parameters
        ----------
        notes
            all notes.
        texts, rows
            of the same notes, in their order.
        """
        learned, judged = notes.learned_from(), notes.judged(VALIDATION)
        return cls(
            [texts[row] for row in (*learned, *judged)],
            TrainNotes(
                rows.take(learned), notes.membership[learned], group_numbers(notes.groups[learned].tolist())
            ),
            rows.take(judged),
            notes.truth(judged),
        )

    def version(self, labels: Sequence[str]) -> str:
        """Hash of all of it, and of the names of the labels."""
        train, truth = self.train, self.truth
        arrays = [train.membership, train.groups, truth.membership, truth.outside, truth.groups]
        for rows in (train.notes, self.validation):
            arrays += [rows.vectors[model] for model in sorted(rows.vectors)]
        return digest([list(labels), self.texts, [sha256(one.tobytes()).hexdigest() for one in arrays]])


def head_objective(seen: StudyNotes, settings: ClassificationSettings) -> Objective:
    """An objective that fits a head on the train notes.

    Its score is the figure that the ladder chooses by, of the calibrated answers to the validation notes.

    Parameters
    ----------
    seen
        train and validation notes.
    settings
        of the room, for what is not searched.
    """

    def objective(values: Values, trial: Trial) -> list[float]:
        rung = RUNG_OF[str(values["rung"])]
        tried = with_values(
            settings,
            {name: values[name] for name in ("class_weight", "smallest_word_notes")},
        )
        parameter = values["inverse_regularization" if rung.kind == "linear" else "neighbors"]
        features = fit_features(rung, seen.train.notes, tried)
        head = fit_head(rung, features.rows(seen.train.notes), seen.train.membership, float(parameter), tried)
        return _scored(head.probabilities(features.rows(seen.validation)), seen.truth, tried, trial)

    return objective


def adapters_objective(
    seen: StudyNotes,
    settings: ClassificationSettings,
    scores: Callable[[Sequence[str], FloatArray, ClassificationSettings], FloatArray],
) -> Objective:
    """An objective that trains adapters and a head on the train notes; scored as `head_objective` is.

    Parameters
    ----------
    seen
        train and validation notes.
    settings
        of the room, for what is not searched.
    scores
        `adapter_scores`: takes the texts, the labels of the train notes, which come first, and the settings that are
        tried; returns float64 [n, labels].
    """
    learned = len(seen.train.membership)

    def objective(values: Values, trial: Trial) -> list[float]:
        tried = with_values(settings, values)
        found = scores(seen.texts, seen.train.membership, tried)
        return _scored(found[learned:], seen.truth, tried, trial)

    return objective


def with_values(settings: ClassificationSettings, values: Values) -> ClassificationSettings:
    """The settings, with the values that are tried."""
    return ClassificationSettings.model_validate({**settings.model_dump(), **values})


def _scored(scores: FloatArray, truth: Truth, settings: ClassificationSettings, trial: Trial) -> list[float]:
    decided = decide(
        np.round(scores, 9),
        truth,
        misses=settings.misses,
        own_from=settings.calibrate_label_from,
        seed=settings.seed,
    )
    found = overall_figures(truth, decided.crossed_answers)
    trial.looked()
    for name, (key, _) in CHOICES.items():
        trial.figure(f"validation_{name}", float(found[key].value[0]))
    key, _ = CHOICES[settings.choose_by]
    value = float(found[key].value[0])
    return [-value if key[0] in LOWER_IS_BETTER else value]


def head_block(values: Values) -> str:
    """What a head was made of as a part of `medembed.toml`: what its rung goes by, and no more."""
    rung = RUNG_OF[str(values["rung"])]
    lines = [f"# Found for the rung {rung.name}.", "[classification]"]
    if rung.kind == "neighbors":
        return "\n".join([*lines, f"neighbors = [{values['neighbors']}]"])
    lines += [
        f"inverse_regularization = [{values['inverse_regularization']}]",
        f'class_weight = "{values["class_weight"]}"',
    ]
    if rung.words:
        lines.append(f"smallest_word_notes = {values['smallest_word_notes']}")
    return "\n".join(lines)


def adapters_block(values: Values) -> str:
    """The values as a part of `medembed.toml`, to the last digit."""
    shown = {name: f'"{value}"' if isinstance(value, str) else str(value) for name, value in values.items()}
    return "\n".join(
        ["[classification]", "adapters = true", *(f"{name} = {one}" for name, one in shown.items())]
    )


def fixed_values(settings: ClassificationSettings, space: Space) -> Mapping[str, object]:
    """What every trial has of the settings in force; what is searched is no part of it."""
    return {name: value for name, value in settings.result_values().items() if name not in space.names}
