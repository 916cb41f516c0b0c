"""The table `modality_ledger`: what each arm reaches, and what is left when its partner is taken away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa

from medembed_pipeline.evaluation.jackknife import Jackknife, difference
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray
from medembed_pipeline.lake.fields import described
from medembed_pipeline.triage.arms import ARMS, CONCATENATED, FUSIONS, GATED, NOTE, PICTURE, POINTS, Arms
from medembed_pipeline.triage.cases import TriageCases
from medembed_pipeline.triage.emap import emap_logits
from medembed_pipeline.triage.metrics import NUMBERS, number_rows
from medembed_pipeline.triage.predictions import Chosen, complete_cases
from medembed_pipeline.triage.scoring import numbered, triage_figures
from medembed_pipeline.triage.settings import TriageSettings

AS_IT_IS, EMAP = "as_it_is", "emap"
SHUFFLED, BLANK = "shuffled", "blank"
VARIANTS: Final = (
    AS_IT_IS,
    EMAP,
    *(f"{kind}_{part}" for kind in (SHUFFLED, BLANK) for part in (NOTE, PICTURE)),
)
BEST_SINGLE: Final = "best_single"

MODALITY_LEDGER_SCHEMA = pa.schema(
    [
        described("arm", pa.string(), "note, picture, metadata, late_fusion, points, concatenated or gated"),
        described(
            "variant",
            pa.string(),
            "as_it_is; with another patient's partner (shuffled_note, shuffled_picture: the mean "
            "over deals) or the mean of all (blank_note, blank_picture); emap: note and picture may only add up",
        ),
        described(
            "over",
            pa.string(),
            "null: the figure itself; else paired: best_single: less that of the best single arm; "
            "points: less that of the arm points, in which note and picture add up by how it is made; "
            "as_it_is: less that of the arm as it is",
            nullable=True,
        ),
        *NUMBERS,
    ]
)


def ledger_table(
    cases: TriageCases,
    arms: Arms,
    seen: Mapping[str, FloatArray],
    chosen: Chosen,
    settings: TriageSettings,
) -> tuple[pa.Table, dict[str, Any]]:
    """Every arm and variant on the held-out cases that all arms can see.

    The projection of `emap`, and the deals, are those of all these cases; the intervals leave out patients as those who
    are asked, and not as partners.

    Parameters
    ----------
    cases
        that take part.
    arms
        fitted.
    seen
        by part, what heads see of every case.
    chosen
        the best single arm and the best fusion.
    settings
        deals, seed, confidence.
    """
    rows = complete_cases(cases, arms)
    asked = _Asked(cases, arms, {part: own[rows] for part, own in seen.items()}, rows, settings)
    found = {
        (arm, variant): figures
        for arm in ARMS
        if arm in arms.heads
        for variant in (VARIANTS if arm in FUSIONS else VARIANTS[:1])
        if (figures := asked.figures(arm, variant))
    }
    best = found.get((chosen.single, AS_IT_IS), {})
    table: list[dict[str, Any]] = []
    for (arm, variant), figures in found.items():
        compared: list[tuple[str | None, dict[str, Jackknife]]] = [(None, figures)]
        if (arm, variant) != (chosen.single, AS_IT_IS):
            compared.append((BEST_SINGLE, _less(figures, best)))
        if variant != AS_IT_IS:
            compared.append((AS_IT_IS, _less(figures, found[arm, AS_IT_IS])))
        elif arm in (CONCATENATED, GATED) and (POINTS, AS_IT_IS) in found:
            compared.append((POINTS, _less(figures, found[POINTS, AS_IT_IS])))
        for over, values in compared:
            numbers = number_rows(
                values, len(rows), confidence=settings.confidence, is_difference=over is not None
            )
            table += [{"arm": arm, "variant": variant, "over": over, **one} for one in numbers]
    facts = {"complete_cases": len(rows), "complete_patients": len(np.unique(cases.groups[rows]))}
    return pa.Table.from_pylist(table, schema=MODALITY_LEDGER_SCHEMA), facts


def _less(left: Mapping[str, Jackknife], right: Mapping[str, Jackknife]) -> dict[str, Jackknife]:
    return {name: difference(value, right[name]) for name, value in left.items() if name in right}


class _Asked:
    """The held-out cases, and what an arm says of them in every variant."""

    def __init__(
        self,
        cases: TriageCases,
        arms: Arms,
        seen: Mapping[str, FloatArray],
        rows: IntArray,
        settings: TriageSettings,
    ) -> None:
        self._arms, self._seen, self._levels = arms, seen, cases.levels
        self._level, self._groups = cases.level[rows], numbered(cases.groups[rows])
        self._deals = [
            others_of(self._groups, np.random.default_rng((settings.seed, deal)))
            for deal in range(settings.deals)
        ]

    def figures(self, arm: str, variant: str) -> dict[str, Jackknife]:
        """By name."""
        if variant == AS_IT_IS:
            return self._scored(arm, self._arms.logits(arm, self._seen))
        if variant == EMAP:
            return self._scored(arm, emap_logits(self._pairs(arm), self._seen[NOTE], self._seen[PICTURE]))
        kind, part = variant.split("_")
        if kind == BLANK:
            return self._scored(arm, self._with(arm, part, np.zeros_like(self._seen[part])))
        return _mean(
            [self._scored(arm, self._with(arm, part, self._seen[part][deal])) for deal in self._deals]
        )

    def _pairs(self, arm: str) -> Callable[[FloatArray, FloatArray], FloatArray]:
        return lambda notes, pictures: self._arms.logits(arm, {NOTE: notes, PICTURE: pictures})

    def _with(self, arm: str, part: str, rows: FloatArray) -> FloatArray:
        return self._arms.logits(arm, {**self._seen, part: rows})

    def _scored(self, arm: str, logits: FloatArray) -> dict[str, Jackknife]:
        said = self._arms.probabilities(arm, logits)
        return triage_figures(said, self._level, self._groups, self._levels)


def others_of(groups: IntArray, random: np.random.Generator) -> IntArray:
    """A place for each case, each place once, of another group wherever that is possible. int64 [n].

    Parameters
    ----------
    groups
        int64 [n].
    random
        deals.
    """
    order = random.permutation(len(groups))
    for place in range(len(order)):
        if groups[order[place]] != groups[place]:
            continue
        # Changed with one that suits both.
        suits = np.flatnonzero((groups[order] != groups[place]) & (groups != groups[order[place]]))
        if len(suits):
            other = int(random.choice(suits))
            order[[place, other]] = order[[other, place]]
    return order


def _mean(parts: list[dict[str, Jackknife]]) -> dict[str, Jackknife]:
    """The mean over the deals: of the figure, and of what it is without each patient."""
    found = {}
    for name in parts[0]:
        own = [part[name] for part in parts]
        found[name] = Jackknife(
            np.mean([one.value for one in own], axis=0),
            np.mean([one.left_out for one in own], axis=0),
            own[0].double_counted,
            own[0].groups,
        )
    return found
