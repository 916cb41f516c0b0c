"""The retraining policy: when triplets are drawn anew, and a checkpoint trained on them, without a person asking."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import dagster as dg

from medembed_pipeline.automation.settings import AutomationSettings
from medembed_pipeline.automation.state import GraphState
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.study.declared import declared_studies
from medembed_pipeline.training.checkpoints import CheckpointError, checkpoint_of, current_checkpoint
from medembed_pipeline.training.known_notes import known_notes

TRIPLETS = dg.AssetKey("triplets")
CHECKPOINT = dg.AssetKey("finetuned_checkpoint")
TRAINING = (TRIPLETS, CHECKPOINT)


@cache
def studies() -> frozenset[dg.AssetKey]:
    """The studies: hours of work that new notes alone are no reason for."""
    return frozenset(dg.AssetKey(study.asset) for study in declared_studies().values())


@dataclass(frozen=True)
class NewNotes:
    """How many of the train notes came after the current checkpoint's triplets were drawn."""

    new: int
    train: int

    @property
    def share(self) -> float:
        """From 0 to 1; 0 where there is no train note."""
        return self.new / self.train if self.train else 0.0


def new_train_notes(lake: Lake) -> NewNotes:
    """Count them. Reads ids alone, and anew only when the splits or the checkpoint have changed."""
    try:
        checkpoint = current_checkpoint(lake)
    except CheckpointError:
        return NewNotes(0, 0)
    splits = lake.find_table("note_splits")
    if splits is None:
        return NewNotes(0, 0)
    return _new_train_notes(lake.url, splits.data_version, checkpoint.version)


@lru_cache(maxsize=4)
def _new_train_notes(lake_url: str, splits_version: str, checkpoint_version: str) -> NewNotes:
    lake = Lake(lake_url)
    splits = lake.table("note_splits").read().to_pydict()
    known = known_notes(lake, checkpoint_of(lake, checkpoint_version))
    train = [note for note, split in zip(splits["note_id"], splits["split"], strict=True) if split == "train"]
    return NewNotes(sum(note not in known for note in train), len(train))


@dataclass(frozen=True)
class RetrainingPolicy:
    """Decides, for the assets of `TRAINING` and the studies, whether they may be made by themselves; all others always
    may. A study may when its own settings or code changed.

    The first checkpoint is always made. After it, `when_new_share` draws triplets anew when a tenth of the train
    notes are new, or when the parameters or the code of triplets or training changed, so that a training never
    starts from triplets of another corpus. The checkpoint follows its triplets.
    """

    settings: AutomationSettings
    lake_url: str

    def allows(self, state: GraphState, key: dg.AssetKey) -> bool:
        """Whether the policy lets an asset be made now, if it is out of date."""
        policy = self.settings.retraining
        if key in studies():
            return state.never_made(key) or state.code_changed(key)
        if key not in TRAINING or policy == "on_change" or state.never_made(CHECKPOINT):
            return True
        if policy in ("on_schedule", "never"):
            return False
        return key == CHECKPOINT or self._parameters_changed(state) or self.enough_new_notes()

    def _parameters_changed(self, state: GraphState) -> bool:
        return any(state.code_changed(key) for key in TRAINING)

    def enough_new_notes(self) -> bool:
        """Whether at least `new_share` of the train notes came after the checkpoint."""
        return new_train_notes(Lake(self.lake_url)).share >= self.settings.new_share
