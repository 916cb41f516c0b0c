"""What the card is made from, read out of the lake: figures, counts and names, never the text of a note."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from medembed_pipeline.card.card_file import gone
from medembed_pipeline.card.errors import CardError
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import AssetIO
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.training.checkpoints import FOLDER, MANIFEST

VERDICT = "release_verdict"
TABLES = ("note_splits", "tuned_embeddings", "embedding_metrics", "slice_metrics", "task_metrics")
"""What is read beside the verdict; it was drawn from all of them."""


@dataclass(frozen=True)
class CardFacts:
    """Everything that a card says of a checkpoint, but what a person states.

    Attributes
    ----------
    checkpoint
        its version.
    manifest
        of the checkpoint; of an older or a foreign one some keys may be missing.
    history
        losses and validation scores by epoch.
    split_notes
        how many notes lie in each split.
    verdict
        facts of `release_verdict`.
    rules
        its rows.
    metrics
        rows of `embedding_metrics`.
    metric_facts
        its facts.
    slices
        rows of `slice_metrics`.
    tasks
        a record per task, as in the facts of `task_metrics`.
    confidence
        of the intervals.
    precision
        number format of the vectors, empty where not known.
    versions
        data versions of what was measured.
    """

    checkpoint: str
    manifest: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]
    split_notes: Mapping[str, int]
    verdict: Mapping[str, Any]
    rules: Sequence[Mapping[str, Any]]
    metrics: Sequence[Mapping[str, Any]]
    metric_facts: Mapping[str, Any]
    slices: Sequence[Mapping[str, Any]]
    tasks: Sequence[Mapping[str, Any]]
    confidence: float
    precision: str
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def main_metric(self) -> str:
        """What the verdict goes by, such as `precision@5`."""
        return str(self.verdict.get("main_metric", "precision@5"))

    @property
    def learned_from_labels(self) -> bool:
        """Whether the checkpoint was trained on specialties; of an older one it is not recorded, and it was."""
        return bool((self.manifest.get("counts") or {}).get("train_triplets", True))

    @property
    def judged_on_passages(self) -> bool:
        """Whether the verdict looked for the gain in the passages."""
        return self.verdict.get("judged_on") == "passages"


def read_facts(work: AssetIO) -> CardFacts:
    """Read the verdict, what it was drawn from, and the checkpoint it is about; note their versions in `work`.

    Raises
    ------
    CardError
        the verdict was drawn from other tables than those that stand, or its checkpoint is gone.
    TableError
        a table has not been made yet.
    """
    verdict = work.input(VERDICT)
    tables = {name: work.input(name) for name in TABLES}
    refuse_other_evidence(verdict, tables)
    version = str(verdict.footer.facts["checkpoint"])
    manifest, history = _checkpoint(work.lake, version)
    metrics = tables["embedding_metrics"].footer
    facts = CardFacts(
        checkpoint=version,
        manifest=manifest,
        history=history,
        split_notes=Counter(tables["note_splits"].strings("split")),
        verdict=verdict.footer.facts,
        rules=verdict.read().to_pylist(),
        metrics=tables["embedding_metrics"].read().to_pylist(),
        metric_facts=metrics.facts,
        slices=tables["slice_metrics"].read().to_pylist(),
        tasks=tables["task_metrics"].footer.facts["tasks"],
        confidence=float(metrics.recipe.settings["EvaluationSettings"]["confidence"]),
        precision=str(tables["tuned_embeddings"].footer.facts.get("precision") or ""),
        versions={
            "checkpoint": str(verdict.footer.recipe.inputs.get("finetuned_checkpoint", "")),
            **{name: table.data_version for name, table in tables.items()},
            VERDICT: verdict.data_version,
        },
    )
    # Besides what data versions cover: facts lie in the footers, manifest and history in the checkpoint.
    shown = [manifest, history, facts.verdict, facts.metric_facts, facts.tasks]
    work.note_input("shown_besides", digest([version, *shown, facts.confidence, facts.precision]))
    return facts


def refuse_other_evidence(verdict: LakeTable, tables: Mapping[str, LakeTable]) -> None:
    """Figures that the verdict does not know must not stand beside it.

    Raises
    ------
    CardError
        a table has changed since the verdict was drawn.
    """
    drawn_from = verdict.footer.recipe.inputs
    other = [name for name, table in tables.items() if drawn_from.get(name) != table.data_version]
    if other:
        raise CardError(
            f"{VERDICT} was drawn from another version of {', '.join(other)} than stands. Materialize {VERDICT} again."
        )


def _checkpoint(lake: Lake, version: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    manifest = lake.read_json(FOLDER, version, MANIFEST)
    if manifest is None:
        raise gone(lake, version)
    return manifest, lake.read_json(FOLDER, version, "history.json") or []
