"""Drawn cases: the same for the same seed, marked as drawn, and as good as their plan says that they can be."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import psutil
import pytest

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.samples import cases as cases_module
from medembed_pipeline.samples.case_notes import case_note
from medembed_pipeline.samples.case_plan import (
    ABOUT,
    LEVELS,
    Arm,
    CaseCorpus,
    DrawnCase,
    best_accuracy,
    drawn_cases,
)
from medembed_pipeline.samples.cases import COLUMNS, TABLE, case_row, drawn_files, write_drawn_cases
from medembed_pipeline.samples.phantom import SIDE, draw_picture, opacities


def seen(case: DrawnCase, arm: Arm) -> tuple[int, ...]:
    picture, note = (case.extent, int(case.large_heart)), (case.illness, int(case.failing_heart))
    return {"picture": picture, "note": note, "both": (*picture, *note)}[arm]


@pytest.mark.parametrize("interaction", [True, False])
@pytest.mark.parametrize("arm", ["note", "picture", "both"])
def test_the_best_score_is_what_the_best_rule_reaches_on_many_cases(arm: Arm, interaction: bool) -> None:
    cases = list(drawn_cases(CaseCorpus(patients=6_000, interaction=interaction)))
    counts: defaultdict[tuple[int, ...], Counter[str]] = defaultdict(Counter)
    for case in cases:
        counts[seen(case, arm)][case.level] += 1
    reached = sum(max(levels.values()) for levels in counts.values()) / len(cases)
    assert best_accuracy(arm, interaction=interaction) == pytest.approx(reached, abs=0.015)


def test_both_are_worth_more_than_either_and_a_sum_of_both_is_not_enough() -> None:
    from sklearn.linear_model import LogisticRegression

    best = {arm: best_accuracy(arm) for arm in ("note", "picture", "both")}
    assert best["both"] > max(best["note"], best["picture"]) + 0.3
    for interaction, worth in ((True, True), (False, False)):
        cases = list(drawn_cases(CaseCorpus(patients=1500, interaction=interaction)))
        picture = np.array([case.extent * 2 + case.large_heart for case in cases])
        note = np.array([case.illness * 2 + case.failing_heart for case in cases])
        level = [case.level for case in cases]
        added = np.hstack([np.eye(6)[picture], np.eye(6)[note]])
        score = LogisticRegression(max_iter=500).fit(added, level).score(added, level)
        assert (best_accuracy("both", interaction=interaction) - score > 0.1) is worth


def test_a_patient_depends_on_seed_and_place_alone() -> None:
    few, more = list(drawn_cases(CaseCorpus(patients=3))), list(drawn_cases(CaseCorpus(patients=5)))
    assert few == more[:6] and few != list(drawn_cases(CaseCorpus(patients=3, seed=8)))
    assert case_row(few[0], 7) == case_row(more[0], 7)
    assert (np.asarray(draw_picture(few[0], 7)) == np.asarray(draw_picture(more[0], 7))).all()


def test_they_are_the_same_in_one_process_and_in_several(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = list(drawn_files(CaseCorpus(patients=25)))
    monkeypatch.setattr(cases_module, "_FEWEST_FOR_PROCESSES", 1)
    monkeypatch.setattr(cases_module, "core_count", lambda: 2)
    assert list(drawn_files(CaseCorpus(patients=25))) == alone


def test_processes_that_draw_end_with_one_that_is_killed() -> None:
    script = (
        "from medembed_pipeline.samples import cases\n"
        "cases.core_count = lambda: 2\n"
        "files = cases.drawn_files(cases.CaseCorpus(patients=3000))\n"
        "print(next(iter(files))[0], flush=True)\n"
        "list(files)\n"
    )
    drawing = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert drawing.stdout is not None and drawing.stdout.readline().startswith("drawn_")
    started = psutil.Process(drawing.pid).children(recursive=True)
    drawing.kill()
    drawing.wait()
    _, left = psutil.wait_procs(started, timeout=20)
    assert len(started) >= 2 and not left


def test_they_are_marked_as_drawn_in_the_table_and_in_the_picture(tmp_path: Path) -> None:
    corpus = CaseCorpus(patients=2)
    assert write_drawn_cases(tmp_path / "there", corpus) == 4
    files = dict(drawn_files(corpus))
    assert {path.name: path.read_bytes() for path in (tmp_path / "there").iterdir()} == files
    rows = list(csv.DictReader(io.StringIO(files[TABLE].decode())))
    assert tuple(rows[0]) == COLUMNS and {row["about"] for row in rows} == {ABOUT}
    case = next(drawn_cases(corpus))
    strip = np.asarray(draw_picture(case, 7))[SIDE - 15 :]
    assert strip.shape == (15, SIDE) and (strip > 150).sum() > 100 and (strip < 40).mean() > 0.5


def test_the_note_tells_how_ill_and_the_picture_is_brighter_where_the_opacity_is() -> None:
    cases = list(drawn_cases(CaseCorpus(patients=150)))
    saturation: dict[int, list[int]] = {level: [] for level in range(3)}
    for case in cases:
        words = case_note(case, 7).replace("%", "").split()
        told = next(place for place, word in enumerate(words) if word in ("SpO2", "sat", "saturation")) + 1
        saturation[case.illness].append(int(words[told].strip(",.")))
    assert np.mean(saturation[0]) > np.mean(saturation[1]) > np.mean(saturation[2])
    light: dict[int, list[float]] = {0: [], 2: []}
    for case in cases[:60]:
        if case.extent != 1 and not case.large_heart:
            picture = np.asarray(draw_picture(case, 7), dtype=float)
            light[case.extent].append(picture[50:120, 30:75].mean() / picture.mean())
            assert len(opacities(case, 7)) == (0 if case.extent == 0 else 4)
    assert np.mean(light[2]) > np.mean(light[0]) + 0.1


def test_source_and_view_say_nothing_of_the_level_unless_a_shortcut_is_planted() -> None:
    from scipy.stats import chi2_contingency

    def dependence(corpus: CaseCorpus) -> float:
        cases = list(drawn_cases(corpus))
        sources = sorted({case.source for case in cases})
        counts = Counter((case.level, case.source) for case in cases)
        table = [[counts[level, source] for source in sources] for level in LEVELS]
        return float(chi2_contingency(table).pvalue)

    assert dependence(CaseCorpus(patients=600)) > 0.01
    assert dependence(CaseCorpus(patients=600, shortcut=0.5)) < 1e-6
    marked = next(case for case in drawn_cases(CaseCorpus(patients=50, shortcut=1.0)) if case.marked == 2)
    assert (np.asarray(draw_picture(marked, 7))[5:9, 101:108] > 200).all()


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(MedembedError, match="at least 1"):
        CaseCorpus(patients=0)
    with pytest.raises(MedembedError, match="share"):
        CaseCorpus(shortcut=1.5)
