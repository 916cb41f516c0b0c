"""Where trials are kept: a file each, written whole when the trial has ended."""

from __future__ import annotations

from typing import Protocol

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.study.trial import TrialRecord

FOLDER = "studies"


class TrialStore(Protocol):
    """Keeps the trials of one study."""

    def get(self, number: int) -> TrialRecord | None:
        """The trial, if it has ended."""
        ...

    def put(self, record: TrialRecord) -> None:
        """Keep a trial that has ended."""
        ...


class MemoryTrials:
    """Trials kept for as long as this process lives."""

    def __init__(self) -> None:
        self._records: dict[int, TrialRecord] = {}

    def get(self, number: int) -> TrialRecord | None:
        """See `TrialStore`."""
        return self._records.get(number)

    def put(self, record: TrialRecord) -> None:
        """See `TrialStore`."""
        self._records[record.number] = record


class LakeTrials:
    """Trials under `<lake>/store/studies/<study>/<version>/`, on a disk or an object store.

    A trial is there as a whole or not at all: one that is killed leaves nothing, and is run again under its number. A
    journal or a database of Optuna's keeps it as running for ever, and a journal's line may be torn.

    Parameters
    ----------
    lake
        where they lie.
    study
        its name.
    version
        hash of everything that a trial depends on, but its number.
    """

    def __init__(self, lake: Lake, study: str, version: str) -> None:
        self._lake = lake
        self._folder = ("store", FOLDER, study, version)

    def get(self, number: int) -> TrialRecord | None:
        """See `TrialStore`."""
        content = self._lake.read_json(*self._folder, _file(number))
        return None if content is None else TrialRecord.from_json(content)

    def put(self, record: TrialRecord) -> None:
        """See `TrialStore`."""
        self._lake.write_json(record.to_json(), *self._folder, _file(record.number))


def _file(number: int) -> str:
    return f"{number:05}.json"
