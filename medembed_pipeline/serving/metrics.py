"""Counts and times for Prometheus: by route, status and snapshot; nothing that was asked."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class ServiceMetrics:
    """The metrics of one service; each has a registry of its own, so that tests do not share it."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self.requests = Counter(
            "medembed_requests", "Requests answered.", ["route", "status"], registry=self._registry
        )
        self.seconds = Histogram(
            "medembed_request_seconds",
            "Time until an answer was ready.",
            ["route"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.batch_texts = Histogram(
            "medembed_batch_texts", "Texts computed at once.", buckets=_TEXTS, registry=self._registry
        )
        self.waiting = Gauge(
            "medembed_waiting_texts", "Texts that wait or are being computed.", registry=self._registry
        )
        self.snapshot = Gauge(
            "medembed_snapshot",
            "1 for the snapshot in use.",
            ["snapshot", "checkpoint"],
            registry=self._registry,
        )
        self.notes = Gauge("medembed_notes", "Notes that can be found.", registry=self._registry)
        self.swaps = Counter("medembed_swaps", "Snapshots put in place.", registry=self._registry)
        self.failures = Counter(
            "medembed_snapshot_failures", "Snapshots that could not be made.", registry=self._registry
        )

    def swapped(self, snapshot: str, checkpoint: str, notes: int) -> None:
        """Note that another snapshot is in use."""
        self.snapshot.clear()
        self.snapshot.labels(snapshot, checkpoint).set(1)
        self.notes.set(notes)
        self.swaps.inc()

    def text(self) -> bytes:
        """All of them, in Prometheus' text format."""
        return generate_latest(self._registry)
