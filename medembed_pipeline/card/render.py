"""The whole card as Markdown: a pure function of the figures and of what a person stated."""

from __future__ import annotations

from medembed_pipeline.card.applied_part import applied_part
from medembed_pipeline.card.hub_part import evaluation, hub_part
from medembed_pipeline.card.inputs import CardFacts
from medembed_pipeline.card.metadata import card_metadata
from medembed_pipeline.card.settings import CardSettings
from medembed_pipeline.card.words import summary, verdict_words


def render_card(facts: CardFacts, settings: CardSettings) -> str:
    """The card, with its front matter; the same for the same arguments, whenever it is made."""
    return f"""{card_metadata(facts, settings)}
# Clinical note embeddings, checkpoint `{facts.checkpoint}`

{summary(facts)}

Verdict: **{verdict_words(facts)}.**

{hub_part(facts, settings)}

{applied_part(facts, settings)}
"""


def shown_card(facts: CardFacts) -> str:
    """What Dagster's database may hold of it: figures and counts, without a value of a slice.

    A value may name a person or a place.
    """
    return evaluation(facts, slices=False)
