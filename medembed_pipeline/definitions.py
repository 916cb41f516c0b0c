"""The one Definitions object: gathers what the rooms define, decides nothing."""

import dagster as dg

import medembed_pipeline.embeddings.assets
import medembed_pipeline.embeddings.checks
import medembed_pipeline.evaluation.assets
import medembed_pipeline.evaluation.checks
import medembed_pipeline.maps.assets
import medembed_pipeline.notes.assets
import medembed_pipeline.notes.checks
import medembed_pipeline.training.assets
import medembed_pipeline.triplets.assets
import medembed_pipeline.triplets.checks
from medembed_pipeline import automation
from medembed_pipeline.console import progress_logger
from medembed_pipeline.lake.publishing import LakeResource, launchpad_resource
from medembed_pipeline.settings import data_lake_url, load_settings

ROOMS = [
    medembed_pipeline.notes.assets,
    medembed_pipeline.triplets.assets,
    medembed_pipeline.training.assets,
    medembed_pipeline.embeddings.assets,
    medembed_pipeline.evaluation.assets,
    medembed_pipeline.maps.assets,
]
CHECKS = [
    medembed_pipeline.notes.checks,
    medembed_pipeline.triplets.checks,
    medembed_pipeline.embeddings.checks,
    medembed_pipeline.evaluation.checks,
]

defs = dg.Definitions(
    assets=dg.load_assets_from_modules(ROOMS),
    asset_checks=dg.load_asset_checks_from_modules(CHECKS),
    jobs=automation.JOBS,
    resources={
        "lake": LakeResource(url=data_lake_url()),
        "encoder": launchpad_resource("encoder", load_settings().encoder),
    },
    executor=dg.multiprocess_executor.configured({"max_concurrent": 2}),
    loggers={"console": dg.colored_console_logger, "progress": progress_logger},
)
