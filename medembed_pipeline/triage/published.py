"""The published protocol of triage from record and film, and what of its figure is memory.

Rows are drawn with replacement and divided at random, so that a case, or its patient, stands on both sides; the
settings are chosen on the rows that the figure is reported on. Here the same arms are scored that way, then with every
case at most once, and then with patients kept apart and on held-out cases that chose nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from pydantic import Field

from medembed_pipeline.evaluation.jackknife import intervals
from medembed_pipeline.evaluation.vectors import FloatArray, IntArray
from medembed_pipeline.evidence.leakage.preset import RandomPreset
from medembed_pipeline.section import Section, validate
from medembed_pipeline.settings import load_settings
from medembed_pipeline.triage.arms import CONCATENATED, NOTE, PICTURE, fit_arms, parts_of
from medembed_pipeline.triage.cases import TEST, TriageCases
from medembed_pipeline.triage.errors import TriageError
from medembed_pipeline.triage.heads import fit_head, log_softmax
from medembed_pipeline.triage.projection import Projection
from medembed_pipeline.triage.scoring import numbered, triage_figures
from medembed_pipeline.triage.settings import TriageSettings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ARMS: Final = {NOTE: "note", PICTURE: "picture", CONCATENATED: "both, concatenated"}
REPLACED, ONCE, PATIENTS = "with_replacement", "each_case_once", "by_patient"
PROTOCOLS: Final = {
    REPLACED: "as published: drawn with replacement, divided by row, chosen and reported on the same rows",
    ONCE: "each case at most once, else the same",
    PATIENTS: "patients kept apart, held-out cases that chose nothing",
}
PUBLISHED: Final = (
    "Published (PreethamRavula/MediLLM, weighted F1): record 86.1, film 78.9, both 98.3 in its results file; 96.5, "
    "97.2 and 98.3 in its README."
)


class DrawnRowsPreset(Section):
    """How rows are drawn and divided."""

    rows_per_level: int = Field(300, ge=5, le=100_000, description="Rows that are drawn of each level.")
    validation_share: float = Field(
        0.2, gt=0, lt=0.9, description="Share of the rows that choose the settings, and are reported on."
    )


class PublishedTriagePreset(Section):
    """All tables of the preset file."""

    drawn_rows: DrawnRowsPreset = DrawnRowsPreset()
    random: RandomPreset = RandomPreset()


@dataclass(frozen=True)
class Scored:
    """An arm under a protocol.

    Attributes
    ----------
    protocol, arm
        keys of PROTOCOLS and ARMS.
    rows
        that were scored.
    seen_share
        of them whose case is in training, too.
    seen_patient_share
        of them of whose patient a case is in training.
    weighted_f1
        value, and the ends of its interval by patient.
    """

    protocol: str
    arm: str
    rows: int
    seen_share: float
    seen_patient_share: float
    weighted_f1: tuple[float, float, float]


def is_published_triage(path: Path) -> bool:
    """Whether a preset file is one of this kind: it has a table `drawn_rows`."""
    try:
        return "drawn_rows" in tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return False


def score_protocols(
    cases: TriageCases,
    rows: Mapping[str, FloatArray],
    preset: PublishedTriagePreset,
    settings: TriageSettings,
) -> list[Scored]:
    """Every arm under every protocol.

    Parameters
    ----------
    cases
        that take part.
    rows
        by part, float64 [n, d] vectors.
    preset
        of the experiment.
    settings
        of the arms; as many tries under every protocol.

    Raises
    ------
    TriageError
        too few cases have note and picture, or an arm cannot be fitted.
    """
    complete = np.flatnonzero(cases.has(NOTE) & cases.has(PICTURE))
    levels = len(cases.levels.names)
    if len(np.unique(cases.level[complete])) < levels:
        raise TriageError(
            f"{len(complete)} cases have a note and a picture; cases of all {levels} levels are needed."
        )
    found = []
    for protocol in (REPLACED, ONCE):
        random = np.random.default_rng((preset.random.seed, protocol == ONCE))
        known, asked = _drawn(cases, complete, preset.drawn_rows, random, replace=protocol == REPLACED)
        seen = float(np.isin(asked, known).mean())
        patients = float(np.isin(cases.groups[asked], cases.groups[known]).mean())
        for arm in ARMS:
            said = _best_on_the_asked(arm, cases, rows, known, asked, settings)
            found.append(
                Scored(protocol, arm, len(asked), seen, patients, _weighted_f1(said, cases, asked, settings))
            )
    arms = fit_arms(cases, rows, settings)
    held = cases.rows(TEST, (NOTE, PICTURE))
    known_rows = cases.rows("train")
    patients = float(np.isin(cases.groups[held], cases.groups[known_rows]).mean())
    seen_parts = arms.seen(rows)
    for arm in ARMS:
        if arm not in arms.heads:
            raise TriageError(f"{arm}: {arms.absent[arm]}.")
        logits = arms.logits(arm, {part: own[held] for part, own in seen_parts.items()})
        figures = _weighted_f1(arms.probabilities(arm, logits), cases, held, settings)
        found.append(Scored(PATIENTS, arm, len(held), 0.0, patients, figures))
    return found


def _drawn(
    cases: TriageCases,
    complete: IntArray,
    preset: DrawnRowsPreset,
    random: np.random.Generator,
    *,
    replace: bool,
) -> tuple[IntArray, IntArray]:
    """Places of the cases of the rows to learn from, and of those that are scored."""
    drawn = []
    for level in range(len(cases.levels.names)):
        own = complete[cases.level[complete] == level]
        size = preset.rows_per_level if replace else min(preset.rows_per_level, len(own))
        drawn.append(random.choice(own, size=size, replace=replace))
    rows = random.permutation(np.concatenate(drawn))
    asked = max(1, round(preset.validation_share * len(rows)))
    return rows[asked:], rows[:asked]


def _best_on_the_asked(
    arm: str,
    cases: TriageCases,
    rows: Mapping[str, FloatArray],
    known: IntArray,
    asked: IntArray,
    settings: TriageSettings,
) -> FloatArray:
    """Probabilities of the rows that are scored, by the setting that is best on them."""
    parts = [(Projection.fit(rows[part][known], settings.components), rows[part]) for part in parts_of(arm)]
    best: FloatArray = np.zeros((0, 0))
    score = -1.0
    for decay in np.geomspace(1e-4, 0.3, settings.tries):
        head = fit_head(
            "hidden",
            [projection.apply(own[known]) for projection, own in parts],
            cases.level[known],
            len(cases.levels.names),
            units=16,
            decay=float(decay),
            seed=settings.seed,
        )
        said = np.exp(log_softmax(head.logits([projection.apply(own[asked]) for projection, own in parts])))
        value = _weighted_f1(said, cases, asked, settings)[0]
        if value > score:
            best, score = said, value
    return best


def _weighted_f1(
    said: FloatArray, cases: TriageCases, rows: IntArray, settings: TriageSettings
) -> tuple[float, float, float]:
    found = triage_figures(said, cases.level[rows], numbered(cases.groups[rows]), cases.levels)["weighted_f1"]
    ends = intervals(found, confidence=settings.confidence, lowest=0.0, highest=1.0)
    return float(found.value[0]), float(ends.low[0]), float(ends.high[0])


def published_page(scored: Sequence[Scored], cases: TriageCases, *, title: str) -> str:
    """The result as Markdown: a row per protocol."""
    of = {(one.protocol, one.arm): one for one in scored}
    lines = [
        f"# Experiment: {title}",
        "",
        f"{len(cases)} cases of {cases.facts['patients']} patients, {len(cases.levels.names)} levels. Weighted F1, "
        "with intervals by patient.",
        "",
        PUBLISHED,
        "",
        f"| | {' | '.join(ARMS.values())} | scored rows | their case is in training | their patient is |",
        "|---|---|---|---|---|---|---|",
    ]
    for protocol, shown in PROTOCOLS.items():
        cells = [_cell(of[protocol, arm].weighted_f1) for arm in ARMS]
        one = of[protocol, CONCATENATED]
        lines.append(
            f"| {shown} | {' | '.join(cells)} | {one.rows} | {one.seen_share:.0%} | {one.seen_patient_share:.0%} |"
        )
    return "\n".join(lines) + "\n"


def _cell(figure: tuple[float, float, float]) -> str:
    value, low, high = figure
    return f"{value:.3f} [{low:.3f}, {high:.3f}]" if np.isfinite(low) else f"{value:.3f}"


def run_published_triage(path: Path, data: Path, output: Path | None) -> int:
    """Score the protocols, print the page, and write it with its table into a folder.

    Parameters
    ----------
    path
        the preset.
    data
        a folder of pictures and tables, as `landing_images/`.
    output
        folder for `experiment.parquet`, `experiment.md` and what was unpacked and encoded; None writes nothing.
    """
    import tempfile

    import pyarrow.parquet as pq

    from medembed_pipeline.triage.command import read_folder

    preset = validate(
        PublishedTriagePreset, tomllib.loads(path.read_text(encoding="utf-8-sig")), where=str(path)
    )
    settings = load_settings()
    with tempfile.TemporaryDirectory() as scratch:
        found = read_folder(data, output if output is not None else Path(scratch), settings)
        cases = found.cases(settings.triage)
        scored = score_protocols(cases, found.rows(cases, ()), preset, settings.triage)
    page = published_page(scored, cases, title=path.stem)
    print(page, end="")
    if output is not None:
        names = ("value", "ci_low", "ci_high")
        table = pa.Table.from_pylist(
            [
                {
                    **{name: value for name, value in vars(one).items() if name != "weighted_f1"},
                    **dict(zip(names, one.weighted_f1, strict=True)),
                }
                for one in scored
            ]
        )
        pq.write_table(table, output / "experiment.parquet")
        (output / "experiment.md").write_text(page, encoding="utf-8")
        print(f"\nwritten to {output}")
    return 0
