"""Where pure functions of shards run: in this process, or on Ray. Knows no stage.

Light to import: Ray is imported where `[engine] kind = "ray"` and a shard is to be worked on, and nowhere else.
"""

from medembed_pipeline.engine.opening import Engine, LocalEngine, open_engine
from medembed_pipeline.engine.work import EngineError, Shard, ShardRows, ShardWork, Worker

__all__ = [
    "Engine",
    "EngineError",
    "LocalEngine",
    "Shard",
    "ShardRows",
    "ShardWork",
    "Worker",
    "open_engine",
]
