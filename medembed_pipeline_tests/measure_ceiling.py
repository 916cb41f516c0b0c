"""How far one vector of a note goes: the tuned vectors beside the probabilities of a classifier on the base vectors.

    python -m medembed_pipeline_tests.measure_ceiling LAKE

LAKE is a data lake in which `make run` has been. A logistic regression of the labels is fitted to the base vectors of
the train notes with several penalties; what it says of a note, brought to a sum of one, is taken for the note's vector.
Whoever knows no more than that base vector can hardly bring notes of a label nearer together.
"""

from __future__ import annotations

import argparse

import numpy as np

from medembed_pipeline.classification.heads import fit_linear_heads, logit
from medembed_pipeline.classification.notes import TEST, VALIDATION
from medembed_pipeline.evaluation.inputs import rows_of
from medembed_pipeline.evaluation.retrieval import retrieval_scores
from medembed_pipeline.evaluation.vectors import FloatArray, unit_rows
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline_tests.classification.measure_heads import read

PENALTIES = (1.0, 3.0, 10.0, 30.0, 100.0)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lake")
    lake = Lake(parser.parse_args().lake)
    notes, rows = read(lake)
    learned = notes.learned_from()
    base = rows.vectors["baseline"]
    spaces = {
        "base vectors": base,
        "tuned vectors": unit_rows(rows_of(lake.table("tuned_embeddings"), notes.note_ids)),
    }
    seen = _scaled(base, learned)
    heads = fit_linear_heads(
        seen[learned], notes.membership[learned], inverse_regularizations=PENALTIES, balanced=True
    )
    for penalty, head in zip(PENALTIES, heads, strict=True):
        said = logit(head.probabilities(seen))
        shares = np.exp(said - said.max(axis=1, keepdims=True))
        spaces[f"probabilities, C = {penalty:g}"] = shares / np.linalg.norm(shares, axis=1, keepdims=True)
    print("| | P@5, held-out | MAP, held-out | P@5, validation | MAP, validation |\n|---|---|---|---|---|")
    for name, space in spaces.items():
        cells = []
        for split in (TEST, VALIDATION):
            own = notes.judged(split)
            scores = retrieval_scores(space[own], notes.membership[own])
            cells += [f"{np.nanmean(scores[key]):.3f}" for key in (("precision", 5), ("map", None))]
        print(f"| {name} | {' | '.join(cells)} |")


def _scaled(rows: FloatArray, of: np.ndarray) -> FloatArray:
    """Centred, and of mean squared length 1, by some of the rows."""
    centred = rows - rows[of].mean(axis=0)
    return np.asarray(centred / np.sqrt(np.square(centred[of]).sum(axis=1).mean()))


if __name__ == "__main__":
    main()
