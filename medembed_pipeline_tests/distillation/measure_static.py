"""The static model beside the tuned one, and beside tokens read one by one: figures on held-out notes, and speed.

    OMP_NUM_THREADS=1 python -m medembed_pipeline_tests.distillation.measure_static LAKE

LAKE is a data lake in which `make run` has been. Seconds are processor time, tokenizing included. The third is what a
static model mostly is: the vector that the transformer gives each token by itself (model2vec, Tulkens & van Dongen,
2024), here weighted as ours are; nothing is fitted.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from medembed_pipeline.distillation.fit import rarity
from medembed_pipeline.distillation.models import static_model_of
from medembed_pipeline.distillation.static import unit_means
from medembed_pipeline.encoder.model import load_encoder
from medembed_pipeline.encoder.precision import with_resolved_precision
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.evaluation.relevance import label_matrix
from medembed_pipeline.evaluation.retrieval import retrieval_scores
from medembed_pipeline.evaluation.vectors import unit_rows
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.training.checkpoints import checkpoint_behind

METRICS = {"P@5": ("precision", 5), "MAP": ("map", None)}
BLOCK = 4_096


def main() -> None:
    """Encode, score, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lake", type=Path)
    lake = Lake(str(parser.parse_args().lake))
    notes, splits = (lake.table(name).read().to_pydict() for name in ("cleaned_notes", "note_splits"))
    split_of = dict(zip(splits["note_id"], splits["split"], strict=True))
    scored = [
        row
        for row, (note, names) in enumerate(zip(notes["note_id"], notes["specialties"], strict=True))
        if split_of[note] == "test" and names
    ]
    texts = [notes["text"][row] for row in scored]
    members = label_matrix([notes["specialties"][row] for row in scored]).membership
    static = static_model_of(lake)
    encoder = with_resolved_precision(EncoderSettings(device="cpu"))
    checkpoint = checkpoint_behind(lake, lake.table("tuned_embeddings"))
    tuned = load_encoder(
        checkpoint.encoder_spec(encoder.long_notes), device="cpu", precision=encoder.precision
    )
    train = [
        text for note, text in zip(notes["note_id"], notes["text"], strict=True) if split_of[note] == "train"
    ]
    holding = np.asarray((static.counter.counts(train) > 0).sum(axis=0)).reshape(-1)
    weights = rarity(len(train), holding)
    alone = np.zeros((static.counter.size, tuned.dimensions), dtype=np.float32)
    met = np.flatnonzero(np.asarray(static.counter.counts(notes["text"]).sum(axis=0)).reshape(-1))
    for first in range(0, len(met), BLOCK):
        block = met[first : first + BLOCK]
        alone[block] = tuned.encode(static.counter.words(block.tolist())) * weights[block, None]
    models: dict[str, Callable[[], npt.NDArray[np.float32]]] = {
        "tuned": lambda: tuned.encode(texts),
        "static": lambda: static.encode(texts),
        "tokens read one by one": lambda: unit_means(static.counter.counts(texts), alone),
    }
    print(f"{len(scored)} held-out notes, {encoder.precision}\n")
    print(f"| model | {' | '.join(METRICS)} | notes per second |\n|---|{'---|' * len(METRICS)}---|")
    for name, encode in models.items():
        encode()
        began = time.process_time()
        found = encode()
        seconds = time.process_time() - began
        scores = retrieval_scores(unit_rows(found), members)
        cells = [f"{np.nanmean(scores[key]):.3f}" for key in METRICS.values()]
        print(f"| {name} | {' | '.join(cells)} | {len(scored) / seconds:,.0f} |")


if __name__ == "__main__":
    main()
