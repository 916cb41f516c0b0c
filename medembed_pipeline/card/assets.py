"""The asset `model_card`."""

from typing import Any

import dagster as dg

from medembed_pipeline.card import REVISION
from medembed_pipeline.card.card_file import CardFooter, find_made_card, publish_card
from medembed_pipeline.card.inputs import TABLES, VERDICT, read_facts
from medembed_pipeline.card.render import render_card, shown_card
from medembed_pipeline.card.settings import CardSettings
from medembed_pipeline.lake.publishing import (
    AssetIO,
    asset_io,
    code_version,
    launchpad_schema,
    launchpad_settings,
)
from medembed_pipeline.settings import load_settings
from medembed_pipeline.training.checkpoints import FOLDER
from medembed_pipeline.training.verification import CARD_FILE

SETTINGS = load_settings()


@dg.asset(
    group_name="verdict",
    kinds={"markdown"},
    # What the verdict goes by, too: so that new notes and a new checkpoint reach the card in one run.
    deps=[VERDICT, *TABLES, "cleaned_notes"],
    code_version=code_version(REVISION, SETTINGS.card),
    config_schema=launchpad_schema("model_card", SETTINGS.card),
    required_resource_keys={"lake"},
)
def model_card(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    """The measured checkpoint's README.md: its figures, uses and limits, as Hugging Face and CHAI ask for them."""
    settings = launchpad_settings(context, CardSettings)
    with asset_io(context, REVISION, settings) as work:
        facts = read_facts(work)
        footer = _unchanged(work, facts.checkpoint)
        kept = footer is not None
        if footer is None:
            text = render_card(facts, settings)
            footer = publish_card(work.lake, facts.checkpoint, work.recipe(), text)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(footer.data_version),
            metadata={
                "path": dg.MetadataValue.path(work.lake.path(FOLDER, facts.checkpoint, CARD_FILE)),
                "checkpoint": facts.checkpoint,
                "verdict": str(facts.verdict["verdict"]),
                "sha256": footer.sha256,
                "kept": kept,
                "not_stated": ", ".join(not_stated(settings)) or "nothing",
                "figures": dg.MetadataValue.md(shown_card(facts)),
            },
        )


def not_stated(settings: CardSettings) -> list[str]:
    """Fields of `[card]` that nobody has filled in."""
    return [name for name, value in settings if not str(value).strip()]


def _unchanged(work: AssetIO, version: str) -> CardFooter | None:
    recipe = work.recipe()
    footer = find_made_card(work.lake, version, recipe)
    if footer is not None:
        # Older work may have published between the look and the confirmation; after it, it no longer can.
        work.lake.confirm(recipe.asset)
        footer = find_made_card(work.lake, version, recipe)
    if footer is None:
        return None
    work.context.log.info(f"{CARD_FILE} of {version}: same code, settings and inputs; the card stands")
    return footer
