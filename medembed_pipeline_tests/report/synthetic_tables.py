"""The tables of a synthetic payload: every figure of the page has something to show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from medembed_pipeline_tests.report.synthetic_cases import small_picture, synthetic_cases
from medembed_pipeline_tests.report.synthetic_classifier import classifier_tables
from medembed_pipeline_tests.report.synthetic_triage import triage_tables

Neighbors = Mapping[str, tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]]
Row = dict[str, Any]
MODELS = ("baseline", "tuned")


def add_tables(payload: dict[str, Any], scored: list[int], pool: Neighbors, *, seed: int) -> None:
    """Fill `tables`, `facts`, `history`, `cases` and `pictures`.

    Parameters
    ----------
    payload
        without them.
    scored
        the held-out notes.
    pool
        by model, their nearest among themselves: positions in the payload and similarities, -1 for none.
    seed
        of the figures that are drawn.
    """
    generator = np.random.default_rng(seed)
    payload["tables"] = {
        "embedding_metrics": columns(_metrics(payload, len(scored), generator)),
        "slice_metrics": columns(_slice_metrics(payload, scored, generator)),
        "query_results": columns(_ledger(payload, pool, scored)),
        "label_confusions": columns(_confusions(payload, generator)),
        "similarity_evidence": columns(_similarity(payload, scored, generator)),
        "embedding_diagnostics": columns(_health(payload, generator)),
        "task_metrics": columns(_tasks()),
        "static_metrics": columns(_static()),
        "label_review": columns(_labels(payload, generator)),
        "leakage_estimate": columns(_leak()),
        "release_verdict": columns(_verdict(payload)),
        "checkpoint_history": columns(_history(generator)),
    }
    worst = payload["specialty_names"][-1]
    payload["facts"] = {
        "release_verdict": {
            "verdict": "retrain",
            "sentence": "Retrain: P@5 goes from 0.662 to 0.741 on 402 held-out notes (+0.079, interval +0.051 to "
            f"+0.106), but significantly worse for {worst}.",
        },
        "label_review": {
            "ceiling_precision_at_5": 0.97,
            "ceilings": [{"metric": "precision", "k": 5, "ceiling": 0.97, "n": len(scored)}],
        },
        "leakage_estimate": {
            "memorization_share_by_row": 0.61,
            "memorization_share_by_text": 0.2,
            "memorization_share_all_notes": 0.7,
        },
        "embedding_diagnostics": {"hub_neighbors": 10},
        "task_metrics": {
            "tasks": [
                {
                    "name": "our_triplets",
                    "problem": "tasks/our_triplets/triplets.csv, row 7: 2 cells",
                    "decides": True,
                }
            ]
        },
    }
    # Drawn by a generator of their own, so that the figures above stay what they were.
    classified, told = classifier_tables(payload, scored, np.random.default_rng((seed, 1)))
    payload["tables"] |= {name: columns(rows) for name, rows in classified.items()}
    payload["facts"] |= told
    payload["cases"] = synthetic_cases()
    payload["pictures"] = {
        image: small_picture(place) for place, image in enumerate(payload["cases"]["image"]) if image
    }
    triaged, told = triage_tables(np.random.default_rng((seed, 2)))
    payload["tables"] |= {name: columns(rows) for name, rows in triaged.items()}
    payload["facts"] |= told
    payload["history"] = [
        {
            "epoch": epoch,
            "steps": 40 * epoch,
            "train_loss": 2.1 / epoch,
            "validation_loss": 2.2 / epoch + 0.05 * epoch,
            "validation_precision_at_5": 0.6 + 0.1 * (1 - 1 / epoch),
            "validation_map": 0.4 + 0.2 * (1 - 1 / epoch),
            "validation_triplet_accuracy": 0.9,
        }
        for epoch in range(1, 6)
    ]


def columns(rows: list[Row]) -> dict[str, list[Any]]:
    """Rows of the same keys, column by column."""
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


def _metrics(payload: Mapping[str, Any], notes: int, generator: np.random.Generator) -> list[Row]:
    figures = [
        *[("precision", k, 0.66, 0.74) for k in (1, 5, 10)],
        ("mrr", None, 0.75, 0.82),
        ("ndcg", 10, 0.6, 0.7),
        ("map", None, 0.43, 0.68),
        ("silhouette", None, 0.07, 0.31),
        ("davies_bouldin", None, 4.2, 2.1),
        ("separation", None, 0.5, 1.1),
    ]
    rows = []
    for place, scope in enumerate(["all", "macro", *payload["specialty_names"]]):
        for metric, k, before, after in figures:
            worse = scope == payload["specialty_names"][-1] and metric != "davies_bouldin"
            shift = 0.0 if place < 2 else float(generator.normal(0, 0.04))
            change = -0.2 if worse else after - before + shift
            width = 0.02 if place < 2 else 0.09
            for model, value in (
                ("baseline", before),
                ("tuned", before + change),
                ("difference", change),
            ):
                rows.append(
                    {
                        "model": model,
                        "split": "test",
                        "scope": scope,
                        "metric": metric,
                        "k": k,
                        "value": value,
                        "ci_low": value - width,
                        "ci_high": value + width,
                        "n": notes if place < 2 else 12,
                    }
                )
    return rows


def _slice_metrics(
    payload: Mapping[str, Any], scored: list[int], generator: np.random.Generator
) -> list[Row]:
    """Figures of both slices; the notes that say no age are of one group, and those of the South got worse."""
    rows: list[Row] = []
    for one in payload["slices"]:
        for number, value in [*enumerate(one["values"]), (None, "(none)")]:
            inside = [
                place
                for place in scored
                if (number in one["of"][place] if value != "(none)" else not one["of"][place])
            ]
            if not inside:
                continue
            for metric, k in (("precision", 1), ("precision", 5), ("map", None)):
                change = -0.15 if value == "South" else float(generator.uniform(0.02, 0.1))
                for model, figure in (("baseline", 0.6), ("tuned", 0.6 + change), ("difference", change)):
                    known = value != "(none)"
                    rows.append(
                        {
                            "slice": one["name"],
                            "value_name": value,
                            "model": model,
                            "metric": metric,
                            "k": k,
                            "value": figure,
                            "ci_low": figure - 0.06 if known else None,
                            "ci_high": figure + 0.06 if known else None,
                            "n": len(inside),
                            "groups": len(inside) if known else 1,
                            "degrees": float(len(inside) - 1) if known else None,
                            "share": len(inside) / len(scored),
                        }
                    )
    return rows


def _history(generator: np.random.Generator) -> list[Row]:
    """Four judgements of three checkpoints, the oldest first; the second was released and judged again."""
    judged = [
        ("0f1e2d3c4b5a6978", "retrain", "2026-01-10T08:00:00Z", None),
        ("77aa88bb99cc00dd", "deploy", "2026-02-11T08:00:00Z", "2026-02-11T08:00:00Z"),
        ("77aa88bb99cc00dd", "deploy", "2026-03-12T08:00:00Z", "2026-02-11T08:00:00Z"),
        ("a33c07be91d2", "retrain", "2026-04-13T08:00:00Z", None),
    ]
    rows: list[Row] = []
    for number, (checkpoint, verdict, time, released_at) in enumerate(judged):
        for task, metric, k, is_main in (
            ("notes", "precision", 5, True),
            ("notes", "map", None, False),
            ("passages", "mrr", None, True),
        ):
            change = float(generator.uniform(-0.02, 0.12))
            rows.append(
                {
                    "checkpoint": checkpoint,
                    "judgement": f"{number:016x}",
                    "made_at": time.replace("T08", "T07"),
                    "judged_at": time,
                    "base": "all-MiniLM-L6-v2",
                    "precision": "float32",
                    "verdict": verdict,
                    "released": verdict == "deploy",
                    "released_at": released_at,
                    "task": task,
                    "metric": metric,
                    "k": k,
                    "is_main": is_main,
                    "baseline": 0.66,
                    "tuned": 0.66 + change,
                    "difference": change,
                    "ci_low": change - 0.04,
                    "ci_high": change + 0.04,
                    "n": 402,
                }
            )
    return rows


def _ledger(payload: Mapping[str, Any], pool: Neighbors, scored: list[int]) -> list[Row]:
    sets, names = payload["notes"]["specialties"], payload["specialty_names"]
    rows: list[Row] = []
    for row_of, place in enumerate(scored):
        row: Row = {
            "rank": 0,
            "note_id": place,
            "specialties": sorted(names[value] for value in sets[place]),
        }
        near = {model: [other for other in pool[model][0][row_of].tolist() if other >= 0] for model in MODELS}
        for model in MODELS:
            relevant = [bool(set(sets[place]) & set(sets[other])) for other in near[model]]
            row[f"neighbors_{model}"] = near[model]
            row[f"relevant_{model}"] = relevant
            row[f"similarity_{model}"] = [
                round(float(value), 4) for value in pool[model][1][row_of][: len(near[model])].tolist()
            ]
            row[f"precision_{model}"] = sum(relevant) / max(1, len(relevant))
            row[f"average_precision_{model}"] = sum(relevant) / max(1, len(relevant)) * 0.8
        row["change"] = row["precision_tuned"] - row["precision_baseline"]
        hits = {
            model: [other for other, good in zip(near[model], row[f"relevant_{model}"], strict=True) if good]
            for model in MODELS
        }
        row["won"] = [other for other in hits["tuned"] if other not in near["baseline"]]
        row["lost"] = [other for other in hits["baseline"] if other not in near["tuned"]]
        rows.append(row)
    rows.sort(key=lambda row: (row["change"], row["note_id"]))
    return [{**row, "rank": rank} for rank, row in enumerate(rows, 1)]


def _confusions(payload: Mapping[str, Any], generator: np.random.Generator) -> list[Row]:
    names = payload["specialty_names"]
    shares = [
        (model, one, other, float(generator.uniform(0, 0.18 if model == "baseline" else 0.1)))
        for model in MODELS
        for one in names
        for other in names
        if one != other and generator.random() < 0.4
    ]
    return [
        {
            "model": model,
            "specialty": one,
            "wrong_specialty": other,
            "weight": 120 * share,
            "share": share,
            "queries": 12,
        }
        for model, one, other, share in shares
    ]


def _similarity(payload: Mapping[str, Any], scored: list[int], generator: np.random.Generator) -> list[Row]:
    rows: list[Row] = []

    def add(
        figure: str, model: str, group: str, other: str | None, position: int | None, **rest: Any
    ) -> None:
        rows.append(
            {
                "figure": figure,
                "model": model,
                "group": group,
                "other": other,
                "position": position,
                "n": None,
                "relevant": None,
                **rest,
            }
        )

    bins = np.linspace(-1, 1, 101)
    for model, means in (("baseline", (0.45, 0.3)), ("tuned", (0.7, 0.15))):
        for group, mean in zip(("positive", "negative"), means, strict=True):
            values = np.clip(generator.normal(mean, 0.14, 4000), -0.99, 0.99)
            for position, count in enumerate(np.histogram(values, bins)[0].tolist()):
                add("histogram", model, group, None, position, statistic="count", value=count, n=4000)
            summary = {
                "mean": values.mean(),
                "std": values.std(),
                "minimum": values.min(),
                "maximum": values.max(),
                **dict(zip(("q1", "median", "q3"), np.percentile(values, (25, 50, 75)), strict=True)),
            }
            for statistic, value in summary.items():
                add("spread", model, group, None, None, statistic=statistic, value=float(value), n=4000)
        for group in ("margin", "separation"):
            add("spread", model, group, None, None, statistic="value", value=means[0] - means[1], n=4000)
        for one in payload["specialty_names"]:
            for other in payload["specialty_names"]:
                value = means[0] if one == other else means[1]
                noisy = float(value + generator.normal(0, 0.05))
                add("specialties", model, one, other, None, statistic="mean", value=noisy, n=30)
        chosen = scored[:40]
        for query in chosen:
            for position, other in enumerate(chosen):
                together = bool(
                    set(payload["notes"]["specialties"][query]) & set(payload["notes"]["specialties"][other])
                )
                value = means[0] if together else means[1]
                rest = {"statistic": "similarity", "value": value, "relevant": together}
                add("documents", model, str(query), str(other), position, **rest)
        for query in scored[:6]:
            for rank, other in enumerate(scored[10:20], 1):
                hit = bool(generator.random() < (0.5 if model == "baseline" else 0.8))
                rest = {"statistic": "similarity", "value": 0.9 - rank / 50, "relevant": hit}
                add("neighbors", model, str(query), str(other), rank, **rest)
    for epoch in range(6):
        for group, value in (
            ("precision@5", 0.66 + 0.02 * epoch),
            ("map", 0.43),
            ("silhouette", 0.07 * epoch),
        ):
            add("progress", "tuned", group, None, epoch, statistic="value", value=value)
    for epoch in (0, 1, 2):
        for place in scored:
            note_id = payload["notes"]["id"][place]
            for axis in "xy":
                value = float(generator.normal())
                add("progress_map", "tuned", note_id, None, epoch, statistic=axis, value=value)
    return rows


def _health(payload: Mapping[str, Any], generator: np.random.Generator) -> list[Row]:
    figures = {
        "alignment": (1.1, 0.6),
        "uniformity": (-2.4, -2.6),
        "effective_rank": (120.4, 61.2),
        "hubness_skew": (2.1, 1.4),
        "unreachable_share": (0.06, 0.04),
        "knn_macro_f1": (0.41, 0.52),
        "probe_macro_f1": (0.5, 0.55),
    }
    rows = [
        {"model": model, "figure": figure, "name": "", "value": value, "n": 400}
        for figure, values in figures.items()
        for model, value in zip(MODELS, values, strict=True)
    ]
    for model in MODELS:
        for name in payload["specialty_names"]:
            value = float(generator.uniform(0.3, 0.6) * (1 if model == "baseline" else 0.5))
            rows.append({"model": model, "figure": "specialty_spread", "name": name, "value": value, "n": 12})
        for place in range(5):
            rows.append({"model": model, "figure": "hub", "name": str(place), "value": 90 - place, "n": 400})
        rows.append(
            {"model": model, "figure": "within_class_recall", "name": "sample_name", "value": 0.4, "n": 40}
        )
    return rows


def _labels(payload: Mapping[str, Any], generator: np.random.Generator) -> list[Row]:
    names = payload["specialty_names"]
    judged = [place for place, labels in enumerate(payload["notes"]["specialties"]) if labels][:400]
    judgements = ["looks_wrong"] * 5 + ["several_specialties"] * 5 + ["agrees"] * len(judged)
    return [
        {
            "rank": rank,
            "note_id": place,
            "specialties": [names[value] for value in payload["notes"]["specialties"][place]],
            "suggested": None if judgement == "agrees" else names[(place + 1) % len(names)],
            "given_probability": 0.1 if judgement == "looks_wrong" else 0.7,
            "suggested_probability": 0.8,
            "label_quality": min(1.0, 0.02 + rank / 400),
            "judgement": judgement,
            "split": payload["split_names"][payload["notes"]["split"][place]],
        }
        for rank, (place, judgement) in enumerate(zip(judged, judgements, strict=False), 1)
    ]


def _tasks() -> list[Row]:
    rows = []
    for task, family, metric, k, before, change, tolerance in (
        ("passages", "passages", "mrr", None, 0.365, -0.143, 0.04),
        ("clinical_terms", "clinical_terms", "precision", 1, 0.433, 0.006, 0.03),
        ("everyday_topic", "everyday_language", "accuracy", None, 0.68, -0.06, 0.08),
    ):
        values = {"baseline": before, "tuned": before + change, "lexical": 0.21, "difference": change}
        for model, value in {**values, "tuned_over_lexical": before + change - 0.21}.items():
            rows.append(
                {
                    "task": task,
                    "family": family,
                    "metric": metric,
                    "k": k,
                    "model": model,
                    "value": value,
                    "ci_low": value - 0.03,
                    "ci_high": value + 0.03,
                    "n": 330,
                    "groups": 320,
                    "is_main": True,
                    "decides": True,
                    "tolerance": tolerance,
                }
            )
    return rows


def _static() -> list[Row]:
    rows = []
    for task, metric, k, tuned, static in (
        ("notes", "precision", 5, 0.741, 0.745),
        ("notes", "map", None, 0.702, 0.699),
        ("first_stage", "recall", 100, None, 0.874),
        ("passages", "mrr", None, 0.222, 0.201),
        ("questions", "ndcg", 10, 0.789, 0.26),
    ):
        values = {"tuned": tuned, "static": static}
        if tuned is not None:
            values["static_over_tuned"] = static - tuned
        for model, value in values.items():
            if value is not None:
                ends = {"ci_low": value - 0.03, "ci_high": value + 0.03, "n": 330, "groups": 320}
                rows.append({"task": task, "metric": metric, "k": k, "model": model, "value": value, **ends})
    return rows


def _leak() -> list[Row]:
    rows = []
    gains = {"by_group": 0.08, "by_text": 0.1, "by_row": 0.2, "all_notes": 0.26, "training_notes": 0.3}
    for place, (protocol, gain) in enumerate(gains.items()):
        for metric, k in (("precision", 5), ("map", None)):
            for model, value in (("baseline", 0.66), ("tuned", 0.66 + gain), ("difference", gain)):
                rows.append(
                    {
                        "protocol": protocol,
                        "model": model,
                        "metric": metric,
                        "k": k,
                        "value": value,
                        "ci_low": value - 0.02,
                        "ci_high": value + 0.02,
                        "n": 400,
                        "seen_share": place / 4,
                    }
                )
    return rows


def _verdict(payload: Mapping[str, Any]) -> list[Row]:
    worst = payload["specialty_names"][-1]
    rules = [
        ("main_metric_is_better", "decides", True, "P@5 goes from 0.662 to 0.741.", "embedding_metrics"),
        ("no_specialty_is_worse", "decides", False, f"Worse: {worst} (-0.200).", "embedding_metrics"),
        ("space_has_not_collapsed", "decides", True, "The spread is kept.", "embedding_diagnostics"),
        ("split_does_not_leak", "decides", True, "No near-duplicate is in two splits.", "leakage_estimate"),
        ("keeps_passages", "decides", False, "Passages (MRR) go from 0.365 to 0.222.", "task_metrics"),
        ("published_margin", "information", True, "The margin is 0.55.", "similarity_evidence"),
        ("published_separation", "information", False, "The separation is 1.1.", "similarity_evidence"),
    ]
    return [
        {
            "rule": rule,
            "kind": kind,
            "passed": passed,
            "value": 0.1,
            "threshold": 0.0,
            "ci_low": None,
            "ci_high": None,
            "reason": reason,
            "evidence": evidence,
        }
        for rule, kind, passed, reason, evidence in rules
    ]
