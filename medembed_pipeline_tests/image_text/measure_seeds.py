"""Pictures against prompts on cases drawn with other seeds: the table of docs/image-text.md for each.

    python -m medembed_pipeline_tests.image_text.measure_seeds 11 12

Prompts, projection and settings are those that stand; only the drawn patients, and with them train and held-out
cases, are others.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medembed_pipeline.samples.case_plan import CaseCorpus

ARMS = {"paraphrased": ", prompts in other words", "shuffled": ", prompts shuffled (range of the deals)"}
"""Controls that have a line of their own, and how it is called."""


def measured(folder: Path, corpus: CaseCorpus) -> tuple[list[dict[str, Any]], Mapping[str, Any]]:
    """Rows and facts of `image_text_metrics` of drawn cases, through the graph's own assets.

    Parameters
    ----------
    folder
        empty; the lake goes there.
    corpus
        which cases are drawn.

    Raises
    ------
    RuntimeError
        a step has failed.
    """
    import dagster as dg

    from medembed_pipeline.image_text.assets import image_text_metrics, image_text_vectors, prompt_pairs
    from medembed_pipeline.images.assets import case_splits, image_embeddings, landing_images, paired_cases
    from medembed_pipeline.lake.lake import Lake
    from medembed_pipeline.lake.publishing import LakeResource
    from medembed_pipeline.samples.cases import write_drawn_cases

    write_drawn_cases(folder / "landing_images" / "drawn", corpus)
    steps = [landing_images, paired_cases, case_splits, image_embeddings]
    done = dg.materialize(
        [*steps, prompt_pairs, image_text_vectors, image_text_metrics],
        resources={"lake": LakeResource(url=str(folder))},
        run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
        raise_on_error=False,
    )
    if not done.success:
        raise RuntimeError(f"seed {corpus.seed}: a step failed; its message stands above.")
    table = Lake(str(folder)).table("image_text_metrics")
    return table.read().to_pylist(), table.footer.facts


def shown(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines of a Markdown table: AUC before and after, by pair, their mean, and the controls."""
    of = {(row["arm"], row["pair_id"], row["model"]): row for row in rows if row["figure"] == "auc"}
    pairs = [pair for arm, pair, model in of if arm == "as_written" and pair and model == "base"]
    lines = ["| pair | AUC before | AUC after |", "|---|---|---|"]
    wanted = [("as_written", pair, pair.replace("_", " ")) for pair in pairs]
    wanted += [("as_written", None, "mean"), *((arm, None, f"mean{name}") for arm, name in ARMS.items())]
    for arm, pair, name in wanted:
        cells = [_cell(of.get((arm, pair, model))) for model in ("base", "finetuned")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _cell(row: Mapping[str, Any] | None) -> str:
    return "absent" if row is None else f"{row['value']:.3f} [{row['ci_low']:.3f}, {row['ci_high']:.3f}]"


def main() -> None:
    """Draw, measure, and print a table per seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "seeds", type=int, nargs="+", help="of the drawn cases; those of the sample run have 7"
    )
    parser.add_argument("--patients", type=int, default=600, help="each has two cases (default 600)")
    options = parser.parse_args()
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            rows, facts = measured(Path(folder), CaseCorpus(patients=options.patients, seed=seed))
        print(f"\nSeed {seed}: {facts['pictures']} held-out pictures of {facts['patients']} patients\n")
        print("\n".join(shown(rows)), flush=True)


if __name__ == "__main__":
    main()
