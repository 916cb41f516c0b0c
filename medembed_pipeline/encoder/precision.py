"""Which number format a model computes in on this machine. Loads torch only where there may be a GPU."""

from __future__ import annotations

import sys
from pathlib import Path

from medembed_pipeline.encoder.settings import EncoderSettings

# Device files of NVIDIA's driver, of the same under Windows' Linux, and of AMD's.
_GPU_FILES = ("nvidia*", "dxg", "kfd", "nvhost-gpu", "nvgpu")


def with_resolved_precision(settings: EncoderSettings) -> EncoderSettings:
    """The same settings with the precision that `auto` stands for here, as `resolve_precision` decides.

    A recipe holds this one, so that vectors of two machines are never taken for the same.

    Raises
    ------
    MedembedError
        the device is not on this machine.
    """
    if settings.precision != "auto":
        return settings
    if settings.is_exported or not _may_use_gpu(settings):
        precision = "bfloat16" if cpu_computes_in_bfloat16() else "float32"
    else:
        from medembed_pipeline.encoder.devices import resolve_device, resolve_precision

        precision = resolve_precision("auto", resolve_device(settings.device))
    return settings.model_copy(update={"precision": precision})


def computes_on_gpu(settings: EncoderSettings) -> bool:
    """Whether torch computes elsewhere than on the CPU.

    Raises
    ------
    MedembedError
        the device is not on this machine.
    """
    if not _may_use_gpu(settings):
        return False
    from medembed_pipeline.encoder.devices import resolve_device

    return resolve_device(settings.device).type != "cpu"


def cpu_computes_in_bfloat16() -> bool:
    """Whether the CPU has instructions for it. AVX2 has none: there it is emulated, and slower than float32."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _may_use_gpu(settings: EncoderSettings) -> bool:
    return settings.device != "cpu" and (settings.device != "auto" or _may_have_gpu())


def _may_have_gpu() -> bool:
    if sys.platform == "darwin":
        # Apple's GPU computes in float32, as its CPU does.
        return False
    return sys.platform != "linux" or any(any(Path("/dev").glob(name)) for name in _GPU_FILES)
