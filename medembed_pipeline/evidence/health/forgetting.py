"""What fine-tuning on notes has cost a model of its general English."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from medembed_pipeline.embeddings.vectors import TextEncoder, embeddings_table
from medembed_pipeline.encoder import EncoderSpec, encoder_fingerprint
from medembed_pipeline.evaluation.vectors import BoolArray, unit_rows
from medembed_pipeline.evidence.health.general_pairs import Triplet
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.store import KeyedStore
from medembed_pipeline.lake.tables import vectors
from medembed_pipeline.settings import EncoderSettings

SMALLEST_GAP = 1e-6
"""Similarities nearer to each other than this are equal: float32 vectors say no more."""


def encode_triplets(
    lake: Lake, spec: EncoderSpec, settings: EncoderSettings, triplets: Mapping[str, Sequence[Triplet]]
) -> npt.NDArray[np.float32]:
    """Vectors of all sentences, float32 [sentences, d], in the order of the sets and triplets.

    They are kept beside the note vectors of the same encoder; the model is loaded only when one is missing.

    Args:
        lake: its store keeps the vectors.
        spec: the encoder, the very one that the notes are embedded with.
        settings: device, precision and token budget.
        triplets: by the name of their set.
    """
    from medembed_pipeline.encoder.devices import resolve_device, resolve_precision

    precision = resolve_precision(settings.precision, resolve_device(settings.device))
    store = KeyedStore(lake, "vectors", encoder_fingerprint(spec, precision=precision))
    texts = [text for found in triplets.values() for triplet in found for text in triplet]

    def load() -> TextEncoder:
        from medembed_pipeline.encoder.model import load_encoder

        return _Quiet(load_encoder(spec, device=settings.device, precision=precision), settings.token_budget)

    table, _ = embeddings_table(
        [str(row) for row in range(len(texts))], texts, load_encoder=load, store=store
    )
    return vectors(table.column("embedding"))


class _Quiet:
    """An encoder with its token budget, which shows its progress on a terminal alone."""

    def __init__(self, encoder: Any, token_budget: int) -> None:
        self._encoder = encoder
        self._token_budget = token_budget

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        encoded: np.ndarray = self._encoder.encode(
            texts, token_budget=self._token_budget, progress=sys.stderr.isatty()
        )
        return encoded


def triplets_right(embeddings: npt.ArrayLike) -> BoolArray:
    """Which triplets are right: the first sentence lies nearer to the second than to the third.

    Args:
        embeddings: [3 * t, d], L2-normalised, the three sentences of each triplet after one another.

    Returns:
        bool [t].
    """
    rows = unit_rows(embeddings, name="general sentences")
    anchor, same, other = rows[0::3], rows[1::3], rows[2::3]
    gap = np.einsum("ij,ij->i", anchor, same) - np.einsum("ij,ij->i", anchor, other)
    return np.asarray(gap > SMALLEST_GAP)


def chance_of_loss(lost: int, won: int) -> float:
    """Probability of at least so many lost triplets among those that changed, were gain and loss alike likely.

    The one-sided exact sign test (McNemar's test for paired answers); 1 where nothing changed.
    """
    changed = lost + won
    return sum(math.comb(changed, count) for count in range(lost, changed + 1)) / 2**changed


def forgetting_records(
    triplets: Mapping[str, Sequence[Triplet]], baseline: BoolArray, tuned: BoolArray
) -> list[dict[str, Any]]:
    """One record per set: its size, both accuracies, how many triplets were lost and won, and `chance_of_loss`.

    Args:
        triplets: by the name of their set.
        baseline, tuned: bool [all triplets], in the order of the sets.
    """
    records = []
    start = 0
    for name, found in triplets.items():
        part = slice(start, start + len(found))
        before, after = baseline[part], tuned[part]
        lost, won = int((before & ~after).sum()), int((~before & after).sum())
        records.append(
            {
                "set": name,
                "triplets": len(found),
                "baseline": float(before.mean()),
                "tuned": float(after.mean()),
                "lost": lost,
                "won": won,
                "chance_of_loss": round(chance_of_loss(lost, won), 9),
            }
        )
        start += len(found)
    return records


def lost_sets(records: Sequence[Mapping[str, Any]], *, significance: float) -> list[str]:
    """Sets in which significantly more triplets were lost than won, Holm-corrected for the number of sets.

    Set by set, because a gain in one (topics, say) does not make up for a loss in another.

    Reference: S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6 (1979).
    """
    lost = []
    ordered = sorted(records, key=lambda record: (record["chance_of_loss"], record["set"]))
    for place, record in enumerate(ordered):
        if record["chance_of_loss"] * (len(ordered) - place) > significance:
            break
        lost.append(str(record["set"]))
    return lost
