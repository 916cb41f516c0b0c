"""The released checkpoint: see `lake.pointers.InUse`. On a local lake the pointer is a symbolic link, so that
`SentenceTransformer("data_lake/checkpoints/released")` works."""

from __future__ import annotations

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.pointers import InUse
from medembed_pipeline.training.checkpoints import CHECKPOINTS, FOLDER, Checkpoint, checkpoint_of
from medembed_pipeline.verdict.errors import VerdictError

TABLE = "release_verdict"
RELEASED = "released"
RELEASED_CHECKPOINT = InUse(
    CHECKPOINTS,
    table=TABLE,
    fact="checkpoint",
    file=f"{RELEASED}.json",
    withdrawn_name="withdrawn",
    state=RELEASED,
    link=RELEASED,
)
released_version = RELEASED_CHECKPOINT.version
released_path = RELEASED_CHECKPOINT.path
follow_verdict = RELEASED_CHECKPOINT.follow_verdict
put_back = RELEASED_CHECKPOINT.put_back
withdrawn_versions = RELEASED_CHECKPOINT.withdrawn


def released_checkpoint(lake: Lake) -> Checkpoint | None:
    """The released checkpoint itself, in a local copy where the lake is remote; None where none was released yet.

    Raises
    ------
    PointerError
        the pointer is damaged.
    VerdictError
        it leads to a checkpoint that is gone.
    """
    version = released_version(lake)
    if version is None:
        return None
    if not CHECKPOINTS.is_there(lake, version):
        raise VerdictError(
            f"the released checkpoint {version} is not in {lake.path(FOLDER)}. Restore it, or materialize {TABLE} "
            "to release the current one if it deserves it."
        )
    return checkpoint_of(lake, version)
