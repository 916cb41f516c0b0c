"""The asset and its check on a small lake."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medembed_pipeline.evidence.labels.assets import label_review
from medembed_pipeline.evidence.labels.checks import few_labels_look_wrong
from medembed_pipeline_tests.evidence.labels.planted import planted_corpus
from medembed_pipeline_tests.evidence.queries.small_lake import SmallLake, materialize


def small_lake(folder: Path, *, misfiled: float, classes: int = 4) -> SmallLake:
    corpus = planted_corpus(classes=classes, notes=25, misfiled=misfiled)
    return SmallLake(
        folder,
        corpus.note_ids,
        corpus.given,
        corpus.groups,
        [corpus.splits[note_id] for note_id in corpus.note_ids],
        {"baseline": corpus.embeddings, "tuned": corpus.embeddings},
    )


@pytest.mark.parametrize(("misfiled", "passes"), [(0.03, True), (0.2, False)])
def test_table_pictures_and_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, misfiled: float, passes: bool
) -> None:
    lake = small_lake(tmp_path, misfiled=misfiled)
    result = materialize(lake, [label_review, few_labels_look_wrong], monkeypatch)
    table = lake.lake.table("label_review")
    assert table.rows == len(lake.note_ids)
    names = [lake.specialties[row][0] for row in lake.held]
    best = np.mean([min(names.count(name) - 1, 5) / 5 for name in names if names.count(name) > 1])
    assert table.footer.facts["ceiling_precision_at_5"] == pytest.approx(best)
    for name in ("label_quality", "label_ceiling"):
        assert (tmp_path / "pictures" / "label_review" / f"{name}.png").is_file()
    (check,) = result.get_asset_check_evaluations()
    assert check.passed is passes and check.severity.value == "WARN"


def test_labels_that_cannot_be_judged_are_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = small_lake(tmp_path, misfiled=0, classes=1)
    result = materialize(lake, [label_review, few_labels_look_wrong], monkeypatch)
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed and "no specialty has enough notes" in str(check.description)
    assert not (tmp_path / "pictures" / "label_review" / "label_quality.png").exists()
