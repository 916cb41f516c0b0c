"""The one thread that computes: what waits is encoded and searched together."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from medembed_pipeline.encoder import Role
from medembed_pipeline.serving.classifier import Prediction
from medembed_pipeline.serving.errors import BusyError, ServingError
from medembed_pipeline.serving.filters import BoolArray
from medembed_pipeline.serving.places import PLACED_BY
from medembed_pipeline.serving.private import safe_words
from medembed_pipeline.serving.search import Hits, Query
from medembed_pipeline.serving.snapshot import Snapshot


@dataclass(frozen=True)
class Stored:
    """A note of the snapshot, whose vector it has."""

    row: int
    finds_itself: bool


@dataclass(frozen=True)
class Searched:
    """What is looked for with a text.

    Attributes
    ----------
    wanted
        how many hits.
    allowed
        among which notes; None for all.
    placed
        whether its nearest notes of all are wanted too, for its place on the map.
    """

    wanted: int
    allowed: BoolArray | None = None
    placed: bool = False


@dataclass(frozen=True)
class Job:
    """One request's work, all on the snapshot that it began with.

    Attributes
    ----------
    snapshot
        of the request.
    texts
        prepared texts, or notes of the snapshot.
    role
        as which the texts are encoded.
    search
        what is looked for with each; None for vectors alone.
    classify
        whether the texts' labels are asked for.
    count_tokens
        whether the tokens read are counted.
    ask
        asks another model of the snapshot, instead of all that; done by itself.
    size
        of what is asked so, in texts that take as long.
    """

    snapshot: Snapshot
    texts: Sequence[str | Stored] = ()
    role: Role = "document"
    search: Searched | None = None
    classify: bool = False
    count_tokens: bool = False
    ask: Callable[[], Any] | None = None
    size: int = 0

    @property
    def weight(self) -> int:
        """As how many texts it counts among what waits."""
        return self.size or max(1, len(self.texts))


@dataclass(frozen=True)
class Outcome:
    """What came of a job.

    Attributes
    ----------
    vectors
        float32 [texts, d].
    hits
        per text, where it was searched with.
    near
        per text, its nearest notes of all, where its place was asked for.
    predictions
        per text, where labels were asked for.
    tokens
        read, where they were counted.
    said
        by the other model, where one was asked.
    """

    vectors: npt.NDArray[np.float32]
    hits: list[Hits] = field(default_factory=list)
    near: list[Hits] = field(default_factory=list)
    predictions: list[Prediction] = field(default_factory=list)
    tokens: int = 0
    said: Any = None


@dataclass
class _Waiting:
    job: Job
    future: Future[Outcome]


class InferenceThread:
    """Takes jobs from any thread, and does them a batch at a time.

    A batch is everything that waits when the thread is free, up to `batch_texts`: nobody waits for a batch to fill.

    Parameters
    ----------
    batch_texts
        texts encoded at once; a larger job is a batch of its own.
    waiting_texts
        texts that may wait.
    threads
        processor threads of the model; 0 for as many as there are cores.
    on_batch
        told how many texts each batch had.
    say
        told of errors, in words without text of notes.
    """

    def __init__(
        self,
        *,
        batch_texts: int,
        waiting_texts: int,
        threads: int = 0,
        on_batch: Callable[[int], None] = lambda _: None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._batch_texts = batch_texts
        self._waiting_texts = waiting_texts
        self._threads = threads
        self._on_batch = on_batch
        self._say = say
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)

    def start(self) -> None:
        """Begin to take jobs."""
        self._thread.start()

    def stop(self) -> None:
        """Do what waits, and end."""
        with self._lock:
            self._closed = True
        self._queue.put(None)
        self._thread.join()

    @property
    def waiting(self) -> int:
        """Texts that wait or are being computed."""
        return self._waiting

    def submit(self, job: Job) -> Future[Outcome]:
        """Have a job done.

        Raises
        ------
        BusyError
            too many texts wait.
        ServingError
            the thread is stopping.
        """
        count = job.weight
        with self._lock:
            if self._closed:
                raise ServingError("the service is stopping")
            if self._waiting and self._waiting + count > self._waiting_texts:
                raise BusyError
            self._waiting += count
        future: Future[Outcome] = Future()
        self._queue.put(_Waiting(job, future))
        return future

    def _run(self) -> None:
        if self._threads:
            import torch

            torch.set_num_threads(self._threads)
        ending = False
        while not ending:
            first = self._queue.get()
            if first is None:
                return
            batch = [first]
            texts = first.job.weight
            while texts < self._batch_texts:
                try:
                    more = self._queue.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    ending = True
                    break
                batch.append(more)
                texts += more.job.weight
            self._do(batch)
            with self._lock:
                self._waiting -= sum(one.job.weight for one in batch)
            # Or the last snapshot that was used would live on here.
            del first, batch

    def _do(self, batch: list[_Waiting]) -> None:
        wanted = [one for one in batch if one.future.set_running_or_notify_cancel()]
        groups: dict[int, list[_Waiting]] = {}
        for one in wanted:
            together = one.job.snapshot if one.job.ask is None else one
            groups.setdefault(id(together), []).append(one)
        for group in groups.values():
            self._on_batch(sum(one.job.weight for one in group))
            self._do_together(group)

    def _do_together(self, group: list[_Waiting]) -> None:
        try:
            outcomes = compute([one.job for one in group])
        except Exception as error:
            if len(group) > 1:
                # One of them may be to blame; the others get their answers.
                for one in group:
                    self._do_together([one])
                return
            self._say(f"a request failed: {safe_words(error)}")
            failure = ServingError(f"the model failed ({type(error).__name__})")
            group[0].future.set_exception(failure)
            return
        for one, outcome in zip(group, outcomes, strict=True):
            one.future.set_result(outcome)


def compute(jobs: Sequence[Job]) -> list[Outcome]:
    """Do jobs of one snapshot together: one encoding per role, one product.

    Raises
    ------
    ServingError
        they are of several snapshots.
    """
    snapshot = jobs[0].snapshot
    if any(job.snapshot is not snapshot for job in jobs):
        raise ServingError("jobs of several snapshots are never done together")
    if len(jobs) == 1 and jobs[0].ask is not None:
        return [Outcome(np.empty((0, snapshot.encoder.dimensions), dtype=np.float32), said=jobs[0].ask())]
    vectors = _vectors(snapshot, jobs)
    queries: list[Query] = []
    for job, own in zip(jobs, vectors, strict=True):
        if job.search is not None:
            for text, vector in zip(job.texts, own, strict=True):
                itself = text.row if isinstance(text, Stored) and not text.finds_itself else None
                queries.append(Query(vector, job.search.wanted, job.search.allowed, itself))
    queries += [
        Query(vector, PLACED_BY)
        for job, own in zip(jobs, vectors, strict=True)
        if _needs_more(job.search)
        for vector in own
    ]
    found = snapshot.index.search(queries)
    places = iter(found[len(found) - sum(len(job.texts) for job in jobs if _needs_more(job.search)) :])
    hits = iter(found)
    outcomes = []
    for job, own in zip(jobs, vectors, strict=True):
        texts = [text for text in job.texts if isinstance(text, str)]
        mine = [next(hits) for _ in job.texts] if job.search is not None else []
        outcomes.append(
            Outcome(
                own,
                mine,
                [next(places) for _ in job.texts] if _needs_more(job.search) else mine,
                _predictions(snapshot, job, own) if job.classify else [],
                snapshot.encoder.tokens(texts, job.role) if job.count_tokens else 0,
            )
        )
    return outcomes


def _predictions(snapshot: Snapshot, job: Job, vectors: npt.NDArray[np.float32]) -> list[Prediction]:
    if snapshot.classifier is None:
        return []
    texts = [snapshot.text(text.row) if isinstance(text, Stored) else text for text in job.texts]
    return snapshot.classifier.predict(texts, vectors)


def _needs_vectors(job: Job) -> bool:
    """Whether anything looks at its vectors: a classifier of words alone does not."""
    asks = job.snapshot.classifier
    return not job.classify or job.search is not None or (asks is not None and asks.uses_vectors)


def _needs_more(search: Searched | None) -> bool:
    """Whether the hits themselves do not say where a note lies: they are too few, or filtered."""
    return search is not None and search.placed and (search.allowed is not None or search.wanted < PLACED_BY)


def _vectors(snapshot: Snapshot, jobs: Sequence[Job]) -> list[npt.NDArray[np.float32]]:
    """float32 [texts, d] per job: from the index, or encoded."""
    dimensions = snapshot.encoder.dimensions
    found: list[npt.NDArray[np.float32]] = [
        np.empty((len(job.texts), dimensions), dtype=np.float32) for job in jobs
    ]
    roles: tuple[Role, ...] = ("document", "query")
    for role in roles:
        places = [
            (place, position)
            for place, job in enumerate(jobs)
            if job.role == role and _needs_vectors(job)
            for position, text in enumerate(job.texts)
            if isinstance(text, str)
        ]
        if places:
            encoded = snapshot.encoder.encode([str(jobs[at].texts[on]) for at, on in places], role)
            for (place, position), vector in zip(places, encoded, strict=True):
                found[place][position] = vector
    for place, job in enumerate(jobs):
        for position, text in enumerate(job.texts):
            if isinstance(text, Stored):
                found[place][position] = snapshot.index.vectors[text.row]
    return found
