"""A room gets something searched by a `study.py` alone; and what `medembed study` shows of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from medembed_pipeline.cli import main
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.settings import DATA_LAKE_VARIABLE
from medembed_pipeline.study.command import study_lines
from medembed_pipeline.study.declared import declared_studies
from medembed_pipeline.study.importance import FEWEST, importances
from medembed_pipeline.study.made import study_facts
from medembed_pipeline.study.search import search
from medembed_pipeline.study.store import MemoryTrials
from medembed_pipeline.study.trial import TrialRecord
from medembed_pipeline_tests.study.toys import SPACE, START, hill

STUDY = """
from medembed_pipeline.study.declared import Prepared, Study
from medembed_pipeline.study.space import Choice, Space, Whole

SPACE = Space([Whole("length", 1, 9), Choice("letter", ("a", "e"))])


def prepare(work):
    texts = work.input("cleaned_notes").strings("text")

    def objective(values, trial):
        scores = [text[: values["length"]].count(values["letter"]) for text in texts]
        trial.report(sum(scores), 1)
        trial.figure("notes", len(texts))
        return scores

    return Prepared(objective, {"length": 3, "letter": "a"}, {"notes": len(texts)})


TOY = Study(
    name="toy",
    about="Which beginning of a note has the most of a letter.",
    space=SPACE,
    parameters={"length": "letters that are read"},
    figures={"notes": "how many there are"},
    inputs=("cleaned_notes",),
    prepare=prepare,
    score="letters",
    block=lambda values: f"[toy]\\nlength = {values['length']}",
    version="1" * 64,
)
"""

LOOK = """
import json, sys
import medembed_pipeline
medembed_pipeline.__path__.append(sys.argv[1])

import dagster as dg
import pyarrow as pa
from medembed_pipeline.definitions import defs
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.report.inputs import shown_tables
from medembed_pipeline.tables_page import render_tables_page

graph, key = defs.resolve_asset_graph(), dg.AssetKey("toy_study")
lake = Lake(sys.argv[1] + "/lake")
lake.write_table(Recipe("cleaned_notes", "1", {}, {}), pa.table({"text": ["eel", "tea", "a bee"]}))
made = dg.materialize(
    [defs.resolve_assets_def(key)],
    run_config={"ops": {"toy_study": {"config": {"trials": 12, "which": ["toy"]}}}},
)
table = lake.table("toy_study")
print(json.dumps({
    "parents": [parent.path[-1] for parent in graph.get(key).parent_keys],
    "group": graph.get(key).group_name,
    "about": graph.get(key).description,
    "tables": render_tables_page(),
    "page": shown_tables(),
    "rows": table.read().to_pylist(),
    "facts": table.footer.facts,
    "pictures": lake.names("pictures", "toy_study"),
    "shown": list(made.asset_materializations_for_node("toy_study")[0].metadata),
}))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the project knows, once the toy's room is there, and its study after twelve trials."""
    folder = tmp_path_factory.mktemp("house")
    room = folder / "toy"
    room.mkdir()
    (room / "__init__.py").write_text("")
    (room / "study.py").write_text(STUDY)
    (folder / "medembed.toml").write_text("")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    environment[DATA_LAKE_VARIABLE] = str(folder / "lake")
    command = [sys.executable, "-c", LOOK, str(folder)]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    answer: dict[str, Any] = json.loads(ran.stdout.strip().splitlines()[-1])
    return answer


def test_a_rooms_study_is_an_asset_in_the_lineage_described_and_on_the_page(found: dict[str, Any]) -> None:
    assert found["parents"] == ["cleaned_notes"] and found["group"] == "study"
    assert found["about"] == "Which beginning of a note has the most of a letter."
    assert "| `length` | int64 | searched: letters that are read |" in found["tables"]
    assert "| `notes` | double | how many there are; null unless noted |" in found["tables"]
    assert "toy_study" in found["page"]


def test_its_trials_are_made_and_what_won_is_shown(found: dict[str, Any]) -> None:
    rows, facts = found["rows"], found["facts"]
    assert len(rows) == 12 and rows[0]["length"] == 3 and rows[0]["letter"] == "a"
    for row in rows:
        if row["state"] == "complete":
            scores = [text[: row["length"]].count(row["letter"]) for text in ("eel", "tea", "a bee")]
            assert row["fold_scores"] == scores and row["notes"] == 3
    best = next(row for row in rows if row["best"])
    assert facts["settings_block"] == f"[toy]\nlength = {best['length']}" and facts["notes"] == 3
    assert {name.partition(".")[0] for name in found["pictures"]} >= {
        "history",
        "slices",
        "parallel_coordinates",
    }
    assert {"history", "settings_block", "looks"} <= set(found["shown"])


def test_the_study_of_the_recipe_is_declared_that_way() -> None:
    studies = declared_studies()
    assert studies["recipe"].asset == "recipe_study" and "head_learning_rate" in studies["recipe"].space.names


def records(trials: int, objective: Any = hill) -> list[TrialRecord]:
    store = MemoryTrials()
    search(SPACE, objective, trials=trials, seed=5, storage=store, start=START, pruning=False)
    return [record for number in range(trials) if (record := store.get(number))]


def test_what_matters_is_told_apart_from_what_does_not() -> None:
    found = importances(records(25), SPACE, seed=7)
    shares = {one["parameter"]: one["importance"] for one in found}
    assert sum(shares.values()) == pytest.approx(1) and found[0]["parameter"] == "rate"
    assert shares["rank"] < 0.1
    assert importances(records(FEWEST - 1), SPACE, seed=7) == []
    assert importances(records(FEWEST, lambda values, trial: [1.0]), SPACE, seed=7) == []


def test_where_the_defaults_are_best_there_is_nothing_to_take_over() -> None:
    study = declared_studies()["recipe"]

    def flat(values: Any, trial: Any) -> list[float]:
        return [1.0 if trial.number == 0 else 0.5]

    facts = study_facts(records(3, flat), study, seed=7)
    assert facts["best_trial"] == 0 and facts["gain_over_first"] == 0 and facts["settings_block"] == ""


def test_the_command_shows_the_best_first_and_what_to_take_over() -> None:
    study = declared_studies()["recipe"]
    rows: list[dict[str, Any]] = [
        {"number": 0, "score": 0.5, "allowed": True, "broken": [], "best": False},
        {"number": 1, "score": None, "allowed": True, "broken": [], "best": False},
        {"number": 2, "score": 0.75, "allowed": False, "broken": ["rank"], "best": False},
        {"number": 3, "score": 0.625, "allowed": True, "broken": [], "best": True},
    ]
    rows = [{**row, **{name: 0.125 for name in study.space.names}} for row in rows]
    facts = {"complete": 3, "pruned": 1, "failed": 0, "looks": 17, "gain_over_first": 0.125, "best_trial": 3}
    lines = study_lines(study, rows, {**facts, "settings_block": "[training]\nepochs = 3"})
    assert "17 models were scored on the validation notes" in lines[1]
    assert [line.split()[0] for line in lines[4:7]] == ["3", "0", "2"] and lines[6].endswith("rank")
    assert "(+0.1250 against the defaults)" in lines[-3] and lines[-1] == "[training]\nepochs = 3"
    assert study_lines(study, rows[:1], {**facts, "settings_block": "", "best_trial": 0})[-1].startswith(
        "The defaults"
    )
    assert (
        study_lines(study, rows[2:3], {**facts, "settings_block": "", "best_trial": None})[-1]
        == "No trial keeps what must be kept."
    )


def test_the_command_says_where_there_is_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(DATA_LAKE_VARIABLE, str(tmp_path))
    assert main(["study"]) == 0
    assert "There are no trials of recipe; `medembed study recipe --trials 20`" in capsys.readouterr().out
    lake = Lake(str(tmp_path))
    study = declared_studies()["recipe"]
    from medembed_pipeline.study.table import trials_schema

    lake.write_table(Recipe(study.asset, "1", {}, {}), trials_schema(study.space).empty_table())
    assert main(["study"]) == 0
    assert main(["study", "weather"]) == 2
    assert "there is no study weather" in capsys.readouterr().err
    assert main(["study", "--trials", "0"]) == 2
