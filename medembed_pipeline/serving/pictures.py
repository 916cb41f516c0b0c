"""Pictures of a request: unpacked by the function that unpacks landed ones."""

from __future__ import annotations

import base64

from medembed_pipeline.images.pixels import Limits, UInt8Array, read_picture
from medembed_pipeline.images.rejections import REJECTION_REASONS, RejectedPictureError
from medembed_pipeline.images.settings import ImagesSettings
from medembed_pipeline.serving.errors import RequestError
from medembed_pipeline.serving.settings import ServingSettings

PICTURE_TEXTS = 8
"""As how many texts a picture counts among what waits: it takes about as long, and lies in memory meanwhile."""


def picture_limits(settings: ServingSettings, kept_side: int) -> Limits:
    """What is refused of a picture, and how large a model sees it at most."""
    return Limits(int(settings.picture_megapixels * 1e6), ImagesSettings().minimum_side, kept_side)


def refuse_too_many_pictures(pictures: int, settings: ServingSettings) -> None:
    """Raises RequestError where a request has more pictures than it may."""
    if pictures > settings.pictures_per_request:
        raise RequestError(
            f"{pictures} pictures; a request may have {settings.pictures_per_request}.",
            status=413,
            kind="too_many_pictures",
        )


def unpacked_picture(picture: str, where: str, limits: Limits) -> UInt8Array:
    """The pixels of a picture as an encoder sees them.

    Parameters
    ----------
    picture
        base64 of a PNG or JPEG file.
    where
        its place in the request.
    limits
        see `picture_limits`.

    Raises
    ------
    RequestError
        it is none, with the reason of `rejected_images` as its kind; nothing of its content is told.
    """
    try:
        data = base64.b64decode(picture, validate=True)
    except ValueError:
        raise RequestError(f"{where}: is not base64.", kind="not_base64") from None
    if data[128:132] == b"DICM":
        raise RequestError(f"{where}: DICOM is not read here; send PNG or JPEG.", kind="unsupported_file")
    try:
        return read_picture(data, limits).pixels
    except RejectedPictureError as error:
        detail = f" ({error.detail})" if error.detail else ""
        raise RequestError(
            f"{where}: {REJECTION_REASONS[error.reason]}{detail}.", kind=error.reason
        ) from None
