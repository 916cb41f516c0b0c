"""Well-separated synthetic specialties in which the errors are known, because they were put there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medembed_pipeline_tests.evaluation.corpus import unit


@dataclass(frozen=True)
class PlantedCorpus:
    """Notes with the specialties that they truly have, and those that they are filed under."""

    note_ids: list[str]
    true: list[list[str]]
    given: list[list[str]]
    groups: list[str]
    splits: dict[str, str]
    embeddings: npt.NDArray[np.float32]
    misfiled: set[str]
    half_filed: set[str]


def planted_corpus(
    *,
    classes: int = 6,
    notes: int = 60,
    misfiled: float = 0.03,
    two_specialties: int = 0,
    half_filed: float = 0.0,
    dimensions: int = 24,
    noise: float = 0.5,
    seed: int = 0,
) -> PlantedCorpus:
    """`notes` of each class, then `two_specialties` notes between the first two classes.

    A share `misfiled` of the notes of one specialty is filed under another one; a share `half_filed` of those of
    two is filed under one of them alone. Every tenth note is a near-duplicate of the one before it, with the same
    label and the same error.
    """
    random = np.random.default_rng(seed)
    names = [f"specialty {number}" for number in range(classes)]
    centers = np.eye(classes, dimensions) * 2
    true = [[names[row // notes]] for row in range(classes * notes)] + [names[:2]] * two_specialties
    rows = np.array(
        [centers[[names.index(name) for name in one]].mean(axis=0) * len(one) ** 0.5 for one in true]
    )
    rows += random.normal(size=rows.shape) * noise * 2 / np.sqrt(dimensions)
    count = len(true)
    twin = np.array([row % 10 == 9 and true[row] == true[row - 1] for row in range(count)])
    rows[twin] = rows[np.flatnonzero(twin) - 1] + random.normal(size=(int(twin.sum()), dimensions)) * 0.01
    ids = [f"{number:032x}" for number in random.permutation(count)]
    given = [list(one) for one in true]
    single = [row for row in range(count) if len(true[row]) == 1 and not twin[row]]
    double = [row for row in range(count) if len(true[row]) == 2 and not twin[row]]
    wrong = random.choice(single, round(misfiled * len(single)), replace=False)
    halved = random.permutation(double)[: round(half_filed * len(double))].astype(int)
    for row in wrong:
        given[row] = [str(random.choice([name for name in names if name not in true[row]]))]
    for row in halved:
        given[row] = [str(random.choice(true[row]))]
    for row in np.flatnonzero(twin):
        given[row] = list(given[row - 1])
    changed = [row for row in range(count) if given[row] != true[row]]
    return PlantedCorpus(
        note_ids=ids,
        true=true,
        given=given,
        groups=[ids[row - 1] if twin[row] else ids[row] for row in range(count)],
        splits={note_id: ("train", "validation", "test")[int(note_id, 16) % 3] for note_id in ids},
        embeddings=unit(rows),
        misfiled={ids[row] for row in changed if len(true[row]) == 1},
        half_filed={ids[row] for row in changed if len(true[row]) == 2},
    )
