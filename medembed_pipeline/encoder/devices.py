"""Which device and which number format a model runs in."""

from typing import Literal

import torch

from medembed_pipeline.encoder.precision import cpu_computes_in_bfloat16
from medembed_pipeline.encoder.settings import AUTO, EncoderSettings
from medembed_pipeline.errors import MedembedError

DeviceName = Literal["auto", "cuda", "mps", "cpu"]
PrecisionName = Literal["auto", "float32", "bfloat16"]


def resolve_device(device: str) -> torch.device:
    """The device that `device` names; `auto` takes the first there is of cuda, mps, cpu.

    Raises
    ------
    MedembedError
        it is none of these, or not on this machine.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return torch.device(next(name for name, there in available.items() if there))
    if device not in available:
        raise MedembedError(f"device: {device!r} is unknown; expected 'auto', 'cuda', 'mps' or 'cpu'.")
    if not available[device]:
        raise MedembedError(
            f"device: {device!r} is not available on this machine; set it to 'auto' or 'cpu'."
        )
    return torch.device(device)


def resolve_precision(precision: str, device: torch.device) -> Literal["float32", "bfloat16"]:
    """The number format of the matrix products; `auto` is bfloat16 where the hardware has it, else float32.

    Weights, pooling, normalisation and losses are float32 either way (torch.autocast).

    Raises
    ------
    MedembedError
        it is none of `auto`, `float32`, `bfloat16`.
    """
    if precision == "float32":
        return "float32"
    if precision == "bfloat16":
        return "bfloat16"
    if precision != "auto":
        raise MedembedError(f"precision: {precision!r} is unknown; expected 'auto', 'float32' or 'bfloat16'.")
    return "bfloat16" if _computes_in_bfloat16(device) else "float32"


def resolve_computed_in(settings: EncoderSettings) -> str:
    """`EncoderSettings.computed_in` with the precision that `auto` stands for here.

    Raises
    ------
    MedembedError
        the device is not on this machine, or the backend was not chosen yet.
    """
    if settings.backend == AUTO:
        raise MedembedError(
            "backend: 'auto' was not resolved before vectors were asked for; set it to 'torch' or 'openvino'."
        )
    device = torch.device("cpu") if settings.is_exported else resolve_device(settings.device)
    precision = resolve_precision(settings.precision, device)
    return settings.model_copy(update={"precision": precision}).computed_in


def _computes_in_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return cpu_computes_in_bfloat16()
    return False
