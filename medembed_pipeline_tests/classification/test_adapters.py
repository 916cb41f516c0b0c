"""The adapters with their head: they learn, nothing of a note that was trained on is scored, and seeds decide."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medembed_pipeline.classification.adapters import adapter_scores
from medembed_pipeline.classification.probabilities import probabilities_table, scores_of
from medembed_pipeline.encoder import EncoderSpec
from medembed_pipeline_tests.classification.small_notes import SETTINGS, small_notes

LEARNING = SETTINGS.model_copy(
    update={"adapters": True, "adapter_epochs": 6, "adapter_rank": 4, "adapter_learning_rate": 5e-3}
)


def test_adapters_learn_the_labels_and_are_compared_but_never_served(small_model: Path) -> None:
    small = small_notes(vectors=False)
    losses: list[float] = []

    def scores() -> np.ndarray:
        return adapter_scores(
            EncoderSpec(str(small_model), max_tokens=32),
            small.seen.texts,
            small.notes.membership,
            small.notes.learned_from(),
            LEARNING,
            device="cpu",
            precision="float32",
            on_epoch=lambda epoch, loss: losses.append(loss),
        )

    first = scores()
    learned = small.notes.learned_from()
    assert np.isnan(first[learned]).all()
    asked = np.setdiff1d(np.arange(len(first)), learned)
    assert ((first[asked] > 0) & (first[asked] < 1)).all()
    assert losses[-1] < losses[0]
    np.testing.assert_array_equal(first[asked], scores()[asked])
    table, facts = probabilities_table(small.notes, small.seen.rows, LEARNING, adapters=lambda: first)
    assert facts["served"] != "adapters"
    assert facts["ladder"][-1]["rung"] == "adapters"
    assert np.isnan(scores_of(table, small.notes)["adapters"][learned]).all()
