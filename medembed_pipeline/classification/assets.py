"""Assets of the group `classification`: the ladder, the classifier that is served, its proof and its verdict."""

from typing import Any

import dagster as dg

from medembed_pipeline.classification import REVISION
from medembed_pipeline.classification.classifiers import (
    IN_SERVICE,
    PublishedClassifier,
    can_answer,
    classifier_in_service,
    current_classifier,
    point_to,
    published,
)
from medembed_pipeline.classification.errors_table import ERRORS_SCHEMA
from medembed_pipeline.classification.figures import classifier_figures, ladder_figures
from medembed_pipeline.classification.folder import ASSET, FOLDER
from medembed_pipeline.classification.inputs import (
    INPUTS,
    base_is_known,
    checkpoint_of_vectors,
    read_notes,
    read_rows,
)
from medembed_pipeline.classification.metrics import METRICS_SCHEMA
from medembed_pipeline.classification.probabilities import PROBABILITIES_SCHEMA
from medembed_pipeline.classification.settings import ClassificationSettings, ClassifierVerdictSettings
from medembed_pipeline.described import OnPage
from medembed_pipeline.encoder import spec_of_settings
from medembed_pipeline.encoder.settings import EncoderSettings
from medembed_pipeline.evaluation.inputs import measured_checkpoint
from medembed_pipeline.evaluation.settings import SliceSettings
from medembed_pipeline.evaluation.vectors import FloatArray
from medembed_pipeline.lake.model_folder import MANIFEST
from medembed_pipeline.lake.publishing import (
    AssetIO,
    Built,
    asset_io,
    code_version,
    launchpad_schema,
    launchpad_settings,
)
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.pictures.drawing import picture
from medembed_pipeline.settings import load_settings
from medembed_pipeline.stage import stage
from medembed_pipeline.verdict.outcomes import VERDICT_SCHEMA

SETTINGS = load_settings()
SLICES = SliceSettings(**SETTINGS.evaluation.model_dump())


@stage(
    group="classification",
    inputs=INPUTS,
    one_row="a note and a label: what every rung of the ladder says of it",
    schema=PROBABILITIES_SCHEMA,
    revision=REVISION,
    settings=SETTINGS.classification,
    more_settings=[SETTINGS.encoder],
    kinds=["scikitlearn"],
    resources=["encoder"],
)
def label_probabilities(work: AssetIO, settings: ClassificationSettings) -> dg.MaterializeResult[Any]:
    """Every rung of the ladder on every note: out of fold for train notes, by heads fitted on these for the others."""
    notes = read_notes(work, settings)
    encoder: EncoderSettings = work.context.resources.encoder
    if settings.adapters:
        work.uses(encoder)

    def build() -> Built:
        from medembed_pipeline.classification.adapters import adapter_scores
        from medembed_pipeline.classification.ladder import label_free_rungs
        from medembed_pipeline.classification.probabilities import probabilities_table

        seen = read_rows(work, notes)

        def adapters() -> FloatArray:
            return adapter_scores(
                spec_of_settings(encoder),
                seen.texts,
                notes.membership,
                notes.learned_from(),
                settings,
                device=encoder.device,
                precision=encoder.precision,
                token_budget=encoder.token_budget,
                on_epoch=lambda epoch, loss: work.context.log.info(
                    f"adapters, epoch {epoch} of {settings.adapter_epochs}: loss {loss:.3f} a note"
                ),
            )

        return probabilities_table(
            notes,
            seen.rows,
            settings,
            label_free=label_free_rungs(base_is_known=base_is_known(work)),
            adapters=adapters if settings.adapters else None,
        )

    for name in INPUTS:
        work.input(name)
    # Of its facts alone: the table is large.
    work.draw = lambda table: {one.name: picture(one) for one in ladder_figures(table.footer.facts)}
    return work.publish(build, PROBABILITIES_SCHEMA)


@dg.asset(
    name=ASSET,
    group_name="classification",
    kinds={"scikitlearn"},
    deps=[*INPUTS, "label_probabilities"],
    code_version=code_version(REVISION, SETTINGS.classification, SETTINGS.encoder),
    config_schema=launchpad_schema(ASSET, SETTINGS.classification),
    required_resource_keys={"lake", "encoder"},
)
def specialty_classifier(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    """The classifier that is served: head, calibration, thresholds and card in an immutable folder, without pickle."""
    from medembed_pipeline.classification.making import make_classifier

    settings = launchpad_settings(context, ClassificationSettings)
    encoder: EncoderSettings = context.resources.encoder
    with asset_io(context, REVISION, settings, encoder) as work:
        notes, table = read_notes(work, settings), work.input("label_probabilities")
        for name in INPUTS:
            work.input(name)
        checkpoint = measured_checkpoint(work)
        # The folder names the version, so a version that holds the same is another classifier.
        work.note_input("checkpoint_version", checkpoint.version)
        version = work.recipe().digest[:16]
        with work.lake.machine_lock(f"classifier-{version}"):
            kept = work.lake.exists(FOLDER, version, MANIFEST)
            if not kept:
                with work.lake.staged_folder(FOLDER, version, last=MANIFEST) as folder:
                    make_classifier(folder, work, notes, table, settings, encoder, checkpoint)
        classifier = published(work.lake, version)
        point_to(work.lake, classifier, work.recipe())
        return dg.MaterializeResult(
            data_version=dg.DataVersion(classifier.data_version),
            metadata={
                "path": dg.MetadataValue.path(work.lake.path(FOLDER, version)),
                "kept": kept,
                "version": version,
                "rung": classifier.manifest["rung"],
                "labels": len(classifier.manifest["labels"]),
                "train_notes": classifier.manifest["train_notes"],
                "checkpoint": classifier.checkpoint or "none",
            },
        )


def measured_classifier(work: AssetIO) -> PublishedClassifier:
    """The current classifier, noted as an input, on the checkpoint behind the vectors.

    Raises
    ------
    ClassificationError
        it belongs to another checkpoint.
    """
    classifier = current_classifier(work.lake)
    work.note_input(ASSET, classifier.data_version)
    checkpoint_of_vectors(work, classifier.checkpoint)
    return classifier


@stage(
    group="classification",
    inputs=[*INPUTS, "label_probabilities", ASSET],
    one_row="one figure of one classifier on held-out or cross-fitted notes",
    schema=METRICS_SCHEMA,
    revision=REVISION,
    settings=SETTINGS.classification,
    more_settings=[SLICES, SETTINGS.encoder],
    kinds=["numpy"],
    resources=["encoder"],
    page=OnPage(),
    figures=classifier_figures,
)
def classification_metrics(work: AssetIO, settings: ClassificationSettings) -> dg.MaterializeResult[Any]:
    """Every rung, the served one and the one in service on notes they have not seen, with intervals and differences."""
    from medembed_pipeline.classification.measuring import measure

    work.uses(SLICES)
    notes, table = read_notes(work, settings), work.input("label_probabilities")
    for name in INPUTS:
        work.input(name)
    classifier = measured_classifier(work)
    standing = classifier_in_service(work.lake, instead_of=classifier.version)
    if standing is not None and not can_answer(work.lake, standing):
        work.context.log.warning(
            f"the classifier in service, {standing.version}, needs a checkpoint that is gone: it is not compared"
        )
        standing = None
    if standing is not None:
        work.note_input("classifier_in_service", standing.data_version)
    encoder: EncoderSettings = work.context.resources.encoder
    work.uses(encoder)  # how much of a note the model reads

    def build() -> Built:
        return measure(work, notes, table, classifier, standing, settings, SLICES.slices, encoder)

    return work.publish(build, METRICS_SCHEMA)


@stage(
    group="classification",
    inputs=[*INPUTS, "label_probabilities", ASSET, "label_review"],
    one_row="a held-out note whose labels came out wrong",
    schema=ERRORS_SCHEMA,
    revision=REVISION,
    settings=SETTINGS.classification,
    kinds=["numpy"],
    page=OnPage(ids=("note_id", "nearest")),
)
def classification_errors(work: AssetIO, settings: ClassificationSettings) -> dg.MaterializeResult[Any]:
    """Wrong held-out notes: what was expected, what came, the nearest train notes, and whether the label is doubted."""
    from medembed_pipeline.classification.measuring import wrong_notes

    notes, table = read_notes(work, settings), work.input("label_probabilities")
    review = work.input("label_review")
    for name in INPUTS:
        work.input(name)
    classifier = measured_classifier(work)
    return work.publish(lambda: wrong_notes(work, notes, table, classifier, review), ERRORS_SCHEMA)


@stage(
    group="classification",
    inputs=["classification_metrics", ASSET, "cleaned_notes", "tuned_embeddings"],
    one_row="one rule and what came of it",
    schema=VERDICT_SCHEMA,
    revision=REVISION,
    settings=SETTINGS.classifier_verdict,
    page=OnPage(),
)
def classifier_verdict(work: AssetIO, settings: ClassifierVerdictSettings) -> dg.MaterializeResult[Any]:
    """Deploy, keep or inconclusive, with the reasons; on deploy the classifier is the one in service from then on."""
    from medembed_pipeline.classification.measuring import judge

    metrics = work.input("classification_metrics")
    classifier = current_classifier(work.lake)
    work.note_input(ASSET, classifier.data_version)
    work.note_input("classifier_version", classifier.version)
    result = work.publish(
        lambda: judge(metrics, classifier, settings), VERDICT_SCHEMA, lambda table: describe_verdict(table)
    )
    # After the table, and again when it stands: a run killed between the two is made good by the next.
    serving = IN_SERVICE.follow_verdict(work.lake)
    verdict = work.lake.table("classifier_verdict").footer.facts
    if verdict["verdict"] == "deploy" and serving != verdict["classifier"]:
        work.context.log.warning(
            f"the classifier {verdict['classifier']} was taken back by hand, and is not put in service again; "
            "`medembed rollback --of specialty_classifier` puts it back"
        )
    work.context.log.info(str(verdict["sentence"]))
    return result


def describe_verdict(table: LakeTable) -> dict[str, Any]:
    """The sentence in bold."""
    return {"sentence": dg.MetadataValue.md(f"**{table.footer.facts['sentence']}**")}
