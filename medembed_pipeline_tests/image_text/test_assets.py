"""The assets on a small lake of drawn cases, with stand-ins for the encoders; and the command without Dagster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from medembed_pipeline.cli import main
from medembed_pipeline.image_text import assets, checks
from medembed_pipeline.image_text.contrast import LABEL
from medembed_pipeline.images.assets import case_splits, landing_images, paired_cases
from medembed_pipeline.images.vectors import image_embeddings_schema
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publishing import LakeResource
from medembed_pipeline.lake.tables import Recipe, vector_column
from medembed_pipeline.samples.case_plan import CaseCorpus
from medembed_pipeline.samples.cases import write_drawn_cases
from medembed_pipeline_tests.encoder.small_image_models import make_clip

LANDING = [landing_images, paired_cases, case_splits]
ROOM = [
    assets.prompt_pairs,
    assets.image_text_vectors,
    assets.preference_margins,
    assets.image_text_metrics,
    assets.image_text_examples,
    checks.every_pair_was_measured,
    checks.controls_behave,
]
WORDS = (
    "clear",
    "opacity",
    "opacities",
    "consolidation",
    "enlarged",
    "cardiomegaly",
    "wide",
    "normal",
    "right",
    "left",
    "both",
)


def word_vectors(lake: Lake, texts: list[str]) -> np.ndarray:
    """Which of the telling words a text has."""
    rows = np.array(
        [[1.0 if word in text.lower() else 0.1 for word in WORDS] for text in texts], dtype=np.float32
    )
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def materialize(lake: Lake, *definitions: Any) -> dg.ExecuteInProcessResult:
    return dg.materialize(list(definitions), resources={"lake": LakeResource(url=lake.url)})


def write_vectors(lake: Lake) -> None:
    """Vectors of the pictures that show what is to be seen, with noise."""
    cases = lake.table("paired_cases").read().to_pylist()
    found = sorted({finding for case in cases for finding in case["findings"]})
    random = np.random.default_rng(0)
    images = sorted({case["image_id"] for case in cases})
    seen = {case["image_id"]: case["findings"] for case in cases}
    rows = np.array([[float(name in seen[image]) for name in found] for image in images])
    rows = np.hstack(
        [rows + 0.3 * random.standard_normal(rows.shape), random.standard_normal((len(rows), 8))]
    )
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    schema = image_embeddings_schema(rows.shape[1])
    table = pa.table([pa.array(images), vector_column(rows)], schema=schema)
    lake.write_table(Recipe("image_embeddings", "1", {}, {}), table)


@pytest.fixture()
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setattr("medembed_pipeline.image_text.spaces.text_vectors", word_vectors)
    return Lake(str(tmp_path / "lake"))


def test_from_landing_to_figures_pictures_and_a_projection_that_says_what_it_is_not(lake: Lake) -> None:
    write_drawn_cases(Path(lake.path("landing_images", "drawn")), CaseCorpus(patients=110))
    materialize(lake, *LANDING)
    write_vectors(lake)
    result = materialize(lake, *ROOM)
    told = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert told["controls_behave"].passed
    rows = {
        (row["model"], row["arm"], row["pair_id"], row["figure"]): row["value"]
        for row in lake.table("image_text_metrics").read().to_pylist()
    }
    facts = lake.table("image_text_metrics").footer.facts
    assert facts["label"] == LABEL and facts["pictures"] == lake.table("case_splits").footer.facts["test"]
    assert rows["finetuned", "as_written", "large_heart", "auc"] > 0.8
    assert rows["finetuned", "as_written", None, "auc"] > rows["base", "as_written", None, "auc"]
    margins = lake.table("preference_margins")
    assert margins.rows == 220 * 4 * 2
    version = lake.table("image_text_vectors").footer.facts["projection"]
    assert LABEL in Path(lake.path("image_text_models", version, "README.md")).read_text()
    names = {path.stem for path in Path(lake.path("pictures", "image_text_metrics")).glob("*.png")}
    assert names == {"auc", "margins", "likeness", "map"}
    held = {row["image_id"] for row in margins.read().to_pylist() if row["split"] == "test"}
    assert {row["image_id"] for row in lake.table("image_text_examples").read().to_pylist()} <= held
    (event,) = materialize(lake, *ROOM[:5]).asset_materializations_for_node("image_text_vectors")
    assert event.metadata["kept"].value is True


def test_without_pictures_everything_is_there_and_empty(lake: Lake) -> None:
    materialize(lake, *LANDING)
    lake.write_table(Recipe("image_embeddings", "1", {}, {}), image_embeddings_schema(4).empty_table())
    result = materialize(lake, *ROOM)
    assert all(one.passed for one in result.get_asset_check_evaluations())
    assert lake.table("image_text_metrics").rows == 0 and lake.table("prompt_pairs").rows == 4


def test_broken_prompts_of_a_person_stop_the_asset_with_pair_and_field(lake: Lake) -> None:
    materialize(lake, *LANDING)
    lake.write_bytes(b'{"prompt_pairs": [{"pair_id": 1, "sick": "a", "well": ""}]}', "prompts", "mine.json")
    with pytest.raises(dg.Failure, match=r"prompts/mine\.json, pair '1', field well"):
        materialize(lake, assets.prompt_pairs)


def test_the_command_measures_a_model_of_both_and_its_tuned_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "films"
    write_drawn_cases(folder, CaseCorpus(patients=45))
    prompts = tmp_path / "prompts.json"
    pair = {"pair_id": "h", "tumor": "large heart", "healthy": "clear lungs"}
    labels = {"tumor_labels": ["large heart"], "healthy_labels": ["normal heart"]}
    prompts.write_text(json.dumps({"experiment_name": "e", "prompt_pairs": [{**pair, **labels}]}))
    model = make_clip(tmp_path / "clip")
    output = tmp_path / "out"
    command = ["image-text", "--images", str(folder), "--prompts", str(prompts), "--model", str(model)]
    assert main([*command, "--finetuned", str(model), "--output", str(output)]) == 0
    results = json.loads((output / "results.json").read_text())
    assert len(results["pictures"]) == 90 and len(results["margins"]) == 180
    auc = {
        row["model"]: row
        for row in results["metrics"]
        if row["figure"] == "auc" and row["pair_id"] == "h" and row["arm"] == "as_written"
    }
    assert auc["base"]["value"] == auc["finetuned"]["value"] and auc["difference"]["value"] == 0
    assert {path.name for path in output.glob("*.png")} == {
        "auc.png",
        "margins.png",
        "likeness.png",
        "map.png",
    }
    assert not list(output.rglob("*.pkl")) and "90 pictures of 45 patients" in capsys.readouterr().out


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "films").mkdir()
    prompts = tmp_path / "prompts.json"
    prompts.write_text('{"prompt_pairs": [{"pair_id": 1, "sick": "a", "well": "b"}]}')
    command = [
        "image-text",
        "--images",
        str(tmp_path / "films"),
        "--model",
        "bundled",
        "--output",
        str(tmp_path / "out"),
    ]
    assert main([*command, "--prompts", str(tmp_path / "nowhere.json")]) == 2
    assert main([*command, "--prompts", str(prompts)]) == 2
    told = capsys.readouterr().err
    assert "is not there" in told and "holds no picture" in told
