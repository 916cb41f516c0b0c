"""What the verdict is drawn from, read out of the evidence tables: plain numbers, and NaN where there is none."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from medembed_pipeline.evaluation.metric_names import MetricKey
from medembed_pipeline.lake import compute as pc
from medembed_pipeline.verdict.errors import VerdictError
from medembed_pipeline.verdict.scopes import ScopeFigure, ScopeTest


class Figure(NamedTuple):
    """One figure with its interval; NaN where there is none."""

    value: float = float("nan")
    ci_low: float = float("nan")
    ci_high: float = float("nan")
    n: int = 0
    groups: int = 0
    degrees: float = float("nan")


class Task(NamedTuple):
    """One task of `task_metrics`, by its main metric; NaN where undefined.

    Attributes
    ----------
    family
        passages, clinical_terms, everyday_language or own.
    tolerance
        by how much the metric may fall.
    decides
        whether it is a rule, or only informs.
    problem
        why it was not measured; empty where it was.
    """

    name: str
    family: str
    metric: str
    tolerance: float
    decides: bool
    problem: str
    baseline: float
    tuned: float
    lexical: float
    difference: float
    ci_low: float
    ci_high: float
    n: int
    groups: int
    degrees: float

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Task:
        """From a record of the facts of `task_metrics`; numbers that are null are NaN."""
        numbers = ("tolerance", "baseline", "tuned", "lexical", "difference", "ci_low", "ci_high", "degrees")
        values: dict[str, Any] = {
            **{name: str(record.get(name) or "") for name in ("name", "family", "metric", "problem")},
            **{name: float("nan") if record.get(name) is None else float(record[name]) for name in numbers},
            **{name: int(record.get(name) or 0) for name in ("n", "groups")},
            "decides": bool(record["decides"]),
        }
        return cls(**values)


class HealthFigure(NamedTuple):
    """One figure of `embedding_diagnostics` in both models; NaN where there is none, n 0 where it is not known."""

    baseline: float = float("nan")
    tuned: float = float("nan")
    n: int = 0

    @property
    def share_kept(self) -> float:
        """tuned / baseline; NaN where the baseline has nothing to keep."""
        return self.tuned / self.baseline if self.baseline > 0 else float("nan")


@dataclass(frozen=True)
class Evidence:
    """Everything the rules look at.

    Attributes
    ----------
    metrics
        table `embedding_metrics`.
    confidence
        of its intervals.
    scored_notes
        held-out notes with a specialty. A figure may rest on fewer: those with a relevant other.
    scored_groups
        groups among them: the independent observations.
    specialties
        the change of each, tested.
    specialty_sets
        the specialties of each scored note.
    slices
        the change of every value of every slice, tested; empty where there is no slice.
    tasks
        what the tuned model must keep, a record per task as in the facts of `task_metrics`.
    health
        table `embedding_diagnostics`.
    rank_gap
        mean similarity of the nearest neighbour minus that of the second, tuned model; NaN where none.
    crossings
        what lies in two splits, by kind (`count_crossings`).
    trained_on
        what of the scored notes was trained on, by kind.
    seen_shares
        shares of scored items whose text the checkpoint was trained on, as `leakage_estimate` found them for the split
        by duplicate group.
    health_facts
        facts of `embedding_diagnostics`.
    leak_facts
        facts of `leakage_estimate`.
    label_facts
        facts of `label_review`.
    checkpoint
        version of the checkpoint that all this is about.
    held_out_notes
        those with a specialty and those without.
    learned_from_labels
        whether the checkpoint was trained on specialties.
    """

    metrics: pa.Table
    confidence: float
    scored_notes: int
    scored_groups: int
    specialties: Sequence[ScopeTest]
    specialty_sets: Sequence[Collection[str]]
    slices: Sequence[ScopeTest]
    tasks: Sequence[Task]
    health: pa.Table
    rank_gap: float
    crossings: Mapping[str, int]
    trained_on: Mapping[str, int]
    seen_shares: Sequence[float]
    checkpoint: str
    health_facts: Mapping[str, Any] = field(default_factory=dict)
    leak_facts: Mapping[str, Any] = field(default_factory=dict)
    label_facts: Mapping[str, Any] = field(default_factory=dict)
    held_out_notes: int = 0
    learned_from_labels: bool = True

    @property
    def judged_on_passages(self) -> bool:
        """Whether the gain is looked for in the passages: a model that learned no labels promises nothing of them."""
        return not (self.learned_from_labels and self.scored_notes)

    @property
    def judged_notes(self) -> int:
        """The notes behind the figure that shows the gain, which must not have been trained on."""
        return self.held_out_notes if self.judged_on_passages else self.scored_notes

    def metric(self, model: str, metric: MetricKey, scope: str = "all") -> Figure:
        """A figure of `embedding_metrics`; all NaN where the table has no such row."""
        name, k = metric
        column = self.metrics["k"]
        wanted = pc.is_null(column) if k is None else pc.fill_null(pc.equal(column, k), False)
        for key, value in (("model", model), ("metric", name), ("scope", scope)):
            wanted = pc.and_(wanted, pc.equal(self.metrics[key], value))
        rows = self.metrics.filter(wanted).to_pylist()
        return Figure(*(rows[0][name] for name in Figure._fields)) if rows else Figure()

    def health_figures(self, figure: str) -> dict[str, HealthFigure]:
        """A figure of `embedding_diagnostics` in both models, by name, sorted; empty where the table has none."""
        part = self.health.filter(pc.equal(self.health["figure"], figure)).to_pylist()
        found = {(row["model"], row["name"] or ""): row for row in part}
        names = sorted({name for _, name in found})
        return {
            name: HealthFigure(
                _value(found.get(("baseline", name))),
                _value(found.get(("tuned", name))),
                int((found.get(("tuned", name)) or {}).get("n") or 0),
            )
            for name in names
        }

    def health_figure(self, figure: str) -> HealthFigure:
        """A figure of `embedding_diagnostics` that has no name."""
        return self.health_figures(figure).get("", HealthFigure())


def scope_figures(metrics: pa.Table, metric: MetricKey, scopes: Sequence[str]) -> list[ScopeFigure]:
    """The change of one metric of `embedding_metrics` in each of some scopes."""
    name, k = metric
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in metrics.filter(pc.equal(metrics["metric"], name)).to_pylist():
        if row["k"] == k:
            found[row["model"], row["scope"]] = row
    figures = []
    for scope in scopes:
        change = found["difference", scope]
        figures.append(
            ScopeFigure(
                scope,
                found["baseline", scope]["value"],
                *(change[column] for column in ("value", "ci_low", "ci_high", "n", "groups", "degrees")),
            )
        )
    return figures


def _value(row: dict[str, Any] | None) -> float:
    return float("nan") if row is None or row["value"] is None else float(row["value"])


def rank_gap(neighbors: pa.Table, model: str = "tuned") -> float:
    """Mean similarity of the nearest held-out neighbour minus that of the second.

    Parameters
    ----------
    neighbors
        the table of that name: model, pool, note_id, rank, similarity.
    model
        whose.

    Returns
    -------
    float
        NaN where no note has two neighbours.
    """
    part = neighbors.filter(
        pc.and_(pc.equal(neighbors["model"], model), pc.equal(neighbors["pool"], "test"))
    ).select(["note_id", "rank", "similarity"])
    ranks = part["rank"].to_numpy()
    ids = np.array(part["note_id"].to_pylist(), dtype=object)
    similarity = part["similarity"].to_numpy().astype(np.float64)
    second = dict(zip(ids[ranks == 2], similarity[ranks == 2], strict=True))
    gaps = [
        value - second[note]
        for note, value in zip(ids[ranks == 1], similarity[ranks == 1], strict=True)
        if note in second
    ]
    return float(np.mean(gaps)) if gaps else float("nan")


def seen_shares(leakage_estimate: pa.Table, protocol: str) -> list[float]:
    """Every defined `seen_share` of the tuned model under one protocol of the table `leakage_estimate`."""
    part = leakage_estimate.filter(
        pc.and_(
            pc.equal(leakage_estimate["protocol"], protocol), pc.equal(leakage_estimate["model"], "tuned")
        )
    )
    shares = [share for share in part["seen_share"].to_pylist() if share is not None and share == share]
    return sorted(set(shares))


def refuse_mixed_evidence(inputs: Mapping[str, Mapping[str, str]], current: Mapping[str, str]) -> None:
    """Refuse tables that were made from other notes, splits, vectors or another checkpoint than those of now.

    Parameters
    ----------
    inputs
        for each evidence table, the data versions of what it was made from.
    current
        the data versions of now.

    Raises
    ------
    VerdictError
        naming the tables to materialize again.
    """
    old = {
        table: sorted(name for name, version in made_from.items() if current.get(name, version) != version)
        for table, made_from in inputs.items()
    }
    old = {table: names for table, names in sorted(old.items()) if names}
    if old:
        what = "; ".join(
            f"{table} was made from another version of {', '.join(names)}" for table, names in old.items()
        )
        raise VerdictError(
            f"no verdict on evidence of different versions: {what}. Materialize {', '.join(old)} again, then "
            "release_verdict."
        )
