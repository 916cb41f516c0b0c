"""The assets `<name>_study`, one for each study that a room has declared."""

from functools import partial
from typing import Any

import dagster as dg

from medembed_pipeline.described import OnPage
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.publishing import AssetIO, PictureFiles
from medembed_pipeline.lake.tables import LakeTable
from medembed_pipeline.settings import load_settings
from medembed_pipeline.stage import drawn_figures, stage
from medembed_pipeline.study import REVISION
from medembed_pipeline.study.declared import Study, check_names, declared_studies
from medembed_pipeline.study.figures import study_figures
from medembed_pipeline.study.made import OFF, made_table, progress_line, without_time
from medembed_pipeline.study.settings import StudySettings
from medembed_pipeline.study.table import trials_schema
from medembed_pipeline.study.trial import TrialRecord
from medembed_pipeline.tracking.publishing import track
from medembed_pipeline.tracking.runs import study_run

SETTINGS = load_settings().study
TRACKING = load_settings().tracking


def study_asset(study: Study) -> dg.AssetsDefinition:
    """The asset of a study: a table of its trials, empty while `[study] trials` is 0."""
    schema = trials_schema(study.space, study.parameters, study.figures)

    def build(work: AssetIO, settings: StudySettings) -> dg.MaterializeResult[Any]:
        check_names(settings, declared_studies())
        trials = settings.trials_of(study.name)
        if not trials:
            return work.publish(lambda: (schema.empty_table(), {"why_empty": OFF}), schema)
        work.draw = partial(draw, study.asset)
        prepared = study.prepare(work)
        table = work.unchanged()
        kept = table is not None
        if table is None:

            def report(record: TrialRecord) -> None:
                work.context.log.info(progress_line(record, trials))

            rows, facts = made_table(work.lake, work.recipe(), study, prepared, settings, report)
            table = work.lake.write_table(
                work.recipe(),
                rows.cast(schema),
                schema=schema,
                facts=facts,
                # How long it took is no other result.
                data_version=digest(without_time(rows)),
            )
        tracked = track(
            work.lake,
            TRACKING,
            lambda: study_run(
                study.name,
                table.data_version,
                table.read().to_pylist(),
                table.footer.facts,
                study.space.names,
                settings.result_values(),
            ),
            work.context.log.warning,
        )
        return work.result(table, kept=kept, more={**describe(table), **tracked})

    build.__name__, build.__doc__ = study.asset, study.about
    return stage(
        group="study",
        inputs=study.inputs,
        one_row="one trial of the study",
        schema=schema,
        revision=REVISION,
        settings=SETTINGS,
        version=lambda version: f"{version}-{study.version[:12]}",
        resources=study.resources,
        # Trials train models: one at a time, and not beside a training.
        pool="gpu",
        page=OnPage(),
        figures=partial(study_figures, study.asset),
    )(build)


def describe(table: LakeTable) -> dict[str, Any]:
    """What won, as a block to copy."""
    block = table.footer.facts["settings_block"]
    return {"settings_block": dg.MetadataValue.md(f"```toml\n{block}\n```")} if block else {}


def draw(asset: str, table: LakeTable) -> dict[str, PictureFiles]:
    """The figures of a study, and the values that went together in its trials."""
    from medembed_pipeline.pictures.study_pictures import study_parallel_picture

    pictures = drawn_figures(partial(study_figures, asset), table)
    facts = table.footer.facts
    if facts["complete"]:
        pictures["parallel_coordinates"] = study_parallel_picture(table.read(), facts["space"])
    return pictures


check_names(SETTINGS, declared_studies())
STUDIES = [study_asset(study) for study in declared_studies().values()]
