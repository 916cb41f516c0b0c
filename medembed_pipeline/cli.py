"""The few commands that Dagster's own do not cover."""

from __future__ import annotations

import argparse
import atexit
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.settings import (
    DATA_LAKE_VARIABLE,
    SETTINGS_VARIABLE,
    data_lake_url,
    load_settings,
    project_root,
)

SAMPLE_FILE = "sample_notes.csv"
SAMPLE_NOTES = 400
SAMPLE_SEED = 7


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status (0 done, 1 the run failed, 2 it could not start)."""
    parser = argparse.ArgumentParser(prog="medembed", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="materialize every asset and print the headline")
    samples = commands.add_parser("samples", help="write the synthetic sample corpus")
    samples.add_argument(
        "--notes", type=int, default=SAMPLE_NOTES, help="different notes (default %(default)s)"
    )
    samples.add_argument(
        "--seed", type=int, default=SAMPLE_SEED, help="seed of the corpus (default %(default)s)"
    )
    samples.add_argument("--output", type=Path, help="CSV file to write (default: the landing folder)")
    commands.add_parser("settings", help="print a documented medembed.toml with the settings in force")
    commands.add_parser("tables", help="print the page that documents every table")
    commands.add_parser("verify", help="check every table and checkpoint against its recorded hash")
    prune = commands.add_parser(
        "prune", help="show what nothing refers to: old checkpoints, their vectors, leftovers"
    )
    prune.add_argument("--yes", action="store_true", help="remove it")
    splits = commands.add_parser("splits", help="show what is remembered of the notes' splits")
    splits.add_argument(
        "--start-over", action="store_true", help="say what forgetting all splits costs, and with --yes do it"
    )
    splits.add_argument("--yes", action="store_true", help="with --start-over: do it")
    history = commands.add_parser(
        "history", help="show what was released when, and what it gave (times in UTC)"
    )
    history.add_argument(
        "--checkpoint", metavar="V", help="every figure of one checkpoint, by how its version begins"
    )
    history.add_argument(
        "--start-over", action="store_true", help="begin an empty history in place of a lost one"
    )
    rollback = commands.add_parser(
        "rollback", help="show the last versions of what was published, or put one back"
    )
    rollback.add_argument("version", nargs="?", help="the one to put back, by how its version begins")
    rollback.add_argument(
        "--of",
        metavar="NAME",
        default="released",
        help="released (the default: checkpoints), specialty_classifier, finetuned_checkpoint, report or a table",
    )
    add_serving_commands(commands)
    ui = commands.add_parser("ui", help="open the Dagster UI with its daemon, on this machine only")
    ui.add_argument("--port", type=int, default=3000, help="port on 127.0.0.1 (default 3000)")
    add_exploring_commands(commands)
    options = parser.parse_args(arguments)
    try:
        return run_command(options)
    except MedembedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def add_exploring_commands(commands: Any) -> None:
    """The commands that use, look at or try something, and have no part in making it."""
    from medembed_pipeline.classification import classify
    from medembed_pipeline.distillation import command as distillation
    from medembed_pipeline.image_text import command as image_text
    from medembed_pipeline.report import atlas
    from medembed_pipeline.study import command as study
    from medembed_pipeline.triage import command as triage
    from medembed_pipeline.visualize import options as visualize

    visualize.add_arguments(
        commands.add_parser("visualize", help="figures and the page for any model folder and labelled file")
    )
    atlas.add_arguments(
        commands.add_parser("export-atlas", help="write a Parquet that Apple's embedding-atlas opens")
    )
    study.add_arguments(
        commands.add_parser(
            "study", help="search settings on train and validation notes, or show what was found"
        )
    )
    classify.add_arguments(commands.add_parser("classify", help="the specialties of every row of a file"))
    distillation.add_arguments(
        commands.add_parser("distill", help="write the static model, which needs no transformer, as a folder")
    )
    image_text.add_arguments(
        commands.add_parser("image-text", help="measure pictures against pairs of prompts, without Dagster")
    )
    triage.add_arguments(
        commands.add_parser(
            "triage",
            help="what a picture is worth beside its note, on the cases of a folder, without Dagster",
        )
    )
    experiment = commands.add_parser(
        "experiment", help="train and score under a preset of its own, such as presets/published.toml"
    )
    experiment.add_argument("preset", type=Path, help="preset file, or the name of one in presets/")
    experiment.add_argument(
        "--data", type=Path, required=True, help="file of labelled rows, or for triage a folder of cases"
    )
    experiment.add_argument("--output", type=Path, help="folder for the table and the picture")


def add_serving_commands(commands: Any) -> None:
    """The service, and its keys."""
    from medembed_pipeline.serving.arguments import add_arguments

    add_arguments(
        commands.add_parser("serve", help="answer over HTTP from the released checkpoint, with a page at /")
    )
    key = commands.add_parser("serve-key", help="make a key for the service, and its hash")
    key.add_argument("name", help="who it is for; stands in the audit log")
    key.add_argument(
        "--scope", default="ids", help="ids (the default): ids alone; text: also text of stored notes"
    )


def run_command(options: argparse.Namespace) -> int:
    """Run the command that was chosen; returns its exit status."""
    match options.command:
        case "run":
            return run_everything()
        case "samples":
            return write_samples(options.notes, options.seed, options.output)
        case "settings":
            return print_settings()
        case "tables":
            return print_tables()
        case "verify":
            return verify()
        case "prune":
            return prune_lake(remove_it=options.yes)
        case "splits":
            from medembed_pipeline.starting_over import print_splits

            return print_splits(Lake(data_lake_url()), anew=options.start_over, confirmed=options.yes)
        case "history":
            return print_history(options.checkpoint, anew=options.start_over)
        case "rollback":
            from medembed_pipeline.rollback import rollback

            lake = Lake(data_lake_url(), load_settings().storage.keep_tables)
            print("\n".join(rollback(lake, options.version, options.of)))
            return 0
        case "visualize":
            from medembed_pipeline.visualize import command as visualize

            return visualize.run(options)
        case "export-atlas":
            from medembed_pipeline.report import atlas

            return atlas.run(options)
        case "study":
            from medembed_pipeline.study import command as study

            return study.run(options)
        case "image-text":
            from medembed_pipeline.image_text import command as image_text

            return image_text.run(options)
        case "triage":
            from medembed_pipeline.triage import command as triage

            return triage.run(options)
        case "serve":
            from medembed_pipeline.serving.supervisor import serve

            return serve(options)
        case "serve-key":
            from medembed_pipeline.serving.supervisor import print_new_key

            return print_new_key(options.name, options.scope)
        case "classify":
            from medembed_pipeline.classification import classify

            return classify.run(options)
        case "distill":
            from medembed_pipeline.distillation import command as distillation

            return distillation.run(options)
        case "experiment":
            return experiment(options.preset, options.data, options.output)
        case _:
            return open_ui(options.port)


def experiment(preset: Path, data: Path, output: Path | None) -> int:
    """Run an experiment: of a classifier where its preset has a table `rows`, of triage where it has `drawn_rows`, else
    of an embedding model."""
    from medembed_pipeline.classification.row_protocol import is_row_protocol, run_row_protocol
    from medembed_pipeline.evidence.leakage import command
    from medembed_pipeline.triage.published import is_published_triage, run_published_triage

    path = command.preset_path(preset)
    if path.is_file() and is_row_protocol(path):
        return run_row_protocol(path, data, output)
    if path.is_file() and is_published_triage(path):
        return run_published_triage(path, data, output)
    return command.run(preset, data, output)


def write_samples(notes: int, seed: int, output: Path | None) -> int:
    """Write the sample corpus into a file, by default into the landing folder of the lake."""
    from medembed_pipeline.samples.corpus import write_sample_corpus

    if notes < 1:
        raise MedembedError(f"--notes = {notes}: expected 1 or more")
    if output is not None:
        write_sample_corpus(output, notes=notes, seed=seed)
        print(f"{notes} synthetic notes: {output}")
        return 0
    lake = Lake(data_lake_url())
    with lake.staged_file("landing", SAMPLE_FILE) as staged:
        write_sample_corpus(staged, notes=notes, seed=seed)
    print(f"{notes} synthetic notes: {lake.path('landing', SAMPLE_FILE)}")
    return 0


def write_drawn_cases_beside_samples(lake: Lake) -> None:
    """Put the drawn cases into an empty landing_images, where the sample corpus is all that has landed."""
    from medembed_pipeline.images.landing import FOLDER
    from medembed_pipeline.notes.landing_files import list_landing_files
    from medembed_pipeline.samples.case_plan import CaseCorpus
    from medembed_pipeline.samples.cases import FOLDER as DRAWN
    from medembed_pipeline.samples.cases import TABLE, write_drawn_cases

    settings = load_settings().images
    landed = {file.source_file for file in list_landing_files(lake.filesystem, lake.path("landing"))}
    if not settings.enabled or not settings.drawn_patients or landed != {SAMPLE_FILE} or lake.names(FOLDER):
        return
    print("There are no pictures; the built-in drawn cases go in.")
    with lake.staged_folder(FOLDER, DRAWN, last=TABLE) as staged:
        cases = write_drawn_cases(staged, CaseCorpus(patients=settings.drawn_patients))
    print(f"{cases} drawn cases: {lake.path(FOLDER, DRAWN)}")


def print_settings() -> int:
    """Print the settings in force as a documented file."""
    from medembed_pipeline.settings_file import render_settings_file

    print(render_settings_file(load_settings()), end="")
    return 0


def print_tables() -> int:
    """Print docs/tables.md."""
    from medembed_pipeline.tables_page import render_tables_page

    print(render_tables_page(), end="")
    return 0


def verify() -> int:
    """Check the lake; returns 1 when something is missing or altered."""
    from medembed_pipeline.maintenance import verify_lake

    lake = Lake(data_lake_url())
    findings = verify_lake(lake)
    for finding in findings:
        print(f"{finding.state:<9}{finding.name}: {finding.detail}")
    errors = sum(finding.is_error for finding in findings)
    whole = sum(finding.state == "ok" for finding in findings)
    print(f"{whole} tables and checkpoints are what was written, {errors} are not: {lake.url}")
    return 1 if errors else 0


def prune_lake(*, remove_it: bool) -> int:
    """Show what nothing refers to, and remove it when told so."""
    from medembed_pipeline.maintenance import removable, remove

    lake = Lake(data_lake_url())
    items = removable(lake, load_settings())
    for item in items:
        print(f"{item.size / 1e6:>10.1f} MB  {'/'.join(item.parts)}: {item.reason}")
    total = f"{sum(item.size for item in items) / 1e6:.1f} MB in {len(items)} places"
    if remove_it:
        remove(lake, items)
        print(f"Removed {total}.")
    else:
        print(
            f"{total} can go; `medembed prune --yes` removes it." if items else "There is nothing to remove."
        )
    return 0


def print_history(version: str | None, *, anew: bool) -> int:
    """Print the judgements of all checkpoints, or all figures of one; or begin a new history where one was lost."""
    from medembed_pipeline.history.publishing import MEANING, find_history, start_over
    from medembed_pipeline.history.show import detail_lines, overview_lines
    from medembed_pipeline.history.table import CHECKPOINT_HISTORY_SCHEMA
    from medembed_pipeline.verdict.released import released_version

    lake = Lake(data_lake_url())
    if anew:
        start_over(lake)
        print(f"An empty history was begun: {MEANING}. The next run adds the checkpoint of today.")
        return 0
    table = find_history(lake)
    rows = CHECKPOINT_HISTORY_SCHEMA.empty_table() if table is None else table.read()
    released = released_version(lake)
    lines = overview_lines(rows, released=released)
    for line in detail_lines(rows, version, released=released) if version else lines:
        print(line)
    return 0


def run_everything() -> int:
    """Materialize the whole graph in this process; the sample corpus stands in for an empty landing folder."""
    load_settings()
    from medembed_pipeline.dagster_home import prepare_dagster_home
    from medembed_pipeline.encoder.memory import keep_freed_memory
    from medembed_pipeline.notes.landing_files import list_landing_files

    keep_freed_memory()
    home = prepare_dagster_home()
    lake = Lake(data_lake_url())
    if not list_landing_files(lake.filesystem, lake.path("landing")):
        print("The landing folder is empty; the built-in sample corpus goes in.")
        write_samples(SAMPLE_NOTES, SAMPLE_SEED, None)
    write_drawn_cases_beside_samples(lake)
    import dagster as dg

    from medembed_pipeline.definitions import defs

    started = time.monotonic()
    with dg.DagsterInstance.from_config(str(home)) as instance:
        result = defs.resolve_job_def("everything").execute_in_process(
            instance=instance, raise_on_error=False, run_config={"loggers": {"progress": {}}}
        )
    print(f"{'Done' if result.success else 'Failed'} after {time.monotonic() - started:.0f} s.")
    if not result.success:
        print(f"What was made before the failure stands in {lake.url}.", file=sys.stderr)
        return 1
    print_headline(lake)
    return 0


def print_headline(lake: Lake) -> None:
    """Print the figures of the last evaluation, the verdict, and the paths to open."""
    from medembed_pipeline.console import headline
    from medembed_pipeline.training.checkpoints import FOLDER, current_checkpoint
    from medembed_pipeline.verdict.released import released_path
    from medembed_pipeline.verdict.summary import verdict_lines

    metrics, tasks, verdict = (
        lake.table(name) for name in ("embedding_metrics", "task_metrics", "release_verdict")
    )
    facts = metrics.footer.facts
    notes = facts["scored_notes"] or facts["notes_without_specialty"]
    shown = headline(
        metrics.read(),
        tasks.read(),
        notes,
        load_settings().evaluation.confidence,
        passages=verdict.footer.facts["judged_on"] == "passages",
    )
    print(f"\n{shown}\n")
    for line in verdict_lines(verdict.footer.facts, verdict.read().to_pylist(), released_path(lake)):
        print(line)
    print(f"checkpoint   {lake.path(FOLDER, current_checkpoint(lake).version)}")
    print(f"metrics      {metrics.path}")
    print(f"pictures     {lake.path('pictures')}")
    print(f"report       {lake.path('report.html')} (open it in a browser)")


def open_ui(port: int) -> int:
    """Run `dagster dev`, bound to 127.0.0.1; a change of the settings file is taken up while it runs."""
    from medembed_pipeline.automation.abandoned_runs import fail_abandoned_runs
    from medembed_pipeline.automation.supervision import run_dagster_dev
    from medembed_pipeline.dagster_home import prepare_dagster_home

    load_settings()
    home = prepare_dagster_home()
    import dagster as dg

    with dg.DagsterInstance.from_config(str(home)) as instance:
        for run_id in fail_abandoned_runs(instance):
            print(f"Run {run_id} was left by a process that died; it is started again.")
    os.environ.setdefault(DATA_LAKE_VARIABLE, data_lake_url())
    workspace = project_root() / "workspace.yaml"
    where = ["-w", str(workspace)] if workspace.is_file() else ["-m", "medembed_pipeline.definitions"]
    command = [sys.executable, "-m", "dagster", "dev", *where, "--host", "127.0.0.1", "--port", str(port)]
    settings_file = Path(os.environ.get(SETTINGS_VARIABLE) or project_root() / "medembed.toml")
    return run_dagster_dev(command, settings_file, port)


def end_process() -> NoReturn:
    """Run a command and end with its exit status, without taking the interpreter apart.

    Libraries leave threads of their own behind. One of them that asks for Python's lock meanwhile would abort the
    process after its work was done.
    """
    status = main()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    end_process()
