"""Check of `embedding_diagnostics`: its figures hold together."""

from collections import defaultdict

import dagster as dg

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import private_errors

SHARES = ("unreachable_share", "within_class_recall", "knn_macro_f1", "probe_macro_f1")


@dg.asset_check(asset="embedding_diagnostics", required_resource_keys={"lake"})
def health_figures_hold_together(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Both models have the same figures of the same notes, shares lie in 0..1, and k-occurrences sum to n * k."""
    with private_errors():
        lake: Lake = context.resources.lake.open()
        table = lake.table("embedding_diagnostics")
        k = table.footer.facts["hub_neighbors"]
        same: dict[str, set[tuple[str, str, int]]] = defaultdict(set)
        searches: dict[str, float] = defaultdict(float)
        notes: dict[str, int] = defaultdict(int)
        problems = []
        for row in table.read().to_pylist():
            if row["figure"] == "k_occurrence":
                searches[row["model"]] += int(row["name"]) * row["value"]
                notes[row["model"]] = row["n"]
            elif row["figure"] != "hub":
                same[row["model"]].add((row["figure"], row["name"], row["n"]))
            if row["figure"] in SHARES and not 0 <= row["value"] <= 1:
                problems.append(f"{row['model']} {row['figure']} is {row['value']:.6g}")
        if same["baseline"] != same["tuned"]:
            different = sorted({figure for figure, _, _ in same["baseline"] ^ same["tuned"]})
            problems.append(f"the models differ in which figures they have: {', '.join(different)}")
        for model, found in searches.items():
            if found != notes[model] * k:
                problems.append(f"{model} k-occurrences sum to {found:.0f} instead of {notes[model] * k}")
        return dg.AssetCheckResult(passed=not problems, description="; ".join(problems) or None)
