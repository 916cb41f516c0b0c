import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medembed_pipeline.notes.labels import (
    canonical_label,
    canonical_labels,
    known_specialties,
    labels_of_cell,
    split_labels,
)
from medembed_pipeline.notes.settings import DOCUMENT_TYPES


def test_the_names_are_those_of_the_corpus() -> None:
    assert len(DOCUMENT_TYPES) == 12 and len(known_specialties()) == 28
    assert not set(DOCUMENT_TYPES) & set(known_specialties())


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (" Cardiovascular / Pulmonary", "Cardiovascular / Pulmonary"),
        ("cardiovascular/pulmonary", "Cardiovascular / Pulmonary"),
        ("SOAP /  CHART / PROGRESS NOTES ", "SOAP / Chart / Progress Notes"),
        ("  Sports   Medicine ", "Sports Medicine"),
        ("Cardiology", "Cardiovascular / Pulmonary"),
        ("heart  SURGERY", "Cardiac Surgery"),
        ("\t ", ""),
    ],
)
def test_canonical_label(label: str, expected: str) -> None:
    aliases = {"cardiology": "CARDIOVASCULAR / pulmonary", "Heart Surgery": "Cardiac Surgery"}
    assert canonical_label(label, aliases) == expected
    assert canonical_label(expected, aliases) == expected


def test_variants_of_an_unknown_label_get_one_form_in_any_order() -> None:
    variants = ["sports medicine", "SPORTS MEDICINE", "Sports Medicine", "Sports  medicine"]
    for order in itertools.permutations(variants):
        assert set(canonical_labels(order).values()) == {"Sports Medicine"}
    assert canonical_labels(["AIDS care", "aids care"])["aids care"] == "AIDS care"


@pytest.mark.parametrize(
    ("cell", "separator", "expected"),
    [
        (None, ";", []),
        ("", ";", []),
        (" Urology \x1f Surgery\x1f", "", ["Urology", "Surgery"]),
        ("Urology; Surgery;", ";", ["Urology", "Surgery"]),
        ("Urology; Surgery", "", ["Urology; Surgery"]),
        (
            "SOAP / Chart / Progress Notes\x1fUrology/Surgery",
            "/",
            ["SOAP / Chart / Progress Notes", "Urology", "Surgery"],
        ),
        ("Ear/Nose", "/", ["Ear/Nose"]),
    ],
)
def test_labels_of_cell(cell: str | None, separator: str, expected: list[str]) -> None:
    assert labels_of_cell(cell, label_separator=separator, whole=["ear / nose"]) == expected


def test_document_types_are_told_apart() -> None:
    labels = ["Urology", "Surgery", "Urology", "Nephrology", " "]
    assert split_labels(labels) == (["Nephrology", "Urology"], ["Surgery"])
    assert split_labels(labels, ["urology"]) == (["Nephrology", "Surgery"], ["Urology"])
    assert split_labels(labels, []) == (["Nephrology", "Surgery", "Urology"], [])


@given(st.lists(st.text(max_size=12)), st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3))
def test_any_labels_split_into_two_sorted_disjoint_lists(labels: list[str], aliases: dict[str, str]) -> None:
    mapped = canonical_labels(labels, aliases)
    assert mapped == canonical_labels(reversed(labels), aliases)
    specialties, types = split_labels(mapped.values())
    assert specialties == sorted(set(specialties)) and types == sorted(set(types))
    assert {*specialties, *types} == {name for name in mapped.values() if name.strip()}
