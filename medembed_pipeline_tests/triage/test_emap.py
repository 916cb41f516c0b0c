"""The projection that lets note and picture add up alone, against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from medembed_pipeline.evaluation.vectors import FloatArray
from medembed_pipeline.triage.emap import emap_logits
from medembed_pipeline.triage.heads import fit_head


def products(notes: FloatArray, pictures: FloatArray) -> FloatArray:
    return np.stack([notes[:, 0] * pictures[:, 0], notes[:, 1] + np.sin(pictures[:, 1])], axis=1)


def by_definition(notes: FloatArray, pictures: FloatArray) -> FloatArray:
    """All pairs, one after the other."""
    count = len(notes)
    every = np.zeros((count, count, 2))
    for left in range(count):
        for right in range(count):
            every[left, right] = products(notes[left : left + 1], pictures[right : right + 1])[0]
    found = np.zeros((count, 2))
    for case in range(count):
        found[case] = every[case].mean(axis=0) + every[:, case].mean(axis=0) - every.mean(axis=(0, 1))
    return found


def test_it_is_its_definition() -> None:
    random = np.random.default_rng(1)
    notes, pictures = random.normal(size=(13, 2)), random.normal(size=(13, 2))
    assert emap_logits(products, notes, pictures) == pytest.approx(by_definition(notes, pictures))


def test_what_only_adds_up_stays_and_a_product_of_centred_numbers_vanishes() -> None:
    random = np.random.default_rng(2)
    notes, pictures = random.normal(size=(40, 2)), random.normal(size=(40, 2))
    notes -= notes.mean(axis=0)
    pictures -= pictures.mean(axis=0)
    found = emap_logits(products, notes, pictures)
    assert found[:, 1] == pytest.approx(products(notes, pictures)[:, 1])
    assert found[:, 0] == pytest.approx(np.zeros(40), abs=1e-12)


def test_with_a_part_of_the_partners_it_is_near_and_without_cases_it_is_empty() -> None:
    random = np.random.default_rng(3)
    notes, pictures = random.normal(size=(400, 2)), random.normal(size=(400, 2))
    whole, part = (emap_logits(products, notes, pictures, partners=number) for number in (400, 150))
    assert 0 < np.abs(whole - part).mean() < 0.2
    assert emap_logits(products, notes[:0], pictures[:0]).shape == (0, 2)


def test_a_linear_head_on_both_loses_nothing() -> None:
    random = np.random.default_rng(4)
    notes, pictures = random.normal(size=(60, 3)), random.normal(size=(60, 2))
    level = (notes[:, 0] + pictures[:, 0] > 0).astype(np.int64)
    head = fit_head("linear", [notes, pictures], level, 2, units=0, decay=0.01, seed=0)
    found = emap_logits(lambda left, right: head.logits([left, right]), notes, pictures)
    assert found == pytest.approx(head.logits([notes, pictures]))
