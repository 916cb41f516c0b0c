"""The small projection: it learns what pictures and texts share, the same every time, and says what it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medembed_pipeline.image_text.contrast import (
    LABEL,
    Trained,
    load_projection,
    save_projection,
    train_projection,
)
from medembed_pipeline.image_text.errors import ImageTextError
from medembed_pipeline.image_text.settings import ImageTextSettings

SETTINGS = ImageTextSettings(dimensions=8, components=12, steps=80)


def pairs(count: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Vectors of two encoders that share three hidden traits."""
    random = np.random.default_rng(seed)
    traits = random.integers(0, 2, (count, 3)) * 2.0 - 1
    maps = np.random.default_rng(9)
    images = traits @ maps.standard_normal((3, 30)) + 0.8 * random.standard_normal((count, 30))
    texts = traits @ maps.standard_normal((3, 20)) + 0.2 * random.standard_normal((count, 20))
    return images, texts, ["".join("+" if one > 0 else "-" for one in row) for row in traits]


def trained(**changes: Any) -> Trained:
    images, texts, same = pairs()
    return train_projection(images, texts, same, np.arange(200) % 5 == 0, SETTINGS.model_copy(update=changes))


def right(found: Any) -> float:
    """How often a new picture is nearer to a text of its own traits than to one of the opposite."""
    images, texts, same = pairs(300, seed=5)
    close = found.images(images) @ found.texts(texts).T
    keys = np.array(same)
    flipped = np.array([one.translate(str.maketrans("+-", "-+")) for one in same])
    own = [
        close[row][keys == keys[row]].mean() > close[row][keys == flipped[row]].mean() for row in range(300)
    ]
    return float(np.mean(own))


def test_it_learns_what_both_share_and_new_pictures_follow() -> None:
    found = trained()
    assert found.validation_loss[1] < found.validation_loss[0] and found.steps > 0
    assert right(found.after) > 0.95 > right(found.before) + 0.15
    assert np.allclose(np.linalg.norm(found.after.images(pairs()[0]), axis=1), 1)


def test_the_same_pairs_give_the_same_projection_and_another_seed_another() -> None:
    one, again, other = trained(), trained(), trained(seed=8)
    assert (one.after.image_map == again.after.image_map).all()
    assert not np.allclose(one.after.image_map, other.after.image_map)


def test_it_is_kept_without_pickle_and_says_what_it_is_not(tmp_path: Path) -> None:
    found = trained(steps=10).after
    save_projection(tmp_path, found, {"steps": 10})
    again, about = load_projection(tmp_path)
    assert (again.text_map == found.text_map).all() and about == {"label": LABEL, "steps": 10}
    assert LABEL in (tmp_path / "README.md").read_text()
    with pytest.raises(ImageTextError, match="no projection"):
        load_projection(tmp_path / "elsewhere")


def test_too_few_readings_say_what_is_needed() -> None:
    images, texts, same = pairs(30)
    with pytest.raises(ImageTextError, match="needs 20 and 2"):
        train_projection(images, texts, same, np.arange(30) < 15, SETTINGS)
