"""The held-out notes as the kept epochs of a training see them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from medembed_pipeline.embeddings.vectors import TextEncoder, embeddings_table
from medembed_pipeline.encoder import EncoderSpec, encoder_fingerprint
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.store import KeyedStore
from medembed_pipeline.lake.tables import vectors


def epochs_version(specs: Mapping[int, EncoderSpec], encoder: EncoderSettings) -> str:
    """Identifies the vectors that some kept epochs give."""
    return digest(
        {
            str(epoch): encoder_fingerprint(spec, precision=encoder.computed_in)
            for epoch, spec in specs.items()
        }
    )


def encoded_epochs(
    lake: Lake,
    note_ids: Sequence[str],
    texts: Sequence[str],
    specs: Mapping[int, EncoderSpec],
    encoder: EncoderSettings,
    report: Callable[[str], None],
) -> dict[int, npt.NDArray[np.float32]]:
    """Vectors of some notes by each kept epoch; those that the lake's store holds already are not made again.

    Parameters
    ----------
    lake
        its store keeps the vectors by the fingerprint of the epoch's model, as those of the embeddings.
    note_ids
        n ids.
    texts
        n texts.
    specs
        how to load the model of each epoch.
    encoder
        device, precision and token budget.
    report
        told of each epoch that is encoded.

    Returns
    -------
    dict[int, npt.NDArray[np.float32]]
        float32 [n, d] unit rows by epoch.
    """
    from medembed_pipeline.encoder.devices import resolve_computed_in

    precision = resolve_computed_in(encoder)
    found = {}
    for epoch, spec in specs.items():

        def load(epoch: int = epoch, spec: EncoderSpec = spec) -> TextEncoder:
            report(f"encoding {len(note_ids)} held-out notes with the model of epoch {epoch}")
            return _EpochEncoder(spec, encoder, precision)

        store = KeyedStore(lake, "vectors", encoder_fingerprint(spec, precision=precision))
        table, _ = embeddings_table(note_ids, texts, load_encoder=load, store=store)
        found[epoch] = vectors(table.column("embedding"))
    return found


class _EpochEncoder:
    """An epoch's model with the device and the token budget of the settings."""

    def __init__(self, spec: EncoderSpec, settings: EncoderSettings, precision: str) -> None:
        from medembed_pipeline.encoder.model import load_encoder

        # What a backend needs of it is not kept: its vectors are, and an epoch's model is asked for nothing else.
        self._encoder = load_encoder(spec, device=settings.device, precision=precision)
        self._token_budget = settings.token_budget

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return self._encoder.encode(texts, token_budget=self._token_budget, progress=sys.stderr.isatty())
