"""The figure of the label review: how sure the labels are."""

from __future__ import annotations

from collections.abc import Sequence

from medembed_pipeline.pictures.curves import distribution
from medembed_pipeline.pictures.numbers import percent
from medembed_pipeline.pictures.specification import Figure, Known, Row

_BINS = 40
_JUDGEMENTS = (
    ("looks_wrong", "looks wrong", "--worse"),
    ("several_specialties", "several specialties", "--fourth"),
    ("agrees", "agrees", "--baseline"),
)


def label_figures(rows: Sequence[Row], _: Known) -> list[Figure]:
    """The quality of the labels by judgement; nothing where no note is judged.

    Parameters
    ----------
    rows
        of `label_review`; those without a judgement are left out.
    """
    judged = [row for row in rows if row["judgement"] is not None]
    if not judged:
        return []
    series = {}
    for judgement, name, color in _JUDGEMENTS:
        own = [row["label_quality"] for row in judged if row["judgement"] == judgement]
        shares = [0.0] * _BINS
        for quality in own:
            # Of its own judgement: few look wrong, and all of them would vanish beside those that agree.
            shares[min(_BINS - 1, int(quality * _BINS))] += 1 / len(own)
        series[f"{name}: {len(own):,} ({percent(len(own) / len(judged), 1)})"] = (color, shares)
    return [
        Figure(
            "label_quality",
            "How sure the labels are",
            f"{len(judged):,} labelled notes by the quality of their label: 0 suspicious, 1 sure (cleanlab, from "
            "probabilities of models that did not see the note); of each judgement the share of its own notes. "
            "Looks wrong: another specialty is likely, the given one is not. Several specialties: the given one "
            "and a further one are likely. Agrees: not enough speaks against the label.",
            "Label quality by judgement",
            distribution(
                series, [at / _BINS for at in range(_BINS + 1)], axis="label quality", span=(0, _BINS - 1)
            ),
        )
    ]
