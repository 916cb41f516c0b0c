"""The options of `medembed visualize`, and the settings and models that they stand for."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.section import validate
from medembed_pipeline.settings import Settings, load_settings
from medembed_pipeline.visualize.errors import VisualizeError
from medembed_pipeline.visualize.models import NamedModel, default_baseline, named_model, with_different_names

OUTPUT = "medembed_visualization"
DEVICES = ("auto", "cuda", "mps", "cpu")
TASKS = ("clinical_terms", "everyday_language")
"""Those that need no note: which notes were held out is not known, so no passage can be asked for."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "--model",
        help="model folder in sentence-transformers or transformers format, hub id, or 'bundled' "
        "(default: the first of --compare)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        help="CSV, TSV, JSON Lines or Parquet with a text and a label column",
    )
    parser.add_argument(
        "--baseline",
        help="model to compare with (default: the bundled all-MiniLM-L6-v2, with the window of --model)",
    )
    parser.add_argument(
        "--compare", nargs="+", default=[], metavar="DIR", help="further models to score on the same notes"
    )
    parser.add_argument(
        "--max-notes", type=int, metavar="N", help="score a fixed sample of at most N different notes"
    )
    parser.add_argument("--skip-tsne", action="store_true", help="leave the t-SNE maps out")
    parser.add_argument("--skip-umap", action="store_true", help="leave the UMAP maps out")
    parser.add_argument(
        "--batch-size",
        type=int,
        metavar="N",
        help="full-length notes per batch of the encoder; shorter notes go in larger batches "
        "(default: encoder.token_budget of medembed.toml)",
    )
    parser.add_argument(
        "--device", choices=DEVICES, help="where the models run (default: encoder.device of medembed.toml)"
    )
    parser.add_argument(
        "--output", type=Path, default=Path(OUTPUT), help="folder to write to (default %(default)s)"
    )


def chosen_settings(options: argparse.Namespace) -> Settings:
    """The project's settings with what the options change, and without the tasks that ask for held-out notes.

    Raises
    ------
    VisualizeError
        a number that is none to choose.
    SettingsError
        see `load_settings`.
    """
    settings = load_settings()
    for name in ("max_notes", "batch_size"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise VisualizeError(f"--{name.replace('_', '-')} {value}: expected 1 or more.")
    skipped = {method for method, skip in (("tsne", options.skip_tsne), ("umap", options.skip_umap)) if skip}
    methods = [method for method in settings.projections.methods if method not in skipped] or ["pca"]
    aligned = settings.alignment.methods if "umap" in methods else ["joint_pca"]
    families = [family for family in settings.tasks.families if family in TASKS]
    changes: dict[str, Any] = {
        "projections": settings.projections.model_copy(update={"methods": methods}),
        "alignment": settings.alignment.model_copy(update={"methods": aligned}),
        "tasks": settings.tasks.model_copy(update={"families": families}),
    }
    if options.device is not None:
        changes["encoder"] = settings.encoder.model_copy(update={"device": options.device})
    return settings.model_copy(update=changes)


def chosen_models(options: argparse.Namespace) -> list[NamedModel]:
    """The model of the page, then the others to compare; each once.

    Raises
    ------
    VisualizeError
        none is named, or one cannot be loaded.
    """
    named = [("--model", options.model)] if options.model else []
    named += [("--compare", base) for base in options.compare if base != options.model]
    if not named:
        raise VisualizeError("which model? Give a folder with --model, or several with --compare.")
    return with_different_names([named_model(option, base) for option, base in dict.fromkeys(named)])


def chosen_baseline(options: argparse.Namespace, model: NamedModel) -> NamedModel:
    """What to compare with; by default the bundled model, with the window of the page's own.

    Raises
    ------
    VisualizeError
        it cannot be loaded.
    """
    return named_model("--baseline", options.baseline) if options.baseline else default_baseline(model)


def baseline_settings(settings: EncoderSettings, baseline: NamedModel) -> EncoderSettings:
    """The project's settings with the baseline as the base model, which does as its own files say.

    Raises
    ------
    SettingsError
        its window is none that the settings allow.
    """
    values = {
        **settings.model_dump(),
        "base": baseline.spec.base,
        "pooling": "auto",
        "max_tokens": baseline.spec.max_tokens,
        "long_notes": baseline.spec.long_notes,
        "query_prompt": "",
        "document_prompt": "",
    }
    return validate(EncoderSettings, values, where=f"--baseline {baseline.name}")
