"""Vectors of a checkpoint that is a head over its base model, made of the base model's where the lake has these."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from medembed_pipeline.encoder import EncoderSpec, encoder_fingerprint, spec_of_settings
from medembed_pipeline.encoder.fingerprint import encoder_fingerprints
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.encoder.spec import resolve_base
from medembed_pipeline.lake import compute as pc
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.store import KeyedStore
from medembed_pipeline.lake.tables import vector_column, vectors
from medembed_pipeline.training.checkpoints import Checkpoint
from medembed_pipeline.training.warm_start import INPUT as WARM_START


def base_beneath(checkpoint: Checkpoint, settings: EncoderSettings) -> EncoderSpec | None:
    """The base model, where the checkpoint is nothing but a head over it; None otherwise.

    A long note's vector is no vector under a head where the note is read in windows: each of these passes the head.

    Parameters
    ----------
    checkpoint
        which may have been given, or made with other settings.
    settings
        by which the baseline is encoded.
    """
    spec = checkpoint.encoder_spec(settings.long_notes)
    if not spec.head or spec.long_notes == "windows":
        return None
    made_from = checkpoint.manifest().get("data_versions", {})
    if WARM_START in made_from:
        return None
    base = spec_of_settings(settings)
    # In whatever number format it was trained: that changes no head.
    is_base = made_from.get("base_model") in encoder_fingerprints(base, ("auto", "float32", "bfloat16"))
    return base if is_base else None


def carry_over(
    lake: Lake,
    spec: EncoderSpec,
    beneath: EncoderSpec,
    store: KeyedStore,
    keys: Sequence[str],
    *,
    precision: str,
) -> None:
    """Take the base model's vectors of some texts through the head, and keep them as the checkpoint's.

    Parameters
    ----------
    lake
        which keeps the base model's vectors.
    spec
        the checkpoint.
    beneath
        the base model (`base_beneath`).
    store
        of the checkpoint's vectors.
    keys
        of the texts; those that either model has not seen, or the checkpoint has, are left alone.
    precision
        of both models, resolved.
    """
    there = store.get(keys)
    wanted = sorted(set(keys).difference(there.column("key").to_pylist() if there is not None else ()))
    if not wanted:
        return
    known = KeyedStore(lake, "vectors", encoder_fingerprint(beneath, precision=precision)).get(wanted)
    if known is None or not known.num_rows:
        return
    import torch

    from medembed_pipeline.encoder.dense import load_head, through_head

    known = known.take(pc.sort_indices(known.column("key")))
    before = vectors(known.column("embedding"))
    head = load_head(spec, resolve_base(spec.base), before.shape[1])
    with torch.inference_mode():
        after = through_head(head, torch.from_numpy(before.copy())).numpy()
    store.add(pa.table({"embedding": vector_column(after), "key": known.column("key")}))
