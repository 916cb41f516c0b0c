"""Checks of `triplets`: they keep to their rules, and to the notes they may use."""

import dagster as dg
import pyarrow as pa

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import private_errors


@dg.asset_check(
    asset="triplets",
    additional_deps=["cleaned_notes", "note_splits"],
    blocking=True,
    required_resource_keys={"lake"},
)
def triplets_keep_their_rules(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Positives share a specialty, negatives share none, and no triplet touches a test note."""
    with private_errors():
        lake: Lake = context.resources.lake.open()
        broken = count_broken(
            lake.table("triplets").read(),
            lake.table("cleaned_notes").read(["note_id", "specialties"]),
            lake.table("note_splits").read(),
        )
        return dg.AssetCheckResult(passed=not any(broken.values()), metadata=broken)


@dg.asset_check(asset="triplets", required_resource_keys={"lake"})
def there_are_labels_to_learn_from(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Two specialties or more have enough notes; with fewer, the training goes on passages and anchoring alone."""
    with private_errors():
        lake: Lake = context.resources.lake.open()
        table = lake.table("triplets")
        facts = table.footer.facts
        return dg.AssetCheckResult(
            passed=facts["specialties_used"] >= 2,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{facts['specialties_used']} specialties can be told apart, {facts['specialties_too_small']} "
            "have too few notes. Below two, nothing is learned from labels: map the label column ([landing] "
            "label_column), add labelled notes, or shorten [cleaning] document_types.",
            metadata={"triplets": table.rows},
        )


def count_broken(triplets: pa.Table, notes: pa.Table, splits: pa.Table) -> dict[str, int]:
    """Count the triplets that break each rule."""
    columns = notes.to_pydict()
    specialties = dict(zip(columns["note_id"], map(frozenset, columns["specialties"]), strict=True))
    groups = dict(zip(splits.column("note_id").to_pylist(), splits.column("group").to_pylist(), strict=True))
    split_of = dict(
        zip(splits.column("note_id").to_pylist(), splits.column("split").to_pylist(), strict=True)
    )
    broken = {
        "positive_shares_nothing": 0,
        "positive_of_same_group": 0,
        "negative_shares": 0,
        "outside_split": 0,
    }
    for triplet in triplets.to_pylist():
        anchor, positive, negative = triplet["anchor_id"], triplet["positive_id"], triplet["negative_id"]
        broken["positive_shares_nothing"] += not specialties[anchor] & specialties[positive]
        broken["positive_of_same_group"] += groups[anchor] == groups[positive]
        broken["negative_shares"] += bool(specialties[anchor] & specialties[negative])
        ours = {split_of[note_id] for note_id in (anchor, positive, negative)}
        broken["outside_split"] += ours != {triplet["split"]} or triplet["split"] == "test"
    return broken
