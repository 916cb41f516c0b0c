"""The leakage estimate finds planted leaks and honesty, and agrees with brute force and with embedding_metrics."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medembed_pipeline.evaluation.metrics_table import metrics_table
from medembed_pipeline.evidence.leakage import estimate
from medembed_pipeline.evidence.leakage.corpus import LeakNotes
from medembed_pipeline.evidence.leakage.estimate import (
    LEAKAGE_ESTIMATE_SCHEMA,
    leakage_estimate,
    simulated_seen_share,
)
from medembed_pipeline.evidence.leakage.memory import PROTOCOLS, memorization_share
from medembed_pipeline.evidence.leakage.simulation import (
    LeakageError,
    draw_by_group,
    landed_rows,
    seen_share,
)
from medembed_pipeline_tests.evidence.leakage.planted import Planted, plant

LEAKY = PROTOCOLS[PROTOCOLS.index("by_group") + 1 :]


def measure(
    planted: Planted, **changed: Any
) -> tuple[dict[tuple[str, str, str, Any], dict[str, Any]], dict[str, Any]]:
    parameters: dict[str, Any] = {
        "train": 0.7,
        "test": 0.2,
        "repeats": 8,
        "seed": 7,
        "largest_pool": 2000,
        "confidence": 0.95,
    }
    table, facts = leakage_estimate(planted.notes(), **{**parameters, **changed})
    assert table.schema.equals(LEAKAGE_ESTIMATE_SCHEMA)
    found = {(row["protocol"], row["model"], row["metric"], row["k"]): row for row in table.to_pylist()}
    assert len(found) == table.num_rows
    return found, facts


def test_a_model_that_memorises_gains_nothing_and_all_of_the_apparent_gain_is_memory() -> None:
    found, facts = measure(plant("memory"))
    assert found["by_group", "difference", "precision", 5]["value"] == 0.0
    for protocol in LEAKY:
        row = found[protocol, "difference", "precision", 5]
        assert row["value"] > 0.1 and row["ci_low"] > 0
        assert facts[f"memorization_share_{protocol}"] == 1.0 == facts[f"memorization_share_map_{protocol}"]
    assert found["training_notes", "tuned", "precision", 5]["value"] > 0.98
    # The more of the items were seen, the larger the apparent gain.
    shares = [
        found[protocol, "tuned", "precision", 5]["seen_share"]
        for protocol in ("by_group", "by_text", "training_notes")
    ]
    gains = [
        found[protocol, "difference", "map", None]["value"]
        for protocol in ("by_group", "by_text", "training_notes")
    ]
    assert shares[0] == 0.0 < shares[1] < shares[2] == 1.0
    assert gains == sorted(gains)


def test_a_model_that_has_learnt_shows_the_same_gain_everywhere() -> None:
    found, facts = measure(plant("learnt", count=800, several=0.0), repeats=20)
    gain = found["by_group", "difference", "precision", 5]["value"]
    assert gain > 0.15
    for protocol in LEAKY:
        assert found[protocol, "difference", "precision", 5]["value"] == pytest.approx(gain, abs=0.05)
        assert abs(facts[f"memorization_share_{protocol}"]) < 0.2
        assert abs(facts[f"memorization_share_map_{protocol}"]) < 0.2
    records = {(record["protocol"], record["metric"]): record for record in facts["memory"]}
    assert len(records) == 8
    for record in records.values():
        assert record["memorization_share_low"] < 0.1 and record["memorization_share_high"] > -0.1
        assert record["memorization_share"] == pytest.approx(
            1 - record["gain_held_out"] / record["gain"], abs=1e-6
        )
        assert record["memorization_share_same_rules"] == pytest.approx(
            1 - record["gain_unseen"] / record["gain"], abs=1e-6
        )


def test_without_an_apparent_gain_there_is_no_share() -> None:
    found, facts = measure(plant("nothing"))
    assert all(row["value"] == 0.0 for key, row in found.items() if key[1] == "difference")
    assert all(
        facts[f"memorization_share_{prefix}{protocol}"] is None
        for prefix in ("", "map_")
        for protocol in LEAKY
    )
    assert (
        memorization_share(-0.1, 0.1) is None
        and memorization_share(math.nan, 0.1) is None
        and memorization_share(0.1, math.nan) is None
    )
    assert memorization_share(0.2, 0.05) == 0.75 and memorization_share(0.2, -0.1) == 1.5


def test_by_group_is_what_embedding_metrics_says() -> None:
    planted = plant("learnt", count=300, seed=3)
    found, facts = measure(planted)
    held = [row for row, note in enumerate(planted.note_ids) if note in planted.held_out]
    expected = metrics_table(
        [planted.note_ids[row] for row in held],
        planted.baseline[held],
        planted.tuned[held],
        [planted.specialties[row] for row in held],
        [planted.groups[row] for row in held],
    ).to_pylist()
    compared = 0
    for row in expected:
        if row["scope"] == "all":
            own = found["by_group", row["model"], row["metric"], row["k"]]
            assert own["value"] == pytest.approx(row["value"], abs=1e-10)
            assert (own["ci_low"], own["ci_high"]) == pytest.approx((row["ci_low"], row["ci_high"]), abs=1e-9)
            compared += 1
    assert compared == 3 * len({key[2:] for key in found})
    assert facts["pool"] == facts["held_out_notes"] == len(held)
    assert facts["held_out_protocol"] == "by_group"


def test_where_patients_are_known_a_split_by_near_duplicates_alone_is_a_leak() -> None:
    """The planted groups are patients here, whose notes are no near-duplicates of one another."""
    planted = plant("memory")
    alone = replace(planted, near_duplicates=[f"text {row}" for row in range(400)])
    found, facts = measure(alone)
    assert facts["held_out_protocol"] == "by_patient"
    assert {key[0] for key in found} == set(PROTOCOLS)
    for metric, k in (("precision", 5), ("map", None)):
        held_out, by_group = (found[name, "difference", metric, k] for name in ("by_patient", "by_group"))
        assert held_out["value"] == held_out["seen_share"] == 0.0
        # Other notes of many of the patients were trained on.
        assert by_group["seen_share"] > 0.3 and by_group["value"] > 0.1 and by_group["ci_low"] > 0
    assert facts["memorization_share_by_group"] == 1.0 == facts["memorization_share_map_by_group"]
    # A split of texts and one of near-duplicates are the same here, apart from what is drawn.
    assert found["by_text", "tuned", "map", None]["seen_share"] == pytest.approx(
        found["by_group", "tuned", "map", None]["seen_share"], abs=0.05
    )
    # Without a patient with several notes, a split by near-duplicates sees nothing either.
    lone = replace(planted, near_duplicates=planted.groups)
    found, facts = measure(lone, repeats=2)
    assert (
        found["by_group", "tuned", "map", None]["seen_share"]
        == 0.0
        == (found["by_group", "difference", "map", None]["value"])
    )
    assert facts["memorization_share_by_group"] is None and facts["memorization_share_by_row"] == 1.0


def test_intervals_of_protocols_narrow_with_the_repeats_to_what_the_notes_leave() -> None:
    planted = plant("learnt", count=300, seed=3)
    widths = []
    for repeats in (2, 12):
        found, _ = measure(planted, repeats=repeats)
        row = found["all_notes", "difference", "map", None]
        assert row["ci_low"] < row["value"] < row["ci_high"]
        widths.append(row["ci_high"] - row["ci_low"])
    # All of the 300 notes are behind the repeats together, a fifth of them behind the one held-out set.
    held_out = found["by_group", "difference", "map", None]
    assert widths[1] < widths[0] and widths[1] < held_out["ci_high"] - held_out["ci_low"]


def test_the_interval_of_the_share_of_memory_holds_the_planted_share() -> None:
    """Nothing was learnt but the training notes: all of the gain is memory, whatever notes are held out."""
    shares = []
    for seed in range(4):
        planted = plant("memory", count=300, seed=seed)
        # Held-out notes are seen a little differently by the tuned model, and no better.
        noise = np.random.default_rng(seed).normal(size=planted.tuned.shape) * 0.1
        tuned = planted.tuned + noise * [[note not in planted.trained] for note in planted.note_ids]
        tuned /= np.linalg.norm(tuned, axis=1, keepdims=True)
        _, facts = measure(replace(planted, tuned=tuned), repeats=3)
        shares += [one for one in facts["memory"] if one["protocol"] != "by_text"]
    held = [one["memorization_share_low"] <= 1.0 <= one["memorization_share_high"] for one in shares]
    assert len(held) == 24 and sum(held) >= 20
    for one in shares:
        assert one["memorization_share_low"] <= one["memorization_share"] <= one["memorization_share_high"]


def test_every_protocol_has_the_same_number_of_items_and_a_smaller_pool_is_obeyed() -> None:
    planted = plant("memory")
    for pool, expected in ((2000, len(planted.held_out)), (40, 40)):
        found, facts = measure(planted, largest_pool=pool, repeats=3)
        assert {row["n"] for row in found.values()} == {expected} == {facts["pool"]}
        assert found["by_group", "tuned", "map", None]["seen_share"] == 0.0


def test_the_order_of_the_notes_does_not_matter_and_the_seed_does() -> None:
    planted = plant("memory", count=200)
    turned = np.random.default_rng(1).permutation(200)
    other = replace(
        planted,
        note_ids=[planted.note_ids[row] for row in turned],
        baseline=planted.baseline[turned],
        tuned=planted.tuned[turned],
        specialties=[planted.specialties[row][::-1] for row in turned],
        document_types=[planted.document_types[row] for row in turned],
        groups=[planted.groups[row] for row in turned],
    )
    assert measure(planted, repeats=2) == measure(other, repeats=2)
    assert measure(planted, repeats=2) != measure(planted, repeats=2, seed=8)


def test_models_of_different_size_and_notes_without_specialty_take_no_part() -> None:
    planted = plant("memory", count=200)
    wide = replace(planted, baseline=np.hstack([planted.baseline, np.zeros((200, 8))]))
    assert measure(wide, repeats=2)[1] == measure(planted, repeats=2)[1]
    without = set(planted.note_ids[:50])
    labels = [
        [] if note in without else names
        for note, names in zip(planted.note_ids, planted.specialties, strict=True)
    ]
    found, facts = measure(replace(planted, specialties=labels), repeats=2)
    assert (
        facts["held_out_notes"]
        == len(planted.held_out - without)
        == found["by_row", "tuned", "map", None]["n"]
    )


def test_small_inputs() -> None:
    planted = plant("memory", count=60)
    nothing_held_out, facts = measure(replace(planted, held_out=set()))
    assert nothing_held_out == {} and facts["pool"] == 0 and facts["memorization_share_by_row"] is None
    nothing_trained, facts = measure(replace(planted, trained=set()))
    assert {key[0] for key in nothing_trained} == {"by_group"} and facts["memory"] == []
    one = replace(planted, specialties=[["only"]] * 60)
    found, facts = measure(one)
    assert (
        found["by_row", "tuned", "precision", 1]["value"] == 1.0
        and facts["memorization_share_by_row"] is None
    )
    assert math.isnan(found["all_notes", "tuned", "silhouette", None]["value"])
    four = set(sorted(planted.held_out)[:4])
    found, facts = measure(replace(planted, held_out=four), repeats=2)
    assert facts["pool"] == 4


def test_a_held_out_note_that_was_seen_is_refused() -> None:
    planted = plant("memory", count=100)
    with pytest.raises(LeakageError, match="held_out: the checkpoint was trained on 1 "):
        replace(planted, held_out={next(iter(planted.trained))}).notes()
    with pytest.raises(LeakageError, match="specialties: 3 entries for 100 notes"):
        replace(planted, specialties=[["a"]] * 3).notes()


def test_the_seen_share_of_a_split_by_rows_against_a_plain_loop() -> None:
    planted = plant("memory", count=150)
    notes = planted.notes()
    share = simulated_seen_share(notes, "by_row", train=0.7, test=0.2, generator=np.random.default_rng(5))
    rows = [
        (note, label)
        for note in sorted(planted.note_ids)
        for label in [
            *planted.specialties[planted.note_ids.index(note)],
            *planted.document_types[planted.note_ids.index(note)],
        ]
    ]
    place = np.random.default_rng(5).permutation(len(rows))
    group_of = dict(zip(planted.note_ids, planted.groups, strict=True))
    trained_on = {
        group_of[note] for at, (note, _) in zip(place, rows, strict=True) if at < round(0.7 * len(rows))
    }
    tested = [
        note
        for at, (note, label) in zip(place, rows, strict=True)
        if at >= len(rows) - round(0.2 * len(rows)) and label.startswith("specialty")
    ]
    assert share == np.mean([group_of[note] in trained_on for note in tested])
    # No group is cut by a split of groups, a text is seen less often than a row.
    by_group, by_text, by_row = (
        np.mean(
            [
                simulated_seen_share(
                    notes, protocol, train=0.7, test=0.2, generator=np.random.default_rng(seed)
                )
                for seed in range(20)
            ]
        )
        for protocol in ("by_group", "by_text", "by_row")
    )
    assert by_group == 0.0 < by_text < by_row < 1.0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4), st.booleans()), min_size=1, max_size=25),
    st.floats(0.1, 0.8),
    st.floats(0.1, 0.5),
    st.integers(0, 100),
)
def test_seen_share_against_a_plain_loop(
    items: list[tuple[int, int, bool]], train: float, test: float, seed: int
) -> None:
    units, groups, scored = (np.array(column) for column in zip(*items, strict=True))
    share = seen_share(units, groups, scored, train=train, test=test, generator=np.random.default_rng(seed))
    names = sorted(set(units.tolist()))
    place = dict(zip(names, np.random.default_rng(seed).permutation(len(names)).tolist(), strict=True))
    in_train = {unit for unit in names if place[unit] < round(train * len(names))}
    in_test = {unit for unit in names if place[unit] >= len(names) - round(test * len(names))} - in_train
    trained_groups = {group for unit, group, _ in items if unit in in_train}
    tested = [group in trained_groups for unit, group, wanted in items if unit in in_test and wanted]
    assert math.isnan(share) if not tested else share == pytest.approx(np.mean(tested))


def test_rows_are_drawn_by_whole_groups() -> None:
    groups = np.array([0, 0, 0, 1, 2, 2, 3, 4, 4, 4])
    for seed in range(20):
        drawn = draw_by_group(np.arange(10), groups, 6, np.random.default_rng(seed))
        assert len(set(drawn.tolist())) == 6 and drawn.tolist() == sorted(drawn.tolist())
        cut = [
            group for group in set(groups[drawn]) if (groups[drawn] == group).sum() < (groups == group).sum()
        ]
        assert len(cut) <= 1
    with pytest.raises(LeakageError, match="11 items are wanted and there are 10"):
        draw_by_group(np.arange(10), groups, 11, np.random.default_rng(0))


def test_landed_rows_have_one_label_each() -> None:
    rows = landed_rows([["b", "a"], ["b"]], [["Surgery", "Letters"], []], ["a", "b"])
    assert rows.note.tolist() == [0, 0, 0, 0, 1]
    assert rows.label.tolist() == [0, 1, -1, -1, 1]
    assert rows.has_specialty.tolist() == [True, True, False, False, True]


def test_scoring_by_row_against_a_plain_loop() -> None:
    """Every (text, label) is an item; items of one text are candidates of each other; relevant is the same label."""
    planted = plant("memory", count=120, several=0.5)
    notes = planted.notes()
    scored = estimate._scored_set(notes, "by_row", 0.5, 40, np.random.default_rng(0))
    assert len(scored.notes) == 40 and (scored.membership.sum(axis=1) == 1).all()
    assert len(set(scored.notes.tolist())) < 40
    assert notes.trained[scored.notes].sum() == 20 and notes.held_out[scored.notes].sum() == 20
    assert _labels_are_the_notes_own(notes, scored)
    result = estimate._score(notes, [scored])
    label = scored.membership.argmax(axis=1).tolist()
    for model, vectors in notes.vectors.items():
        precisions, averages = [], []
        for query in range(40):
            if label.count(label[query]) < 2:
                continue
            similarity = {
                item: round(float(vectors[scored.notes[item]] @ vectors[scored.notes[query]]) * 1e9)
                for item in range(40)
                if item != query
            }
            order = sorted(similarity, key=lambda item: (-similarity[item], item))
            hits = [label[item] == label[query] for item in order]
            precisions.append(sum(hits[:5]) / 5)
            averages.append(np.mean([sum(hits[: at + 1]) / (at + 1) for at, hit in enumerate(hits) if hit]))
        assert result.value(model, ("precision", 5)) == pytest.approx(np.mean(precisions), abs=1e-9)
        assert result.value(model, ("map", None)) == pytest.approx(np.mean(averages), abs=1e-9)
    assert result.seen_share == 0.5


def _labels_are_the_notes_own(notes: LeakNotes, scored: Any) -> bool:
    pairs = list(zip(scored.notes.tolist(), scored.membership.argmax(axis=1).tolist(), strict=True))
    return len(set(pairs)) == len(pairs) and all(
        notes.labels.membership[note, label] == 1 for note, label in pairs
    )
