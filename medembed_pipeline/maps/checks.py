"""Checks of the maps: every note on every one, and trusted no more than it can be."""

import dagster as dg
import numpy as np

from medembed_pipeline.lake import compute as pc
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import private_errors


def _every_note_is_placed(asset: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset,
        name=f"{asset}_place_every_note",
        additional_deps=["cleaned_notes"],
        required_resource_keys={"lake"},
        description="Every map holds every note once, at finite coordinates, with a trustworthiness from 0 to 1.",
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        with private_errors():
            lake: Lake = context.resources.lake.open()
            table = lake.table(asset).read()
            notes = sorted(lake.table("cleaned_notes").strings("note_id"))
            incomplete, maps = [], table.group_by(["model", "method", "dimensions"]).aggregate([]).to_pylist()
            for one in maps:
                rows = table
                for name, value in one.items():
                    rows = rows.filter(pc.equal(rows[name], value))
                if sorted(rows["note_id"].to_pylist()) != notes:
                    incomplete.append("{model} {method} {dimensions}-D".format(**one))
            flat = pc.equal(table["dimensions"], 2)
            off = 0
            for name in ("x", "y", "z", "trustworthiness"):
                values = table[name] if name != "z" else table.filter(pc.invert(flat))[name]
                numbers = values.to_numpy().astype(np.float64)
                wrong = ~np.isfinite(numbers)
                if name == "trustworthiness":
                    wrong |= ~((numbers >= 0) & (numbers <= 1))
                off += int(wrong.sum())
            named = f" ({', '.join(sorted(incomplete))})" if incomplete else ""
            return dg.AssetCheckResult(
                passed=bool(maps) and not incomplete and not off,
                description=f"{len(incomplete)} of {len(maps)} maps do not hold every note once{named}; "
                f"{off} values are missing or out of range",
                metadata={"maps": len(maps), "incomplete_maps": len(incomplete), "wrong_values": off},
            )

    return check


projections_place_every_note = _every_note_is_placed("projections")
aligned_projections_place_every_note = _every_note_is_placed("aligned_projections")
