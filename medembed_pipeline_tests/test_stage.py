"""A stage is declared once: a folder beside the others is all that it takes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SETTINGS = '''
from pydantic import Field

from medembed_pipeline.section import Section


class ToySettings(Section, table="toy"):
    """How letters are counted."""

    letter: str = Field("e", min_length=1, max_length=1, description="Which letter is counted.")
'''

ASSETS = '''
from typing import Any

import dagster as dg
import pyarrow as pa

from medembed_pipeline.described import OnPage
from medembed_pipeline.lake.publishing import AssetIO
from medembed_pipeline.settings import load_settings
from medembed_pipeline.stage import stage
from medembed_pipeline.toy.settings import ToySettings

SCHEMA = pa.schema(
    [
        pa.field("note_id", pa.string(), False, metadata={"description": "the note"}),
        pa.field("count", pa.int64(), False, metadata={"description": "how often the letter is in it"}),
    ]
)


@stage(
    group="toys",
    inputs=["cleaned_notes"],
    one_row="a note and its letters",
    schema=SCHEMA,
    revision="1",
    settings=load_settings().toy,
    page=OnPage(ids=("note_id",)),
)
def letter_counts(work: AssetIO, settings: ToySettings) -> dg.MaterializeResult[Any]:
    """How often a letter is in each note."""
    notes = work.input("cleaned_notes")

    def build():
        counts = [text.count(settings.letter) for text in notes.strings("text")]
        return pa.table({"note_id": notes.strings("note_id"), "count": counts}), {"letters": sum(counts)}

    return work.publish(build, SCHEMA)
'''

CHECKS = """
import dagster as dg


@dg.asset_check(asset="letter_counts")
def letters_are_there() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)
"""

SECTION = """
(function (page) {
  page.section({ id: "letters", title: "Letters", after: "tasks", show: () => null });
})((globalThis.medembedPage ??= {}));
"""

LOOK = """
import json, sys
import medembed_pipeline
medembed_pipeline.__path__.append(sys.argv[1])

import dagster as dg
from medembed_pipeline.definitions import defs
from medembed_pipeline.report.inputs import shown_tables
from medembed_pipeline.report.page import page_parts
from medembed_pipeline.settings import load_settings
from medembed_pipeline.settings_file import render_settings_file
from medembed_pipeline.tables_page import render_tables_page

graph = defs.resolve_asset_graph()
key = dg.AssetKey("letter_counts")
spec = graph.get(key)
launchpad = defs.resolve_assets_def(key).op.config_schema.config_type
print(json.dumps({
    "parents": [parent.path[-1] for parent in spec.parent_keys],
    "version": spec.code_version,
    "rule": spec.automation_condition is not None,
    "checks": [one.name for one in graph.asset_check_keys if one.asset_key == key],
    "launchpad": list(launchpad.fields),
    "settings": render_settings_file(load_settings()),
    "tables": render_tables_page(),
    "page": shown_tables(),
    "scripts": page_parts()[2],
    "report reads it": key in graph.get(dg.AssetKey("report")).parent_keys,
}))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the project knows, once the toy's folder is there."""
    folder = tmp_path_factory.mktemp("house")
    room = folder / "toy"
    room.mkdir()
    for name, content in {"__init__": "", "settings": SETTINGS, "assets": ASSETS, "checks": CHECKS}.items():
        (room / f"{name}.py").write_text(content)
    (room / "section.js").write_text(SECTION)
    (folder / "medembed.toml").write_text('[toy]\nletter = "a"\n')
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", LOOK, str(folder)]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer


def test_it_is_an_asset_in_the_lineage_with_its_rule_and_checks(found: dict[str, Any]) -> None:
    assert found["parents"] == ["cleaned_notes"] and found["version"].startswith("1-") and found["rule"]
    assert found["checks"] == ["letters_are_there"]


def test_its_settings_are_in_the_file_and_in_the_launchpad(found: dict[str, Any]) -> None:
    assert found["launchpad"] == ["letter"]
    assert '[toy]\n# Which letter is counted.\nletter = "a"\n' in found["settings"]


def test_its_section_runs_on_the_page_before_the_page_is_put_together(found: dict[str, Any]) -> None:
    assert 0 < found["scripts"].index('page.section({ id: "letters"') < found["scripts"].index("class App {")


def test_its_table_is_described_and_shown_on_the_page(found: dict[str, Any]) -> None:
    assert "## letter_counts\n\nOne row is a note and its letters." in found["tables"]
    assert "| `count` | int64 | how often the letter is in it |" in found["tables"]
    assert "letter_counts" in found["page"] and found["report reads it"]
