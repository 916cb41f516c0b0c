"""What comes of a rule: a row of the table `release_verdict`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from medembed_pipeline.lake.fields import described

Kind = Literal["decides", "information"]

VERDICT_SCHEMA = pa.schema(
    [
        described("rule", pa.string(), "name of the rule; the asset check of a deciding rule has the same"),
        described("kind", pa.string(), "decides, or information"),
        described(
            "passed",
            pa.bool_(),
            "true: holds; false: broken (information: misses the published threshold); null: not judged",
            nullable=True,
        ),
        described("value", pa.float64(), "the figure that is judged, null where undefined", nullable=True),
        described("threshold", pa.float64(), "what it is held against, null where nothing", nullable=True),
        described("ci_low", pa.float64(), "lower end of its interval, null where none", nullable=True),
        described("ci_high", pa.float64(), "upper end of its interval, null where none", nullable=True),
        described("reason", pa.string(), "what was found, in a sentence"),
        described("evidence", pa.string(), "name of the table with the evidence"),
    ]
)


@dataclass(frozen=True)
class Outcome:
    """What came of one rule; the columns of VERDICT_SCHEMA.

    Attributes
    ----------
    clause
        the reason in a few words, for the sentence of the verdict; empty where the rule holds.
    """

    rule: str
    kind: Kind
    passed: bool | None
    value: float
    threshold: float
    reason: str
    evidence: str
    ci_low: float = float("nan")
    ci_high: float = float("nan")
    clause: str = ""


RULES: Mapping[str, str] = {
    "main_metric_is_better": "The whole paired interval of the main metric on held-out notes lies above zero.",
    "passages_are_better": "Without labels: the whole paired interval of the passages lies above zero.",
    "main_metric_is_kept": "Where no label was learned from: the main metric is shown to be kept within the tolerance.",
    "no_specialty_is_worse": "No specialty is shown to be worse than the tolerance, and on average they are kept.",
    "no_slice_is_worse": "No value of a slice is shown to be worse than the tolerance.",
    "detail_is_kept": "Notes that belong together within a specialty are still among each other's neighbours.",
    "effective_rank_is_kept": "The tuned vectors still use enough directions of their space.",
    "no_specialty_collapsed": "The notes of no specialty were drawn together into one point.",
    "no_hub_alarm": "No few notes turn up as neighbours of everything, more than in the baseline.",
    "notes_stay_reachable": "Not more notes than in the baseline, and not many, are found by no search.",
    "splits_do_not_leak": "No text, near-duplicate or group lies in two splits.",
    "scored_notes_are_unseen": "No scored note, and no near-duplicate of one, was trained on.",
}
"""Every deciding rule but those of the tasks, in the order of the table, and what it says."""

PASSAGES_RULES = ("passages_are_better", "main_metric_is_kept")
"""They take the place of `main_metric_is_better` where the model learned no labels, or no held-out note has one."""

TASKS_RULE = "every_task_is_kept"
"""The check over the rules of the tasks, which are named `keeps_<task>`."""
TASK_PREFIX = "keeps_"
