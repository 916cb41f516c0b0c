"""Assets of the group `image_text`: prompts, margins, figures."""

from typing import Any

import dagster as dg

from medembed_pipeline.described import OnPage
from medembed_pipeline.image_text import REVISION
from medembed_pipeline.image_text.examples import IMAGE_TEXT_EXAMPLES_SCHEMA, examples_table
from medembed_pipeline.image_text.figures import image_text_figures
from medembed_pipeline.image_text.inputs import (
    Cases,
    cases_of,
    models_version,
    own_prompts,
    prompts_of,
    prompts_version,
    spaces_of,
)
from medembed_pipeline.image_text.margins import PREFERENCE_MARGINS_SCHEMA, Space, margins_table, sides_of
from medembed_pipeline.image_text.metrics import IMAGE_TEXT_METRICS_SCHEMA, metrics_table
from medembed_pipeline.image_text.prompts import PROMPT_PAIRS_SCHEMA, Prompts, prompts_of_table
from medembed_pipeline.image_text.settings import ImageTextSettings
from medembed_pipeline.image_text.spaces import IMAGE_TEXT_VECTORS_SCHEMA, spaces_of_table, vectors_table
from medembed_pipeline.lake.publishing import AssetIO, Built, PictureFiles
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.settings import load_settings
from medembed_pipeline.stage import drawn_figures, stage

SETTINGS = load_settings()
MEASURED = ["paired_cases", "case_splits", "prompt_pairs", "image_text_vectors"]
ABOUT = ("label", "why_empty", "trained_on", "validated_on")
"""Facts of the vectors that the figures are shown with."""

if SETTINGS.images.enabled:

    @stage(
        group="image_text",
        inputs=["paired_cases"],
        one_row="a pair of prompts that say the opposite",
        schema=PROMPT_PAIRS_SCHEMA,
        revision=REVISION,
        page=OnPage(),
    )
    def prompt_pairs(work: AssetIO) -> dg.MaterializeResult[Any]:
        """The prompts of the lake's folder prompts/ (published JSON, or CSV), else the built-in ones."""
        found = own_prompts(work.lake)
        work.note_input("prompts", prompts_version(found))

        def build() -> Built:
            prompts = prompts_of(found)
            return prompts.table(), {"pairs": len(prompts.pairs), "built_in": found is None}

        return work.publish(build, PROMPT_PAIRS_SCHEMA)

    @stage(
        group="image_text",
        inputs=["paired_cases", "case_splits", "raw_images", "image_embeddings", "prompt_pairs"],
        one_row="a picture, or a prompt, as one model sees it",
        schema=IMAGE_TEXT_VECTORS_SCHEMA,
        revision=REVISION,
        settings=SETTINGS.image_text,
        more_settings=[SETTINGS.image_encoder],
        kinds=["pytorch"],
    )
    def image_text_vectors(work: AssetIO, settings: ImageTextSettings) -> dg.MaterializeResult[Any]:
        """Pictures and prompts in one space, before and after tuning; the built-in projection is no medical model."""
        encoder = SETTINGS.image_encoder
        work.uses(encoder)
        work.note_input("models", models_version(settings, encoder))
        cases, prompts = _cases(work), _prompts(work)
        images, embeddings = work.input("raw_images"), work.input("image_embeddings")

        def build() -> Built:
            spaces, facts = spaces_of(work.lake, cases, prompts, images, embeddings, settings, encoder)
            return vectors_table(spaces, [picture.image_id for picture in cases.pictures]), facts

        return work.publish(build, IMAGE_TEXT_VECTORS_SCHEMA)

    @stage(
        group="image_text",
        inputs=MEASURED,
        one_row="a picture, a pair of prompts, and a model",
        schema=PREFERENCE_MARGINS_SCHEMA,
        revision=REVISION,
    )
    def preference_margins(work: AssetIO) -> dg.MaterializeResult[Any]:
        """By how much each picture is nearer to one prompt of a pair; each picture and each prompt once."""
        cases, prompts, seen = _cases(work), _prompts(work), work.input("image_text_vectors")

        def build() -> Built:
            spaces = spaces_of_table(seen.read())
            return margins_table(prompts, cases.pictures, spaces), {"models": len(spaces)}

        return work.publish(build, PREFERENCE_MARGINS_SCHEMA)

    @stage(
        group="image_text",
        inputs=MEASURED,
        one_row="one figure of one model",
        schema=IMAGE_TEXT_METRICS_SCHEMA,
        revision=REVISION,
        settings=SETTINGS.image_text,
        kinds=["scikitlearn"],
        page=OnPage(),
        figures=image_text_figures,
    )
    def image_text_metrics(work: AssetIO, settings: ImageTextSettings) -> dg.MaterializeResult[Any]:
        """AUC, accuracy, margins and likeness on held-out pictures, with controls and intervals by patient."""
        cases, prompts, seen = _cases(work), _prompts(work), work.input("image_text_vectors")
        about = {name: seen.footer.facts[name] for name in ABOUT if name in seen.footer.facts}
        held = [row for row, picture in enumerate(cases.pictures) if picture.split == "test"]
        pictures = [cases.pictures[row] for row in held]

        def spaces() -> dict[str, Space]:
            return {name: space.of_rows(held) for name, space in spaces_of_table(seen.read()).items()}

        def build() -> Built:
            table, facts = metrics_table(prompts, pictures, spaces(), settings)
            return table, {**facts, **about}

        def draw(table: LakeTable) -> dict[str, PictureFiles]:
            from medembed_pipeline.pictures.image_text_pictures import image_text_pictures

            if not table.rows:
                return {}
            label = str(about.get("label", ""))
            belongs = {pair.pair_id: sides_of(pair, pictures) for pair in prompts.pairs}
            drawn = image_text_pictures(
                prompts.pairs, prompts.sides, belongs, spaces(), label=label, seed=settings.seed
            )
            return {**drawn, **drawn_figures(image_text_figures, table)}

        work.draw = draw
        return work.publish(build, IMAGE_TEXT_METRICS_SCHEMA)

    @stage(
        group="image_text",
        inputs=["preference_margins", "paired_cases"],
        one_row="a held-out picture at an end, or nearest the middle, of the margins of a pair",
        schema=IMAGE_TEXT_EXAMPLES_SCHEMA,
        revision=REVISION,
        page=OnPage(),
    )
    def image_text_examples(work: AssetIO) -> dg.MaterializeResult[Any]:
        """Held-out pictures with the highest, the lowest and the least certain margin of each pair, for the page."""
        margins = work.input("preference_margins")
        work.input("paired_cases")
        return work.publish(lambda: examples_table(margins.read()), IMAGE_TEXT_EXAMPLES_SCHEMA)

    def _cases(work: AssetIO) -> Cases:
        return cases_of(work.input("paired_cases"), work.input("case_splits"))

    def _prompts(work: AssetIO) -> Prompts:
        return prompts_of_table(work.input("prompt_pairs").read())
