"""The one Definitions object: gathers what the rooms define, decides nothing."""

import dagster as dg

import medembed_pipeline.embeddings.assets
import medembed_pipeline.embeddings.checks
import medembed_pipeline.evaluation.assets
import medembed_pipeline.evaluation.checks
import medembed_pipeline.evidence.health.assets
import medembed_pipeline.evidence.health.checks
import medembed_pipeline.evidence.labels.assets
import medembed_pipeline.evidence.labels.checks
import medembed_pipeline.evidence.leakage.assets
import medembed_pipeline.evidence.leakage.checks
import medembed_pipeline.evidence.ledger.assets
import medembed_pipeline.evidence.ledger.checks
import medembed_pipeline.evidence.similarity.assets
import medembed_pipeline.evidence.similarity.checks
import medembed_pipeline.maps.assets
import medembed_pipeline.notes.assets
import medembed_pipeline.notes.checks
import medembed_pipeline.report.assets
import medembed_pipeline.tasks.assets
import medembed_pipeline.tasks.checks
import medembed_pipeline.training.assets
import medembed_pipeline.triplets.assets
import medembed_pipeline.triplets.checks
import medembed_pipeline.verdict.assets
import medembed_pipeline.verdict.checks
from medembed_pipeline.automation.conditions import with_conditions
from medembed_pipeline.automation.jobs import JOBS
from medembed_pipeline.automation.retraining import RetrainingPolicy
from medembed_pipeline.automation.schedules import nightly_schedule, retraining_schedule
from medembed_pipeline.automation.sensors import condition_sensor, landing_sensor
from medembed_pipeline.console import progress_logger
from medembed_pipeline.lake.publishing import LakeResource, launchpad_resource
from medembed_pipeline.settings import data_lake_url, load_settings

ROOMS = [
    medembed_pipeline.notes.assets,
    medembed_pipeline.triplets.assets,
    medembed_pipeline.training.assets,
    medembed_pipeline.embeddings.assets,
    medembed_pipeline.evaluation.assets,
    medembed_pipeline.tasks.assets,
    medembed_pipeline.maps.assets,
    medembed_pipeline.evidence.similarity.assets,
    medembed_pipeline.evidence.ledger.assets,
    medembed_pipeline.evidence.labels.assets,
    medembed_pipeline.evidence.health.assets,
    medembed_pipeline.evidence.leakage.assets,
    medembed_pipeline.verdict.assets,
    medembed_pipeline.report.assets,
]
CHECKS = [
    medembed_pipeline.notes.checks,
    medembed_pipeline.triplets.checks,
    medembed_pipeline.embeddings.checks,
    medembed_pipeline.evaluation.checks,
    medembed_pipeline.tasks.checks,
    medembed_pipeline.evidence.similarity.checks,
    medembed_pipeline.evidence.ledger.checks,
    medembed_pipeline.evidence.labels.checks,
    medembed_pipeline.evidence.health.checks,
    medembed_pipeline.evidence.leakage.checks,
    medembed_pipeline.verdict.checks,
]

# Steps are forked from a process that has this module loaded: a step that has nothing to do then takes one second,
# not four.
EXECUTION = {
    "max_concurrent": 2,
    "start_method": {"forkserver": {"preload_modules": ["medembed_pipeline.definitions"]}},
}
SETTINGS = load_settings()
LAKE_URL = data_lake_url()
POLICY = RetrainingPolicy(SETTINGS.automation, LAKE_URL)

defs = dg.Definitions(
    assets=with_conditions(dg.load_assets_from_modules(ROOMS), POLICY),
    asset_checks=dg.load_asset_checks_from_modules(CHECKS),
    jobs=JOBS,
    sensors=[landing_sensor(SETTINGS.automation, LAKE_URL), condition_sensor(SETTINGS.automation)],
    schedules=[nightly_schedule(POLICY), retraining_schedule(POLICY)],
    resources={
        "lake": LakeResource(url=LAKE_URL),
        "encoder": launchpad_resource("encoder", SETTINGS.encoder),
    },
    executor=dg.multiprocess_executor.configured(EXECUTION),
    loggers={"console": dg.colored_console_logger, "progress": progress_logger},
)
