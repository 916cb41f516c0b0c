"""Texts to vectors as a function of shards: one model per worker."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from medembed_pipeline.encoder.fingerprint import ENCODER_REVISION, encoder_fingerprint
from medembed_pipeline.encoder.spec import EncoderSpec
from medembed_pipeline.engine import EngineError, Shard, ShardRows, ShardWork, Worker
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import vector_column


def encoder_settings(
    lake: Lake, spec: EncoderSpec, *, device: str, precision: str, token_budget: int, fingerprint: str
) -> dict[str, Any]:
    """What the shards of a model's texts share.

    Parameters
    ----------
    lake
        of the run, which may hold the model.
    spec
        the model.
    device
        as in `load_encoder`.
    precision
        `EncoderSettings.computed_in`, resolved: all workers compute in the driver's.
    token_budget
        tokens per batch.
    fingerprint
        `encoder_fingerprint` of spec and precision.
    """
    return {
        "spec": {"base": spec.base, **spec.description()},
        "parts": lake.parts_of(spec.base),
        "device": device,
        "precision": precision,
        "token_budget": token_budget,
        "fingerprint": fingerprint,
    }


def text_shard(texts: Sequence[str], settings: Mapping[str, Any]) -> Shard:
    """A shard of texts: its batches are made of these texts and no others."""
    return Shard((ShardRows(pa.table({"text": pa.array(texts, pa.large_string())})),), settings)


def encode_texts(tables: Sequence[pa.Table], settings: Mapping[str, Any], worker: Worker) -> pa.Table:
    """Column embedding (fixed-size list of float32, L2-normalised) of the column text, in its order."""
    encoder = worker.once(settings["fingerprint"], lambda: _loaded(settings, worker))
    texts = tables[0].column("text").to_pylist()
    matrix = encoder.encode(texts, token_budget=settings["token_budget"], progress=sys.stderr.isatty())
    return pa.table({"embedding": vector_column(matrix)})


ENCODE_TEXTS = ShardWork(encode_texts, str(ENCODER_REVISION), has_model=True)


def _loaded(settings: Mapping[str, Any], worker: Worker) -> Any:
    from medembed_pipeline.encoder.model import load_encoder

    spec = EncoderSpec.of_description(settings["spec"]["base"], settings["spec"])
    if worker.is_remote:
        if settings["parts"]:
            # Where the lake is an object store, the driver's copy of the model is not on this machine.
            folder = worker.lake.local_copy(*settings["parts"], last="config.json")
            spec = replace(spec, base=str(folder))
        found = encoder_fingerprint(spec, precision=settings["precision"])
        refuse_another_model(spec.base, settings["fingerprint"], found)
    return load_encoder(spec, device=settings["device"], precision=settings["precision"], lake=worker.lake)


def refuse_another_model(base: str, expected: str, found: str) -> None:
    """Refuse a model on a worker that is not the driver's.

    Raises
    ------
    EngineError
        the fingerprints differ.
    """
    if found != expected:
        raise EngineError(
            f"the model {base} on {socket.gethostname()} is not the driver's (fingerprint {found[:12]}, expected "
            f"{expected[:12]}); put the same model folder on all machines."
        )
