"""The asset `label_review`: notes whose label looks wrong, and how good any model could be with these labels."""

from dataclasses import replace
from functools import partial
from typing import Any

import dagster as dg

from medembed_pipeline.described import OnPage
from medembed_pipeline.evaluation.figures import before_and_after, finder
from medembed_pipeline.evaluation.inputs import explained, held_out, rows_of
from medembed_pipeline.evidence.labels import REVISION
from medembed_pipeline.evidence.labels.figures import label_figures
from medembed_pipeline.evidence.labels.review import LABEL_REVIEW_SCHEMA, label_review_table
from medembed_pipeline.evidence.labels.settings import LabelReviewSettings
from medembed_pipeline.lake.publishing import (
    AssetIO,
    Built,
    PictureFiles,
)
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.pictures.drawing import picture
from medembed_pipeline.pictures.numbers import without_nan
from medembed_pipeline.pictures.specification import Known
from medembed_pipeline.settings import load_settings
from medembed_pipeline.stage import drawn_figures, stage

SETTINGS = load_settings()


@stage(
    group="evaluation",
    inputs=["cleaned_notes", "note_splits", "baseline_embeddings", "embedding_metrics"],
    one_row="a labelled note, the most suspicious first",
    schema=LABEL_REVIEW_SCHEMA,
    revision=REVISION,
    settings=SETTINGS.label_review,
    kinds=["cleanlab", "scikitlearn"],
    page=OnPage(ids=("note_id",)),
    figures=label_figures,
)
def label_review(work: AssetIO, settings: LabelReviewSettings) -> dg.MaterializeResult[Any]:
    """Notes whose label looks wrong, told apart from those of several specialties; and the label ceiling."""
    scored = held_out(work)
    notes, splits = work.input("cleaned_notes"), work.input("note_splits")
    embeddings = work.input("baseline_embeddings")
    metrics = work.input("embedding_metrics")

    def build() -> Built:
        columns = notes.read(["note_id", "specialties"]).to_pydict()
        split_of = splits.read(["note_id", "split", "group"]).to_pydict()
        group_of = dict(zip(split_of["note_id"], split_of["group"], strict=True))
        review = label_review_table(
            columns["note_id"],
            columns["specialties"],
            [group_of[note_id] for note_id in columns["note_id"]],
            dict(zip(split_of["note_id"], split_of["split"], strict=True)),
            rows_of(embeddings, columns["note_id"]),
            held_out_ids=scored.note_ids,
            folds=settings.folds,
            repeats=settings.repeats,
            threshold=settings.several_threshold,
            seed=settings.seed,
        )
        return explained(review, columns["specialties"])

    work.draw = partial(draw, metrics)
    return work.publish(build, LABEL_REVIEW_SCHEMA)


def draw(metrics: LakeTable, table: LakeTable) -> dict[str, PictureFiles]:
    """Label quality by judgement, and the two models under the label ceiling."""
    facts = table.footer.facts
    pictures = drawn_figures(label_figures, table)
    rows = without_nan(metrics.read().to_pylist())
    if facts["ceilings"] and rows:
        known = Known({"label_review": facts})
        under = replace(before_and_after(finder(rows), known), title="The models under the label ceiling")
        pictures["label_ceiling"] = picture(under)
    return pictures
