"""The triplets table: drawn for the train and the validation notes apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from medembed_pipeline.lake.fields import described
from medembed_pipeline.triplets.sampling import (
    LabelledNotes,
    Strategy,
    TripletError,
    Triplets,
    sample_triplets,
    usable_specialties,
)

TRIPLETS_SCHEMA = pa.schema(
    [
        described("anchor_id", pa.string(), "note_id of the anchor"),
        described("positive_id", pa.string(), "note_id of a note that shares a specialty"),
        described("negative_id", pa.string(), "note_id of a note that shares no specialty"),
        described("split", pa.string(), "train or validation: all three notes are of it"),
        described("strategy", pa.string(), "how the negative was chosen"),
        described("specialty", pa.string(), "specialty that anchor and positive share"),
        described("positive_similarity", pa.float32(), "baseline cosine, anchor to positive"),
        described("negative_similarity", pa.float32(), "baseline cosine, anchor to negative"),
    ]
)


def triplets_table(
    notes_by_split: Mapping[str, LabelledNotes],
    totals: Mapping[str, int],
    *,
    strategy: Strategy,
    minimum_specialty_notes: int,
    seed: int,
) -> tuple[pa.Table, dict[str, Any]]:
    """Draw the triplets of every split.

    Parameters
    ----------
    notes_by_split
        the notes of `train` and of `validation`.
    totals
        triplets wanted per split.
    strategy
        of the train triplets, see `sample_triplets`; the negatives of other splits are random.
    minimum_specialty_notes
        a specialty with fewer notes over all splits given here is left out.
    seed
        of every choice.

    Returns
    -------
    tuple[pa.Table, dict[str, Any]]
        The table (`TRIPLETS_SCHEMA`) and facts: triplets per split, specialties used and left out, how hard they are.
        With fewer than two usable specialties the table is empty: there is nothing to tell apart.

    Raises
    ------
    TripletError
        a split allows no triplet.
    """
    every = [names for notes in notes_by_split.values() for names in notes.specialties]
    present = sorted(set().union(*every)) if every else []
    usable = usable_specialties(every, minimum_specialty_notes)
    if len(usable) < 2:
        facts = {"specialties_used": 0, "specialties_too_small": len(present) - len(usable), "per_split": []}
        return TRIPLETS_SCHEMA.empty_table(), facts
    parts: list[pa.Table] = []
    hardness: list[dict[str, Any]] = []
    for split, notes in notes_by_split.items():
        # Negatives chosen by the baseline would make the baseline's accuracy perfect by construction.
        used: Strategy = strategy if split == "train" else "random"
        try:
            drawn = sample_triplets(notes, usable=usable, total=totals[split], strategy=used, seed=seed)
        except TripletError as error:
            raise TripletError(f"{split} split: {error}") from None
        parts.append(_rows(notes, drawn, split, used))
        hardness.append(_hardness(split, drawn, totals[split]))
    facts = {
        "specialties_used": len(usable),
        "specialties_too_small": len(present) - len(usable),
        "per_split": hardness,
    }
    return pa.concat_tables(parts), facts


def _rows(notes: LabelledNotes, drawn: Triplets, split: str, strategy: Strategy) -> pa.Table:
    ids = np.asarray(notes.note_ids, dtype=object)
    count = len(drawn.anchor)
    return pa.table(
        [
            pa.array(ids[drawn.anchor]),
            pa.array(ids[drawn.positive]),
            pa.array(ids[drawn.negative]),
            pa.array([split] * count),
            pa.array([strategy] * count),
            pa.array(drawn.specialty),
            pa.array(drawn.positive_similarity),
            pa.array(drawn.negative_similarity),
        ],
        schema=TRIPLETS_SCHEMA,
    )


def _hardness(split: str, drawn: Triplets, wanted: int) -> dict[str, Any]:
    gaps = drawn.positive_similarity - drawn.negative_similarity
    return {
        "split": split,
        "triplets": len(gaps),
        "wanted": wanted,
        "different_notes": len(np.unique(np.concatenate([drawn.anchor, drawn.positive, drawn.negative]))),
        "mean_positive_similarity": float(drawn.positive_similarity.mean()),
        "mean_negative_similarity": float(drawn.negative_similarity.mean()),
        "baseline_accuracy": float((gaps > 0).mean()),
    }
