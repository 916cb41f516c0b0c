"""Assets of the group `triage`: the arms, what they say, what the picture is worth, what explains it."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from medembed_pipeline.described import OnPage
from medembed_pipeline.encoder.settings import EncoderSettings
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
from medembed_pipeline.settings import load_settings
from medembed_pipeline.stage import stage
from medembed_pipeline.triage import REVISION
from medembed_pipeline.triage.cases import TriageCases, triage_cases
from medembed_pipeline.triage.figures import arm_figures, ledger_figures, shortcut_figures
from medembed_pipeline.triage.folder import ASSET, FOLDER
from medembed_pipeline.triage.inputs import encoders_part, masked_pictures, part_rows, said_by_arm
from medembed_pipeline.triage.ledger import MODALITY_LEDGER_SCHEMA, ledger_table
from medembed_pipeline.triage.making import cases_of_model, compared_arm, make_parts, verdict_of
from medembed_pipeline.triage.metadata import MetadataColumn
from medembed_pipeline.triage.metrics import TRIAGE_METRICS_SCHEMA, metrics_table
from medembed_pipeline.triage.model import refuse_other_encoder
from medembed_pipeline.triage.models import (
    MODELS,
    PublishedTriageModel,
    current_model,
    published,
)
from medembed_pipeline.triage.predictions import TRIAGE_PREDICTIONS_SCHEMA, predictions_table
from medembed_pipeline.triage.settings import TriageSettings, TriageVerdictSettings
from medembed_pipeline.triage.shortcuts import SHORTCUT_METER_SCHEMA, shortcut_table
from medembed_pipeline.triage.tuning import Encoders, Tuner
from medembed_pipeline.verdict.outcomes import VERDICT_SCHEMA

SETTINGS = load_settings()
CASES = ["paired_cases", "case_splits"]
SEEN = [*CASES, "image_embeddings"]
PICTURED = [*SEEN, "raw_images"]
"""Tuned encoders see the pictures themselves."""

if SETTINGS.images.enabled:

    @dg.asset(
        name=ASSET,
        group_name="triage",
        kinds={"scikitlearn"},
        deps=PICTURED,
        code_version=code_version(REVISION, SETTINGS.triage, SETTINGS.encoder.in_torch()),
        config_schema=launchpad_schema(ASSET, SETTINGS.triage),
        required_resource_keys={"lake", "encoder"},
    )
    def triage_model(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        """The arms (note, picture, metadata, fusions) in an immutable folder: heads on vectors, tuned alike."""
        from medembed_pipeline.triage.card import triage_card
        from medembed_pipeline.triage.folder import write_model

        settings = launchpad_settings(context, TriageSettings)
        encoder: EncoderSettings = context.resources.encoder.in_torch()
        with asset_io(context, REVISION, settings, encoder) as work:
            cases = _cases(work, settings)
            work.input("image_embeddings")
            tuner = _tuner(work, cases, settings) if settings.tuned == "adapters" else None
            version = work.recipe().digest[:16]
            with work.lake.machine_lock(f"triage-{version}"):
                kept = work.lake.exists(FOLDER, version, MANIFEST)
                if not kept:
                    empty = cases.why_empty is not None
                    encoders = (
                        {}
                        if empty
                        else encoders_part(encoder, SETTINGS.image_encoder, SETTINGS.images.kept_side)
                    )
                    parts = make_parts(
                        cases, lambda metadata: _rows(work, cases, metadata), encoders, settings, tuner
                    )
                    recipe = work.recipe()
                    more = {"data_versions": recipe.inputs, "settings": recipe.settings}
                    with work.lake.staged_folder(FOLDER, version, last=MANIFEST) as folder:
                        write_model(folder, parts, card=triage_card(parts, cases.facts), more=more)
            model = published(work.lake, version)
            MODELS.point_to(work.lake, version, model.data_version, work.recipe())
            chosen = model.parts.chosen
            return dg.MaterializeResult(
                data_version=dg.DataVersion(model.data_version),
                metadata={
                    "path": dg.MetadataValue.path(work.lake.path(FOLDER, version)),
                    "kept": kept,
                    "version": version,
                    "arms": ", ".join(model.parts.arms.heads) or "none",
                    "best_single_arm": chosen.single if chosen else "none",
                    "best_fusion": (chosen.fusion if chosen else None) or "none",
                    **({"why_empty": model.parts.why_empty} if model.parts.why_empty else {}),
                },
            )

    @stage(
        group="triage",
        inputs=[*PICTURED, ASSET],
        one_row="a case and an arm: what it says of it",
        schema=TRIAGE_PREDICTIONS_SCHEMA,
        revision=REVISION,
        settings=SETTINGS.triage,
        more_settings=[SETTINGS.encoder.in_torch()],
        resources=["encoder"],
    )
    def triage_predictions(work: AssetIO, settings: TriageSettings) -> dg.MaterializeResult[Any]:
        """Calibrated probabilities of every level, by every arm for every case that it can see."""
        cases, model = _cases_and_model(work, settings)
        encoders = _seen(work, cases, model)

        def build() -> Built:
            if cases.why_empty is not None:
                return TRIAGE_PREDICTIONS_SCHEMA.empty_table(), _empty(cases)
            arms = model.parts.arms
            table, facts = predictions_table(cases, arms, arms.seen(_rows_of(work, cases, model, encoders)))
            absent = [{"arm": arm, "why": why} for arm, why in arms.absent.items()]
            return table, {**cases.facts, **facts, "absent": absent}

        return work.publish(build, TRIAGE_PREDICTIONS_SCHEMA)

    @stage(
        group="triage",
        inputs=[*CASES, ASSET, "triage_predictions"],
        one_row="one figure of one arm on held-out cases",
        schema=TRIAGE_METRICS_SCHEMA,
        revision=REVISION,
        settings=SETTINGS.triage,
        kinds=["numpy"],
        page=OnPage(),
        figures=arm_figures,
    )
    def triage_metrics(work: AssetIO, settings: TriageSettings) -> dg.MaterializeResult[Any]:
        """Every arm on held-out cases, over all and by slice, with intervals by patient; none that can't be had."""
        cases, model = _cases_and_model(work, settings)
        predictions = work.input("triage_predictions")

        def build() -> Built:
            if cases.why_empty is not None:
                return TRIAGE_METRICS_SCHEMA.empty_table(), _empty(cases)
            table, facts = metrics_table(cases, said_by_arm(predictions.read()), settings)
            about = {name: predictions.footer.facts[name] for name in ("answered", "absent")}
            tuned = "adapters" if model.parts.adapters else "heads"
            return table, {**cases.facts, **facts, **about, "tuned": tuned}

        return work.publish(build, TRIAGE_METRICS_SCHEMA)

    @stage(
        group="triage",
        inputs=[*PICTURED, ASSET],
        one_row="one figure of one arm in one variant, by itself or less that of another",
        schema=MODALITY_LEDGER_SCHEMA,
        revision=REVISION,
        settings=SETTINGS.triage,
        more_settings=[SETTINGS.encoder.in_torch()],
        kinds=["numpy"],
        resources=["encoder"],
        page=OnPage(),
        figures=ledger_figures,
    )
    def modality_ledger(work: AssetIO, settings: TriageSettings) -> dg.MaterializeResult[Any]:
        """Every arm against the best single one, and fusions with another's partner, with none, and adding up alone."""
        cases, model = _cases_and_model(work, settings)
        encoders = _seen(work, cases, model)

        def build() -> Built:
            parts = model.parts
            if cases.why_empty is not None or parts.chosen is None:
                return MODALITY_LEDGER_SCHEMA.empty_table(), _empty(cases)
            seen = parts.arms.seen(_rows_of(work, cases, model, encoders))
            table, facts = ledger_table(cases, parts.arms, seen, parts.chosen, settings)
            validation = [
                {"arm": arm, "figure": round(value, 6)} for arm, value in parts.chosen.figures.items()
            ]
            named = {
                "single": parts.chosen.single,
                "fusion": parts.chosen.fusion,
                "figure": settings.main_metric,
            }
            return table, {**facts, **named, "validation": validation}

        return work.publish(build, MODALITY_LEDGER_SCHEMA)

    @stage(
        group="triage",
        inputs=[*PICTURED, ASSET],
        one_row="one figure of an input that is no reason for a level",
        schema=SHORTCUT_METER_SCHEMA,
        revision=REVISION,
        settings=SETTINGS.triage,
        more_settings=[SETTINGS.encoder.in_torch(), SETTINGS.image_encoder],
        kinds=["scikitlearn"],
        resources=["encoder"],
        page=OnPage(),
        figures=shortcut_figures,
    )
    def shortcut_meter(work: AssetIO, settings: TriageSettings) -> dg.MaterializeResult[Any]:
        """What words, numbers, source, view, and the picture's border tell alone, against shuffled levels."""
        work.uses(SETTINGS.image_encoder)
        cases, model = _cases_and_model(work, settings)
        images = work.input("raw_images")
        encoders = _seen(work, cases, model)

        def build() -> Built:
            if cases.why_empty is not None:
                return SHORTCUT_METER_SCHEMA.empty_table(), _empty(cases)
            tuner = None if encoders is None else Tuner(encoders, settings, work.context.log.info)
            rows = _rows_of(work, cases, model, encoders)
            compared = compared_arm(cases, model.parts, rows, settings, tuner)
            pictures = masked_pictures(cases, images, settings, SETTINGS.image_encoder)
            table, facts = shortcut_table(cases, pictures, compared, settings)
            return table, {**facts, "figure": settings.main_metric}

        return work.publish(build, SHORTCUT_METER_SCHEMA)

    @stage(
        group="triage",
        inputs=["modality_ledger", "shortcut_meter", ASSET],
        one_row="one rule and what came of it",
        schema=VERDICT_SCHEMA,
        revision=REVISION,
        settings=SETTINGS.triage_verdict,
        page=OnPage(),
    )
    def triage_verdict(work: AssetIO, settings: TriageVerdictSettings) -> dg.MaterializeResult[Any]:
        """Whether the picture helps, or which arm to use instead, by rules; confounded where a shortcut explains it."""
        ledger, meter, model = work.input("modality_ledger"), work.input("shortcut_meter"), _model(work)
        chosen = TriageSettings(**ledger.footer.recipe.settings["TriageSettings"])

        def describe(table: LakeTable) -> dict[str, Any]:
            return {"sentence": dg.MetadataValue.md(f"**{table.footer.facts['sentence']}**")}

        def build() -> Built:
            table, facts = verdict_of(ledger.read(), meter.read(), model.parts, chosen, settings)
            return table, {**facts, "model": model.version}

        result = work.publish(build, VERDICT_SCHEMA, describe)
        work.context.log.info(str(work.lake.table("triage_verdict").footer.facts["sentence"]))
        return result

    def _cases(work: AssetIO, settings: TriageSettings) -> TriageCases:
        return triage_cases(work.input("paired_cases").read(), work.input("case_splits").read(), settings)

    def _model(work: AssetIO) -> PublishedTriageModel:
        model = current_model(work.lake)
        work.note_input(ASSET, model.data_version)
        return model

    def _cases_and_model(work: AssetIO, settings: TriageSettings) -> tuple[TriageCases, PublishedTriageModel]:
        model = _model(work)
        return cases_of_model(_cases(work, settings), model.parts), model

    def _seen(work: AssetIO, cases: TriageCases, model: PublishedTriageModel) -> Encoders | None:
        """What the vectors come from, before anything is made of them; the encoders, where the model has tuned them."""
        work.uses(work.context.resources.encoder.in_torch())
        work.input("image_embeddings")
        if not model.parts.adapters:
            return None
        encoders = _encoders(work, cases)
        for part in model.parts.adapters:
            refuse_other_encoder(part, encoders.fingerprint(part), model.parts.encoders[part]["fingerprint"])
        return encoders

    def _encoders(work: AssetIO, cases: TriageCases) -> Encoders:
        work.uses(SETTINGS.image_encoder)
        encoder: EncoderSettings = work.context.resources.encoder.in_torch()
        return Encoders(work.lake, cases, work.input("raw_images"), encoder, SETTINGS.image_encoder)

    def _tuner(work: AssetIO, cases: TriageCases, settings: TriageSettings) -> Tuner:
        return Tuner(_encoders(work, cases), settings, work.context.log.info)

    def _rows_of(
        work: AssetIO, cases: TriageCases, model: PublishedTriageModel, encoders: Encoders | None
    ) -> dict[str, FloatArray]:
        """The vectors that the model's arms see."""
        rows = _rows(work, cases, model.parts.metadata)
        return rows if encoders is None else rows | encoders.rows(model.parts.adapters)

    def _rows(work: AssetIO, cases: TriageCases, metadata: Sequence[MetadataColumn]) -> dict[str, FloatArray]:
        encoder: EncoderSettings = work.context.resources.encoder.in_torch()
        return part_rows(work.lake, cases, work.input("image_embeddings"), encoder, metadata)

    def _empty(cases: TriageCases) -> dict[str, Any]:
        return {**cases.facts, "why_empty": cases.why_empty}
