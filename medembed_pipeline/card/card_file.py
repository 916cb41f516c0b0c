"""The card as a file of a checkpoint's folder: it says itself what it was made from, and what it holds.

It is one file that is replaced as a whole, so a process killed at any moment leaves the old card or the new one, each
with the hash to check it by. The manifest of the checkpoint knows nothing of it, and stays what it was.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from medembed_pipeline.card.errors import CardError
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publication import OutdatedWorkError
from medembed_pipeline.lake.signed_line import read_signed_line, signed_line, split_signed
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.training.checkpoints import FOLDER, MANIFEST
from medembed_pipeline.training.verification import CARD_FILE

NAME = "model_card"


@dataclass(frozen=True)
class CardFooter:
    """The last line of a card, a comment that no reader of Markdown shows.

    Attributes
    ----------
    recipe
        what the card was made from.
    checkpoint
        version of the checkpoint that it is of.
    sha256
        of all bytes before that line.
    """

    recipe: Recipe
    checkpoint: str
    sha256: str

    @property
    def data_version(self) -> str:
        """Hash of what the card says."""
        return self.sha256

    def to_bytes(self) -> bytes:
        """The line."""
        return signed_line({**vars(self), "recipe": vars(self.recipe)})


def gone(lake: Lake, version: str) -> CardError:
    """The error of a checkpoint that was judged and is no longer there."""
    return CardError(
        f"the checkpoint {version}, which release_verdict judged, is not in {lake.path(FOLDER)} any more. "
        "Materialize tuned_embeddings and what depends on it."
    )


def read_footer(content: bytes) -> CardFooter | None:
    """The footer of a card that is what was written.

    Returns
    -------
    CardFooter | None
        None for the first card, which the training writes and which has none.

    Raises
    ------
    CardError
        it has one, and it or the card was changed since.
    """
    card, line = split_signed(content)
    if not line:
        return None
    try:
        values = read_signed_line(line)
        footer = CardFooter(**{**values, "recipe": Recipe(**values["recipe"])})
    except (ValueError, TypeError, KeyError):
        raise CardError("its last line is not what was written") from None
    if hashlib.sha256(card).hexdigest() != footer.sha256:
        raise CardError("its content is not what was written (sha256 differs)")
    return footer


def find_made_card(lake: Lake, version: str, recipe: Recipe) -> CardFooter | None:
    """The footer of a checkpoint's card, when it is whole and was made from this very recipe."""
    content = lake.read_bytes(FOLDER, version, CARD_FILE)
    try:
        footer = None if content is None else read_footer(content)
    except CardError:
        return None
    if footer is None or footer.checkpoint != version or footer.recipe.digest != recipe.digest:
        return None
    return footer


def publish_card(lake: Lake, version: str, recipe: Recipe, text: str) -> CardFooter:
    """Put a card in place of the one in a checkpoint's folder, whole or not at all.

    Returns
    -------
    CardFooter
        The footer of the card that stands.

    Raises
    ------
    CardError
        the checkpoint is gone.
    OutdatedWorkError
        newer work has published a card made from another recipe; that one stands.
    """
    card = text.encode()
    footer = CardFooter(recipe, version, hashlib.sha256(card).hexdigest())
    if not lake.exists(FOLDER, version, MANIFEST):
        raise gone(lake, version)
    try:
        with lake.staged_file(FOLDER, version, CARD_FILE, of=NAME) as staged:
            staged.write_bytes(card + footer.to_bytes())
    except OutdatedWorkError:
        standing = find_made_card(lake, version, recipe)
        if standing is None:
            raise
        return standing
    return footer
