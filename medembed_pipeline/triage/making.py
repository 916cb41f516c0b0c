"""From cases and vectors to a fitted model, and from that to what the tables hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from medembed_pipeline.evaluation.vectors import FloatArray, IntArray
from medembed_pipeline.triage.arms import OVER_ARMS, Arms, parts_of
from medembed_pipeline.triage.cases import TRAIN, Levels, TriageCases
from medembed_pipeline.triage.errors import TriageError
from medembed_pipeline.triage.evidence import Evidence
from medembed_pipeline.triage.folder import Parts
from medembed_pipeline.triage.heads import Head
from medembed_pipeline.triage.metadata import MetadataColumn, fit_metadata
from medembed_pipeline.triage.predictions import choose_arms
from medembed_pipeline.triage.projection import Projection
from medembed_pipeline.triage.rules import (
    triage_outcomes,
    triage_sentence,
    triage_word,
)
from medembed_pipeline.triage.settings import TriageSettings, TriageVerdictSettings
from medembed_pipeline.triage.shortcuts import Compared
from medembed_pipeline.triage.tuning import Tuner
from medembed_pipeline.verdict.outcomes import VERDICT_SCHEMA
from medembed_pipeline.verdict.summary import verdict_table

RowsOf = Callable[[Sequence[MetadataColumn]], Mapping[str, FloatArray]]
"""Takes the columns that the arm metadata sees; gives by part a vector for every case."""


def make_parts(
    cases: TriageCases,
    rows_of: RowsOf,
    encoders: Mapping[str, Any],
    settings: TriageSettings,
    tuner: Tuner | None = None,
) -> Parts:
    """Fit every arm, and choose on validation cases which are compared.

    Parameters
    ----------
    cases
        that take part.
    rows_of
        makes the vectors.
    encoders
        what these are made by, for the manifest.
    settings
        of the room.
    tuner
        where the encoders are tuned; None leaves them as they are.
    """
    from medembed_pipeline.triage.arms import fit_arms

    if cases.why_empty is not None:
        return Parts(Levels((), False), Arms({}, {}, {}), (), None, {}, cases.why_empty)
    metadata = fit_metadata(cases.columns, settings.metadata, cases.rows(TRAIN).tolist())
    rows = dict(rows_of(metadata))
    adapters = {} if tuner is None else tuner.adapters(cases.rows(TRAIN))
    if tuner is not None:
        rows |= tuner.rows(adapters)
    arms = fit_arms(cases, rows, settings, None if tuner is None else tuner.rows_by)
    if not arms.heads:
        why = "; ".join(f"{arm}: {reason}" for arm, reason in arms.absent.items())
        return Parts(cases.levels, arms, metadata, None, {}, f"no arm could be made ({why})")
    chosen = choose_arms(cases, arms, arms.seen(rows), settings)
    return Parts(cases.levels, arms, metadata, chosen, encoders, adapters=adapters)


def compared_arm(
    cases: TriageCases,
    parts: Parts,
    rows: Mapping[str, FloatArray],
    settings: TriageSettings,
    tuner: Tuner | None = None,
) -> Compared:
    """The best fusion, or the best single arm where there is none; and how it is fitted again on other train cases.

    With the settings that were chosen for it, the same principal components, and the same temperature. Where the
    encoders were tuned, they are tuned again on these cases, with components of their own.

    Parameters
    ----------
    cases
        that take part.
    parts
        of the model.
    rows
        by part, a vector for every case.
    settings
        of the room.
    tuner
        of a model whose encoders were tuned; else None.
    """
    assert parts.chosen is not None
    name = parts.chosen.fusion or parts.chosen.single
    seen = parts.arms.seen(rows)
    able = np.flatnonzero(np.logical_and.reduce([cases.has(part) for part in parts_of(name)]))

    def said(arms: Arms, seen: Mapping[str, FloatArray]) -> FloatArray:
        found = np.full((len(cases), len(cases.levels.names)), np.nan)
        own = {part: seen[part][able] for part in parts_of(name)}
        found[able] = arms.probabilities(name, arms.logits(name, own))
        return found

    def without(train: IntArray) -> FloatArray:
        known = np.intersect1d(train, able)
        own = dict(seen)
        if tuner is not None:
            for part, values in tuner.rows_by(known).items():
                if part in parts_of(name):
                    own[part] = Projection.fit(values[known], settings.components).apply(values)
        heads = dict(parts.arms.heads)
        needed = parts_of(name) if name in OVER_ARMS else (name,)
        for arm in needed:
            heads[arm] = refitted(arm, parts.arms, own, cases, known, settings)
        return said(replace(parts.arms, heads=heads), own)

    return Compared(name, said(parts.arms, seen), without)


def refitted(
    arm: str,
    arms: Arms,
    seen: Mapping[str, FloatArray],
    cases: TriageCases,
    train: IntArray,
    settings: TriageSettings,
) -> Head:
    """An arm with a head, fitted on some train cases with the settings that were chosen for it."""
    from medembed_pipeline.triage.heads import fit_head

    head = arms.heads[arm]
    assert isinstance(head, Head)
    values = next(one for one in arms.tried if one["arm"] == arm and one["chosen"])
    return fit_head(
        head.kind,
        [seen[part][train] for part in parts_of(arm)],
        cases.level[train],
        len(cases.levels.names),
        units=int(values["units"]),
        decay=float(values["decay"]),
        seed=settings.seed,
    )


def cases_of_model(cases: TriageCases, parts: Parts) -> TriageCases:
    """The cases, or none and why, where the model has learned nothing.

    Raises
    ------
    TriageError
        the model was made of other levels.
    """
    why = parts.why_empty or cases.why_empty
    if why is not None:
        return cases.without(why)
    if cases.levels != parts.levels:
        raise TriageError(
            f"triage_model was made of {len(parts.levels.names)} levels, and the cases have {len(cases.levels.names)}, "
            "or others. Materialize triage_model."
        )
    return cases


def verdict_of(
    ledger: pa.Table,
    meter: pa.Table,
    parts: Parts,
    settings: TriageSettings,
    rules: TriageVerdictSettings,
) -> tuple[pa.Table, dict[str, Any]]:
    """The table `triage_verdict` and its facts `verdict` and `sentence`."""
    if parts.chosen is None:
        sentence = f"Inconclusive: {parts.why_empty}."
        return VERDICT_SCHEMA.empty_table(), {"verdict": "inconclusive", "sentence": sentence}
    evidence = Evidence(
        ledger=ledger.to_pylist(),
        meter=meter.to_pylist(),
        single=parts.chosen.single,
        fusion=parts.chosen.fusion,
        why_no_fusion="; ".join(dict.fromkeys(parts.arms.absent.values())),
        figure=settings.main_metric,
        levels=parts.levels,
    )
    outcomes = triage_outcomes(evidence, rules)
    return verdict_table(outcomes), {
        "verdict": triage_word(outcomes, evidence, rules),
        "sentence": triage_sentence(outcomes, evidence, rules),
        "single": parts.chosen.single,
        "fusion": parts.chosen.fusion,
    }
