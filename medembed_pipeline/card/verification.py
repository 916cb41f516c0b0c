"""Whether the cards in the lake are what was written, and still made from what is there."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from medembed_pipeline.card.card_file import NAME, CardFooter, read_footer
from medembed_pipeline.card.errors import CardError
from medembed_pipeline.card.inputs import VERDICT
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import TableError
from medembed_pipeline.lake.verification import Finding
from medembed_pipeline.training.checkpoints import FOLDER, MANIFEST
from medembed_pipeline.training.verification import CARD_FILE, first_card_sha256


def verify_cards(lake: Lake, versions: Collection[str]) -> list[Finding]:
    """Check the card of every checkpoint: against its own last line, or, until it is measured, against the manifest.

    A card that is missing is the finding of its checkpoint.

    Parameters
    ----------
    lake
        where they lie.
    versions
        of the checkpoints.

    Returns
    -------
    list[Finding]
        One finding per card, and one for the card that the verdict of today has passed by (`stale`).
    """
    findings = []
    for version in sorted(versions):
        content = lake.read_bytes(FOLDER, version, CARD_FILE)
        if content is not None:
            findings += _verify_card(lake, version, content)
    return findings


def _verify_card(lake: Lake, version: str, content: bytes) -> list[Finding]:
    name = f"{FOLDER}/{version}/{CARD_FILE}"
    try:
        manifest = lake.read_json(FOLDER, version, MANIFEST)
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict):
        return []  # the checkpoint has a finding of its own
    if hashlib.sha256(content).hexdigest() == first_card_sha256(manifest):
        return [Finding(name, "ok", f"as the training wrote it; {NAME} adds the figures")]
    try:
        footer = read_footer(content)
        if footer is None:
            raise CardError(f"was written neither by the training nor by {NAME}")
        if footer.checkpoint != version:
            raise CardError(f"is the card of the checkpoint {footer.checkpoint}")
    except CardError as error:
        detail = (
            f"{error}. Materialize {NAME} while this checkpoint is the measured one, or restore the file; what you "
            "have to say yourself goes into [card] of medembed.toml"
        )
        return [Finding(name, "altered", detail)]
    made = Finding(name, "ok", f"with the figures, data version {footer.data_version[:12]}")
    return [made, *_stale(lake, name, footer)]


def _stale(lake: Lake, name: str, footer: CardFooter) -> list[Finding]:
    try:
        verdict = lake.find_table(VERDICT)
    except TableError:
        return []
    if verdict is None or verdict.footer.facts.get("checkpoint") != footer.checkpoint:
        return []  # measured before, and the record of that
    was, now = footer.recipe.inputs.get(VERDICT, ""), verdict.data_version
    if was == now:
        return []
    return [Finding(name, "stale", f"made from {VERDICT} {was[:12]}, which is {now[:12]} by now")]
