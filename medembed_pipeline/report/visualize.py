"""`medembed visualize`: the figures and the page for any model folder and any labelled file, without Dagster."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from medembed_pipeline.encoder import encoder_fingerprint
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.report.compared_models import (
    NamedModel,
    default_baseline,
    encoded,
    named_model,
    with_different_names,
)
from medembed_pipeline.report.errors import ReportError
from medembed_pipeline.report.labelled_file import LabelledNotes, read_labelled_notes
from medembed_pipeline.report.page_file import PAGE, publish_page, texts_file_name
from medembed_pipeline.report.page_revision import page_revision
from medembed_pipeline.report.shown_table import ShownTable
from medembed_pipeline.report.standalone import (
    MODELS,
    Scored,
    Tables,
    comparison_table,
    is_standalone,
    scores,
)
from medembed_pipeline.report.standalone_steps import steps
from medembed_pipeline.settings import Settings, load_settings

OUTPUT = "medembed_visualization"
DEVICES = ("auto", "cuda", "mps", "cpu")
Item = TypeVar("Item")


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


def run(options: argparse.Namespace) -> int:
    """Score the models, and write tables, pictures and the page.

    Raises:
        ReportError: an option that cannot be used, a model that cannot be loaded, data without text or labels.
    """
    settings = _settings(options)
    models = _models(options)
    baseline = (
        named_model("--baseline", options.baseline) if options.baseline else default_baseline(models[0])
    )
    output = _output(options.output)
    found = read_labelled_notes(options.data, settings.landing, settings.cleaning, most=options.max_notes)
    print(_reading(found, models[0]))
    if any(model.spec.max_tokens != baseline.spec.max_tokens for model in models):
        windows = ", ".join(f"{model.name} {model.spec.max_tokens}" for model in [baseline, *models])
        print(f"The models read different numbers of tokens of a note: {windows}.")

    vectors = {}
    for place, model in enumerate([baseline, *models]):
        _say(f"encoding with {model.name}")
        vectors[place] = encoded(
            output,
            model,
            found.notes.select(["note_id", "text"]).to_pydict(),
            settings.encoder,
            batch_size=options.batch_size,
            progress=_on_terminal(),
        )
    scored = Scored.of(found.notes, {"baseline": vectors[0], "tuned": vectors[1]})
    tables = _make_tables(output, found, scored, settings, [baseline, models[0]])
    compared = _compare(output, found, settings, models, vectors, tables)
    _draw(output, found, tables)
    _write_page(output, found, settings, [baseline, *models], tables, compared)

    from medembed_pipeline.report.comparison_text import comparison_text

    shown = compared or [(models[0].name, tables.rows["embedding_metrics"])]
    print(f"\n{comparison_text(shown, confidence=settings.evaluation.confidence)}\n")
    print(f"page      {output.path(PAGE)}")
    print(f"pictures  {output.path('pictures')}")
    print(f"tables    {output.root}/*.parquet")
    return 0


def _settings(options: argparse.Namespace) -> Settings:
    """The project's settings with what the options change."""
    settings = load_settings()
    for name in ("max_notes", "batch_size"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ReportError(f"--{name.replace('_', '-')} {value}: expected 1 or more.")
    skipped = {method for method, skip in (("tsne", options.skip_tsne), ("umap", options.skip_umap)) if skip}
    methods = [method for method in settings.projections.methods if method not in skipped] or ["pca"]
    changes: dict[str, Any] = {
        "projections": settings.projections.model_copy(update={"methods": methods}),
    }
    if options.device is not None:
        changes["encoder"] = settings.encoder.model_copy(update={"device": options.device})
    return settings.model_copy(update=changes)


def _models(options: argparse.Namespace) -> list[NamedModel]:
    """The model of the page, then the others to compare; each once."""
    named = [("--model", options.model)] if options.model else []
    named += [("--compare", base) for base in options.compare if base != options.model]
    if not named:
        raise ReportError("which model? Give a folder with --model, or several with --compare.")
    return with_different_names([named_model(option, base) for option, base in dict.fromkeys(named)])


def _output(folder: Path) -> Lake:
    if folder.exists() and not folder.is_dir():
        raise ReportError(f"--output {folder} is a file; give a folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ReportError(f"--output {folder} cannot be made ({error.strerror or error}).") from None
    output = Lake(str(folder.resolve()))
    notes = output.find_table("cleaned_notes")
    if output.exists("landing") or (notes is not None and not is_standalone(notes.footer.recipe)):
        raise ReportError(
            f"--output {folder} is a data lake, whose tables would be replaced; give another folder."
        )
    return output


def _reading(found: LabelledNotes, model: NamedModel) -> str:
    """What is scored, in a few sentences."""
    count = len(found.notes)
    text = f"{found.rows:,} rows, {count + found.left_out:,} different notes"
    if found.rejected:
        text += f"; {found.rejected:,} rows could not be used"
    text += f". A sample of {count:,} is scored" if found.left_out else ". All are scored"
    known = _trained_on(found, model)
    if known:
        return f"{text}, {known:,} of which {model.name} was trained on: its figures on them are memory, too."
    return f"{text}; which of them {model.name} was trained on is not known."


def _trained_on(found: LabelledNotes, model: NamedModel) -> int:
    """How many of the notes a checkpoint of ours says it was trained on; 0 for any other model."""
    return len(set(model.kept("trained_notes.json") or ()) & set(found.notes["note_id"].to_pylist()))


def _make_tables(
    output: Lake, found: LabelledNotes, scored: Scored, settings: Settings, models: Sequence[NamedModel]
) -> Tables:
    inputs = {
        f"{role}_model": encoder_fingerprint(model.spec) for role, model in zip(MODELS, models, strict=True)
    }
    specs = {role: model.spec for role, model in zip(MODELS, models, strict=True)}
    tables = Tables(output, inputs)
    # The page alone holds texts, and only as report.note_text says.
    tables.add("cleaned_notes", settings.cleaning, (found.notes.drop_columns(["text"]), {}))
    # Which steps there are is known beforehand; what they do is decided when they run.
    for name, section, build in _progress(list(steps(scored, settings, tables, specs)), "tables"):
        _say(f"making {name}")
        tables.add(name, section, build())
    return tables


def _compare(
    output: Lake,
    found: LabelledNotes,
    settings: Settings,
    models: Sequence[NamedModel],
    vectors: dict[int, Any],
    tables: Tables,
) -> list[tuple[str, pa.Table]]:
    """The metrics of every model against the same baseline, the page's own model first; none without others."""
    if len(models) == 1:
        output.remove("model_comparison.parquet")
        return []
    compared = [(models[0].name, tables.rows["embedding_metrics"])]
    for place, model in _progress(list(enumerate(models[1:], start=2)), "comparing"):
        _say(f"scoring {model.name}")
        pair = Scored.of(found.notes, {"baseline": vectors[0], "tuned": vectors[place]})
        compared.append((model.name, scores(pair.labelled(), settings)))
    tables.add("model_comparison", settings.evaluation, (comparison_table(compared), {}))
    return compared


def _draw(output: Lake, found: LabelledNotes, tables: Tables) -> None:
    from medembed_pipeline.pictures.figure import without_held_out
    from medembed_pipeline.report.standalone_pictures import drawings, remove_other_pictures, write_picture

    columns = found.notes.select(["note_id", "specialties"]).to_pydict()
    specialties = dict(zip(columns["note_id"], columns["specialties"], strict=True))
    _say("drawing pictures")
    written = set()
    with without_held_out():
        for table, name, draw in _progress(list(drawings(tables, specialties)), "pictures"):
            written |= write_picture(output, table, name, draw())
    remove_other_pictures(output, written)


def _write_page(
    output: Lake,
    found: LabelledNotes,
    settings: Settings,
    models: Sequence[NamedModel],
    tables: Tables,
    compared: Sequence[tuple[str, pa.Table]],
) -> None:
    from medembed_pipeline.report.made import made_part
    from medembed_pipeline.report.notes_part import shown_texts
    from medembed_pipeline.report.page import render_page, render_texts_file
    from medembed_pipeline.report.payload import ALL_NOTES, build_payload
    from medembed_pipeline.report.tables_part import plain_values

    _say("writing the page")
    known = _trained_on(found, models[1])
    opened = {name: output.table(name) for name in tables.rows if not name.endswith("_embeddings")}
    shown = {
        name: ShownTable(
            tables.rows[name], tables.facts[name], table.footer.recipe.settings, {}, table.data_version
        )
        for name, table in opened.items()
    }
    page_settings = {
        "models": {model.name: {**vars(model.spec)} for model in models},
        type(settings.report).__name__: settings.report.result_values(),
    }
    payload = build_payload(
        shown,
        models={"baseline": models[0].name, "tuned": models[1].name},
        scored=f"all notes ({known:,} of them the model was trained on)" if known else ALL_NOTES,
        made=made_part(
            shown,
            checkpoint={"version": models[1].name, "manifest": models[1].kept("manifest.json") or {}},
            more_settings=page_settings,
        ),
        sources=found.places,
        history=models[1].kept("history.json") or (),
        trade_off=models[1].kept("trade_off.json") or (),
        comparison=[
            {"name": name, "metrics": {column: plain_values(rows[column]) for column in rows.column_names}}
            for name, rows in compared
        ]
        or None,
    )
    texts = shown_texts(found.notes["text"].to_pylist(), settings.report.note_text)
    beside = (
        render_texts_file(texts) if texts is not None and len(texts) > settings.report.notes_in_page else None
    )
    texts_file = texts_file_name(beside) if beside is not None else None
    page = render_page(payload, None if beside is not None else texts, texts_file=texts_file)
    versions = {name: table.data_version for name, table in opened.items()}
    recipe = Recipe("report", page_revision(), {"settings": settings.report.result_values()}, versions)
    publish_page(output, recipe, page, texts=beside, texts_file=texts_file, notes=len(found.notes))


def _on_terminal() -> bool:
    return sys.stderr.isatty()


def _say(message: str) -> None:
    """A line of progress where there is no bar."""
    if not _on_terminal():
        print(f"  {message}", file=sys.stderr, flush=True)


def _progress(items: Sequence[Item], what: str) -> Iterator[Item]:
    """The items, under a bar on a terminal."""
    from tqdm import tqdm

    bar: Iterable[Item] = tqdm(items, desc=what, unit="step", disable=not _on_terminal())
    yield from bar
