"""Places on the map of cases against scikit-learn; what is left of an answer without a part, by its definition."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from medembed_pipeline.evaluation.vectors import FloatArray
from medembed_pipeline.samples.case_plan import CaseCorpus
from medembed_pipeline.triage.arms import (
    ARMS,
    CONCATENATED,
    FUSIONS,
    GATED,
    LATE,
    NOTE,
    PICTURE,
    Arms,
    LateFusion,
)
from medembed_pipeline.triage.case_map import BLANKS, blanked, case_places
from medembed_pipeline.triage.heads import fit_head, log_softmax
from medembed_pipeline.triage.predictions import predictions_table
from medembed_pipeline_tests.triage.small_cases import Small, parts_of_small, small


def blocks(count: int = 90) -> list[FloatArray]:
    """Of very different lengths and widths, not centred."""
    random = np.random.default_rng(5)
    first: FloatArray = random.normal(size=(count, 12)) * np.geomspace(9, 0.1, 12) + 4
    return [first, 1000 * random.normal(size=(count, 5)) * np.geomspace(1, 0.2, 5) - 70]


def test_one_block_lies_where_scikit_learn_puts_it_and_so_do_cases_that_directions_are_not_taken_from() -> (
    None
):
    from sklearn.decomposition import PCA

    block, train = blocks()[0], np.arange(60)
    places, share = case_places([block], train)
    fitted = PCA(2, svd_solver="full").fit(block[train])
    expected = fitted.transform(block) / np.sqrt(fitted.explained_variance_[0] * 59 / 60)
    signs = np.sign((places * expected).sum(axis=0))
    assert places == pytest.approx(expected * signs)
    assert share == pytest.approx(fitted.explained_variance_ratio_.sum())
    assert np.std(places[train, 0]) == pytest.approx(1.0)


def test_of_two_blocks_each_counts_by_its_leading_direction_whatever_its_unit() -> None:
    first, second = blocks()
    train = np.arange(90)
    places, share = case_places([first, second], train)
    for changed in ([first, second / 1e6], [first * 50, second], [first - 3, second]):
        again, again_share = case_places(changed, train)
        assert again == pytest.approx(places) and again_share == pytest.approx(share)
    # Two blocks that know nothing of each other: an axis each, neither of both.
    leading = [case_places([block], train)[0][:, 0] for block in (first, second)]
    told = np.abs(np.corrcoef(np.column_stack([places, *leading]).T)[:2, 2:])
    assert (np.square(told).sum(axis=0) > 0.95).all()


def test_what_has_one_direction_or_none_lies_on_a_line_or_in_the_middle() -> None:
    line = np.linspace(0, 5, 6)[:, None] * np.array([1.0, -2.0])
    places, share = case_places([line], np.arange(6))
    assert (places[:, 1] == pytest.approx(np.zeros(6))) and share == pytest.approx(1.0)
    assert np.diff(places[:, 0]) == pytest.approx(np.full(5, np.diff(places[:, 0])[0]))
    one, _ = case_places([line[:4, :1]], np.arange(4))
    assert one.shape == (4, 2) and not one[:, 1].any()
    nothing, share = case_places([np.ones((4, 3))], np.arange(4))
    assert not nothing.any() and share == 0.0


def late_arms(count: int) -> tuple[Arms, dict[str, FloatArray]]:
    random = np.random.default_rng(6)
    seen = {NOTE: random.normal(size=(count, 3)), PICTURE: random.normal(size=(count, 2))}
    level = random.integers(0, 3, count)
    heads = {
        part: fit_head("linear", [own], level, 3, units=0, decay=0.01, seed=0) for part, own in seen.items()
    }
    prior = np.log(np.array([0.5, 0.3, 0.2]))
    fusion = LateFusion({NOTE: 0.7, PICTURE: 1.2}, prior)
    return Arms({}, {**heads, LATE: fusion}, {NOTE: 1.0, PICTURE: 1.0, LATE: 1.5}), seen


def test_without_a_part_an_answer_is_that_to_the_mean_of_the_train_cases() -> None:
    arms, seen = late_arms(40)
    given = np.arange(40) % 3
    found = blanked(arms, LATE, seen, given)
    assert found is not None and list(found) == ["blank_note", "blank_picture", "blank_both"]
    head = {part: arms.heads[part].logits([np.zeros((1, seen[part].shape[1]))]) for part in seen}  # type: ignore[arg-type]
    for row in range(40):
        for name, parts in BLANKS.items():
            said = {
                part: head[part] if part in parts else arms.logits(part, {part: seen[part][[row]]})
                for part in seen
            }
            total = np.log([0.5, 0.3, 0.2]) * (1 - 0.7 - 1.2)
            total = total + 0.7 * log_softmax(said[NOTE]) + 1.2 * log_softmax(said[PICTURE])
            scores = np.exp(total[0] / 1.5)
            assert found[name][row] == pytest.approx(scores[given[row]] / scores.sum())
    assert np.ptp(found["blank_both"][given == 1]) == pytest.approx(0.0)
    assert blanked(arms, NOTE, seen, given) is None


@pytest.fixture(scope="module")
def drawn() -> Small:
    return small(CaseCorpus(patients=100))


def test_the_table_has_a_place_for_every_answer_and_what_is_left_for_fusions_alone(drawn: Small) -> None:
    parts = parts_of_small(drawn)
    seen = parts.arms.seen(drawn.rows)
    table, facts = predictions_table(drawn.cases, parts.arms, seen)
    assert [one["arm"] for one in facts["map_spread"]] == list(ARMS)
    assert all(0 < one["share"] <= 1 for one in facts["map_spread"])
    rows = table.to_pylist()
    for name in BLANKS:
        assert all((row[name] is not None) == (row["arm"] in FUSIONS) for row in rows)
    held = [row for row in rows if row["arm"] == GATED and row["split"] == "test"]
    sure = [row for row in held if max(row["probabilities"]) > 0.8]
    # An answer of both is surer than what is left without both, and without both all cases are alike.
    assert len(sure) > 5
    assert np.mean([max(row["probabilities"]) - row["blank_both"] for row in sure]) > 0.2
    left = {(row["predicted"], row["blank_both"]) for row in held}
    assert len(left) == len({row["predicted"] for row in held})
    of_arm = {arm: [row for row in rows if row["arm"] == arm] for arm in ARMS}
    assert [row["x"] for row in of_arm[GATED]] == [row["x"] for row in of_arm[CONCATENATED]]


def test_places_do_not_depend_on_what_a_case_without_a_part_holds_there(drawn: Small) -> None:
    import dataclasses

    parts = parts_of_small(drawn)
    notes: list[str | None] = list(drawn.cases.notes)
    notes[3] = None
    cases = dataclasses.replace(drawn.cases, notes=notes)
    tables = []
    for value in (0.0, 50.0):
        rows = {part: own.copy() for part, own in drawn.rows.items()}
        rows[NOTE][3] = value
        tables.append(predictions_table(cases, parts.arms, parts.arms.seen(rows))[0])
    assert tables[0].equals(tables[1]) and isinstance(tables[0], pa.Table)
    lacks = {row["arm"] for row in tables[0].to_pylist() if row["case_id"] == drawn.cases.case_ids[3]}
    assert lacks == {PICTURE, "metadata"}
