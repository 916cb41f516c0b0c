"""`medembed distill`: writes the static model as a folder that sentence-transformers loads."""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.settings import data_lake_url


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("output", type=Path, help="folder to write, which must not be there yet")


def run(options: argparse.Namespace) -> int:
    """Write the folder, whole or not at all."""
    from medembed_pipeline.distillation.models import static_model_of
    from medembed_pipeline.distillation.static import DistillationError

    output: Path = options.output
    if output.exists():
        raise DistillationError(f"{output} is there already; name a folder that is not.")
    model = static_model_of(Lake(data_lake_url()))
    output.parent.mkdir(parents=True, exist_ok=True)
    staged = output.with_name(f".{output.name}.{os.getpid()}")
    staged.mkdir()
    try:
        model.save(staged)
        staged.rename(output)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    print(
        f"{output}: {len(model.tokens):,} tokens with a vector of {model.vectors.shape[1]} numbers. "
        f"SentenceTransformer({str(output)!r}) loads it."
    )
    return 0
