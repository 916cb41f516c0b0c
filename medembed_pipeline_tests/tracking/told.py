"""Reads what a tracker was told, without the tracker's own reader."""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def mlflow_runs(database: Path) -> dict[str, dict[str, Any]]:
    """By the run's name: `status`, `params`, `metrics` (by name, value by step) and `tags`, by SQL."""
    with sqlite3.connect(database) as connection:
        found = {
            uuid: {"name": name, "status": status, "params": {}, "metrics": {}, "tags": {}}
            for uuid, name, status in connection.execute("select run_uuid, name, status from runs")
        }
        for uuid, key, value in connection.execute("select run_uuid, key, value from params"):
            found[uuid]["params"][key] = value
        for uuid, key, step, value in connection.execute("select run_uuid, key, step, value from metrics"):
            found[uuid]["metrics"].setdefault(key, {})[step] = value
        for uuid, key, value in connection.execute("select run_uuid, key, value from tags"):
            found[uuid]["tags"][key] = value
    return {run["name"]: {**run, "id": uuid} for uuid, run in found.items()}


def wandb_records(file: Path) -> Iterator[Any]:
    """The records of an offline run: LevelDB's log format (blocks of 32 KiB), each a message of wandb's protocol."""
    from wandb.proto import wandb_internal_pb2

    content, block, at, whole = file.read_bytes(), 32_768, 7, b""
    while at + 7 <= len(content):
        if block - at % block < 7:
            at += block - at % block
            continue
        _, length, kind = struct.unpack("<IHB", content[at : at + 7])
        if kind == 0:
            return
        whole += content[at + 7 : at + 7 + length]
        at += 7 + length
        # 1: a whole record; 4: the last part of one.
        if kind in (1, 4):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            whole = b""
            yield record


def wandb_run(file: Path) -> dict[str, Any]:
    """Of an offline run: `config`, `history` (a dict per step), `summary`, `name` and `kind`."""
    found: dict[str, Any] = {"config": {}, "history": [], "summary": {}}
    for record in wandb_records(file):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            found["name"], found["kind"] = record.run.display_name, record.run.job_type
            for item in record.run.config.update:
                found["config"][item.key or "/".join(item.nested_key)] = json.loads(item.value_json)
        elif kind == "history":
            found["history"].append(
                {
                    item.key or "/".join(item.nested_key): json.loads(item.value_json)
                    for item in record.history.item
                }
            )
        elif kind == "summary":
            for item in record.summary.update:
                found["summary"][item.key or "/".join(item.nested_key)] = json.loads(item.value_json)
    return found
