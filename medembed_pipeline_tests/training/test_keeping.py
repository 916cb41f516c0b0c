"""What keeps a model what it knew: passages, anchoring, averaging; each against its definition, and all together."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import entropy

from medembed_pipeline.encoder import EncoderSpec
from medembed_pipeline.encoder.model import load_encoder
from medembed_pipeline.encoder.tokens import Windows
from medembed_pipeline.errors import MedembedError
from medembed_pipeline.section import validate
from medembed_pipeline.training import TrainingData
from medembed_pipeline.training.averaging import averaged, not_kept, trade_off
from medembed_pipeline.training.cuttings import LONGEST, SHORTEST, passage, phrases
from medembed_pipeline.training.loop import TrainingResult, train
from medembed_pipeline.training.losses import anchoring_loss, detail_loss, passage_loss, similarities
from medembed_pipeline.training.objective import BatchWork, Objective, reading_windows
from medembed_pipeline.training.settings import TrainingSettings
from medembed_pipeline.training.validation import EpochChoice, passage_rank_scores, similarities_kept

OPTIONS = TrainingSettings(
    epochs=3, notes_per_batch=12, learning_rate=3e-3, early_stopping_patience=0, passage_words=5, tuned="all"
)


def unit(rng: np.random.Generator, count: int, dimensions: int = 6) -> np.ndarray:
    vectors = rng.normal(size=(count, dimensions))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), notes=st.integers(1, 9), count=st.integers(1, 9))
def test_the_loss_of_passages_is_its_definition(seed: int, notes: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    found, asked = unit(rng, notes), unit(rng, count)
    own = rng.integers(notes, size=count)
    expected = [
        -np.log(
            np.exp(float(one @ found[mine]) / 0.1) / sum(np.exp(float(one @ other) / 0.1) for other in found)
        )
        for one, mine in zip(asked, own, strict=True)
    ]
    loss = passage_loss(
        torch.from_numpy(asked), torch.from_numpy(found), torch.from_numpy(own), temperature=0.1
    )
    assert float(loss) == pytest.approx(np.mean(expected), rel=1e-4, abs=1e-5)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 9))
def test_the_loss_of_anchoring_is_its_definition_and_zero_where_nothing_moved(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    now, before = unit(rng, count), unit(rng, count)
    moved = np.mean(
        [
            (float(a @ b) - float(c @ d)) ** 2
            for a, c in zip(now, before, strict=True)
            for b, d in zip(now, before, strict=True)
        ]
    )
    away = np.mean([1 - float(a @ c) for a, c in zip(now, before, strict=True)])
    loss = anchoring_loss(
        torch.from_numpy(now), torch.from_numpy(before), similarity_weight=7.0, vector_weight=3.0
    )
    assert float(loss) == pytest.approx(7 * moved + 3 * away, rel=1e-4, abs=1e-5)
    same = torch.from_numpy(before)
    assert float(anchoring_loss(same, same, similarity_weight=7.0, vector_weight=3.0)) == pytest.approx(
        0, abs=1e-5
    )


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(2, 8), labels=st.integers(1, 3))
def test_the_loss_of_detail_is_its_definition(seed: int, count: int, labels: int) -> None:
    rng = np.random.default_rng(seed)
    now, before = unit(rng, count), unit(rng, count)
    label = rng.integers(labels, size=count)
    overlap = torch.from_numpy((label[:, None] == label).astype(np.float32))
    expected = []
    for note in range(count):
        mates = [other for other in range(count) if other != note and label[other] == label[note]]
        if mates:
            wanted, found = (softmax(10 * rows[mates] @ rows[note]) for rows in (before, now))
            expected.append(entropy(wanted, found))
    vectors, same = torch.from_numpy(now).requires_grad_(), torch.from_numpy(before)
    loss = detail_loss(similarities(vectors), same @ same.T, overlap, temperature=0.1)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(np.mean(expected) if expected else 0, abs=1e-4)
    assert vectors.grad is not None and bool(vectors.grad.isfinite().all())
    assert float(detail_loss(same @ same.T, same @ same.T, overlap, temperature=0.1)) == pytest.approx(
        0, abs=1e-5
    )


def test_without_texts_the_losses_are_zero_and_have_a_gradient() -> None:
    notes, nothing = torch.ones(2, 3, requires_grad=True), torch.empty(0, 3)
    loss = passage_loss(nothing, notes, torch.empty(0, dtype=torch.int64), temperature=0.1)
    loss = loss + anchoring_loss(notes[:0], nothing, similarity_weight=1, vector_weight=1)
    loss.backward()
    assert float(loss) == 0 and notes.grad is not None and not notes.grad.any()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    length=st.integers(0, 60),
    beyond=st.integers(0, 30),
    words=st.integers(1, 12),
)
def test_a_passage_lies_beyond_the_window_or_is_none(seed: int, length: int, beyond: int, words: int) -> None:
    text = " ".join(f"w{place}" for place in range(length))
    found = passage(text, beyond=beyond, words=words, rng=np.random.default_rng(seed))
    if length < beyond + words:
        assert found is None
    else:
        assert found is not None
        places = [int(word[1:]) for word in found.split()]
        assert len(places) == words and places[0] >= beyond
        assert places == list(range(places[0], places[0] + words))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), lengths=st.lists(st.integers(0, 50), min_size=1, max_size=5))
def test_phrases_are_runs_of_words_of_the_notes(seed: int, lengths: list[int]) -> None:
    texts = [" ".join(f"n{note}w{place}" for place in range(count)) for note, count in enumerate(lengths)]
    found = phrases(texts, 20, rng=np.random.default_rng(seed))
    assert len(found) == (20 if any(lengths) else 0)
    for one in found:
        assert any(one in text for text in texts)
        assert min(SHORTEST, max(lengths)) <= len(one.split()) or any(len(t.split()) == 1 for t in texts)
        assert len(one.split()) <= LONGEST


def test_windows_chosen_hold_the_same_tokens() -> None:
    lengths = [3, 1, 2]
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    windows = Windows(np.arange(6, dtype=np.int32), starts, np.array([0, 0, 1]), left_out=1)
    chosen = windows.chosen(np.array([2, 0]))
    assert chosen.token_ids.tolist() == [4, 5, 0, 1, 2] and chosen.starts.tolist() == [0, 2, 5]
    assert chosen.text_index.tolist() == [0, 1] and chosen.left_out == 1
    kept = windows.kept(np.array([False, True, True]))
    assert kept.token_ids.tolist() == [3, 4, 5] and kept.text_index.tolist() == [0, 1]


def test_the_parts_that_are_read_lie_in_the_window(spec: EncoderSpec) -> None:
    encoder = load_encoder(spec, device="cpu", precision="float32")
    texts = [" ".join(["chest", "pain", "knee", "fever"] * count) for count in (1, 4, 20)]
    whole, parts = encoder.tokenize(texts), reading_windows(encoder, texts, 8)
    assert parts.lengths.max() <= 8 and set(parts.text_index.tolist()) == {0, 1, 2}
    assert np.bincount(parts.text_index).max() <= spec.max_tokens // 8
    for row in range(3):
        window = whole.token_ids[whole.starts[row] : whole.starts[row + 1]][1:-1].tolist()
        for place in np.flatnonzero(parts.text_index == row):
            part = parts.token_ids[parts.starts[place] : parts.starts[place + 1]][1:-1].tolist()
            # Special tokens of the parts push the last ones past the end of the one window.
            assert any(part[:n] == window[at : at + n] for n in (len(part), 2) for at in range(len(window)))
    assert reading_windows(encoder, texts, 0).token_ids.tolist() == whole.token_ids.tolist()


def test_a_passage_finds_its_note_by_hand() -> None:
    notes = np.array([[1, 0], [0, 1], [0.6, 0.8]], dtype=np.float32)
    asked = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    found = passage_rank_scores(asked, notes, np.array([0, 2, 0]))
    assert found.tolist() == [1, 0.5, pytest.approx(1 / 3)]
    # All the same: nothing was found.
    assert passage_rank_scores(np.ones((1, 2), np.float32), np.ones((4, 2), np.float32), np.array([0])) == [
        0.25
    ]


def test_similarities_kept_is_a_correlation() -> None:
    rng = np.random.default_rng(0)
    before = unit(rng, 40)
    turned = (before @ np.linalg.qr(rng.normal(size=(6, 6)))[0]).astype(np.float32)
    assert similarities_kept(turned, before) == pytest.approx(1, abs=1e-5)
    assert abs(similarities_kept(unit(rng, 40), before)) < 0.15
    assert similarities_kept(before[:1], before[:1]) == 1.0


@settings(max_examples=30, deadline=None)
@given(share=st.floats(0, 1))
def test_averaged_weights_lie_between(share: float) -> None:
    base = {"w": torch.tensor([0.0, 2.0]), "n": torch.tensor([3])}
    tuned = {"w": torch.tensor([1.0, -2.0]), "n": torch.tensor([9])}
    found = averaged(base, tuned, share)
    torch.testing.assert_close(found["w"], base["w"] * (1 - share) + tuned["w"] * share)
    if share == 1:
        assert torch.equal(found["w"], tuned["w"])
    elif share == 0:
        assert torch.equal(found["w"], base["w"])
    else:
        assert found["n"] == 3


def figures(
    score: float, *, low: float | None = 0.0, similar: float = 1.0, rank: float = 1.0
) -> dict[str, Any]:
    return {
        "validation_score": score,
        "validation_passage_change_low": low,
        "validation_similarities_kept": similar,
        "validation_rank_kept": rank,
    }


def taken(rows: dict[float, dict[str, Any]]) -> tuple[float, list[str]]:
    found = trade_off(
        [share for share in rows if share],
        lambda share: rows[share],
        lambda row: not_kept(row, TrainingSettings(), EpochChoice(passages_tolerance=0.04)),
    )
    (share,) = [row["share"] for row in found if row["taken"]]
    return share, [row["broken"] for row in found]


def test_the_best_share_that_keeps_everything_is_taken() -> None:
    share, broken = taken(
        {
            0.0: figures(0.5),
            0.25: figures(0.6),
            0.5: figures(0.7, low=-0.01),
            0.75: figures(0.8, low=-0.05),
            1.0: figures(0.9, similar=0.5, rank=0.5),
        }
    )
    assert share == 0.5 and broken[:3] == ["", "", ""]
    assert "passages may fall by more than 0.04" in broken[3]
    assert "agree to 0.500" in broken[4] and "falls to 50.0%" in broken[4]


def test_the_base_model_is_taken_where_nothing_better_keeps_it() -> None:
    assert taken({0.0: figures(0.5), 0.5: figures(0.6, rank=0.1), 1.0: figures(0.9, rank=0.1)})[0] == 0
    assert taken({0.0: figures(0.5), 0.5: figures(0.5), 1.0: figures(0.4)})[0] == 0
    # Of equal ones the one nearest to the base model; and no passage can be asked, so none is lost.
    assert taken({0.0: figures(0.5), 0.5: figures(0.6, low=None), 1.0: figures(0.6, low=None)})[0] == 0.5


def test_a_larger_share_has_to_add_something() -> None:
    scores = {0.0: 0.5, 0.2: 0.69, 0.4: 0.696, 0.6: 0.7}

    def chosen(gain: float, found: dict[float, float]) -> float:
        rows = trade_off(
            [*found][1:], lambda share: {"validation_score": found[share]}, lambda _: "", gain=gain
        )
        return next(float(row["share"]) for row in rows if row["taken"])

    assert [chosen(gain, scores) for gain in (0.0, 0.005, 0.02)] == [0.6, 0.4, 0.2]
    # However little it adds, it is more than nothing; and what adds nothing is not taken.
    assert chosen(0.005, {0.0: 0.5, 0.5: 0.501, 1.0: 0.503}) == 0.5
    assert chosen(0.005, {0.0: 0.5, 0.5: 0.499, 1.0: 0.5}) == 0.0


def run(
    spec: EncoderSpec, data: TrainingData, options: TrainingSettings = OPTIONS, **kwargs: Any
) -> TrainingResult:
    return train(spec, data, options, device="cpu", precision="float32", **kwargs)


def test_the_curve_ends_at_both_models_and_the_encoder_is_the_share_that_was_taken(
    spec: EncoderSpec, data: TrainingData
) -> None:
    lax = OPTIONS.model_copy(update={"keep_similarities": -1.0, "keep_rank": 0.0})
    result = run(spec, data, lax, choice=EpochChoice(passages_tolerance=1.0))
    assert [row["share"] for row in result.trade_off] == [0, 0.2, 0.4, 0.6, 0.7, 0.8, 1]
    best = result.history[result.best_epoch]
    for share, row in ((0, result.history[0]), (1, best)):
        found = next(one for one in result.trade_off if one["share"] == share)
        assert {name: found[name] for name in found if name.startswith("validation")} == pytest.approx(
            {name: row[name] for name in row if name.startswith("validation")}, nan_ok=True
        )
    base = load_encoder(spec, device="cpu", precision="float32").state_dict()
    tuned = run(spec, data, lax.model_copy(update={"average_shares": []}))
    assert tuned.trade_off == [] and tuned.share == 1 and result.share > 0
    expected = averaged(base, tuned.encoder.state_dict(), result.share)
    for name, weights in result.encoder.state_dict().items():
        torch.testing.assert_close(weights, expected[name])


def test_what_cannot_be_kept_leaves_the_base_model(spec: EncoderSpec, data: TrainingData) -> None:
    strict = OPTIONS.model_copy(update={"keep_rank": 1.0, "keep_similarities": 1.0})
    result = run(spec, data, strict)
    assert result.best_epoch > 0 and result.share == 0 and not result.improved
    base = load_encoder(spec, device="cpu", precision="float32")
    texts = list(data.texts.values())
    assert result.encoder.encode(texts).tobytes() == base.encode(texts).tobytes()


def test_anchoring_holds_phrases_in_their_places(spec: EncoderSpec, data: TrainingData) -> None:
    loose = OPTIONS.model_copy(update={"average_shares": [], "anchors_per_batch": 0})
    held = OPTIONS.model_copy(update={"average_shares": [], "anchor_vector_weight": 50.0})
    kept = {
        name: run(spec, data, options).history[-1]["validation_similarities_kept"]
        for name, options in (("loose", loose), ("held", held))
    }
    assert kept["held"] > kept["loose"] + 0.02


def test_passages_teach_to_find_the_note(spec: EncoderSpec, data: TrainingData) -> None:
    small = replace(spec, max_tokens=8)
    with_them = OPTIONS.model_copy(
        update={
            "average_shares": [],
            "passage_weight": 5.0,
            "passage_share": 1.0,
            "anchors_per_batch": 0,
            "epochs": 8,
            "tuned_share": 1.0,
        }
    )
    mrr = [
        run(small, data, options).history[-1]["validation_passage_mrr"]
        for options in (with_them, with_them.model_copy(update={"passage_weight": 0.0}))
    ]
    assert mrr[0] > mrr[1]


def test_a_batch_depends_on_its_place_alone(spec: EncoderSpec, data: TrainingData) -> None:
    encoder = load_encoder(spec, device="cpu", precision="float32")
    objective = Objective(encoder, encoder, data, OPTIONS, token_budget=None)
    batch = np.arange(9)

    def tokens(work: BatchWork) -> list[list[int]]:
        return [part.token_ids.tolist() for part in work.parts]

    first = objective.work(batch, epoch=0, place=1)
    objective.work(batch, epoch=1, place=0)
    again, other = objective.work(batch, epoch=0, place=1), objective.work(batch, epoch=1, place=1)
    assert tokens(first) == tokens(again)
    assert tokens(first) != tokens(other)


@pytest.fixture(scope="module")
def unlabelled(data: TrainingData) -> TrainingData:
    return TrainingData(data.texts, {}, [], [], data.validation_ids, unlabelled_ids=data.train_ids)


def test_notes_without_labels_are_learned_from(spec: EncoderSpec, unlabelled: TrainingData) -> None:
    options = OPTIONS.model_copy(
        update={
            "labels": False,
            "epochs": 4,
            "passage_weight": 2.0,
            "passage_share": 1.0,
            "tuned_share": 1.0,
        }
    )
    small = replace(spec, max_tokens=8)
    result = run(small, unlabelled, options, choice=EpochChoice(passages_tolerance=1.0))
    scores = [row["validation_score"] for row in result.history]
    assert scores == [row["validation_passage_mrr"] for row in result.history]
    assert result.main_metric == "passages" and result.history[-1]["validation_map"] is None
    assert result.trained_ids == unlabelled.train_ids and max(scores) > scores[0]


def test_without_validation_notes_no_epoch_can_be_chosen(data: TrainingData) -> None:
    with pytest.raises(MedembedError, match="validation notes: there are none"):
        TrainingData(data.texts, {}, [], [], [], unlabelled_ids=data.train_ids)


def test_a_share_out_of_range_is_named() -> None:
    with pytest.raises(MedembedError, match="average_shares"):
        validate(TrainingSettings, {"average_shares": [0.0]}, where="here")
    with pytest.raises(MedembedError, match="average_shares"):
        validate(TrainingSettings, {"average_shares": [0.5, 0.5]}, where="here")


def test_a_handful_of_passages_binds_nobody() -> None:
    from medembed_pipeline.training.validation import SMALLEST_PASSAGES
    from medembed_pipeline.training.validation_notes import _low

    fallen = np.linspace(-0.9, 0.1, SMALLEST_PASSAGES, dtype=np.float64)
    low = _low(fallen)
    assert low is not None and -0.9 < low < fallen.mean()
    assert _low(fallen[1:]) is None
