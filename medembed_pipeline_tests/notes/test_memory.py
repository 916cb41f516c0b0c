"""What is known of notes outlives their texts: edits, cuts, redaction, other settings, older runs, lost files."""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medembed_pipeline.evaluation.inputs import held_out
from medembed_pipeline.evaluation.relevance import held_out_notes
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publication import OutdatedWorkError
from medembed_pipeline.lake.tables import LakeTable, Recipe
from medembed_pipeline.maintenance import removable, verify_lake
from medembed_pipeline.notes import assets
from medembed_pipeline.notes.memory import (
    MEMORY,
    MEMORY_SCHEMA,
    NoteMemoryError,
    find_memory,
    remember_trained,
    remembered_groups,
)
from medembed_pipeline.settings import Settings
from medembed_pipeline.starting_over import cost_lines, print_splits
from medembed_pipeline.training.assets import remember_checkpoints
from medembed_pipeline.training.checkpoints import checkpoint_of
from medembed_pipeline_tests.notes.small_graph import SPLITS, SmallGraph, texts
from medembed_pipeline_tests.verdict.planted import write_checkpoint

NOW = datetime(2024, 1, 1, tzinfo=timezone.utc)
ADDENDUM = " Addendum: seen again, and discharged home in good health after the second visit of the day."


def cut(text: str) -> str:
    return " ".join(text.split()[: len(text.split()) // 3])


def rewritten(text: str) -> str:
    """As another hospital's de-identification might leave it: every twelfth word masked."""
    return " ".join("XXXX" if place % 12 == 5 else word for place, word in enumerate(text.split()))


def doubled(text: str) -> str:
    return text + " " + texts(1, words=70, seed=zlib.crc32(text.encode()))[0]


EDITS: dict[str, Callable[[str], str]] = {
    "an addendum": lambda text: text + ADDENDUM,
    "a cut": cut,
    "masked elsewhere": rewritten,
    "a longer addendum than the note": doubled,
}


@pytest.fixture(scope="module")
def split_once(tmp_path_factory: pytest.TempPathFactory) -> SmallGraph:
    graph = SmallGraph(tmp_path_factory.mktemp("split") / "lake")
    graph.land(texts(40))
    graph.run()
    return graph


@pytest.fixture
def graph(split_once: SmallGraph, tmp_path: Path) -> SmallGraph:
    """A lake of 40 notes that are split."""
    shutil.copytree(split_once.folder, tmp_path / "lake")
    return SmallGraph(tmp_path / "lake")


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_an_edited_note_keeps_its_split_and_counts_as_trained_on(
    graph: SmallGraph, edit: Callable[[str], str]
) -> None:
    before, ids = graph.split_of_text(), graph.id_of_text()
    trained = [ids[text] for text, split in before.items() if split == "train"]
    graph.land([edit(text) for text in texts(40)])
    graph.run()
    after = graph.split_of_text()
    assert {text: after[edit(text)] for text in before} == before
    assert set(graph.id_of_text().values()).isdisjoint(ids.values())
    assert graph.facts()["known_again_after_an_edit"] == 40
    assert len(set(graph.split_of_text("group").values())) == 40
    # And were they dealt otherwise: a model that was trained on the earlier text is not scored on the edited one.
    groups = {graph.id_of_text()[text]: group for text, group in graph.split_of_text("group").items()}
    gone = remembered_groups(graph.lake, trained)
    scored = held_out_notes(dict.fromkeys(groups, "test"), {**gone, **groups}, trained)
    assert scored.excluded == len(trained) > 0
    assert len(scored.note_ids) == 40 - len(trained)


def test_an_edit_beside_the_earlier_text_joins_it(graph: SmallGraph) -> None:
    before = graph.split_of_text()
    graph.land([text + ADDENDUM for text in texts(40)], "amended.csv")
    graph.run()
    after = graph.split_of_text()
    assert all(after[text] == after[text + ADDENDUM] == split for text, split in before.items())


def test_masking_changes_no_id_no_group_and_no_split(tmp_path: Path) -> None:
    graph = SmallGraph(tmp_path / "lake")
    written = texts(20)
    # Two notes that masking makes alike, and one that only masking makes similar to another.
    twins = [f"{written[0]} Call 555-{number}-4567 on 03/0{number - 200}/2024." for number in (201, 202)]
    many = [
        " ".join(
            f"{word} 0{day}/1{place % 10}/19{place + 10}"
            for place, word in enumerate(written[1].split()[:40])
        )
        for day in (1, 2)
    ]
    graph.land([*written[2:], *twins, *many])
    graph.run()
    table = graph.lake.table("cleaned_notes").read(["note_id", "duplicate_group"])
    splits = graph.lake.table("note_splits").read()
    ids = graph.id_of_text()
    groups = graph.split_of_text("group")
    assert ids[twins[0]] != ids[twins[1]] and groups[twins[0]] == groups[twins[1]]
    assert groups[many[0]] == groups[many[1]] != groups[twins[0]]
    graph.run(cleaned_notes={"redact": True})
    redacted = graph.lake.table("cleaned_notes")
    assert not any("555-20" in text for text in redacted.strings("text"))
    assert redacted.read(["note_id", "duplicate_group"]).equals(table)
    assert graph.lake.table("note_splits").read().equals(splits)
    assert graph.checks["nothing_crosses_splits"].passed


def test_a_lake_that_was_masked_before_keeps_its_splits(tmp_path: Path) -> None:
    """Earlier versions took the id of the masked text."""
    from medembed_pipeline.notes.cleaning import note_id
    from medembed_pipeline.notes.identifiers import mask_identifiers

    graph = SmallGraph(tmp_path / "lake")
    written = [f"{text} Seen on 03/02/2024, call 555-201-4567." for text in texts(30)]
    old = {
        note_id(mask_identifiers(text)): ("train", "test")[place % 2] for place, text in enumerate(written)
    }
    graph.lake.write_json(old, "store", "split_ledger", "0123456789abcdef.json")
    graph.land(written)
    graph.run(cleaned_notes={"redact": True})
    assert graph.facts()["known_again_after_an_edit"] == 30
    splits = graph.split_of_text()
    assert all(splits[mask_identifiers(text)] == old[note_id(mask_identifiers(text))] for text in written)


def test_cleaning_by_newer_rules_changes_no_split(graph: SmallGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    from medembed_pipeline import stage
    from medembed_pipeline.notes import merging

    before = graph.split_of_text()

    def newer(text: str) -> str:
        return f"Note\n{text.upper()[:-1].replace(' ', '  ')}"

    monkeypatch.setattr(merging, "clean_text", newer)
    monkeypatch.setattr(assets, "prepared_version", lambda redact: "newer")
    from medembed_pipeline.lake.publishing import asset_io as work

    monkeypatch.setattr(stage, "asset_io", lambda context, _, *sections: work(context, "newer", *sections))
    graph.run()
    after = graph.split_of_text()
    assert {text: after[newer(text)] for text in before} == before


def test_a_lake_of_an_earlier_version_keeps_its_splits(tmp_path: Path) -> None:
    graph = SmallGraph(tmp_path / "lake")
    graph.land(texts(30))
    graph.run()
    ids = sorted(graph.id_of_text().values())
    graph.lake.remove(f"{MEMORY}.parquet")
    graph.lake.remove("note_splits.parquet")
    graph.lake.remove(".publications", f"{MEMORY}.json")
    current = {note: "validation" for note in ids}
    other = {**dict.fromkeys(ids, "train"), "f" * 32: "train"}
    shares = {name: SPLITS[name] for name in ("train", "validation", "test", "seed")}
    graph.lake.write_json(current, "store", "split_ledger", f"{digest(shares)[:16]}.json")
    graph.lake.write_json(other, "store", "split_ledger", "ffffffffffffffff.json")
    graph.run()
    assert set(graph.split_of_text().values()) == {"validation"}
    assert graph.memory.notes["f" * 32].split == "train"
    # From then on the memory counts, and the ledger can go.
    gone = {"/".join(item.parts) for item in removable(graph.lake, Settings())}
    assert "store/split_ledger" in gone
    graph.lake.remove("store", "split_ledger")
    graph.run()
    assert set(graph.split_of_text().values()) == {"validation"}


def test_new_shares_hold_for_new_notes_and_move_nobody(graph: SmallGraph) -> None:
    before = graph.split_of_text()
    graph.land(texts(40, seed=2), "more.csv")
    graph.run(note_splits={**SPLITS, "train": 0.3, "test": 0.6})
    after = graph.split_of_text()
    assert {text: after[text] for text in before} == before
    counts = [list(after.values()).count(split) for split in ("train", "validation", "test")]
    assert counts == [24, 8, 48]


def test_what_is_remembered_is_documented_sorted_and_complete(graph: SmallGraph) -> None:
    table = graph.lake.table(MEMORY).read()
    assert table.schema.equals(MEMORY_SCHEMA.remove_metadata())
    assert all(field.metadata[b"description"] for field in MEMORY_SCHEMA)
    assert table["note_id"].to_pylist() == sorted(graph.id_of_text().values())
    first = {row["note_id"]: (row["first_seen"], row["last_seen"]) for row in table.to_pylist()}
    graph.land(texts(1, seed=9), "more.csv")
    graph.run()
    for note, row in graph.memory.notes.items():
        assert row.signature and row.sketch and row.first_seen <= row.last_seen
        if note in first:
            assert row.first_seen == first[note][0] and row.last_seen > first[note][1]


def test_a_run_in_which_nothing_changed_leaves_the_memory(graph: SmallGraph) -> None:
    path = Path(graph.lake.table_path(MEMORY))
    before = path.stat().st_mtime_ns
    graph.run()
    assert path.stat().st_mtime_ns == before


def test_an_older_run_that_ends_late_adds_nothing(graph: SmallGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    """It began before the newer one, and comes to publish after it: its table is refused, and so is what it knew."""
    numbers = Lake(graph.lake.url)
    write, newer = Lake.write_table, texts(5, seed=3)

    def late(lake: Lake, recipe, *arguments, **named):  # type: ignore[no-untyped-def]
        if recipe.asset == "note_splits":
            # As if newer work had published meanwhile, from other notes.
            order = numbers._order
            order.record("note_splits", order.begin("note_splits"), placed=True)
        return write(lake, recipe, *arguments, **named)

    before = graph.memory
    monkeypatch.setattr(Lake, "write_table", late)
    graph.land(newer, "more.csv")
    result = graph.run(fails=True)
    assert OutdatedWorkError.__name__ in graph.failure(result) or "began later" in graph.failure(result)
    assert graph.memory == before
    monkeypatch.undo()
    graph.run()
    assert len(graph.memory.notes) == 45 and before.notes.keys() < graph.memory.notes.keys()


def test_a_run_killed_before_it_wrote_the_memory_loses_no_split(
    graph: SmallGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph.land(texts(20, seed=4), "more.csv")

    def killed(*_: object) -> None:
        raise KeyError

    monkeypatch.setattr(assets, "write_memory", killed)
    graph.run(fails=True)
    splits = graph.split_of_text()
    assert len(splits) == 60 and len(graph.memory.notes) == 40
    monkeypatch.undo()
    # The table stands, and what it says is remembered, also when the notes have changed in between.
    graph.land([text + ADDENDUM for text in texts(20, seed=4)][:10] + texts(20, seed=4)[10:], "more.csv")
    graph.run()
    after = graph.split_of_text()
    assert all(after[text] == split for text, split in splits.items() if text in after)
    assert len(graph.memory.notes) == 70


@pytest.mark.parametrize("loss", ["removed", "cut off", "altered", "not ours"])
def test_a_lost_memory_is_said_at_once_and_never_made_anew(graph: SmallGraph, loss: str) -> None:
    path = Path(graph.lake.table_path(MEMORY))
    whole = path.read_bytes()
    if loss == "removed":
        path.unlink()
    elif loss == "cut off":
        path.write_bytes(whole[:100])
    elif loss == "altered":
        footer = pq.read_metadata(path).metadata[b"medembed"]
        pq.write_table(pq.read_table(path).slice(1).replace_schema_metadata({b"medembed": footer}), path)
    else:
        pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)
    graph.land(texts(1, seed=5), "more.csv")
    found = graph.failure(graph.run(fails=True))
    assert f"is {'gone' if loss == 'removed' else 'damaged'}" in found
    assert "edited text of a note" in found and "medembed splits --start-over" in found
    assert path.exists() is (loss != "removed")
    (finding,) = [one for one in verify_lake(graph.lake) if one.name == "note_memory.parquet"]
    assert finding.is_error and "--start-over" in finding.detail
    # Also where the record of what was published is lost, or only the trained notes are asked for.
    graph.lake.remove(".publications", f"{MEMORY}.json")
    if loss != "altered":
        with pytest.raises(NoteMemoryError, match="Restore a copy"):
            remembered_groups(graph.lake, ["0" * 32])
    with pytest.raises(NoteMemoryError):
        remember_trained(graph.lake, {"v1": []}, NOW)
    path.write_bytes(whole)
    graph.run()
    assert len(graph.memory.notes) == 41


def test_starting_over_says_what_it_costs_and_asks(
    graph: SmallGraph, capsys: pytest.CaptureFixture[str]
) -> None:
    before = graph.split_of_text()
    trained = [note for note, row in graph.memory.notes.items() if row.split == "train"]
    remember_trained(graph.lake, {"v1": trained}, NOW)
    graph.lake.write_json({"version": "v1"}, "finetuned_checkpoint.json")
    assert print_splits(graph.lake, anew=False, confirmed=False) == 0
    assert "40 notes in 40 groups" in capsys.readouterr().out
    kept = graph.memory
    assert print_splits(graph.lake, anew=True, confirmed=False) == 1
    said = capsys.readouterr().out
    assert f"The current checkpoint v1 was trained on {len(trained)} of them" in said
    assert "of the 12 notes that were held out" in said and "--yes" in said
    assert graph.memory == kept
    graph.run(note_splits={**SPLITS, "seed": 8})
    assert graph.split_of_text() == before
    assert print_splits(graph.lake, anew=True, confirmed=True) == 0
    assert graph.memory.notes == {} and graph.memory.started == 2
    graph.run(note_splits={**SPLITS, "seed": 8})
    assert graph.split_of_text() != before and graph.memory.started == 2
    assert not any(row.trained_by for row in graph.memory.notes.values())


def test_starting_over_mends_a_lost_memory(graph: SmallGraph) -> None:
    Path(graph.lake.table_path(MEMORY)).write_bytes(b"PAR1 no more")
    assert "gone or damaged" in cost_lines(graph.lake)[0]
    assert print_splits(graph.lake, anew=True, confirmed=True) == 0
    graph.run()
    assert graph.memory.started == 2 and len(graph.memory.notes) == 40


def test_trained_on_is_kept_when_the_checkpoint_is_pruned(graph: SmallGraph) -> None:
    one, other = sorted(graph.memory.notes)[:2]
    remember_trained(graph.lake, {"v1": [one]}, NOW)
    remember_trained(graph.lake, {"v2": [one, other, "e" * 32]}, NOW)
    remember_trained(graph.lake, {}, NOW)
    known = graph.memory.notes
    assert (known[one].trained_by, known[other].trained_by) == (("v1", "v2"), ("v2",))
    assert known["e" * 32].split == "train"
    graph.land(texts(1, seed=6), "more.csv")
    graph.run()
    assert graph.memory.notes[one].trained_by == ("v1", "v2") and "e" * 32 in graph.memory.notes


def test_where_nothing_was_split_nothing_is_remembered(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    remember_trained(lake, {"v1": ["a"]}, NOW)
    assert find_memory(lake) is None and remembered_groups(lake, ["a"]) == {}
    assert cost_lines(lake) == ["There is no memory of notes yet: nothing is lost."]


def test_it_verifies_and_is_never_pruned(graph: SmallGraph) -> None:
    findings = {finding.name: finding.state for finding in verify_lake(graph.lake)}
    assert findings["note_memory.parquet"] == "ok" and set(findings.values()) == {"ok"}
    assert not any(MEMORY in "/".join(item.parts) for item in removable(graph.lake, Settings()))
    assert json.loads(json.dumps(graph.facts(MEMORY))) == {"started": 1, "notes": 40}


class Work:
    """What the assets of evaluation are handed."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.inputs: dict[str, str] = {}

    def input(self, name: str) -> LakeTable:
        return self.lake.table(name)

    def note_input(self, name: str, version: str) -> None:
        self.inputs[name] = version


def test_evaluation_leaves_out_what_was_trained_on_under_another_text(graph: SmallGraph) -> None:
    """The edited text of trained notes is dealt to the test by hand: the released checkpoint is not scored on it."""
    trained = sorted(note for note, row in graph.memory.notes.items() if row.split == "train")
    write_checkpoint(graph.lake, "v1", trained)
    remember_checkpoints(graph.lake)
    assert all((row.trained_by == ("v1",)) == (note in trained) for note, row in graph.memory.notes.items())
    graph.land([text + ADDENDUM for text in texts(40)])
    graph.run()
    table = graph.lake.table("note_splits")
    everything = table.read().set_column(1, "split", pa.array(["test"] * 40))
    graph.lake.write_table(table.footer.recipe, everything.cast(table.schema), facts=table.footer.facts)
    measured = Recipe(
        "tuned_embeddings", "1", {}, {"finetuned_checkpoint": checkpoint_of(graph.lake, "v1").data_version}
    )
    graph.lake.write_table(measured, pa.table({"note_id": ["read by nobody"]}))
    work = Work(graph.lake)
    scored = held_out(work)  # type: ignore[arg-type]
    assert (len(scored.note_ids), scored.excluded) == (40 - len(trained), len(trained))
    assert len(set(scored.groups)) == len(scored.note_ids) and "groups_of_gone_notes" in work.inputs
