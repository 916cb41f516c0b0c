"""When an asset is made by itself.

One rule for every asset, made of named parts that the UI shows, each true or false, under the asset's Automation
tab. It looks at states, not at events: an asset is out of date as long as its latest materialization was made from
other inputs, settings or code than those of now. A change that comes while a long step runs is therefore still seen
when that step ends, and a rerun that gives the same content reaches nothing below.

An override in the launchpad makes new content with the same code version, so it stands, and what depends on it
follows, until something above it or its own settings change; then the file's values hold again.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from functools import cache
from typing import Any

import dagster as dg

from medembed_pipeline.automation.retraining import CHECKPOINT, TRAINING, RetrainingPolicy, studies
from medembed_pipeline.automation.sensors import LANDED_PICTURES
from medembed_pipeline.automation.state import GraphState, state_of_tick

TUNED = dg.AssetKey("tuned_embeddings")


class _InWords(dg.AutomationCondition[dg.AssetKey]):
    """A condition that says in a few words what it asks."""

    words = ""

    @property
    def name(self) -> str:
        return type(self).__name__

    def get_label(self) -> str | None:
        return self.words


class _AssetCondition(_InWords):
    """One that is either true or false of an asset."""

    def evaluate(self, context: dg.AutomationContext[dg.AssetKey]) -> dg.AutomationResult[dg.AssetKey]:
        holds = self.holds(_state(context), context.key, context)
        return dg.AutomationResult(context, context.candidate_subset if holds else context.get_empty_subset())

    @abstractmethod
    def holds(self, state: GraphState, key: dg.AssetKey, context: Any) -> bool:
        """Whether it is true of `key` at this tick."""


def _state(context: dg.AutomationContext[Any]) -> GraphState:
    view = context.asset_graph_view
    return state_of_tick(view, lambda: GraphState(view.asset_graph, view.instance))


class NeverMade(_AssetCondition):
    """The instance knows no materialization of it."""

    words = "it has never been made"

    def holds(self, state: GraphState, key: dg.AssetKey, context: Any) -> bool:
        return state.never_made(key)


class CodeChanged(_AssetCondition):
    """Its room's revision or one of its settings changed."""

    words = "its code or settings changed"

    def holds(self, state: GraphState, key: dg.AssetKey, context: Any) -> bool:
        return state.code_changed(key)


class InputChanged(_AssetCondition):
    """An upstream asset holds something else than what was read."""

    words = "the content of an input changed"

    def holds(self, state: GraphState, key: dg.AssetKey, context: Any) -> bool:
        changed = state.changed_inputs(key)
        if changed:
            context.log.info(f"{key.path[-1]}: changed inputs: {', '.join(one.path[-1] for one in changed)}")
        return bool(changed)


class NotUnderWay(_AssetCondition):
    """No queued or running run is to make it."""

    words = "no run is making it"

    def holds(self, state: GraphState, key: dg.AssetKey, context: Any) -> bool:
        return key not in state.under_way


class NotBeingRead(_AssetCondition):
    """No run is in the middle of work on what it holds now.

    Else that run would measure new notes with old vectors, or the vectors of one checkpoint against those of another.
    A training keeps what it has read, and lasts: it is not waited for, and neither does it wait.
    """

    words = "no run is reading it"

    def holds(self, state: GraphState, key: dg.AssetKey, context: Any) -> bool:
        return key in TRAINING or not state.being_read(key, but_after=CHECKPOINT)


class PolicyAllows(_AssetCondition):
    """The retraining policy; see `RetrainingPolicy`."""

    def __init__(self, policy: RetrainingPolicy) -> None:
        self._policy = policy
        share = f"{policy.settings.new_share:.0%}"
        self.words = {
            "on_change": "retraining: on every change",
            "when_new_share": f"retraining: {share} of the train notes are new, or its parameters changed",
            "on_schedule": "retraining: on schedule; by itself only the first time",
            "never": "retraining: never; by itself only the first time",
        }[policy.settings.retraining]

    def holds(self, state: GraphState, key: dg.AssetKey, context: Any) -> bool:
        return self._policy.allows(state, key)


class UpstreamSettled(_AssetCondition):
    """Whatever it reads will stay as it is, or is made in the same run.

    Without it, an asset whose own settings changed together with those of something far above it would run twice.
    """

    words = "nothing above it is about to change"

    def __init__(self, policy: RetrainingPolicy) -> None:
        self._policy = policy

    def holds(self, state: GraphState, key: dg.AssetKey, context: Any) -> bool:
        requested = context.request_subsets_by_key

        @cache
        def settled(one: dg.AssetKey) -> bool:
            if one in state.under_way or (state.out_of_date(one) and self._policy.allows(state, one)):
                return False
            if one in studies() and not self._policy.allows(state, one):
                return True  # new notes do not reach it
            return not _is_requested(requested, one) and all(map(settled, self._waits_for(state, one)))

        return all(
            _is_requested(requested, parent) or settled(parent) for parent in self._waits_for(state, key)
        )

    def _waits_for(self, state: GraphState, key: dg.AssetKey) -> list[dg.AssetKey]:
        """Its parents; but new notes are taken in with the checkpoint there is, however long a training runs.

        Only when the encoder's settings changed, for the checkpoint too, is the new checkpoint waited for:
        baseline and tuned vectors of different windows cannot be compared.
        """
        parents = state.parents(key)
        if state.never_made(CHECKPOINT):
            return parents
        if key == TUNED and state.code_changed(key) and state.code_changed(CHECKPOINT):
            return parents
        return [parent for parent in parents if parent != CHECKPOINT]


def _is_requested(requested: Any, key: dg.AssetKey) -> bool:
    return key in requested and not requested[key].is_empty


class NotAlreadyFailed(_InWords):
    """Making it again can change something: it did not fail, and was not cancelled, on these very inputs and code.

    Nor was it made, at this rule's request, without getting the code version that is loaded here. That happens when
    the source was edited and the code location not loaded again: runs then already use the new source.

    The cursor remembers the code version at the time of the latest run: Dagster keeps none of a run that made
    nothing. Where it is not known, the asset is tried once more.
    """

    words = "it has not failed or been cancelled on these inputs"

    def evaluate(self, context: dg.AutomationContext[dg.AssetKey]) -> dg.AutomationResult[dg.AssetKey]:
        state, key = _state(context), context.key
        code = state.graph.get(key).code_version
        seen = json.loads(context.cursor) if context.cursor else {}
        failed_attempt = state.failed_attempt(key)
        run = failed_attempt.run_id if failed_attempt else None
        if run != seen.get("run"):
            seen.update(run=run, run_code=seen.get("code"))
        previous, asked = context.previous_evaluation_time, context.get_previous_requested_subset(key)
        if previous is not None and asked is not None and not asked.is_empty:
            seen.update(asked_at=previous.timestamp(), asked_code=seen.get("code"))
        why_not = ""
        if (
            failed_attempt is not None
            and failed_attempt.inputs == state.inputs_now(key)
            and seen["run_code"] == code
        ):
            why_not = (
                f"run {run} failed or was cancelled on the same inputs; left alone until something changes"
            )
        elif _has_other_source(state, key, seen):
            why_not = "its source was edited; reload the code location"
        if why_not:
            context.log.info(f"{key.path[-1]}: {why_not}")
        return dg.AutomationResult(
            context,
            context.get_empty_subset() if why_not else context.candidate_subset,
            cursor=json.dumps({**seen, "code": code}),
        )


def _has_other_source(state: GraphState, key: dg.AssetKey, seen: dict[str, Any]) -> bool:
    """Whether it was made since it was last asked for, from the same inputs, and still not by the code loaded here."""
    return (
        state.code_changed(key)
        and not state.changed_inputs(key)
        and seen.get("asked_code") == state.graph.get(key).code_version
        and state.made_at(key) > seen["asked_at"]
    )


OUT_OF_DATE = (NeverMade() | CodeChanged() | InputChanged()).with_label("it is out of date")


def follow_changes(policy: RetrainingPolicy) -> dg.AutomationCondition[Any]:
    """The rule of most assets: up to date with what it reads, its settings and its code."""
    return _may_run() & OUT_OF_DATE & _inputs_ready(policy)


def follow_changes_when_due(policy: RetrainingPolicy) -> dg.AutomationCondition[Any]:
    """The rule of triplets, checkpoint and studies: the same, when the retraining policy allows it."""
    return _may_run() & OUT_OF_DATE & PolicyAllows(policy) & _inputs_ready(policy)


def follow_code_from_the_start() -> dg.AutomationCondition[Any]:
    """The rule of what reads the folder of pictures: an absent one is read, too, so that what depends on it is
    there."""
    return _may_run() & (NeverMade() | CodeChanged())


def follow_code() -> dg.AutomationCondition[Any]:
    """The rule of what reads the landing folder, whose files the landing sensor watches."""
    return _may_run() & CodeChanged()


def _may_run() -> dg.AutomationCondition[Any]:
    return (NotAlreadyFailed() & NotUnderWay() & NotBeingRead()).with_label("it may run")


def _inputs_ready(policy: RetrainingPolicy) -> dg.AutomationCondition[Any]:
    checked = dg.AutomationCondition.all_deps_blocking_checks_passed()
    return (UpstreamSettled(policy) & checked).with_label("its inputs are ready")


def with_conditions(assets: Any, policy: RetrainingPolicy) -> list[Any]:
    """The assets of all rooms, each with its rule."""
    ordinary, training, landing = follow_changes(policy), follow_changes_when_due(policy), follow_code()
    pictures = follow_code_from_the_start()

    def condition(spec: dg.AssetSpec) -> dg.AssetSpec:
        due = spec.key in TRAINING or spec.key in studies()
        rule = training if due else ordinary if list(spec.deps) else landing
        if spec.key in LANDED_PICTURES:
            rule = pictures
        return spec.replace_attributes(automation_condition=rule)

    return list(dg.map_asset_specs(condition, assets))
