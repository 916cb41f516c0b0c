"""Which notes there were when triplets were drawn, so that the notes that came since can be counted.

The notes in the triplets are no measure of it: triplets are a sample, and notes without a label are never drawn.
"""

from collections.abc import Iterable

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.training.checkpoints import Checkpoint

FOLDER = ("store", "known_notes")


def remember_known_notes(lake: Lake, triplets_version: str, note_ids: Iterable[str]) -> None:
    """Keep the ids of all notes that triplets were drawn among, train or not."""
    known = sorted(note_ids)
    path = (*FOLDER, f"{triplets_version}.json")
    if lake.read_json(*path) != known:
        lake.write_json(known, *path)


def known_notes(lake: Lake, checkpoint: Checkpoint) -> frozenset[str]:
    """Ids of the notes that there were when the checkpoint's triplets were drawn.

    Where that was not kept, the notes it was trained on: fewer, so that it is trained again sooner, not later.
    """
    version = checkpoint.manifest()["data_versions"].get("triplets", "")
    kept: list[str] | None = lake.read_json(*FOLDER, f"{version}.json")
    return frozenset(checkpoint.trained_note_ids() if kept is None else kept)
