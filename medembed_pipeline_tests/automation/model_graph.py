"""The graph with its real assets, checks and conditions, whose work is replaced by hashing: a run takes no time.

What an asset holds is a hash of its code version and of what its parents hold, or what a test puts in its place.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from medembed_pipeline.automation.conditions import with_conditions
from medembed_pipeline.automation.retraining import RetrainingPolicy
from medembed_pipeline.automation.settings import AutomationSettings
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.rooms import modules_of_rooms
from medembed_pipeline_tests.graph.names import LANDED

ASSETS = [
    one
    for one in dg.load_assets_from_modules(modules_of_rooms("assets"))
    if isinstance(one, dg.AssetsDefinition)
]
SPECS = {spec.key.path[-1]: spec for asset in ASSETS for spec in asset.specs}
WARNING = "tuned_model_is_better"
CHECK_SPECS = [
    spec
    for check in dg.load_asset_checks_from_modules(modules_of_rooms("checks"))
    for spec in check.check_specs
    if spec.blocking or spec.name == WARNING
]
"""Those that block, and one that does not: no condition looks at any other."""


def reached(*names: str) -> set[str]:
    """These assets and everything below them."""
    found = set(names)
    while (
        more := {
            name for name, spec in SPECS.items() if found & {dep.asset_key.path[-1] for dep in spec.deps}
        }
        - found
    ):
        found |= more
    return found


@dataclass(frozen=True)
class Policy(RetrainingPolicy):
    """A retraining policy that is told whether enough notes are new."""

    enough: Callable[[], bool] = lambda: False

    def enough_new_notes(self) -> bool:
        return self.enough()


@dataclass
class ModelGraph:
    """A graph, its instance, and the ticks of its automation.

    Attributes
    ----------
    retraining
        the policy.
    code
        code versions that differ from the real ones.
    content
        what an asset holds, given what its parents hold; by default a hash of all it depends on.
    broken
        assets that raise.
    failing
        names of checks that fail.
    edited_source
        code versions that runs have, and the code location has not loaded.
    while_running
        called at the beginning of an asset's step.
    made
        every asset that was made, in order.
    """

    retraining: Any = "when_new_share"
    enough_new: bool = False
    code: dict[str, str] = field(default_factory=dict)
    content: dict[str, Callable[[dict[str, str]], str]] = field(default_factory=dict)
    edited_source: dict[str, str] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    while_running: dict[str, Callable[[], object]] = field(default_factory=dict)
    landing: str = "files"
    held: dict[str, str] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    instance: dg.DagsterInstance = field(default_factory=dg.DagsterInstance.ephemeral)
    cursor: Any = None
    _loaded: tuple[str, Any] = ("", None)

    def definitions(self) -> dg.Definitions:
        """The code location as it is now."""
        version = json.dumps([self.retraining, self.code], sort_keys=True)
        if self._loaded[0] != version:
            self._loaded = version, self._load()
        return self._loaded[1]

    def _load(self) -> dg.Definitions:
        policy = Policy(AutomationSettings(retraining=self.retraining), "/nowhere", lambda: self.enough_new)
        assets = [self._landing(), *(self._asset(name) for name in SPECS if name not in LANDED)]
        return dg.Definitions(
            assets=with_conditions(assets, policy),
            asset_checks=[self._check(spec) for spec in CHECK_SPECS],
            executor=dg.in_process_executor,
        )

    def tick(self) -> set[str]:
        """What one tick of the automation requests; nothing is run."""
        result = dg.evaluate_automation_conditions(self.definitions(), self.instance, cursor=self.cursor)
        self.cursor = result.cursor
        return {name for name in SPECS if result.get_num_requested(dg.AssetKey(name))}

    def run(self, *names: str) -> bool:
        """Materialize some assets in one run; whether it succeeded."""
        if not names:
            return True
        loaded = self.code
        self.code = {**loaded, **self.edited_source}
        definitions = self.definitions()
        self.code = loaded
        job = definitions.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            instance=self.instance,
            asset_selection=[dg.AssetKey(name) for name in names],
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        ).success

    def land(self, files: str) -> None:
        """The landing folder changes, and the landing sensor has it read."""
        self.landing = files
        self.run(*LANDED)

    def settle(self, ticks: int = 12) -> list[str]:
        """Tick and run until nothing is requested; what was made, in order."""
        self.made.clear()
        for _ in range(ticks):
            requested = self.tick()
            if not requested:
                return list(self.made)
            self.run(*requested)
        raise AssertionError(f"it does not come to rest: {self.made}")

    def everything_made(self) -> ModelGraph:
        """The graph after a first complete run."""
        self.land(self.landing)
        self.settle()
        return self

    def _make(self, name: str) -> dg.MaterializeResult[Any]:
        self.while_running.pop(name, lambda: None)()
        if name in self.broken:
            raise dg.Failure(f"{name} is broken", allow_retries=False)
        parents = {dep.asset_key.path[-1] for dep in SPECS[name].deps}
        inputs = {parent: self.held[parent] for parent in sorted(parents)}
        if name in LANDED:
            inputs = {"landing": self.landing}
        by_default = digest([name, self._code(name), inputs])
        self.held[name] = self.content[name](inputs) if name in self.content else by_default
        self.made.append(name)
        return dg.MaterializeResult(asset_key=name, data_version=dg.DataVersion(self.held[name][:60]))

    def _code(self, name: str) -> str:
        return self.code.get(name, str(SPECS[name].code_version))

    def _spec(self, name: str) -> dg.AssetSpec:
        return SPECS[name].replace_attributes(code_version=self._code(name))

    def _asset(self, name: str) -> dg.AssetsDefinition:
        @dg.multi_asset(name=name, specs=[self._spec(name)])
        def make() -> dg.MaterializeResult[Any]:
            return self._make(name)

        return make

    def _landing(self) -> dg.AssetsDefinition:
        @dg.multi_asset(name="landing", specs=[self._spec(name) for name in sorted(LANDED)])
        def make() -> Any:
            for name in sorted(LANDED):
                yield self._make(name)

        return make

    def _check(self, spec: dg.AssetCheckSpec) -> dg.AssetChecksDefinition:
        @dg.multi_asset_check(name=spec.name, specs=[spec])
        def check() -> Any:
            yield dg.AssetCheckResult(
                check_name=spec.name, asset_key=spec.asset_key, passed=spec.name not in self.failing
            )

        return check
