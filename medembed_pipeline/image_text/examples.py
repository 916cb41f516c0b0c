"""Which pictures the page shows beside the margins."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

from medembed_pipeline.image_text.margins import PREFERENCE_MARGINS_SCHEMA
from medembed_pipeline.lake.fields import described

EACH: Final = 4

IMAGE_TEXT_EXAMPLES_SCHEMA = pa.schema(
    [
        *(PREFERENCE_MARGINS_SCHEMA.field(name) for name in ("pair_id", "image_id", "side", "margin")),
        described("end", pa.string(), "highest, lowest, or middle (nearest to 0)"),
        described("place", pa.int32(), "1 for the furthest out, or the nearest to 0"),
    ]
)


def examples_table(margins: pa.Table) -> tuple[pa.Table, dict[str, Any]]:
    """A few held-out pictures of each pair by the model that is measured last.

    Parameters
    ----------
    margins
        columns of `preference_margins`.
    """
    rows = [row for row in margins.to_pylist() if row["split"] == "test"]
    model = "finetuned" if any(row["model"] == "finetuned" for row in rows) else "base"
    found = []
    pairs = dict.fromkeys(row["pair_id"] for row in rows)
    for pair_id in pairs:
        own = [row for row in rows if row["pair_id"] == pair_id and row["model"] == model]
        orders = {
            "highest": sorted(own, key=lambda row: (-row["margin"], row["image_id"])),
            "lowest": sorted(own, key=lambda row: (row["margin"], row["image_id"])),
            "middle": sorted(own, key=lambda row: (abs(row["margin"]), row["image_id"])),
        }
        for end, ordered in orders.items():
            for place, row in enumerate(ordered[:EACH], start=1):
                found.append({**row, "end": end, "place": place})
    table = pa.Table.from_pylist(found, schema=IMAGE_TEXT_EXAMPLES_SCHEMA)
    return table, {"model": model, "pictures": len({row["image_id"] for row in found})}
