"""What runs by the clock (UTC). Both schedules are off until switched on, in the UI or by the settings."""

from __future__ import annotations

import dagster as dg

from medembed_pipeline.automation.jobs import everything, retrain
from medembed_pipeline.automation.retraining import TRAINING, RetrainingPolicy, studies
from medembed_pipeline.automation.state import GraphState


def nightly_schedule(policy: RetrainingPolicy) -> dg.ScheduleDefinition:
    """The whole graph; triplets, checkpoint and studies where the retraining policy allows them."""

    @dg.schedule(
        name="nightly",
        job=everything,
        cron_schedule=policy.settings.nightly_schedule,
        execution_timezone="UTC",
        description="The whole graph; training where the retraining policy allows it.",
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        assert context.repository_def is not None
        state = GraphState(context.repository_def.asset_graph, context.instance)
        kept = {key for key in (*TRAINING, *studies()) if not policy.allows(state, key)}
        return dg.RunRequest(asset_selection=[key for key in state.keys if key not in kept])

    return nightly


def retraining_schedule(policy: RetrainingPolicy) -> dg.ScheduleDefinition:
    """A new checkpoint, with what depends on it; runs by itself under the policy `on_schedule`."""
    running = policy.settings.enabled and policy.settings.retraining == "on_schedule"
    return dg.ScheduleDefinition(
        name="weekly_retraining",
        job=retrain,
        cron_schedule=policy.settings.retraining_schedule,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED,
        description="Triplets and checkpoint from the notes as they stand, with vectors, metrics and maps.",
    )
