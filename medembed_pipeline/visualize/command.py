"""`medembed visualize`: the figures and the page for any model folder and any labelled file."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import pyarrow as pa

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.report.page_file import PAGE
from medembed_pipeline.settings import Settings
from medembed_pipeline.visualize.comparison_text import comparison_text
from medembed_pipeline.visualize.data_file import ScoredNotes, choose_notes, land, refuse_unusable_rows
from medembed_pipeline.visualize.graph import LANDED, own_graph
from medembed_pipeline.visualize.measuring import Measuring, sections_of, with_usable_slices
from medembed_pipeline.visualize.models import NamedModel
from medembed_pipeline.visualize.options import (
    baseline_settings,
    chosen_baseline,
    chosen_models,
    chosen_settings,
)
from medembed_pipeline.visualize.output import open_output, take_pictures, take_tables, write_comparison
from medembed_pipeline.visualize.page import write_own_page
from medembed_pipeline.visualize.progress import Progress


def run(options: argparse.Namespace) -> int:
    """Score the models, and write tables, pictures and the page.

    Raises
    ------
    VisualizeError
        an option that cannot be used, a model that cannot be loaded, data without text or labels.
    """
    settings, models = chosen_settings(options), chosen_models(options)
    baseline = chosen_baseline(options, models[0])
    encoder = baseline_settings(settings.encoder, baseline)
    output, progress = open_output(options.output), Progress()
    with own_graph(output, progress) as graph:
        land(options.data, graph.lake)
        graph.make(LANDED, sections_of(settings))
        refuse_unusable_rows(options.data, graph.lake)
        settings = with_usable_slices(settings, graph.lake)
        graph.make(["cleaned_notes"], sections_of(settings))
        notes = choose_notes(options.data, graph.lake, options.max_notes)
        print(_reading(notes, models[0]))
        if any(model.spec.max_tokens != baseline.spec.max_tokens for model in models):
            windows = ", ".join(f"{model.name} {model.spec.max_tokens}" for model in [baseline, *models])
            print(f"The models read different numbers of tokens of a note: {windows}.")

        measure = Measuring(graph, settings, encoder, options.batch_size, progress)
        measure.baseline(baseline)
        # Each takes the place of the one before; the page's own model comes last, and stays.
        others = [(model.name, measure.compared(model)) for model in models[1:]]
        names = measure.whole(models[0])
        metrics = [(models[0].name, graph.lake.table("embedding_metrics").read()), *others]
        progress.say("writing the page")
        _publish(graph.lake, output, settings, notes, [baseline, *models], names, metrics)

    print(f"\n{comparison_text(metrics, confidence=settings.evaluation.confidence)}\n")
    print(f"page      {output.path(PAGE)}")
    print(f"pictures  {output.path('pictures')}")
    print(f"tables    {output.root}/*.parquet")
    return 0


def _reading(notes: ScoredNotes, model: NamedModel) -> str:
    """What is scored, in a few sentences."""
    count = len(notes.note_ids)
    text = f"{notes.rows:,} rows, {count + notes.left_out:,} different notes"
    if notes.rejected:
        text += f"; {notes.rejected:,} rows could not be used"
    text += f". A sample of {count:,} is scored" if notes.left_out else ". All are scored"
    known = _trained_on(notes, model)
    if known:
        return f"{text}, {known:,} of which {model.name} was trained on: its figures on them are memory, too."
    return f"{text}; which of them {model.name} was trained on is not known."


def _trained_on(notes: ScoredNotes, model: NamedModel) -> int:
    """How many of the notes a checkpoint of ours says it was trained on; 0 for any other model."""
    return len(set(model.kept("trained_notes.json") or ()) & set(notes.note_ids))


def _publish(
    lake: Lake,
    output: Lake,
    settings: Settings,
    notes: ScoredNotes,
    models: Sequence[NamedModel],
    names: Sequence[str],
    metrics: Sequence[tuple[str, pa.Table]],
) -> None:
    """Everything that is promised, from the graph's lake to the output folder."""
    versions = take_tables(lake, output, ["cleaned_notes", *names])
    compared = write_comparison(output, metrics, versions)
    if compared is not None:
        versions["model_comparison"] = compared
    take_pictures(lake, output)
    write_own_page(
        lake,
        output,
        settings.report,
        baseline=models[0],
        tuned=models[1],
        others=models[2:],
        known=_trained_on(notes, models[1]),
        comparison=metrics if len(metrics) > 1 else (),
        versions=versions,
    )
