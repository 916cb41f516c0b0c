"""What a snapshot is made of: the released checkpoint and the tables that belong to it, named by their hashes.

Everything is opened once, so that a table which is replaced meanwhile does not disturb; and nothing is put together
that does not belong together: the vectors are those that this very checkpoint gave to these very notes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from medembed_pipeline.encoder import EncoderSpec, encoder_fingerprint
from medembed_pipeline.encoder.precision import with_resolved_precision
from medembed_pipeline.encoder.settings import AUTO, EncoderSettings, backend_and_precision
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.serving import REVISION
from medembed_pipeline.serving.classifier import CLASSIFIER, classifier_version
from medembed_pipeline.serving.errors import NothingReleasedError
from medembed_pipeline.serving.image_text import IMAGE_TEXT, image_text_model
from medembed_pipeline.serving.other_models import OtherModel
from medembed_pipeline.serving.triage import TRIAGE, triage_model
from medembed_pipeline.training.checkpoints import Checkpoint
from medembed_pipeline.verdict.released import released_checkpoint

NOTES, SPLITS, ROWS, VECTORS, MAP = (
    "cleaned_notes",
    "note_splits",
    "raw_transcriptions",
    "tuned_embeddings",
    "projections",
)
TABLES = (ROWS, NOTES, SPLITS, VECTORS, MAP)
TRIAGE_VERDICT, SEEN, PROMPTS = "triage_verdict", "image_text_vectors", "prompt_pairs"
PICTURE_TABLES = (TRIAGE_VERDICT, SEEN, PROMPTS)


@dataclass(frozen=True)
class SnapshotParts:
    """What one snapshot is made of.

    Attributes
    ----------
    checkpoint
        the released one.
    spec
        how its encoder is loaded.
    precision
        the number format its vectors are computed in.
    fingerprint
        of the encoder; vectors of another one are never taken.
    notes
        `cleaned_notes`.
    splits
        `note_splits`, where it is of these notes.
    rows
        `raw_transcriptions`, whose other columns are filters.
    vectors
        `tuned_embeddings`, where this checkpoint made it of these notes; else None, and the vectors are found by
        their texts in the store, or computed.
    map
        `projections`, where it is of these vectors; else None, and the map is the vectors' own PCA.
    classifier
        version of the classifier that belongs to this checkpoint, "" where there is none.
    triage
        the triage model, which belongs to no checkpoint.
    triage_verdict
        `triage_verdict`, which says which of its arms answers.
    image_text
        the model of pictures and texts.
    seen, prompts
        `image_text_vectors`, which names it, and `prompt_pairs`.
    settled
        False while a run is on its way from new notes to their map.
    """

    checkpoint: Checkpoint
    spec: EncoderSpec
    precision: str
    fingerprint: str
    notes: LakeTable
    splits: LakeTable | None
    rows: LakeTable | None
    vectors: LakeTable | None
    map: LakeTable | None
    classifier: str
    triage: OtherModel
    triage_verdict: LakeTable | None
    image_text: OtherModel
    seen: LakeTable | None
    prompts: LakeTable | None
    settled: bool

    def versions(self) -> dict[str, str]:
        """Name and version of every part, in one order."""
        tables = {SPLITS: self.splits, ROWS: self.rows, VECTORS: self.vectors, MAP: self.map}
        if self.triage.version:
            tables[TRIAGE_VERDICT] = self.triage_verdict
        if self.image_text.version:
            tables[PROMPTS] = self.prompts
        return {
            "checkpoint": self.checkpoint.version,
            "checkpoint_files": self.checkpoint.data_version,
            "encoder": self.fingerprint,
            NOTES: self.notes.data_version,
            **{name: "" if table is None else table.data_version for name, table in tables.items()},
            CLASSIFIER: self.classifier,
            TRIAGE: self.triage.version,
            IMAGE_TEXT: self.image_text.version,
        }

    @property
    def id(self) -> str:
        """Names the snapshot: 16 hex over the versions of what decides its answers.

        The vectors follow from the encoder and the notes, whether a table holds them or not.
        """
        return digest([REVISION, {**self.versions(), VECTORS: ""}])[:16]

    def only_lacks_what(self, other: SnapshotParts) -> bool:
        """Whether it is the other one without its map: a training that was not released has taken the map's table."""
        own, theirs = self.versions(), other.versions()
        return self.map is None and {**own, VECTORS: "", MAP: ""} == {**theirs, VECTORS: "", MAP: ""}


def read_parts(
    lake: Lake, settings: EncoderSettings, find: Callable[[str], LakeTable | None] | None = None
) -> SnapshotParts:
    """What a snapshot of the lake as it stands would be made of.

    Parameters
    ----------
    lake
        read and not written.
    settings
        of the encoder: handling of long notes, device, precision.
    find
        the table of a name, None where there is none; by default the lake's.

    Raises
    ------
    NothingReleasedError
        no checkpoint was released yet.
    MedembedError
        the released checkpoint is gone, or there are no cleaned notes.
    """
    checkpoint = released_checkpoint(lake)
    if checkpoint is None:
        raise NothingReleasedError(
            "no checkpoint has been released in this lake yet: `medembed run` releases one when its verdict is deploy"
        )
    find = find or lake.find_table
    notes = find(NOTES) or lake.table(NOTES)
    vectors = find(VECTORS)
    is_measured = vectors is not None and _input(vectors, "finetuned_checkpoint") == checkpoint.data_version
    stated = vectors.footer.facts.get("precision") if vectors is not None and is_measured else None
    precision = computed_in(settings, stated)
    spec = checkpoint.encoder_spec(settings.long_notes)
    fingerprint = _fingerprint(checkpoint.data_version, spec, precision)
    is_measured = is_measured and _input(vectors, "model") == fingerprint
    if not is_measured or _input(vectors, NOTES) != notes.data_version:
        vectors = None
    splits, places = find(SPLITS), find(MAP)
    if splits is not None and _input(splits, NOTES) != notes.data_version:
        splits = None
    if vectors is None or places is None or _input(places, VECTORS) != vectors.data_version:
        places = None
    rows = find(ROWS)
    if rows is not None and _input(notes, ROWS) != rows.data_version:
        rows = None
    awaited = [rows, splits, *([vectors, places] if is_measured else [])]
    triage_verdict, seen, prompts = (find(name) for name in PICTURE_TABLES)
    return SnapshotParts(
        checkpoint=checkpoint,
        spec=spec,
        precision=precision,
        fingerprint=fingerprint,
        notes=notes,
        splits=splits,
        rows=rows,
        vectors=vectors,
        map=places,
        classifier=classifier_version(lake, checkpoint, precision=precision, long_notes=settings.long_notes),
        triage=triage_model(lake, triage_verdict),
        triage_verdict=triage_verdict,
        image_text=image_text_model(lake, seen, prompts),
        seen=seen,
        prompts=prompts,
        settled=all(table is not None for table in awaited),
    )


def _input(table: LakeTable | None, name: str) -> str | None:
    return None if table is None else table.footer.recipe.inputs.get(name)


def computed_in(settings: EncoderSettings, stated: str | None) -> str:
    """What queries are computed in: what the notes were, where the settings leave it open.

    Parameters
    ----------
    settings
        of the encoder.
    stated
        what the facts of the vectors say; None where there are none.
    """
    if stated:
        backend, precision = backend_and_precision(stated)
        # Whatever this machine would choose for itself.
        if settings.backend in (AUTO, backend) and settings.precision in ("auto", precision):
            return stated
    resolved = with_resolved_precision(settings)
    # The service tries no backends: without vectors that say which, it is the reference.
    return (resolved.in_torch() if resolved.backend == AUTO else resolved).computed_in


@lru_cache(maxsize=8)
def _fingerprint(_: str, spec: EncoderSpec, precision: str) -> str:
    """By the checkpoint's hash: its files are hashed once, not at every look."""
    return encoder_fingerprint(spec, precision=precision)
