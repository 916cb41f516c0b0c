"""Every figure against an oracle of a few lines, planted losses, and word matching."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from medembed_pipeline.evaluation.jackknife import intervals
from medembed_pipeline.tasks.scoring import score_task
from medembed_pipeline.tasks.task import PairTask, RankingTask, TripletTask, connected, groups_by_text
from medembed_pipeline_tests.tasks.words import WordModel

MODELS = {"baseline": WordModel().encode, "tuned": WordModel("tuned", noise=2.0).encode}
WORDS = [
    "ash",
    "bay",
    "cod",
    "dew",
    "elm",
    "fog",
    "gum",
    "hay",
    "ivy",
    "jet",
    "kit",
    "log",
    "nut",
    "oak",
    "pea",
    "urn",
]


def ranking(count: int = 40, **more: object) -> RankingTask:
    generator = np.random.default_rng(0)
    candidates = [" ".join(generator.choice(WORDS, 6)) + f" d{row}" for row in range(count)]
    queries = [" ".join(generator.permutation(text.split())[:4]) for text in candidates]
    numbers = np.arange(count)
    options: dict[str, object] = {
        "query": numbers,
        "candidate": numbers,
        "gain": np.ones(count),
        "query_groups": numbers,
        "candidate_groups": numbers,
        **more,
    }
    return RankingTask("t", "own", ("mrr", None), queries, candidates, **options)  # type: ignore[arg-type]


def test_ranking_figures_are_those_of_a_plain_search() -> None:
    task = ranking()
    scored = score_task(task, MODELS)
    assert scored.items == 40
    for model, encode in MODELS.items():
        similarity = encode(task.queries).astype(float) @ encode(task.candidates).astype(float).T
        rank = 1 + (similarity > np.diag(similarity)[:, None] + 1e-9).sum(axis=1)
        assert scored.figures[model]["mrr", None].value[0] == pytest.approx((1 / rank).mean())
        assert scored.figures[model]["precision", 1].value[0] == pytest.approx((rank == 1).mean())
    for key, change in scored.figures["difference"].items():
        expected = scored.figures["tuned"][key].value - scored.figures["baseline"][key].value
        assert change.value == pytest.approx(expected)
    assert scored.figures["lexical"]["mrr", None].value[0] > 0.9


def test_a_loss_shows_and_an_equal_model_has_none() -> None:
    found = score_task(ranking(), MODELS).figures["difference"]["mrr", None]
    assert intervals(found).high[0] < 0
    same = score_task(ranking(), {"baseline": MODELS["baseline"], "tuned": MODELS["baseline"]})
    ends = intervals(same.figures["difference"]["mrr", None])
    assert same.figures["difference"]["mrr", None].value[0] == ends.low[0] == ends.high[0] == 0


def test_others_of_the_group_are_left_out_where_they_do_not_count() -> None:
    """Each note twice: whichever of the two comes first, neither is a wrong answer for the other."""
    one = ranking(20)
    texts = [*one.candidates, *(f"{text} again" for text in one.candidates)]
    groups = np.tile(np.arange(20), 2)

    def mrr(counts: bool) -> float:
        task = RankingTask(
            "t",
            "passages",
            ("mrr", None),
            [f"{text} again" for text in one.candidates],
            texts,
            query=np.arange(20),
            candidate=np.arange(20),
            gain=np.ones(20),
            query_groups=np.arange(20),
            candidate_groups=groups,
            others_of_group_count=counts,
        )
        return float(score_task(task, MODELS).figures["baseline"]["mrr", None].value[0])

    assert mrr(False) == 1.0 and mrr(True) == pytest.approx(0.5)


def test_triplets_and_pairs() -> None:
    anchors, same, other = (
        ["ash bay", "cod dew", "elm fog"],
        ["ash hay", "cod dew ivy", "jet"],
        ["kit", "log", "elm"],
    )
    triplets = TripletTask("t", "own", anchors, same, other, groups_by_text(anchors, same, other))
    scored = score_task(triplets, MODELS)
    assert scored.figures["baseline"]["accuracy", None].value[0] == pytest.approx(2 / 3)
    assert scored.figures["lexical"]["accuracy", None].value[0] == pytest.approx(2 / 3)
    left, right = (
        ["ash bay", "ash bay cod", "elm", "fog"],
        ["ash bay", "ash bay dew", "elm gum hay jet kit", "ivy"],
    )
    pairs = PairTask("p", "own", left, right, np.array([4.0, 3.0, 2.0, 1.0]), groups_by_text(left, right))
    found = score_task(pairs, MODELS)
    cosines = (MODELS["baseline"](left) * MODELS["baseline"](right)).sum(axis=1)
    expected = spearmanr(pairs.scores, cosines).statistic
    assert found.figures["baseline"]["spearman", None].value[0] == pytest.approx(expected)
    assert found.figures["lexical"]["spearman", None].value[0] == pytest.approx(1.0)


def test_what_hangs_together_is_one_group() -> None:
    assert connected([(0, 3), (3, 4), (1, 2)], 6).tolist() == [0, 1, 1, 0, 0, 2]
    assert connected([], 3).tolist() == [0, 1, 2]
