"""The label review: every labelled note, the most suspicious first, and the label ceiling."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from medembed_pipeline.evaluation.neighbors import sorted_order
from medembed_pipeline.evaluation.relevance import label_matrix
from medembed_pipeline.evidence.labels.ceilings import label_ceilings
from medembed_pipeline.evidence.labels.errors import LabelReviewError
from medembed_pipeline.evidence.labels.folds import group_codes, stratified_group_folds
from medembed_pipeline.evidence.labels.judgements import (
    AGREES,
    JUDGEMENTS,
    LOOKS_WRONG,
    SEVERAL_SPECIALTIES,
    Judgements,
    judge,
)
from medembed_pipeline.evidence.labels.probabilities import (
    learnable_specialties,
    out_of_sample_probabilities,
)
from medembed_pipeline.lake.fields import described

_DECIMALS = 6

LABEL_REVIEW_SCHEMA = pa.schema(
    [
        described(
            "rank", pa.int32(), "1 is the most suspicious: those that look wrong first, then by quality"
        ),
        described("note_id", pa.string(), "the note; joins cleaned_notes"),
        described("specialties", pa.list_(pa.string()), "the specialties that it is filed under, sorted"),
        described(
            "suggested",
            pa.string(),
            "a specialty that it is not filed under but seems to belong to, null where there is none",
            nullable=True,
        ),
        described(
            "given_probability",
            pa.float64(),
            "largest out-of-sample probability of a given specialty, null where not judged",
            nullable=True,
        ),
        described(
            "suggested_probability",
            pa.float64(),
            "probability of the likeliest specialty that is not given, null where not judged",
            nullable=True,
        ),
        described(
            "label_quality",
            pa.float64(),
            "cleanlab's score of the whole label, 0 suspicious to 1 sure, null where not judged",
            nullable=True,
        ),
        described(
            "judgement",
            pa.string(),
            "looks_wrong, several_specialties or agrees; null where all its specialties are too rare to judge",
            nullable=True,
        ),
        described("split", pa.string(), "train, validation or test"),
    ]
)


def label_review_table(
    note_ids: Sequence[str],
    specialties: Sequence[Collection[str]],
    duplicate_groups: Sequence[Hashable],
    splits: Mapping[str, str],
    embeddings: npt.ArrayLike,
    *,
    held_out_ids: Collection[str],
    folds: int,
    repeats: int,
    threshold: float,
    seed: int,
) -> tuple[pa.Table, dict[str, Any]]:
    """Review the label of every labelled note, and find the label ceiling of the held-out ones.

    The embeddings must be the baseline's: the tuned model has been taught the labels of the train notes, so
    that its vectors of a misfiled train note lie with the label it was given, and hide the error.

    Probabilities come from folds that keep near-duplicates together (a note's twin would give its label away).
    Notes without any specialty teach nothing here: that they carry none says nothing about what they are about.
    A specialty with fewer duplicate groups than folds cannot be judged; a note that carries no other is listed
    last, without a judgement. See `judge` for the judgements and `label_ceilings` for the ceilings; there, a
    note that looks wrong is believed to belong to the suggested specialty alone.

    Parameters
    ----------
    note_ids
        n different ids, in any order.
    specialties
        n collections of names; a note without any is left out.
    duplicate_groups
        n groups; near-duplicates share one.
    splits
        split by note id.
    embeddings
        [n, d], L2-normalised rows of the baseline model.
    held_out_ids
        the notes that the models are scored on.
    folds
        of the cross-validation, at least 2.
    repeats
        divisions into folds, at least 1; the probabilities are the mean over them. On the clinical notes two seeds
        agreed on 60% of the notes that look wrong with one division, and on 79% with five.
    threshold
        probability from which a specialty is taken to belong to a note.
    seed
        of the folds.

    Returns
    -------
    tuple[pa.Table, dict[str, Any]]
        A table with LABEL_REVIEW_SCHEMA, and the facts: number of notes by judgement (`looks_wrong`,
        `several_specialties`, `agrees`), `notes_judged`, `notes_not_judged`, `specialties_not_judged`,
        `label_error_rate` (share of the judged notes that look wrong, None without any), `looks_wrong_held_out`,
        `ceiling_precision_at_5` and `ceiling_with_label_noise` (of P@5, None where nothing is scored), `ceilings` and
        `by_specialty` (records).

    Raises
    ------
    LabelReviewError
        inputs that do not fit each other.
    EvaluationError
        ids that repeat, or vectors that are not of unit length.
    """
    matrix = np.asarray(embeddings)
    for name, values in (("specialties", specialties), ("duplicate_groups", duplicate_groups)):
        if len(values) != len(note_ids):
            raise LabelReviewError(
                f"{name}: {len(values)} entries for {len(note_ids)} notes; expected one each."
            )
    for name, value, least in (("folds", folds, 2), ("repeats", repeats, 1)):
        if value < least:
            raise LabelReviewError(f"{name} = {value}: expected at least {least}.")
    order = [int(row) for row in sorted_order(note_ids, rows=len(matrix)) if specialties[row]]
    ids = [note_ids[row] for row in order]
    missing = [note_id for note_id in ids if note_id not in splits]
    if missing:
        raise LabelReviewError(
            f"splits: {len(missing)} of {len(ids)} labelled notes have no split (first: {missing[0]}). "
            "Materialize cleaned_notes and note_splits together."
        )
    sets = [sorted(set(specialties[row])) for row in order]
    labels = label_matrix(sets)
    groups = group_codes([duplicate_groups[row] for row in order])
    divisions = [
        stratified_group_folds(labels.membership, groups, folds=folds, seed=(seed, repeat))
        for repeat in range(repeats)
    ]
    learnable = np.logical_and.reduce(
        [learnable_specialties(labels.membership, groups, fold_of) for fold_of in divisions]
    )
    names = [name for name, kept in zip(labels.names, learnable, strict=True) if kept]
    membership = labels.membership[:, learnable]
    probabilities = np.mean(
        [out_of_sample_probabilities(matrix[order], membership, fold_of) for fold_of in divisions], axis=0
    )
    found = judge(membership, probabilities, threshold=threshold)

    belongs = found.judged & (found.suggested >= 0) & (found.suggested_probability >= threshold)
    suggested = [
        names[column] if seems else None for column, seems in zip(found.suggested, belongs, strict=True)
    ]
    table = _ranked_table(ids, sets, suggested, [splits[note_id] for note_id in ids], found)
    believed = [
        [name] if judgement == LOOKS_WRONG and name else given
        for given, name, judgement in zip(sets, suggested, found.judgement, strict=True)
    ]
    scored_ids = set(held_out_ids)
    scored = [row for row, note_id in enumerate(ids) if note_id in scored_ids]
    ceilings = label_ceilings([sets[row] for row in scored], [believed[row] for row in scored])
    at_five = next((row for row in ceilings if (row["metric"], row["k"]) == ("precision", 5)), {})
    wrong = found.judgement == LOOKS_WRONG
    judged = int(found.judged.sum())
    facts = {
        LOOKS_WRONG: int(wrong.sum()),
        SEVERAL_SPECIALTIES: int((found.judgement == SEVERAL_SPECIALTIES).sum()),
        AGREES: int(((found.judgement == AGREES) & found.judged).sum()),
        "notes_judged": judged,
        "notes_not_judged": len(ids) - judged,
        "specialties_not_judged": int((~learnable).sum()),
        "label_error_rate": round(int(wrong.sum()) / judged, _DECIMALS) if judged else None,
        "looks_wrong_held_out": int(wrong[scored].sum()),
        "ceiling_precision_at_5": at_five.get("ceiling"),
        "ceiling_with_label_noise": at_five.get("ceiling_with_label_noise"),
        "ceilings": ceilings,
        "by_specialty": [
            {
                "specialty": name,
                "notes": int(membership[:, column].sum()),
                **{
                    judgement: int(membership[found.judgement == judgement, column].sum())
                    for judgement in JUDGEMENTS
                },
            }
            for column, name in enumerate(names)
        ],
    }
    return table, facts


def _ranked_table(
    ids: list[str],
    sets: list[list[str]],
    suggested: list[str | None],
    splits: list[str],
    found: Judgements,
) -> pa.Table:
    quality = np.round(found.quality, _DECIMALS)
    # Stable, and the notes are in the order of their ids.
    order = np.lexsort((quality, found.judgement != LOOKS_WRONG, ~found.judged))
    unknown = ~found.judged
    return pa.Table.from_arrays(
        [
            pa.array(np.arange(1, len(ids) + 1, dtype=np.int32)),
            *(
                pa.array(values, kind, mask=mask).take(pa.array(order))
                for values, kind, mask in (
                    (ids, pa.string(), None),
                    (sets, pa.list_(pa.string()), None),
                    (suggested, pa.string(), None),
                    (np.round(found.given_probability, _DECIMALS), pa.float64(), unknown),
                    (np.round(found.suggested_probability, _DECIMALS), pa.float64(), unknown),
                    (quality, pa.float64(), unknown),
                    (found.judgement, pa.string(), unknown),
                    (splits, pa.string(), None),
                )
            ),
        ],
        schema=LABEL_REVIEW_SCHEMA,
    )
