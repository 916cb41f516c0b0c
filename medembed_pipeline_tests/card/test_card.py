"""The card of a measured checkpoint: complete, the same twice, of figures alone, and read by the hub's own tools."""

from pathlib import Path

import pytest

from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.training.card_parts import LONGEST_CELL, plain
from medembed_pipeline_tests.card.small_card import (
    CANARY,
    SITE,
    VERSION,
    card_text,
    judged_lake,
    write_card,
)
from medembed_pipeline_tests.verdict.planted import planted

HUB = [
    "Model Details", "Model Description", "Uses", "Direct Use", "Downstream Use", "Out-of-Scope Use",
    "Bias, Risks, and Limitations", "Recommendations", "How to Get Started with the Model", "Training Details",
    "Training Data", "Training Procedure", "Training Hyperparameters", "Evaluation", "Testing Data", "Factors",
    "Metrics", "Results", "Environmental Impact", "Technical Specifications", "Citation", "Glossary",
    "Model Card Contact",
]  # fmt: skip
CHAI = [
    "Basic Info", "Release Info", "Model Summary", "Uses and Directions", "Warnings", "Trust Ingredients",
    "AI System Facts", "Transparency Information", "Key Metrics", "Usefulness, Usability, and Efficacy",
    "Fairness and Equity", "Safety and Reliability", "Resources", "Bibliography",
]  # fmt: skip
CHAI_FIELDS = [
    "Model Developer", "Developer Contact", "Release Stage", "Release Version", "Intended Use and Workflow",
    "Primary Intended Users", "How to Use", "Targeted Patient Population", "Cautioned Out-of-Scope Settings",
    "Known Risks and Limitations", "Known Biases or Ethical Considerations", "Clinical Risk Level",
    "Outcomes and Outputs", "Model Type", "Foundation Models", "Input Data Source", "Output and Input Data Types",
    "Development Data Characterization", "Bias Mitigation Approaches", "Ongoing Maintenance", "Funding Source",
    "Third Party Information", "Stakeholders Consulted", "Metric Goal", "Result", "Interpretation", "Test Type",
    "Testing Data Description", "Validation Process and Justification", "Evaluation References", "Clinical Trial",
    "Peer Reviewed Publications", "Reimbursement Status", "Patient Consent or Disclosure",
]  # fmt: skip


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake with a card, which tests must not change."""
    lake = judged_lake(str(tmp_path_factory.mktemp("card") / "lake"))
    write_card(lake)
    return lake


def test_it_has_the_sections_of_both_cards(lake: Lake) -> None:
    lines = card_text(lake).splitlines()
    titles = [line.lstrip("#").strip() for line in lines if line.startswith("#")]
    for name in [*HUB, *CHAI]:
        assert name in titles, name
    for name in CHAI_FIELDS:
        assert any(line.startswith(f"| **{name}** | ") for line in lines), name


def test_it_says_the_figures_of_the_tables(lake: Lake) -> None:
    text = card_text(lake)
    metrics = lake.table("embedding_metrics").read().to_pylist()
    for model, sign in (("baseline", ""), ("tuned", ""), ("difference", "+")):
        (row,) = [
            one for one in metrics if (one["model"], one["scope"], one["metric"]) == (model, "all", "map")
        ]
        shown = f"{row['value']:{sign}.3f} [{row['ci_low']:{sign}.3f}, {row['ci_high']:{sign}.3f}]"
        (line,) = [line for line in text.splitlines() if line.startswith("| MAP | ")]
        assert shown in line and f"| {row['n']} | {row['groups']} |" in line
    facts = lake.table("release_verdict").footer.facts
    assert plain(facts["sentence"], longest=5000) in text and VERSION in text
    assert "96 held-out test notes were scored" in text and "12 train, 0 validation, 96 test" in text
    assert "| train\\_notes | 12,345 |" in text
    assert '| a\\_parameter\\_of\\_tomorrow | {"nested": \\[1, 2\\]} |' in text
    for name in ("embedding_metrics", "slice_metrics", "task_metrics", "note_splits"):
        assert lake.table(name).data_version in text
    tasks = {
        line.split(" | ")[0]: line for line in text.splitlines() if line.startswith(("| passages", "| own"))
    }
    assert "| 0.05 | kept | decides | 200 | 200 |" in tasks["| passages"]
    assert "| 0.05 | not measured | informs | 0 | 0 |" in tasks["| own"]


def test_specialties_and_slices_are_counted_and_listed(lake: Lake) -> None:
    text = card_text(lake)
    facts = lake.table("release_verdict").footer.facts
    for tests, what in ((facts["specialty_tests"], "specialties"), (facts["slice_tests"], "slices")):
        kept = sum(one["state"] == "kept" for one in tests)
        open_ones = sum(one["state"] == "not_judged" for one in tests)
        assert (
            f"Of {len(tests)} {what}: {kept} shown to be kept, 0 shown to be worse, {open_ones} not" in text
        )
        for one in tests:
            assert f"| {plain(one['name'])} | " in text
    assert {one["name"]: one["state"] for one in facts["slice_tests"]} == {
        SITE: "kept",
        "site=South": "not_judged",
    }


def test_the_hubs_own_tools_read_it(lake: Lake) -> None:
    from huggingface_hub import ModelCard

    card = ModelCard.load(Path(lake.path("checkpoints", VERSION, "README.md")))
    data = card.data
    assert (data.license, data.library_name) == ("apache-2.0", "sentence-transformers")
    assert data.base_model == "sentence-transformers/all-MiniLM-L6-v2"
    assert data.pipeline_tag == "sentence-similarity" and "clinical-notes" in data.tags
    assert data.model_name == f"clinical-note-embeddings-{VERSION}"
    found = {(one.dataset_name, one.metric_type): one.metric_value for one in data.eval_results}
    for row in lake.table("embedding_metrics").read().to_pylist():
        if (row["model"], row["scope"]) == ("tuned", "all") and row["metric"] in ("precision", "map"):
            name = "map" if row["metric"] == "map" else f"precision@{row['k']}"
            assert found["Held-out notes", name] == pytest.approx(row["value"], abs=1e-6)
    assert found["passages", "MRR"] == 0.6 and not any(name == "own" for name, _ in found)
    assert card.text.lstrip().startswith("# Clinical note embeddings")


def test_the_same_inputs_give_the_same_bytes(lake: Lake, tmp_path: Path) -> None:
    again = judged_lake(str(tmp_path))
    write_card(again)
    assert card_text(again) == card_text(lake)


def test_no_text_of_a_note_is_in_it_and_no_slice_in_the_metadata(tmp_path: Path) -> None:
    lake = judged_lake(str(tmp_path))
    shown = write_card(lake)
    assert all(CANARY in text for text in lake.table("cleaned_notes").strings("text"))
    assert CANARY not in card_text(lake) and "North wing" in card_text(lake)
    assert CANARY not in str(shown) and "North wing" not in str(shown)
    assert "| MAP | " in shown["figures"] and shown["verdict"] == "deploy" and shown["checkpoint"] == VERSION


def test_what_nobody_stated_is_named_and_what_is_stated_is_shown(tmp_path: Path) -> None:
    lake = judged_lake(str(tmp_path))
    assert "funding" in write_card(lake)["not_stated"]
    text = card_text(lake)
    assert "**Developed by:** not stated: set `[card] developer`" in text
    assert "| **Targeted Patient Population** | not stated: set `[card] population` |" in text
    stated = {"developer": "Ward 7 | *all*\nof us", "licence": "other", "language": "de", "contact": "a@b.c"}
    shown = write_card(lake, **stated)
    text = card_text(lake)
    assert "**Developed by:** Ward 7 \\| \\*all\\* of us" in text and "developer" not in shown["not_stated"]
    assert (
        "\nlicense: other\n" in text and "\nlanguage: de\n" in text and "set `[card] developer`" not in text
    )
    assert "of the base model: apache-2.0" in text and text.partition("<!-- medembed")[0].count("a@b.c") == 2


def test_without_slices_and_tasks_it_says_so(tmp_path: Path) -> None:
    lake = judged_lake(str(tmp_path), slices=False, tasks=False)
    write_card(lake)
    text = card_text(lake)
    assert "No slices was judged" not in text and "There are no slices with figures of their own" in text
    assert "No task was asked." in text


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    notes = planted()
    evil = "--> <script>\n---\n| **x** `"
    notes.specialties = [[evil] if names == ["Specialty 1"] else names for names in notes.specialties]
    lake = judged_lake(str(tmp_path), notes=notes)
    write_card(lake)
    text = card_text(lake)
    assert "<script>" not in text.replace("\\<script\\>", "") and plain(evil) in text
    from huggingface_hub import ModelCard

    assert len(ModelCard.load(Path(lake.path("checkpoints", VERSION, "README.md"))).data.eval_results) > 5


def test_anything_is_one_plain_line() -> None:
    assert plain("a\n\n| b_c") == "a \\| b\\_c"
    assert (plain(True), plain(None), plain(12345), plain(0.1), plain([1])) == (
        "yes",
        "none",
        "12,345",
        "0.1",
        "\\[1\\]",
    )
    assert plain("x" * 500) == "x" * LONGEST_CELL + "..."
