"""A step as a job of a Ray cluster, through dagster-ray's Pipes client; its log and progress come to Dagster.

`[engine] address = "http://HEAD:8265"`, the address of Ray's dashboard. The step looks whether there is anything to do,
as always. Where shards are to be worked on, the whole step is done by a job in the cluster, which publishes the table
into the lake; the step then finds it there, made by the same recipe. So nothing comes back but lines of the log and
"done".
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from medembed_pipeline.engine.work import EngineError, Shard, ShardWork

if TYPE_CHECKING:
    import dagster as dg

    from medembed_pipeline.lake.lake import Lake
    from medembed_pipeline.settings import Settings


NO_AGENT = "No available agent"
AGENT_SECONDS = 120.0
"""For so long a cluster that has just begun is asked again: its dashboard answers before a machine takes jobs, and Ray
itself waits ten seconds."""


class RayJobNeededError(EngineError):
    """Shards are to be worked on, and the address is that of Ray's jobs: whoever runs the step has to submit one."""


class JobEngine:
    """An engine that works on nothing itself.

    Parameters
    ----------
    address
        of Ray's dashboard.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    def map(self, work: ShardWork, shards: Iterable[Shard], *, device: str = "cpu") -> Iterator[pa.Table]:
        """Only where there is a shard.

        Raises
        ------
        RayJobNeededError
            there is one.
        """
        for _ in shards:
            raise RayJobNeededError(
                f"[engine] address = {self._address!r} is of Ray's jobs, and only a step of Dagster is run as one. For "
                "this command set it to 'auto' on a machine of the cluster, to ray://host:10001, or kind to 'local'."
            )
        return iter(())


def submit(context: dg.AssetExecutionContext, settings: Settings, lake: Lake) -> None:
    """Run the step's asset as a job of the cluster; returns when its table is published.

    Parameters
    ----------
    context
        Dagster's.
    settings
        of the code location; the job has the same.
    lake
        which the cluster reaches as this machine does.

    Raises
    ------
    EngineError
        no job can be submitted, or it failed.
    """
    _authenticate_if_there_is_a_token()
    from dagster_ray import PipesRayJobClient

    from medembed_pipeline.settings_file import render_settings_file

    name = context.asset_key.path[-1]
    address = settings.engine.address
    deadline = time.monotonic() + AGENT_SECONDS
    while True:
        try:
            client = PipesRayJobClient(address=address, poll_interval=0.5)
            _ = client.client
        except Exception as error:
            raise EngineError(
                f"[engine] address = {address!r}: no Ray takes jobs there ({type(error).__name__}). It is the address "
                "of the dashboard of a cluster (ray start --head), http://HEAD:8265; where the cluster authenticates, "
                "RAY_AUTH_TOKEN holds its token."
            ) from None
        job = f"{name}-{uuid.uuid4().hex[:10]}"
        try:
            client.run(
                context=context,
                submit_job_params={
                    "submission_id": job,
                    "entrypoint": "python -m medembed_pipeline.engine.in_ray_job",
                    "runtime_env": {
                        "env_vars": {"MEDEMBED_DATA_LAKE": lake.root if lake.is_local else lake.url}
                    },
                },
                extras={
                    "asset": name,
                    "settings": render_settings_file(_in_the_cluster(settings)),
                    "config": _own_config(context, name),
                },
            )
            return
        except RuntimeError as error:
            if NO_AGENT in str(error) and time.monotonic() < deadline:
                context.log.info(
                    f"{name}: the cluster at {address} does not take jobs yet; it is asked again"
                )
                continue
            # The error quotes the end of the job's log, whatever that is.
            try:
                said = errors_in_log(client.client.get_job_logs(job))
            except Exception:
                said = []  # it was never submitted, or nobody answers any more
            raise EngineError(
                f"{name}: the Ray job {job} failed: {' '.join(said) or 'it did not come to say why.'} Its log is on "
                f"{address}. What is done is kept: run again."
            ) from None


def errors_in_log(log: str) -> list[str]:
    """What the job told Dagster of errors; the last lines of a log that is followed may not have come.

    Parameters
    ----------
    log
        of the job; lines that are messages of Dagster's Pipes are JSON.
    """
    found = []
    for line in log.splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if isinstance(told, dict) and told.get("method") == "log" and told["params"]["level"] == "ERROR":
            found.append(str(told["params"]["message"]))
    return found


def _authenticate_if_there_is_a_token() -> None:
    """A cluster asks for the token of its own accord, a client sends it where it is told to, before Ray is loaded."""
    named = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(os.environ)
    if named or (Path.home() / ".ray" / "auth_token").is_file():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def _in_the_cluster(settings: Settings) -> Settings:
    engine = settings.engine.model_copy(update={"address": "auto"})
    return settings.model_copy(update={"engine": engine})


def _own_config(context: dg.AssetExecutionContext, name: str) -> dict[str, Any]:
    """What the launchpad says of this asset, and of resources."""
    config: Any = context.run.run_config
    ops = {name: config["ops"][name]} if name in config.get("ops", {}) else {}
    resources = {key: config["resources"][key] for key in ("encoder",) if key in config.get("resources", {})}
    return {"ops": ops, "resources": resources}
