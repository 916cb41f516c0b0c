"""The licence of a base model, as its own card states it."""

from pathlib import Path

import pytest

from medembed_pipeline.encoder.spec import resolve_base
from medembed_pipeline.training.licence import licence_of_base, stated_licence


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: mit\n---\n# A model", "mit"),
        ("---\r\nlanguage: en\r\nlicense: cc-by-nc-4.0\r\n---\r\n", "cc-by-nc-4.0"),
        ("---\nlicense: [apache-2.0, mit]\n---\n", "apache-2.0"),
        ("---\nlicense: unknown\n---\n", None),
        ("---\nlicense: 'ask us | <b>'\n---\n", None),
        ("---\nlicense: {a: b\n---\n", None),
        ("---\n- a list\n---\n", None),
        ("# A model without front matter\nlicense: mit\n", None),
        ("", None),
    ],
)
def test_the_front_matter_decides(tmp_path: Path, card: str, licence: str | None) -> None:
    (tmp_path / "README.md").write_bytes(card.encode())
    assert licence_of_base(str(tmp_path)) == licence


def test_no_card_states_nothing(tmp_path: Path) -> None:
    assert licence_of_base(str(tmp_path)) is None and stated_licence(tmp_path / "nothing.md") is None
    (tmp_path / "README.md").write_bytes(b"---\nlicense: \xff\n---\n")
    assert licence_of_base(str(tmp_path)) is None


def test_the_bundled_models_licence_is_the_one_its_package_states() -> None:
    assert licence_of_base("bundled") == stated_licence(resolve_base("bundled") / "README.md") == "apache-2.0"


def test_a_hub_id_is_looked_up_in_the_cache_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    card = tmp_path / "README.md"
    card.write_text("---\nlicense: bsd-3-clause\n---\n")
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: str(card))
    assert licence_of_base("owner/model") == "bsd-3-clause"
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    assert licence_of_base("owner/model") is None
