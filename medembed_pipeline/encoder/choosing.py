"""What `backend = "auto"` stands for on this machine: tried once on some notes, and remembered in the lake."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from medembed_pipeline.encoder.fingerprint import encoder_fingerprint
from medembed_pipeline.encoder.precision import computes_on_gpu, with_resolved_precision
from medembed_pipeline.encoder.settings import (
    AUTO,
    OPENVINO,
    OPENVINO_INT8,
    TORCH,
    EncoderSettings,
    missing_packages,
)
from medembed_pipeline.encoder.spec import EncoderSpec, spec_of_settings
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake

FOLDER = ("store", "chosen_backends")
"""Where trials are remembered, by the hash of machine, model and packages."""
LEAST_COSINE = 0.99
"""Of a note's vector with the one of torch in float32, for each note that is tried."""
LEAST_GAIN = 1.1
"""How many times as fast as torch another backend must be; below, the reference stays."""
TRIED_NOTES, REPEATS = 24, 3
_REVISION = 1
_PACKAGES = ("torch", "transformers", "openvino", "nncf")


@dataclass(frozen=True)
class Choice:
    """Settings whose backend is settled.

    Attributes
    ----------
    settings
        backend and precision are no longer `auto`.
    trial
        what was measured, by backend; nothing where nothing had to be tried.
    why
        a sentence for log and metadata; empty where the settings name the backend.
    """

    settings: EncoderSettings
    trial: Mapping[str, Mapping[str, float]]
    why: str

    def metadata(self) -> dict[str, Any]:
        """What an asset says of it."""
        return {
            "computed_in": self.settings.computed_in,
            **({"backend_chosen": self.why} if self.why else {}),
        }


def chosen_backend(settings: EncoderSettings, lake: Lake, say: Callable[[str], object]) -> Choice:
    """The backend that settings name, or what `auto` stands for on this machine.

    A trial takes some seconds. It is remembered by machine, model and packages, so that the vectors of a lake stay of
    one kind; remove `store/chosen_backends` to have it tried again.

    Parameters
    ----------
    settings
        of the encoder.
    lake
        holds the notes that are tried, keeps what is exported for it, and remembers the choice.
    say
        told what was chosen, and why.

    Raises
    ------
    MedembedError
        the model cannot be loaded.
    """
    settings = with_resolved_precision(settings)
    if settings.backend != AUTO:
        return Choice(settings, {}, "")
    why_not = ""
    if computes_on_gpu(settings):
        why_not = "backend torch: the model runs on a GPU"
    elif missing_packages(OPENVINO):
        why_not = "backend torch: there is nothing to choose from without the extra fast"
    if why_not:
        say(why_not)
        return Choice(settings.in_torch(), {}, why_not)
    spec = spec_of_settings(settings)
    key = digest([_REVISION, encoder_fingerprint(spec, precision=settings.precision), _machine()])[:32]
    with lake.machine_lock(f"backend-{key}"):
        trial = lake.read_json(*FOLDER, f"{key}.json")
        if trial is None:
            trial = _tried(spec, settings, lake, some_notes(lake))
            lake.write_json(trial, *FOLDER, f"{key}.json")
    backend = choose(trial)
    why = f"backend {backend}: {_told(trial)}"
    say(why)
    return Choice(settings.model_copy(update={"backend": backend}), trial, why)


def choose(trial: Mapping[str, Mapping[str, float]]) -> str:
    """The fastest backend that agrees with torch, and torch where none is clearly faster.

    Parameters
    ----------
    trial
        by backend, `notes_per_second` and `cosine`: the lowest that a note's vector has with torch's in float32.
    """
    allowed = {
        backend: found["notes_per_second"]
        for backend, found in trial.items()
        if backend == TORCH or found["cosine"] >= LEAST_COSINE
    }
    fastest = max(sorted(allowed), key=allowed.__getitem__)
    return fastest if allowed[fastest] >= LEAST_GAIN * allowed[TORCH] else TORCH


def some_notes(lake: Lake) -> list[str]:
    """Notes of the lake, from beginning to end of its ids; sample notes where it has none yet."""
    notes = lake.find_table("cleaned_notes")
    if notes is None or not notes.rows:
        from medembed_pipeline.samples.corpus import sample_rows

        texts = [row["transcription"] for row in sample_rows(TRIED_NOTES, 0)]
    else:
        texts = notes.read(["note_id", "text"]).sort_by("note_id").column("text").to_pylist()
    places = np.linspace(0, len(texts) - 1, min(TRIED_NOTES, len(texts))).astype(int)
    return [texts[place] for place in places]


def _tried(
    spec: EncoderSpec, settings: EncoderSettings, lake: Lake, texts: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Notes per second of each backend, the best of some turns, and the lowest cosine with torch in float32."""
    from medembed_pipeline.encoder.model import load_encoder

    encoders: dict[str, Any] = {}
    for backend in (TORCH, OPENVINO, OPENVINO_INT8):
        if missing_packages(backend):
            continue
        name = settings.model_copy(update={"backend": backend}).computed_in
        try:
            encoders[backend] = load_encoder(spec, device="cpu", precision=name, lake=lake)
        except MedembedError:
            if backend == TORCH:
                raise
    reference = load_encoder(spec, device="cpu", precision="float32").encode(texts)
    # The first turn compiles for the lengths at hand, and is not timed.
    cosines = {
        backend: float(np.einsum("ij,ij->i", reference, encoder.encode(texts)).min())
        for backend, encoder in encoders.items()
    }
    seconds: dict[str, list[float]] = {backend: [] for backend in encoders}
    for _ in range(REPEATS):
        for backend, encoder in encoders.items():
            began = time.perf_counter()
            encoder.encode(texts, token_budget=settings.token_budget)
            seconds[backend].append(time.perf_counter() - began)
    return {
        backend: {
            "notes_per_second": round(len(texts) / min(seconds[backend]), 1),
            "cosine": round(cosines[backend], 4),
        }
        for backend in encoders
    }


def _told(trial: Mapping[str, Mapping[str, float]]) -> str:
    told = ", ".join(
        f"{backend} {found['notes_per_second']:g} notes/s at cosine {found['cosine']:.4f}"
        for backend, found in sorted(trial.items())
    )
    return f"tried {told} (allowed from {LEAST_COSINE}, taken from {LEAST_GAIN} times torch)"


def _machine() -> dict[str, Any]:
    """What decides which backend is fastest here, besides the model."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", ""),
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    named = {line.partition(":")[0].strip(): line.partition(":")[2].strip() for line in lines}
    return f"{named.get('model name', platform.machine())} {digest(named.get('flags', ''))[:8]}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
