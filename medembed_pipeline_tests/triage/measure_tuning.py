"""What tuning the encoders gives on drawn cases: every arm on frozen and on tuned vectors, the same held-out cases.

    python -m medembed_pipeline_tests.triage.measure_tuning OUT --patients 600

`OUT` keeps cases, vectors and trainings: started again, nothing is done twice.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from medembed_pipeline.evaluation.jackknife import Jackknife, difference, intervals
from medembed_pipeline.samples.case_plan import CaseCorpus
from medembed_pipeline.samples.cases import write_drawn_cases
from medembed_pipeline.settings import Settings
from medembed_pipeline.triage.arms import ARMS, METADATA, NOTE, PICTURE, parts_of
from medembed_pipeline.triage.cases import TEST
from medembed_pipeline.triage.command import Folder, read_folder
from medembed_pipeline.triage.inputs import encoders_part
from medembed_pipeline.triage.making import make_parts
from medembed_pipeline.triage.scoring import numbered, triage_figures
from medembed_pipeline.triage.settings import TriageSettings

FIGURE = "auc"


def figures_of(found: Folder, settings: TriageSettings) -> dict[str, Jackknife]:
    """The AUC of every arm on the held-out cases."""
    cases = found.cases(settings)
    tuner = found.tuner(cases, settings) if settings.tuned == "adapters" else None
    encoders = encoders_part(found.encoder, found.image_encoder, 0)
    parts = make_parts(cases, lambda metadata: found.rows(cases, metadata), encoders, settings, tuner)
    rows = found.rows(cases, parts.metadata) | ({} if tuner is None else tuner.rows(parts.adapters))
    for part, own in parts.adapters.items():
        print(f"{part}: kept is epoch {own.epoch} at a learning rate of {own.learning_rate:g}")
    held = cases.rows(TEST, (NOTE, PICTURE))
    seen = parts.arms.seen({part: values[held] for part, values in rows.items()})
    groups = numbered(cases.groups[held])
    made = {}
    for arm in parts.arms.heads:
        logits = parts.arms.logits(arm, {part: seen[part] for part in parts_of(arm)})
        said = parts.arms.probabilities(arm, logits)
        made[arm] = triage_figures(said, cases.level[held], groups, cases.levels)[FIGURE]
    print(f"{settings.tuned}: {len(held)} held-out cases of {groups.max() + 1} patients")
    return made


def shown(figure: Jackknife, *, signed: bool = False) -> str:
    """Value and interval."""
    ends = (
        intervals(figure, confidence=0.95)
        if signed
        else intervals(figure, confidence=0.95, lowest=0.0, highest=1.0)
    )
    sign = "+" if signed else ""
    return f"{figure.value[0]:{sign}.3f} [{ends.low[0]:{sign}.3f}, {ends.high[0]:{sign}.3f}]"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--patients", type=int, default=600)
    defaults = TriageSettings()
    parser.add_argument("--epochs", type=int, default=defaults.adapter_epochs)
    parser.add_argument("--blocks", type=int, default=defaults.adapter_blocks)
    parser.add_argument("--rates", type=float, nargs="+", default=defaults.adapter_learning_rates)
    options = parser.parse_args(arguments)
    landed = options.output / "cases"
    if not landed.exists():
        write_drawn_cases(landed, CaseCorpus(patients=options.patients))
    found = read_folder(landed, options.output, Settings())
    frozen = figures_of(found, defaults)
    changed = {
        "tuned": "adapters",
        "adapter_epochs": options.epochs,
        "adapter_blocks": options.blocks,
        "adapter_learning_rates": options.rates,
    }
    tuned = figures_of(found, defaults.model_copy(update=changed))
    print("| arm | frozen | tuned | difference |\n|---|---|---|---|")
    for arm in ARMS:
        if arm != METADATA and arm in tuned:
            apart = shown(difference(tuned[arm], frozen[arm]), signed=True)
            print(f"| {arm} | {shown(frozen[arm])} | {shown(tuned[arm])} | {apart} |")


if __name__ == "__main__":
    main()
