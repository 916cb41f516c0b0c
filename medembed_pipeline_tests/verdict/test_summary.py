"""From outcomes to a word, a table and lines for the terminal."""

from __future__ import annotations

import dataclasses
import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medembed_pipeline.verdict.errors import VerdictError
from medembed_pipeline.verdict.evidence import (
    rank_gap,
    refuse_mixed_evidence,
    seen_shares,
)
from medembed_pipeline.verdict.outcomes import VERDICT_SCHEMA, Outcome
from medembed_pipeline.verdict.rules import deciding_outcomes
from medembed_pipeline.verdict.summary import decide, sentence, verdict_lines, verdict_table
from medembed_pipeline_tests.verdict.planted import NO_CROSSINGS, SETTINGS, evidence, planted


def outcome(passed: bool | None, kind: str = "decides", rule: str = "some_rule") -> Outcome:
    return Outcome(rule, kind, passed, 0.5, 0.1, "A reason.", "embedding_diagnostics")  # type: ignore[arg-type]


PASSED = st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=10)


@given(PASSED, PASSED)
def test_one_broken_rule_is_enough_and_one_open_one_forbids(
    decides: list[bool | None], information: list[bool | None]
) -> None:
    outcomes = [outcome(one) for one in decides] + [outcome(one, "information") for one in information]
    expected = "retrain" if False in decides else "inconclusive" if None in decides else "deploy"
    assert decide(outcomes) == expected
    assert decide(outcomes[::-1]) == expected


def test_no_rule_is_no_deployment() -> None:
    assert decide([]) == decide([outcome(True, "information")]) == "inconclusive"


def test_the_table_has_its_schema_and_nulls_for_what_is_undefined() -> None:
    table = verdict_table(
        [outcome(None), dataclasses.replace(outcome(True), value=math.nan, ci_low=-math.inf)]
    )
    assert table.schema == VERDICT_SCHEMA
    assert table["passed"].to_pylist() == [None, True]
    assert table["value"].to_pylist() == [0.5, None] and table["ci_low"].to_pylist() == [None, None]
    assert verdict_table([]).schema == VERDICT_SCHEMA
    assert all(field.metadata[b"description"] for field in VERDICT_SCHEMA)


def test_every_reason_against_stands_in_the_sentence_and_none_else() -> None:
    found = evidence(planted(), crossings={**NO_CROSSINGS, "texts_in_two_splits": 3}, seen_share=0.25)
    text = sentence(deciding_outcomes(found, SETTINGS), found, SETTINGS)
    assert text.startswith("Retrain: P@5 goes from ") and text.endswith(".")
    assert "3 texts in two splits" in text and "25.0% of what the leakage estimate scored" in text
    assert "hub" not in text and "nan" not in text


def test_the_terminal_shows_the_sentence_what_speaks_against_it_and_what_is_released() -> None:
    found = evidence(planted(), crossings={**NO_CROSSINGS, "texts_in_two_splits": 3})
    outcomes = deciding_outcomes(found, SETTINGS)
    facts = {"verdict": decide(outcomes), "sentence": sentence(outcomes, found, SETTINGS)}
    rows = verdict_table(outcomes).to_pylist()
    lines = verdict_lines(facts, rows, "lake/checkpoints/released")
    assert lines[0] == f"Verdict: {facts['sentence']}"
    assert len(lines) == 3 and lines[1].startswith("  broken  splits_do_not_leak (note_splits): ")
    assert lines[2].startswith("released     lake/checkpoints/released (an earlier verdict")
    assert "no checkpoint has been released" in verdict_lines(facts, rows, None)[-1]
    deployed = verdict_lines({"verdict": "deploy", "sentence": "Deploy."}, [], "here")
    assert deployed == ["Verdict: Deploy.", "released     here"]


def test_the_terminal_tells_broken_from_not_judged() -> None:
    rows = verdict_table([outcome(None, rule="a"), outcome(True, rule="b"), outcome(None, "information")])
    lines = verdict_lines({"verdict": "inconclusive", "sentence": "x"}, rows.to_pylist(), None)
    assert [line.split()[:3] for line in lines[1:-1]] == [["not", "judged", "a"]]


def test_mixed_evidence_is_refused_with_the_tables_to_make_again() -> None:
    current = {"tuned_embeddings": "2", "cleaned_notes": "1"}
    refuse_mixed_evidence({"embedding_diagnostics": {"tuned_embeddings": "2", "model": "x"}}, current)
    with pytest.raises(
        VerdictError, match="embedding_diagnostics was made from another version of tuned_embeddings"
    ) as caught:
        refuse_mixed_evidence(
            {
                "embedding_diagnostics": {"tuned_embeddings": "1", "cleaned_notes": "1"},
                "neighbors": {"cleaned_notes": "1"},
            },
            current,
        )
    assert "Materialize embedding_diagnostics again" in str(caught.value)


def test_rank_gap_and_seen_shares_read_what_they_say() -> None:
    neighbors = pa.table(
        {
            "model": ["tuned"] * 5 + ["baseline", "tuned", "tuned"],
            "pool": ["test"] * 6 + ["all"] * 2,
            "note_id": ["a", "a", "b", "b", "c", "a", "a", "a"],
            "rank": [1, 2, 2, 1, 1, 1, 1, 2],
            "similarity": pa.array([0.9, 0.8, 0.5, 0.8, 1.0, 0.1, 0.9, 0.0], pa.float32()),
        }
    )
    assert rank_gap(neighbors) == pytest.approx((0.1 + 0.3) / 2, abs=1e-6)
    assert math.isnan(rank_gap(neighbors, "other"))
    meter = pa.table(
        {
            "protocol": ["by_group", "by_group", "by_row", "by_group"],
            "model": ["tuned", "tuned", "tuned", "baseline"],
            "seen_share": [0.0, None, 0.5, 0.2],
        }
    )
    assert seen_shares(meter, "by_group") == [0.0]
    assert seen_shares(meter, "by_row") == [0.5] and seen_shares(meter, "by_patient") == []
