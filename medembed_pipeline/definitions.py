"""The one Definitions object: gathers what the rooms define, decides nothing."""

# ruff: noqa: E402
import gc

import dagster as dg

# What Dagster has loaded stays. Told so, the garbage collector does not go through it again and again while our own is
# loaded, which takes a quarter of that time; and forked steps share it.
gc.freeze()

from medembed_pipeline.automation.conditions import with_conditions
from medembed_pipeline.automation.jobs import JOBS
from medembed_pipeline.automation.retraining import RetrainingPolicy
from medembed_pipeline.automation.schedules import nightly_schedule, retraining_schedule
from medembed_pipeline.automation.sensors import condition_sensor, landing_sensor, pictures_sensor
from medembed_pipeline.console import progress_logger
from medembed_pipeline.encoder.precision import with_resolved_precision
from medembed_pipeline.lake.publishing import LakeResource, launchpad_resource
from medembed_pipeline.rooms import modules_of_rooms
from medembed_pipeline.serving.resource import ServingResource
from medembed_pipeline.settings import data_lake_url, load_settings

# Steps are forked from a process that has loaded and resolved what they share, which takes longer than most of them.
EXECUTION = {
    "max_concurrent": 2,
    "start_method": {"forkserver": {"preload_modules": ["medembed_pipeline.forked_steps"]}},
}
SETTINGS = load_settings()
LAKE_URL = data_lake_url()
POLICY = RetrainingPolicy(SETTINGS.automation, LAKE_URL)

defs = dg.Definitions(
    assets=with_conditions(dg.load_assets_from_modules(modules_of_rooms("assets")), POLICY),
    asset_checks=dg.load_asset_checks_from_modules(modules_of_rooms("checks")),
    jobs=JOBS,
    sensors=[
        landing_sensor(SETTINGS.automation, LAKE_URL),
        *([pictures_sensor(SETTINGS.automation, LAKE_URL)] if SETTINGS.images.enabled else []),
        condition_sensor(SETTINGS.automation),
    ],
    schedules=[nightly_schedule(POLICY), retraining_schedule(POLICY)],
    resources={
        "lake": LakeResource(url=LAKE_URL, keep_tables=SETTINGS.storage.keep_tables),
        "serving": ServingResource(url=SETTINGS.serving.url),
        "encoder": launchpad_resource("encoder", SETTINGS.encoder, with_resolved_precision),
    },
    executor=dg.multiprocess_executor.configured(EXECUTION),
    loggers={"console": dg.colored_console_logger, "progress": progress_logger},
)
