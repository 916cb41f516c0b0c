"""The lake as a whole: whether everything in it is what was written, and what nothing refers to any more."""

from __future__ import annotations

import socket
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from medembed_pipeline.card.card_file import NAME as CARD
from medembed_pipeline.card.verification import verify_cards
from medembed_pipeline.classification.folder import FOLDER as CLASSIFIERS
from medembed_pipeline.classification.verification import (
    checkpoints_of_classifiers,
    used_classifiers,
    verify_classifiers,
)
from medembed_pipeline.encoder import (
    EncoderSpec,
    encoder_fingerprint,
    encoder_fingerprints,
    resolve_base,
    spec_of_settings,
)
from medembed_pipeline.encoder.fingerprint import EXPORTED, export_key
from medembed_pipeline.encoder.image_spec import image_encoder_fingerprint, image_spec_of_settings
from medembed_pipeline.encoder.settings import COMPUTED_IN
from medembed_pipeline.engine.shard_files import RESULTS, SHARDS
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.history.publishing import REMEDY as HISTORY_REMEDY
from medembed_pipeline.history.table import NAME as HISTORY
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.keeping import KEPT
from medembed_pipeline.lake.lake import STAGING, Lake
from medembed_pipeline.lake.pointers import PointerError, verify_withdrawn
from medembed_pipeline.lake.publication import PUBLICATIONS
from medembed_pipeline.lake.tables import TableError
from medembed_pipeline.lake.verification import Finding, verify_tables
from medembed_pipeline.notes.earlier_splits import LEDGER
from medembed_pipeline.notes.memory import MEMORY
from medembed_pipeline.notes.memory import REMEDY as MEMORY_REMEDY
from medembed_pipeline.report.verification import verify_report
from medembed_pipeline.settings import Settings
from medembed_pipeline.training.checkpoints import (
    FOLDER,
    MANIFEST,
    POINTER,
    CheckpointError,
    checkpoint_behind,
    checkpoint_of,
)
from medembed_pipeline.training.verification import CARD_MISSING, verify_checkpoint
from medembed_pipeline.triage.folder import FOLDER as TRIAGE_MODELS
from medembed_pipeline.triage.models import tuned_encoders, used_triage_models, verify_triage_models
from medembed_pipeline.verdict.released import (
    RELEASED,
    RELEASED_CHECKPOINT,
    TABLE,
    released_version,
    withdrawn_versions,
)

LONG_NOTES = get_args(Literal["cut", "windows"])
FORMER_TABLES = {
    "leak_meter": "leakage_estimate",
    "note_movement": "note_displacement",
    "retrieval_ledger": "query_results",
    "space_health": "embedding_diagnostics",
    "specialty_confusions": "label_confusions",
}
"""Names that earlier versions gave to tables, and those that the tables have today."""
ABANDONED_SECONDS = 24 * 3600.0
"""Age from which a half-written thing of another machine, whose processes cannot be asked about, counts as dead."""


def verify_lake(lake: Lake) -> list[Finding]:
    """Check tables, checkpoints, cards, classifiers, triage models, pointers, what was taken back, and the page.

    Returns
    -------
    list[Finding]
        A finding per table, checkpoint, card, pointer and page, and one per stale input and leftover.
    """
    pointer, problems = _pointer(lake)
    versions = {"finetuned_checkpoint": str(pointer["data_version"])} if pointer else {}
    findings = verify_tables(lake, versions, {MEMORY: MEMORY_REMEDY, HISTORY: HISTORY_REMEDY}) + problems
    checkpoints = {version: _verify_checkpoint(lake, version) for version in _versions(lake)}
    findings += [*checkpoints.values(), *verify_cards(lake, checkpoints), *_released(lake, checkpoints)]
    findings += [*verify_withdrawn(lake, RELEASED_CHECKPOINT), *verify_classifiers(lake)]
    findings += [*verify_triage_models(lake), *verify_report(lake)]
    if pointer:
        findings += _stale_checkpoint(lake, pointer)
    for path in lake.leftovers():
        findings.append(
            Finding(f"{STAGING}/{path.name}", "leftover", "of a killed process; the next run sweeps it")
        )
    return findings


def _pointer(lake: Lake) -> tuple[dict[str, Any] | None, list[Finding]]:
    try:
        pointer: dict[str, Any] | None = lake.read_json(POINTER)
    except ValueError:
        return None, [
            Finding(POINTER, "altered", "is no JSON; remove it and materialize finetuned_checkpoint")
        ]
    if pointer is None:
        if "finetuned_checkpoint" not in lake.published_names():
            return None, []
        return None, [Finding(POINTER, "missing", "materialize finetuned_checkpoint to make it again")]
    try:
        version, data_version, _ = pointer["version"], pointer["data_version"], pointer["recipe"]["inputs"]
    except (KeyError, TypeError):
        return None, [
            Finding(POINTER, "altered", "lacks its fields; remove it and materialize finetuned_checkpoint")
        ]
    if not lake.exists(FOLDER, version, MANIFEST):
        detail = f"points to {FOLDER}/{version}, which is not there; materialize finetuned_checkpoint"
        return pointer, [Finding(POINTER, "missing", detail)]
    manifest = lake.read_json(FOLDER, version, MANIFEST)
    if not isinstance(manifest, dict) or digest(manifest.get("files")) != data_version:
        return pointer, [Finding(POINTER, "altered", f"its data version is not that of {FOLDER}/{version}")]
    return pointer, [Finding(POINTER, "ok", f"points to {version}")]


def _verify_checkpoint(lake: Lake, version: str) -> Finding:
    name = f"{FOLDER}/{version}"
    if not lake.is_local and not lake.exists(FOLDER, version, MANIFEST):
        return Finding(name, "leftover", "without its manifest: being uploaded, or abandoned")
    try:
        with lake.fetched_folder(FOLDER, version) as folder:
            problems = verify_checkpoint(folder)
    except MedembedError as error:
        return Finding(name, "altered", str(error))
    if problems == [CARD_MISSING]:
        detail = (
            f"{CARD_MISSING}; materialize {CARD} while this checkpoint is the measured one, or restore it"
        )
        return Finding(name, "missing", detail)
    if problems:
        return Finding(name, "altered", "; ".join(problems) + ". Remove the folder and materialize it again")
    return Finding(name, "ok", "every file but the card is the manifest's")


def _versions(lake: Lake) -> list[str]:
    """Names of the checkpoint folders; the link to the released one is none."""
    return [name for name in lake.names(FOLDER) if name != RELEASED]


def _released(lake: Lake, checkpoints: Mapping[str, Finding]) -> list[Finding]:
    """The finding of the pointer to the released checkpoint; none where there neither is nor should be one."""
    name = RELEASED_CHECKPOINT.pointer_name(lake)
    try:
        version = released_version(lake)
    except PointerError as error:
        return [Finding(name, "altered", str(error))]
    wanted = _verdict_releases(lake)
    if version is None:
        return [Finding(name, "stale", f"{TABLE} releases {wanted}; materialize {TABLE}")] if wanted else []
    checkpoint = checkpoints.get(version)
    if checkpoint is None or checkpoint.state == "leftover":
        detail = f"points to {FOLDER}/{version}, which is not there; restore it, or remove the pointer"
        return [Finding(name, "missing", f"{detail} and materialize {TABLE}")]
    if checkpoint.state != "ok":
        return [Finding(name, "altered", f"points to {FOLDER}/{version}, which is not what was written")]
    if wanted and wanted != version:
        return [
            Finding(name, "stale", f"points to {version}, but {TABLE} releases {wanted}; materialize {TABLE}")
        ]
    return [Finding(name, "ok", f"points to {version}")]


def _verdict_releases(lake: Lake) -> str | None:
    """The version that the verdict in the lake releases; None where it releases none, or there is no verdict."""
    try:
        table = lake.find_table(TABLE)
    except TableError:
        return None
    if table is None or table.footer.facts.get("verdict") != "deploy":
        return None
    version = str(table.footer.facts["checkpoint"])
    try:
        return None if version in withdrawn_versions(lake) else version
    except PointerError:
        return None  # that file has a finding of its own


def _stale_checkpoint(lake: Lake, pointer: dict[str, Any]) -> list[Finding]:
    findings = []
    for upstream, version in pointer["recipe"]["inputs"].items():
        try:
            table = lake.find_table(upstream)
        except TableError:
            continue
        if table is not None and table.data_version != version:
            detail = f"made from {upstream} {version[:12]}, which is {table.data_version[:12]} by now"
            findings.append(Finding(POINTER, "stale", detail))
    return findings


@dataclass(frozen=True)
class Removable:
    """Something that nothing current refers to.

    Attributes
    ----------
    parts
        its path in the lake; for what lies on this machine only, its absolute path alone.
    size
        bytes.
    reason
        why it can go.
    """

    parts: tuple[str, ...]
    size: int
    reason: str

    @property
    def local(self) -> Path | None:
        """The path on this machine, for what is not in the lake itself."""
        return Path(self.parts[0]) if self.parts[0].startswith("/") else None


def removable(lake: Lake, settings: Settings, *, protected: Collection[str] = ()) -> list[Removable]:
    """What nothing refers to, by the settings in force. Never anything current, never the released checkpoint.

    Parameters
    ----------
    lake
        what to look through.
    settings
        decide which stored results are current, and how many checkpoints are kept.
    protected
        versions of checkpoints to keep whatever their age.

    Raises
    ------
    MedembedError
        the base model cannot be had, so that its vectors cannot be told from others, or the pointer to the released
        checkpoint cannot be read.
    """
    kept, old = _checkpoints(lake, settings.storage.keep_versions, protected)
    return [
        *old,
        *_models(lake, CLASSIFIERS, used_classifiers(lake), settings.storage.keep_versions),
        *_models(lake, TRIAGE_MODELS, used_triage_models(lake), settings.storage.keep_versions),
        *_vectors(lake, settings, kept),
        *_parsed(lake, settings),
        *_prepared(lake, settings),
        *_of_pictures(lake, settings),
        *_of_tuning(lake, settings),
        *_states(lake, settings.storage.keep_versions),
        *_ledger(lake),
        *_old_tables(lake, settings.storage.keep_tables),
        *_former(lake),
        *_shards(lake),
        *_abandoned(lake),
    ]


def remove(lake: Lake, items: Collection[Removable]) -> None:
    """Remove what `removable` found."""
    for item in items:
        if item.local is not None:
            from fsspec.implementations.local import LocalFileSystem

            LocalFileSystem().rm(str(item.local), recursive=True)
        else:
            lake.remove(*item.parts)


def _checkpoints(lake: Lake, keep: int, protected: Collection[str]) -> tuple[list[str], list[Removable]]:
    """Versions that are kept, and folders that are not."""
    pointer = lake.read_json(POINTER) or {}
    measured = {pointer.get("version"), released_version(lake), _measured_version(lake)}
    always = {*measured, *checkpoints_of_classifiers(lake), *protected}
    whole, old = [], []
    for version in _versions(lake):
        if lake.exists(FOLDER, version, MANIFEST):
            whole.append(version)
        elif _age(lake, FOLDER, version) > ABANDONED_SECONDS and version not in always:
            old.append(_found(lake, "a checkpoint that was never finished", FOLDER, version))
    newest = sorted(whole, key=lambda version: (_age(lake, FOLDER, version, MANIFEST), version))
    kept = [version for version in newest if version in always]
    kept += [version for version in newest if version not in always][: max(0, keep - len(kept))]
    for version in newest:
        if version not in kept:
            old.append(_found(lake, f"a checkpoint beyond the {keep} that are kept", FOLDER, version))
    return kept, old


def _models(lake: Lake, folder: str, used: set[str], keep: int) -> list[Removable]:
    """Classifiers, or triage models, beyond the newest; one that is in use never."""
    newest = sorted(lake.names(folder), key=lambda version: (_age(lake, folder, version), version))
    kept = used | set([version for version in newest if version not in used][: max(0, keep - len(used))])
    return [
        _found(lake, f"beyond the {keep} that are kept", folder, version)
        for version in newest
        if version not in kept
    ]


def _measured_version(lake: Lake) -> str | None:
    """The checkpoint that the tables of today measure, which need not be the current one yet."""
    try:
        tuned = lake.find_table("tuned_embeddings")
        return checkpoint_behind(lake, tuned).version if tuned else None
    except (CheckpointError, TableError):
        return None


def _vectors(lake: Lake, settings: Settings, kept: list[str]) -> list[Removable]:
    stored, exported = lake.names("store", "vectors"), lake.names(*EXPORTED)
    if not stored and not exported:
        return []
    encoder = settings.encoder
    specs = [spec_of_settings(encoder)]
    for version in kept:
        # The handling of long notes and the precision are the settings', not the checkpoint's: keep every kind.
        checkpoint = checkpoint_of(lake, version)
        epochs = checkpoint.epoch_specs(encoder.long_notes).values()
        for own in (checkpoint.encoder_spec(encoder.long_notes), *epochs):
            specs += [replace(own, long_notes=choice) for choice in LONG_NOTES]
    used = set().union(*(encoder_fingerprints(spec, COMPUTED_IN) for spec in specs)) if stored else set()
    for name in ("baseline_embeddings", "tuned_embeddings"):
        table = lake.find_table(name)
        used.add(table.footer.facts.get("vectors_kept_as", "") if table else "")
    models = {resolve_base(spec.base) for spec in specs} if exported else set()
    keys = {export_key(model, quantised=quantised) for model in models for quantised in (False, True)}
    reason = "of a model that is neither the base nor kept"
    return [
        *(_found(lake, f"vectors {reason}", "store", "vectors", name) for name in stored if name not in used),
        *(_found(lake, f"the export {reason}", *EXPORTED, name) for name in exported if name not in keys),
    ]


def _parsed(lake: Lake, settings: Settings) -> list[Removable]:
    from medembed_pipeline.notes import REVISION
    from medembed_pipeline.notes.assets import reader_options
    from medembed_pipeline.notes.landing import PARSED, EmptyLandingError, ParsedFiles, landed_files

    try:
        files = landed_files(lake)
    except EmptyLandingError:
        files = []
    parsed = ParsedFiles(lake, reader_options(settings.landing), REVISION)
    used = {parts for item in files if item.sha256 for parts in parsed.places(item)}
    found = []
    for version in lake.names("store", PARSED):
        for name in lake.names("store", PARSED, version):
            if ("store", PARSED, version, name) not in used:
                reason = "rows of a file that is gone, or read with other settings"
                found.append(_found(lake, reason, "store", PARSED, version, name))
    return found


def _prepared(lake: Lake, settings: Settings) -> list[Removable]:
    from medembed_pipeline.notes.merging import prepared_version

    current = prepared_version(redact=settings.cleaning.redact)
    return [
        _found(lake, "texts cleaned by other code or settings", "store", "prepared_texts", version)
        for version in lake.names("store", "prepared_texts")
        if version != current
    ]


def _of_pictures(lake: Lake, settings: Settings) -> list[Removable]:
    """Pictures and their vectors by other settings or models, and projections that no table names."""
    from medembed_pipeline.image_text.inputs import hub_fingerprints
    from medembed_pipeline.image_text.spaces import FOLDER as PROJECTIONS
    from medembed_pipeline.image_text.spaces import READINGS
    from medembed_pipeline.images.landing import unpacked_version

    made = {name: lake.find_table(name) for name in ("image_embeddings", "image_text_vectors")}
    facts = {name: table.footer.facts if table else {} for name, table in made.items()}
    models = {facts["image_embeddings"].get("vectors_kept_as", "")}
    if any(lake.names("store", name) for name in ("image_vectors", "prompt_vectors")):
        models |= hub_fingerprints(settings.image_text, settings.image_encoder)
    readings = (
        {encoder_fingerprint(EncoderSpec(), precision="float32")} if lake.names("store", READINGS) else set()
    )
    used = {
        ("store", READINGS): readings,
        ("store", "unpacked_images"): {unpacked_version(settings.images)},
        ("store", "image_vectors"): models,
        ("store", "prompt_vectors"): models,
        (PROJECTIONS,): {facts["image_text_vectors"].get("projection", "")},
    }
    return [
        _found(lake, "of pictures, by another model or other settings", *folder, name)
        for folder, current in used.items()
        for name in lake.names(*folder)
        if name not in current
    ]


def _of_tuning(lake: Lake, settings: Settings) -> list[Removable]:
    """Trainings of encoders for triage by other settings, and vectors of those that no model in use has."""
    from medembed_pipeline.triage.tuning import TRAININGS, VECTORS, trainings_version

    used: dict[str, set[str]] = {TRAININGS: set(), VECTORS: set()}
    if lake.names("store", TRAININGS) and settings.triage.tuned == "adapters":
        spec = spec_of_settings(settings.encoder)
        bases = encoder_fingerprints(spec, COMPUTED_IN)
        bases.add(image_encoder_fingerprint(image_spec_of_settings(settings.image_encoder)))
        used[TRAININGS] = {trainings_version(base, settings.triage) for base in bases}
    if lake.names("store", VECTORS):
        used[VECTORS] = tuned_encoders(lake)
    return [
        _found(lake, "of triage, by other settings or another model", "store", name, version)
        for name, current in used.items()
        for version in lake.names("store", name)
        if version not in current
    ]


def _ledger(lake: Lake) -> list[Removable]:
    """The splits as earlier versions kept them, once the memory of notes has them."""
    if not lake.names(*LEDGER) or lake.find_table(MEMORY) is None:
        return []
    return [_found(lake, f"splits that {MEMORY} has taken over", *LEDGER)]


def _old_tables(lake: Lake, keep: int) -> list[Removable]:
    """Earlier versions of tables and of the page beyond those that are kept."""
    return [
        _found(lake, f"an earlier version beyond the {keep} that are kept", *KEPT, name, file)
        for name in lake.names(*KEPT)
        for file in lake.names(*KEPT, name)
        if file.partition(".")[0] not in lake.kept_versions(name)[:keep]
    ]


def _former(lake: Lake) -> list[Removable]:
    """Tables under their former names, with their pictures; the numbers go too, or `verify` would miss the table."""
    return [
        _found(lake, f"of a table that is called {name} today", *parts)
        for former, name in FORMER_TABLES.items()
        for parts in ((PUBLICATIONS, f"{former}.json"), (f"{former}.parquet",), ("pictures", former))
        if lake.exists(*parts)
    ]


def _shards(lake: Lake) -> list[Removable]:
    """Shards of runs on Ray that were lost, and their results, once it is unlikely that the run is started again."""
    places: list[tuple[str, ...]] = [(*SHARDS, name) for name in lake.names(*SHARDS) if name != RESULTS[-1]]
    places += [(*RESULTS, name) for name in lake.names(*RESULTS)]
    return [
        _found(lake, "a shard of a run that was lost", *place)
        for place in places
        if _age(lake, *place) > ABANDONED_SECONDS
    ]


def _states(lake: Lake, keep: int) -> list[Removable]:
    """States of trainings that were stopped: those of finished ones, and all but the newest of the others."""
    folder = lake.local_work_folder("store", "training")
    states = [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    states.sort(key=lambda path: (-_modified(path), path.name))
    waiting = [path for path in states if not lake.exists(FOLDER, path.name, MANIFEST)]
    return [
        Removable(
            (str(path),), _local_size(path), "state of a stopped training that is done or long superseded"
        )
        for path in states
        if path not in waiting[:keep]
    ]


def _abandoned(lake: Lake) -> list[Removable]:
    """What killed processes left: of this machine, and by its age of others."""
    dead = lake.leftovers()
    host = f"{socket.gethostname()}-"
    for path in lake.local_work_folder(STAGING).glob("*"):
        if not path.name.startswith(host) and time.time() - _modified(path) > ABANDONED_SECONDS:
            dead.append(path)
    return [Removable((str(path),), _local_size(path), "left by a killed process") for path in dead]


def _found(lake: Lake, reason: str, *parts: str) -> Removable:
    return Removable(parts, lake.size(*parts), reason)


def _age(lake: Lake, *parts: str) -> float:
    """Seconds since the newest change of a file or of a folder's files."""
    return time.time() - lake.modified(*parts)


def _modified(path: Path) -> float:
    times = [path.stat().st_mtime, *(inner.stat().st_mtime for inner in path.rglob("*"))]
    return max(times)


def _local_size(path: Path) -> int:
    return sum(inner.stat().st_size for inner in [path, *path.rglob("*")] if inner.is_file())
