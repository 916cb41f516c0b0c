"""The card as a file: renewed as a whole, checked by `medembed verify`, and no part of what the checkpoint is."""

import os
import shutil
from pathlib import Path

import pytest

from medembed_pipeline.card.assets import model_card
from medembed_pipeline.card.card_file import find_made_card, publish_card, read_footer
from medembed_pipeline.card.errors import CardError
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publication import OutdatedWorkError
from medembed_pipeline.lake.tables import Recipe
from medembed_pipeline.maintenance import removable, verify_lake
from medembed_pipeline.settings import Settings
from medembed_pipeline.training.verification import CARD_FILE
from medembed_pipeline.verdict.assets import release_verdict
from medembed_pipeline_tests.card.small_card import (
    FIRST_CARD,
    VERSION,
    card_text,
    data_version,
    judged_lake,
    run,
    write_card,
    write_checkpoint,
)

CARD = f"checkpoints/{VERSION}/{CARD_FILE}"
CHECKPOINT = f"checkpoints/{VERSION}"


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return judged_lake(str(tmp_path_factory.mktemp("judged") / "lake"))


@pytest.fixture
def lake(judged: Lake, tmp_path: Path) -> Lake:
    """A copy of a lake with a verdict and the first card."""
    shutil.copytree(judged.root, tmp_path / "lake", symlinks=True)
    return Lake(str(tmp_path / "lake"))


def states(lake: Lake) -> dict[str, str]:
    """Of what is not a table."""
    return {one.name: one.state for one in verify_lake(lake) if not one.name.endswith(".parquet")}


def detail(lake: Lake, name: str = CARD) -> str:
    return " ".join(one.detail for one in verify_lake(lake) if one.name == name)


def test_the_first_card_verifies_and_is_renewed_without_another_data_version(lake: Lake) -> None:
    before, manifest = data_version(lake), lake.read_bytes("checkpoints", VERSION, "manifest.json")
    assert card_text(lake) == FIRST_CARD and states(lake)[CARD] == "ok"
    assert "model_card adds the figures" in detail(lake)
    first = write_card(lake)
    assert not first["kept"] and data_version(lake) == before
    assert lake.read_bytes("checkpoints", VERSION, "manifest.json") == manifest
    assert states(lake)[CARD] == "ok" and states(lake)[CHECKPOINT] == "ok"
    again = write_card(lake)
    assert again["kept"] and again["data_version"] == first["data_version"] == first["sha256"]
    renewed = write_card(lake, developer="us")
    assert not renewed["kept"] and renewed["data_version"] != first["data_version"]
    assert data_version(lake) == before and set(states(lake).values()) == {"ok"}
    assert "model_card.parquet" not in [one.name for one in verify_lake(lake)]


def test_the_released_link_leads_to_it(lake: Lake) -> None:
    write_card(lake)
    released = Path(lake.path("checkpoints", "released", CARD_FILE))
    assert released.read_text() == card_text(lake)


@pytest.mark.parametrize("older", [False, True], ids=["today", "listed among the files"])
def test_a_checkpoint_verifies_before_and_after(tmp_path: Path, older: bool) -> None:
    lake = judged_lake(str(tmp_path), older=older)
    before = data_version(lake)
    assert states(lake)[CARD] == states(lake)[CHECKPOINT] == "ok"
    write_card(lake)
    assert states(lake)[CARD] == states(lake)[CHECKPOINT] == "ok" and data_version(lake) == before
    (tmp_path / CARD).unlink()
    assert states(lake)[CHECKPOINT] == "missing" and "materialize model_card" in detail(lake, CHECKPOINT)
    write_card(lake)
    assert states(lake)[CHECKPOINT] == "ok"


def test_every_alteration_is_found_and_mended(lake: Lake) -> None:
    write_card(lake)
    path = Path(lake.path(CARD))
    whole = path.read_bytes()
    damaged = {
        "a figure": whole.replace(b"| MAP | 0.", b"| MAP | 1.", 1),
        "cut": whole[: len(whole) // 2],
        "the last line": whole[:-40] + (b"1" if whole[-40:-39] == b"0" else b"0") + whole[-39:],
        "something after it": whole + b"more",
        "somebody else's": b"# My own card\n",
        "empty": b"",
    }
    for what, content in damaged.items():
        assert content != whole, what
        path.write_bytes(content)
        assert states(lake)[CARD] == "altered", what
        assert "Materialize model_card" in detail(lake) and "[card]" in detail(lake)
        assert states(lake)[CHECKPOINT] == "ok"
        assert not write_card(lake)["kept"] and path.read_bytes() == whole, what


def test_the_card_of_another_checkpoint_is_no_card_of_this_one(lake: Lake) -> None:
    write_card(lake)
    write_checkpoint(lake, "bbbbbbbbbbbbbbbb")
    other = Path(lake.path("checkpoints", "bbbbbbbbbbbbbbbb", CARD_FILE))
    shutil.copyfile(lake.path(CARD), other)
    assert f"is the card of the checkpoint {VERSION}" in detail(
        lake, f"checkpoints/bbbbbbbbbbbbbbbb/{CARD_FILE}"
    )


def test_a_new_verdict_makes_it_stale_until_it_is_written_again(lake: Lake) -> None:
    write_card(lake)
    run(lake, release_verdict, {"smallest_test_groups": 1000})
    assert "made from release_verdict" in detail(lake)
    write_card(lake)
    assert states(lake)[CARD] == "ok" and "inconclusive" in card_text(lake)


def test_figures_that_the_verdict_does_not_know_are_refused(lake: Lake) -> None:
    metrics = lake.table("embedding_metrics")
    rows = metrics.read().slice(1)
    lake.write_table(metrics.footer.recipe, rows, facts=metrics.footer.facts)
    with pytest.raises(AssertionError, match="drawn from another version of embedding_metrics"):
        write_card(lake)
    assert card_text(lake) == FIRST_CARD


def test_a_checkpoint_that_is_gone_is_said_and_not_begun_anew(lake: Lake) -> None:
    lake.remove("checkpoints", VERSION)
    with pytest.raises(AssertionError, match=r"any more\. Materialize tuned_embeddings"):
        write_card(lake)
    with pytest.raises(CardError, match="any more"):
        publish_card(lake, VERSION, Recipe("model_card", "1", {}, {}), "text")
    assert not lake.exists("checkpoints", VERSION)


def test_a_write_that_fails_leaves_the_old_card(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError(28, "no space left")

    write_card(lake)
    before = card_text(lake)
    monkeypatch.setattr(Lake, "_publish_file", broken)
    with pytest.raises(AssertionError, match="no space left"):
        write_card(lake, developer="us")
    assert card_text(lake) == before and not list(Path(lake.path(".staging")).iterdir())


def test_older_work_does_not_replace_the_card(lake: Lake) -> None:
    older, newer = Lake(lake.url), Lake(lake.url)
    older.begin_work("model_card")
    newer.begin_work("model_card")
    recipe = Recipe("model_card", "1", {}, {"notes": "new"})
    publish_card(newer, VERSION, recipe, "of the newer")
    with pytest.raises(OutdatedWorkError):
        publish_card(older, VERSION, Recipe("model_card", "1", {}, {"notes": "old"}), "of the older")
    assert card_text(lake).startswith("of the newer")
    # The same card is nothing to refuse.
    assert publish_card(older, VERSION, recipe, "of the newer") == find_made_card(lake, VERSION, recipe)


def test_it_is_never_pruned(lake: Lake) -> None:
    write_card(lake)
    assert not any(CARD_FILE in item.parts or VERSION in item.parts for item in removable(lake, Settings()))


def test_it_lies_in_an_object_store_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    lake = judged_lake(f"memory://card-{os.getpid()}/lake")
    before = data_version(lake)
    write_card(lake)
    assert write_card(lake)["kept"] and data_version(lake) == before
    assert states(lake)[CARD] == states(lake)[CHECKPOINT] == "ok"
    with lake.filesystem.open(lake.path(CARD), "wb") as file:
        file.write(card_text(lake).replace("MAP", "MAB").encode())
    assert states(lake)[CARD] == "altered"


def test_a_footer_cannot_be_ended_by_what_a_person_states() -> None:
    recipe = Recipe("model_card", "1", {"CardSettings": {"developer": "--> <b> Müller"}}, {})
    lake = Lake(f"memory://footer-{os.getpid()}/lake")
    lake.write_json({"files": {}}, "checkpoints", VERSION, "manifest.json")
    footer = publish_card(lake, VERSION, recipe, "A card.\n")
    content = lake.read_bytes("checkpoints", VERSION, CARD_FILE)
    assert content is not None and read_footer(content) == footer and content.count(b"-->") == 1
    assert read_footer(b"# A first card\n") is None


def test_its_group_is_the_verdicts() -> None:
    assert model_card.group_names_by_key[model_card.key] == "verdict"
