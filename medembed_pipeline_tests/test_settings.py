"""Settings: documented, validated where they enter, and refused with a message that helps."""

from pathlib import Path

import pytest

from medembed_pipeline import settings as settings_module
from medembed_pipeline.notes.settings import SplitSettings
from medembed_pipeline.section import SettingsError
from medembed_pipeline.settings import Settings, load_settings
from medembed_pipeline.settings_file import render_settings_file

ROOT = Path(__file__).resolve().parents[1]


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "medembed.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_file_in_the_repository_documents_every_field_and_holds_the_defaults() -> None:
    text = (ROOT / "medembed.toml").read_text(encoding="utf-8")
    assert text == render_settings_file(Settings()), "run: medembed settings > medembed.toml"
    assert load_settings(ROOT / "medembed.toml") == Settings()


def test_every_field_has_a_description() -> None:
    for name in Settings.model_fields:
        section = getattr(Settings(), name)
        assert section.__doc__
        for field, info in type(section).model_fields.items():
            assert info.description, f"{name}.{field}"


def test_a_changed_value_is_taken_and_the_rest_stays(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, '[landing]\ntext_column = "body"\nlabel_column = "ward"\n'))
    assert settings.landing.text_column == "body" and settings.triplets == Settings().triplets


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[triplets]\ntrain_triplets = 0\n", ["triplets.train_triplets = 0", "greater than or equal to 1"]),
        ("[triplets]\ntrain_triples = 5\n", ["triplets.train_triples", "unknown key"]),
        ("[tripets]\n", ["tripets", "unknown key"]),
        (
            "[training]\nfrozen_layers = 2\n",
            ["training", "frozen_layers is tuned_share today", "remove the line"],
        ),
        ('[encoder]\npooling = "median"\n', ["encoder.pooling = 'median'", "'auto', 'mean', 'cls'"]),
        ("[splits]\ntrain = 0.9\n", ["splits", "train + validation + test must be 1, and is 1.2"]),
        ('[projections]\nmethods = ["pca", "som"]\n', ["projections.methods", "pca", "umap"]),
        ("[triplets\n", ["not valid TOML"]),
    ],
)
def test_a_bad_file_is_refused_naming_key_value_and_range(
    tmp_path: Path, text: str, parts: list[str]
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    for part in [str(path), *parts]:
        assert part in str(caught.value)


def test_a_named_file_that_is_missing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(settings_module.SETTINGS_VARIABLE, "/nowhere/medembed.toml")
    with pytest.raises(SettingsError, match="settings file not found: /nowhere"):
        load_settings()


def test_only_what_reaches_the_result_is_in_the_version() -> None:
    slow = Settings.model_validate({"encoder": {"token_budget": 64, "device": "cpu"}}).encoder
    assert slow.result_values() == Settings().encoder.result_values()
    other = Settings.model_validate({"encoder": {"max_tokens": 64}}).encoder
    assert other.result_values() != Settings().encoder.result_values()


def test_shares_are_checked_together() -> None:
    assert SplitSettings(train=0.5, validation=0.25, test=0.25).test == 0.25


def test_an_experiment_is_trained_by_the_same_fields() -> None:
    from medembed_pipeline.evidence.leakage.preset import TrainingPreset
    from medembed_pipeline.training.settings import TrainingRecipe, TrainingSettings

    preset, recipe = TrainingPreset().model_dump(), TrainingRecipe().model_dump()
    # All weights of all layers, as the published set-ups train them.
    as_published = {"epochs": 6, "tuned": "all", "tuned_share": 1.0, "learning_rate": 3e-4}
    assert {name: preset[name] for name in recipe} == {**recipe, **as_published}
    assert TrainingSettings(**{name: preset[name] for name in recipe}).epochs == 6


def test_the_tables_page_is_what_the_schemas_say() -> None:
    from medembed_pipeline.tables_page import render_tables_page

    page = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    assert page == render_tables_page(), "run: medembed tables > docs/tables.md"
