"""The code location: quick to load, complete, and loadable by every way people load it."""

import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import dagster as dg
import pytest

from medembed_pipeline_tests.graph.names import GROUPS, TABLES

ROOT = Path(__file__).resolve().parents[1]
HEAVY = [
    "torch",
    "transformers",
    "sentence_transformers",
    "numba",
    "matplotlib",
    "vl_convert",
    "sklearn",
    "numba",
    "ftfy",
    "scipy",
    "fsspec",
    "pyarrow.compute",
    "optuna",
    "mlflow",
    "wandb",
    "ray",
]


def python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return done.stdout


def test_loading_imports_nothing_heavy_and_reads_no_words() -> None:
    code = f"""
import json, sys
import medembed_pipeline.definitions
from medembed_pipeline.words import read_words
print(json.dumps([[name for name in {HEAVY!r} if name in sys.modules], read_words.cache_info().currsize]))
"""
    assert json.loads(python(code)) == [[], 0]


def test_every_asset_is_there_in_its_group_with_a_description_and_columns() -> None:
    from medembed_pipeline.definitions import defs

    graph = defs.resolve_asset_graph()
    groups = {key.path[-1]: graph.get(key).group_name for key in graph.get_all_asset_keys()}
    assert GROUPS.items() <= groups.items()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.kinds, key
        assert node.code_version, key
        if key.path[-1] in TABLES:
            assert "dagster/column_schema" in node.metadata, key


def test_the_lineage_reads_from_left_to_right_no_arrow_between_groups_runs_back() -> None:
    from medembed_pipeline.definitions import defs

    graph = defs.resolve_asset_graph()
    above: dict[str, set[str]] = {name: set() for name in GROUPS.values()}
    for key in graph.get_all_asset_keys():
        for parent in graph.get(key).parent_keys:
            above[GROUPS[key.path[-1]]].add(GROUPS[parent.path[-1]])
    order = [
        "notes",
        "images",
        "image_text",
        "triage",
        "baseline",
        "training",
        "tuned",
        "study",
        "evaluation",
        "classification",
        "verdict",
        "report",
        "serving",
    ]
    assert set(order) == set(above)
    for group, parents in above.items():
        assert {order.index(parent) for parent in parents} <= set(range(order.index(group) + 1)), group


def test_the_readme_shows_every_asset_in_its_group() -> None:
    shown: dict[str, str] = {}
    for group, names in re.findall(r'"<b>(\w+)</b><br>([\w<>]+)"', (ROOT / "README.md").read_text()):
        shown |= dict.fromkeys(names.split("<br>"), group)
    assert shown == GROUPS


def test_every_check_that_is_written_is_registered() -> None:
    from medembed_pipeline.definitions import defs

    written: dict[str, str] = {}
    for file in sorted((ROOT / "medembed_pipeline").rglob("checks.py")):
        module = import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
        for value in vars(module).values():
            for one in value if isinstance(value, (list, tuple)) else [value]:
                if isinstance(one, dg.AssetChecksDefinition):
                    written.update(dict.fromkeys((key.name for key in one.check_keys), module.__name__))
    registered = {key.name for key in defs.resolve_asset_graph().asset_check_keys}
    assert {name: room for name, room in written.items() if name not in registered} == {}
    assert registered == set(written)
    assert {"projections_place_every_note", "aligned_projections_place_every_note"} <= registered


def test_the_graph_is_the_chain() -> None:
    from medembed_pipeline.definitions import defs

    graph = defs.resolve_asset_graph()
    parents = {
        key.path[-1]: {parent.path[-1] for parent in graph.get(key).parent_keys}
        for key in graph.get_all_asset_keys()
    }
    assert parents["cleaned_notes"] == {"raw_transcriptions"}
    assert parents["note_splits"] == {"cleaned_notes"}
    assert parents["finetuned_checkpoint"] == {"triplets"}
    assert {"finetuned_checkpoint", "cleaned_notes"} <= parents["tuned_embeddings"]
    assert {"baseline_embeddings", "tuned_embeddings", "note_splits"} <= parents["embedding_metrics"]


def test_training_waits_for_the_gpu_pool_of_one() -> None:
    import yaml

    from medembed_pipeline.definitions import defs

    assert defs.resolve_assets_def("finetuned_checkpoint").op.pool == "gpu"
    instance = yaml.safe_load((ROOT / "medembed_pipeline" / "dagster.yaml").read_text())
    assert instance["concurrency"]["pools"] == {"granularity": "op", "default_limit": 1}
    assert instance["telemetry"] == {"enabled": False}


@pytest.mark.parametrize(
    "command",
    [["dagster", "definitions", "validate", "-w", "workspace.yaml"], ["dg", "check", "defs"]],
    ids=["workspace.yaml", "dg"],
)
def test_both_ways_of_loading_succeed(command: list[str], tmp_path: Path) -> None:
    tool = Path(sys.executable).with_name(command[0])
    done = subprocess.run(
        [str(tool), *command[1:]],
        cwd=ROOT,
        env={**os.environ, "DAGSTER_HOME": str(tmp_path), "PATH": f"{tool.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_bad_settings_file_stops_the_code_location_with_its_message(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("[splits]\ntrain = 3\n")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        python("import medembed_pipeline.definitions", MEDEMBED_SETTINGS=str(bad))
    assert "splits.train = 3" in caught.value.stderr
