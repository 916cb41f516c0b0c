"""The service without HTTP: the snapshot in use, the thread that computes, and what an endpoint asks of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.serving.errors import RequestError
from medembed_pipeline.serving.inference import InferenceThread, Job, Outcome
from medembed_pipeline.serving.keeper import SnapshotKeeper
from medembed_pipeline.serving.metrics import ServiceMetrics
from medembed_pipeline.serving.parts import read_parts
from medembed_pipeline.serving.settings import ServingSettings
from medembed_pipeline.serving.snapshot import Snapshot, build_snapshot


class Service:
    """Serves one lake.

    Parameters
    ----------
    lake
        read, and not written.
    settings
        of the service.
    encoder
        of the encoder.
    say
        told what happens, in words without text of notes.
    wait_seconds
        how long `start` waits for the first snapshot; who connects meanwhile waits too.
    """

    def __init__(
        self,
        lake: Lake,
        settings: ServingSettings,
        encoder: EncoderSettings,
        say: Callable[[str], None] = lambda _: None,
        *,
        wait_seconds: float = 0.0,
    ) -> None:
        self.settings = settings
        self.metrics = ServiceMetrics()
        self.say = say
        self._inference = InferenceThread(
            batch_texts=settings.batch_texts,
            waiting_texts=settings.waiting_texts,
            threads=settings.threads,
            on_batch=self.metrics.batch_texts.observe,
            say=say,
        )
        self.metrics.waiting.set_function(lambda: self._inference.waiting)
        self.keeper = SnapshotKeeper(
            lambda: read_parts(lake, encoder),
            lambda parts: build_snapshot(lake, parts, encoder, say=say),
            watch_seconds=settings.watch_seconds,
            settle_seconds=settings.settle_seconds,
            say=say,
            on_swap=lambda made: self.metrics.swapped(
                made.id, made.parts.checkpoint.version, len(made.note_ids)
            ),
            on_failure=self.metrics.failures.inc,
        )
        self._unpacking = asyncio.Semaphore()
        self._wait_seconds = wait_seconds
        self._stopping = False

    def start(self) -> None:
        """Begin to load, to look for another snapshot, and to compute."""
        self._inference.start()
        self.keeper.start()
        deadline = time.monotonic() + self._wait_seconds
        while not self.is_ready and time.monotonic() < deadline:
            time.sleep(0.05)

    def stop(self) -> None:
        """Answer what waits, and end."""
        self._stopping = True
        self.keeper.stop()
        self._inference.stop()

    @property
    def is_ready(self) -> bool:
        """Whether requests are answered."""
        return self.keeper.current is not None and not self._stopping

    def snapshot(self) -> Snapshot:
        """The one in use.

        Raises
        ------
        RequestError
            there is none yet.
        """
        current = self.keeper.current
        if current is None:
            raise RequestError(f"Not ready: {self.keeper.reason}.", status=503, kind="not_ready")
        return current

    async def unpack(self, unpack: Callable[[], Job]) -> Job:
        """Unpack the pictures of a request in a thread; of one request at a time, for they may take much memory."""
        async with self._unpacking:
            return await asyncio.to_thread(unpack)

    async def compute(self, job: Job) -> Outcome:
        """Have a job done by the thread that computes.

        Raises
        ------
        BusyError
            too many texts wait.
        ServingError
            the model failed.
        """
        return await asyncio.wrap_future(self._inference.submit(job))
