"""How the verdict's asset reads its evidence, and refuses evidence that does not belong together."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pyarrow as pa

from medembed_pipeline.evaluation.inputs import HeldOut, held_out, measured_checkpoint
from medembed_pipeline.evaluation.metric_names import MetricKey, metric_key
from medembed_pipeline.lake import compute as pc
from medembed_pipeline.lake.publishing import AssetIO
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.notes.crossings import count_crossings
from medembed_pipeline.training.checkpoints import Checkpoint
from medembed_pipeline.verdict.evidence import (
    Evidence,
    Task,
    rank_gap,
    refuse_mixed_evidence,
    scope_figures,
    seen_shares,
)
from medembed_pipeline.verdict.scopes import ScopeFigure, scope_tests
from medembed_pipeline.verdict.settings import VerdictSettings

TABLES = (
    "cleaned_notes",
    "note_splits",
    "baseline_embeddings",
    "tuned_embeddings",
    "neighbors",
    "embedding_metrics",
    "slice_metrics",
    "task_metrics",
    "embedding_diagnostics",
    "leakage_estimate",
    "label_review",
)
"""What is read; in the order of the graph."""


class VerdictInputs:
    """The tables that a verdict is drawn from, opened, and their versions noted in `work`.

    Parameters
    ----------
    work
        the asset's.

    Raises
    ------
    VerdictError
        they were not made from one another as they stand.
    TableError
        one has not been made yet.
    """

    def __init__(self, work: AssetIO) -> None:
        self.tables: dict[str, LakeTable] = {name: work.input(name) for name in TABLES}
        self.checkpoint: Checkpoint = measured_checkpoint(work)
        # The verdict names the version, so a version that holds the same is another verdict.
        work.note_input("checkpoint_version", self.checkpoint.version)
        self._held_out: HeldOut = held_out(work)
        current = {name: table.data_version for name, table in self.tables.items()}
        current["finetuned_checkpoint"] = self.checkpoint.data_version
        measured = {name: table.footer.recipe.inputs for name, table in self.tables.items()}
        refuse_mixed_evidence(measured, current)

    def evidence(self, settings: VerdictSettings) -> Evidence:
        """Read the tables, and test the specialties."""
        tables, scored = self.tables, self._held_out
        labelled = [row for row, names in enumerate(scored.specialties) if names]
        evaluation = tables["embedding_metrics"].footer.recipe.settings["EvaluationSettings"]
        learned_from_labels = self._learned_from_labels()
        # Passages are of any held-out note.
        by_labels = learned_from_labels and labelled
        judged_ids = [scored.note_ids[row] for row in labelled] if by_labels else scored.note_ids
        notes = tables["cleaned_notes"].read(["note_id", "text"])
        threshold = float(
            tables["cleaned_notes"].footer.recipe.settings["CleaningSettings"]["near_duplicate_threshold"]
        )
        leakage_estimate, splits = tables["leakage_estimate"], tables["note_splits"].read()
        metrics = tables["embedding_metrics"].read()
        confidence = float(evaluation["confidence"])
        main = metric_key(settings.main_metric)
        return Evidence(
            metrics=metrics,
            confidence=confidence,
            scored_notes=len(labelled),
            scored_groups=len({scored.groups[row] for row in labelled}),
            specialties=scope_tests(
                scope_figures(metrics, main, specialties_of(metrics)),
                confidence=confidence,
                tolerance=settings.specialty_tolerance,
                significance=settings.significance,
            ),
            specialty_sets=[scored.specialties[row] for row in labelled],
            slices=scope_tests(
                slice_figures(tables["slice_metrics"].read(), main),
                confidence=confidence,
                tolerance=settings.slice_tolerance,
                significance=settings.significance,
            ),
            tasks=tasks_of(tables["task_metrics"]),
            health=tables["embedding_diagnostics"].read(),
            rank_gap=rank_gap(tables["neighbors"].read(["model", "pool", "note_id", "rank", "similarity"])),
            crossings=count_crossings(notes, splits, threshold),
            trained_on=trained_on(notes, splits, judged_ids, self.checkpoint.trained_note_ids(), threshold),
            seen_shares=seen_shares(
                leakage_estimate.read(["protocol", "model", "seen_share"]),
                str(leakage_estimate.footer.facts["held_out_protocol"]),
            ),
            checkpoint=self.checkpoint.version,
            health_facts=tables["embedding_diagnostics"].footer.facts,
            leak_facts=leakage_estimate.footer.facts,
            label_facts=tables["label_review"].footer.facts,
            held_out_notes=len(scored.note_ids),
            learned_from_labels=learned_from_labels,
        )

    def _learned_from_labels(self) -> bool:
        # Of an older or a foreign checkpoint it is not known; those were trained on specialties.
        counts = self.checkpoint.manifest().get("counts", {})
        return bool(counts.get("train_triplets", True))


def specialties_of(metrics: pa.Table) -> list[str]:
    """Specialties with figures of their own, sorted."""
    return sorted(set(metrics["scope"].to_pylist()) - {"all", "macro"})


def slice_figures(table: pa.Table, metric: MetricKey) -> list[ScopeFigure]:
    """The change of one metric in every value of every slice, from the table `slice_metrics`."""
    name, k = metric
    found: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for row in table.filter(pc.equal(table["metric"], name)).to_pylist():
        if row["k"] == k:
            found.setdefault((row["slice"], row["value_name"]), {})[row["model"]] = row
    return [
        ScopeFigure(
            f"{one}={value}",
            rows["baseline"]["value"],
            *(
                rows["difference"][column]
                for column in ("value", "ci_low", "ci_high", "n", "groups", "degrees")
            ),
        )
        for (one, value), rows in sorted(found.items())
    ]


def tasks_of(table: LakeTable) -> list[Task]:
    """The tasks that `task_metrics` measured, or could not, by their main metric."""
    return [Task.from_record(record) for record in table.footer.facts["tasks"]]


def trained_on(
    notes: pa.Table, splits: pa.Table, scored: Collection[str], trained: Collection[str], threshold: float
) -> dict[str, int]:
    """Count what lies both among the scored notes and among those trained on.

    Near-duplicates are found from the texts, so that it does not rest on the groups that the scoring goes by.

    Parameters
    ----------
    notes
        columns note_id, text.
    splits
        columns note_id, group.
    scored
        ids of the scored notes.
    trained
        ids that the checkpoint was trained on; those that are in the corpus no more are left out.
    threshold
        Jaccard similarity from which two texts are near-duplicates.

    Returns
    -------
    dict[str, int]
        notes, texts, duplicate_groups, near_duplicates: how many are in both.
    """
    both = set(scored) & set(trained)
    sides = {**dict.fromkeys(trained, "trained"), **dict.fromkeys(scored, "scored")}
    part = notes.filter(pc.is_in(notes["note_id"], value_set=pa.array(sorted(sides), pa.string())))
    own = part["note_id"].to_pylist()
    group_of = dict(zip(splits["note_id"].to_pylist(), splits["group"].to_pylist(), strict=True))
    either = {"split": [sides[note] for note in own], "group": [group_of[note] for note in own]}
    found = count_crossings(part, pa.table({"note_id": own, **either}), threshold)
    return {
        "notes": len(both),
        "texts": found["texts_in_two_splits"],
        "duplicate_groups": found["groups_in_two_splits"],
        "near_duplicates": found["near_duplicates_in_two_splits"],
    }
