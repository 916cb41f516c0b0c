"""The table of what runs when: real conditions and checks against a real instance, with work that takes no time."""

from collections.abc import Callable, Iterator
from contextlib import closing

import dagster as dg
import pytest

from medembed_pipeline_tests.automation.model_graph import SPECS, WARNING, ModelGraph, reached
from medembed_pipeline_tests.graph.names import EVALUATED, GROUPS, LANDED, PICTURES

WITHOUT_TRAINING = {"cleaned_notes", "note_splits", "baseline_embeddings", "tuned_embeddings", *EVALUATED}
# A study stands until its own settings change.
AFTER_TRAINING = {name for name in reached("tuned_embeddings") if GROUPS[name] != "study"}


@pytest.fixture(scope="module")
def made_once() -> Iterator[ModelGraph]:
    """A graph in which everything was made once; its tests get copies."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield ModelGraph(instance=instance).everything_made()


@pytest.fixture
def graph(made_once: ModelGraph) -> Iterator[ModelGraph]:
    """A graph in which everything was made once."""
    with dg.DagsterInstance.ephemeral() as instance:
        copy_history(made_once.instance, instance)
        yield ModelGraph(instance=instance, held=dict(made_once.held), cursor=made_once.cursor)


def copy_history(source: dg.DagsterInstance, target: dg.DagsterInstance) -> None:
    """Give an instance in memory all that another has recorded."""
    for name in ("run_storage", "event_log_storage"):
        connections = [getattr(one, name)._engine.raw_connection() for one in (source, target)]
        with closing(connections[0]) as read, closing(connections[1]) as written:
            read.driver_connection.backup(written.driver_connection)


def once(made: list[str], expected: set[str]) -> bool:
    return sorted(made) == sorted(expected)


def test_at_first_everything_is_made_once() -> None:
    graph = ModelGraph()
    # Nothing has landed; of pictures, an absent folder is read, too.
    requested = graph.tick()
    assert "raw_images" in requested and requested <= PICTURES
    graph.land("files")
    assert once(graph.settle(), set(SPECS) - LANDED)


def test_a_tick_without_a_change_requests_nothing(graph: ModelGraph) -> None:
    assert [graph.tick() for _ in range(3)] == [set()] * 3


def test_a_landing_folder_read_again_with_the_same_content_reaches_nothing(graph: ModelGraph) -> None:
    graph.land(graph.landing)
    assert graph.settle() == []


def test_a_file_whose_rows_are_all_known_reaches_the_cleaned_notes_and_the_served(graph: ModelGraph) -> None:
    same = graph.held["cleaned_notes"]
    graph.content["cleaned_notes"] = lambda inputs: same
    graph.land("a renamed copy")
    # People filter what is served by the landed columns.
    assert graph.settle() == ["cleaned_notes", "served_snapshot"]


@pytest.mark.parametrize("policy", ["when_new_share", "on_schedule", "never"])
def test_new_notes_are_embedded_and_mapped_in_one_run_after_cleaning_without_training(
    graph: ModelGraph, policy: str
) -> None:
    graph.retraining = policy
    graph.land("1% more")
    assert graph.tick() == {"cleaned_notes"}
    graph.run("cleaned_notes")
    assert graph.tick() == WITHOUT_TRAINING - {"cleaned_notes"}


def test_new_notes_train_when_enough_are_new_and_the_rest_does_not_wait(graph: ModelGraph) -> None:
    graph.land("a tenth more")
    graph.enough_new = True
    graph.while_running["finetuned_checkpoint"] = lambda: setattr(graph, "enough_new", False)
    made = graph.settle()
    assert made.index("projections") < made.index("finetuned_checkpoint")
    trained = made.index("finetuned_checkpoint")
    assert set(made[made.index("tuned_embeddings", trained) :]) == AFTER_TRAINING
    assert sorted(set(made)) == sorted({*WITHOUT_TRAINING, "triplets", "finetuned_checkpoint"})
    assert made.count("finetuned_checkpoint") == made.count("triplets") == 1


def test_on_change_trains_on_every_change(graph: ModelGraph) -> None:
    graph.retraining = "on_change"
    graph.land("one more")
    made = graph.settle()
    assert made.count("finetuned_checkpoint") == made.count("triplets") == 1
    assert set(made[made.index("tuned_embeddings", made.index("finetuned_checkpoint")) :]) == AFTER_TRAINING


def test_a_training_parameter_reaches_the_checkpoint_and_what_uses_it(graph: ModelGraph) -> None:
    graph.code["finetuned_checkpoint"] = "more epochs"
    assert once(graph.settle(), {"finetuned_checkpoint", *AFTER_TRAINING})


def test_a_study_is_made_anew_when_its_settings_change_and_not_by_new_notes(graph: ModelGraph) -> None:
    graph.retraining = "on_change"
    graph.land("one more")
    assert "recipe_study" not in graph.settle()
    graph.code["recipe_study"] = "more trials"
    assert once(graph.settle(), {"recipe_study", "report"})


def test_a_projection_parameter_reaches_the_projections_and_the_page_that_shows_them(
    graph: ModelGraph,
) -> None:
    graph.code["projections"] = "another perplexity"
    assert once(graph.settle(), {"projections", "report", "served_snapshot"})


def test_a_room_whose_revision_changed_runs_whole_and_the_same_content_goes_no_further(
    graph: ModelGraph,
) -> None:
    room = {*LANDED, "cleaned_notes", "note_splits"}
    for name in room:
        graph.code[name] = "revision 2"
        graph.content[name] = lambda inputs, same=graph.held[name]: same  # type: ignore[misc]
    assert once(graph.settle(), room)


def test_a_revision_that_changes_content_reaches_what_reads_it(graph: ModelGraph) -> None:
    graph.code["note_splits"] = "revision 2"
    assert once(graph.settle(), {"note_splits", *EVALUATED})


def test_the_encoder_settings_retrain_once_and_compare_only_like_with_like(graph: ModelGraph) -> None:
    for name in ("baseline_embeddings", "finetuned_checkpoint", "tuned_embeddings"):
        graph.code[name] = "another window"
    made = graph.settle()
    assert made[:3] == ["baseline_embeddings", "triplets", "finetuned_checkpoint"]
    assert once(made, {"baseline_embeddings", "triplets", "finetuned_checkpoint", *AFTER_TRAINING})


def test_a_training_starts_from_triplets_of_the_notes_there_are(graph: ModelGraph) -> None:
    graph.land("1% more")
    assert "triplets" not in graph.settle()
    graph.code["finetuned_checkpoint"] = "more epochs"
    made = graph.settle()
    assert made[:2] == ["triplets", "finetuned_checkpoint"] and made.count("finetuned_checkpoint") == 1


def test_an_override_reaches_what_depends_on_it_and_is_not_undone(graph: ModelGraph) -> None:
    graph.content["triplets"] = lambda inputs: "drawn with other settings, in the launchpad"
    graph.run("triplets")
    del graph.content["triplets"]
    assert once(graph.settle(), {"finetuned_checkpoint", *AFTER_TRAINING})
    assert graph.held["triplets"].startswith("drawn with other settings")
    assert graph.tick() == set()


def test_an_override_ends_when_something_above_it_changes(graph: ModelGraph) -> None:
    graph.content["neighbors"] = lambda inputs: "more neighbours, in the launchpad"
    graph.run("neighbors")
    del graph.content["neighbors"]
    assert once(graph.settle(), reached("neighbors") - {"neighbors"})
    graph.land("1% more")
    graph.settle()
    assert not graph.held["neighbors"].startswith("more neighbours")


def test_an_upstream_that_changes_while_training_runs_is_neither_lost_nor_trained_on_twice(
    graph: ModelGraph,
) -> None:
    graph.retraining = "on_change"
    requests: list[set[str]] = []

    def meanwhile() -> None:
        graph.land("and more")
        while not requests or requests[-1]:
            requests.append(graph.tick())
            graph.run(*requests[-1])

    graph.while_running["finetuned_checkpoint"] = meanwhile
    graph.land("more")
    made = graph.settle()
    assert any("triplets" in request for request in requests)
    assert not any("finetuned_checkpoint" in request for request in requests)
    assert made.count("finetuned_checkpoint") == 2
    assert graph.tick() == set()


def test_a_failed_asset_is_left_alone_until_new_data_or_code_comes(graph: ModelGraph) -> None:
    graph.broken.add("tuned_embeddings")
    graph.land("bad data")
    graph.settle()
    assert [graph.tick() for _ in range(3)] == [set()] * 3
    graph.land("good data")
    graph.broken.clear()
    made = graph.settle()
    assert "tuned_embeddings" in made and made.count("projections") == 1


@pytest.mark.parametrize(
    "mend",
    [lambda graph: graph.code.update(tuned_embeddings="mended"), lambda graph: None],
    ids=["code", "by hand"],
)
def test_a_failed_asset_goes_on_when_its_code_is_mended_or_a_person_runs_it(
    graph: ModelGraph, mend: Callable[[ModelGraph], None]
) -> None:
    graph.broken.add("tuned_embeddings")
    graph.land("bad data")
    graph.settle()
    graph.broken.clear()
    mend(graph)
    if not graph.code:
        assert graph.tick() == set()
        graph.run("tuned_embeddings")
    assert graph.settle()[-1] in EVALUATED
    assert graph.tick() == set()


def test_data_that_comes_while_the_failing_step_runs_is_tried_too(graph: ModelGraph) -> None:
    graph.broken.add("note_splits")

    def meanwhile() -> None:
        graph.land("newer")
        graph.run("cleaned_notes")

    graph.while_running["note_splits"] = meanwhile
    graph.land("new")
    graph.run("cleaned_notes")
    assert "note_splits" in graph.tick()
    graph.run("note_splits")
    assert "note_splits" in graph.tick()
    graph.run("note_splits")
    assert "note_splits" not in graph.tick()


def test_what_a_failed_parent_kept_from_running_is_not_taken_for_failed(graph: ModelGraph) -> None:
    graph.broken.add("baseline_embeddings")
    graph.land("new")
    graph.settle()
    before = graph.held["baseline_embeddings"]
    graph.content["baseline_embeddings"] = lambda inputs: before
    graph.broken.clear()
    graph.run("baseline_embeddings")
    assert "neighbors" in graph.settle()


@pytest.mark.parametrize("check", ["enough_rows_are_kept", "every_row_is_accounted_for"])
def test_a_failing_blocking_check_holds_what_is_below_in_this_run_and_the_next(
    graph: ModelGraph, check: str
) -> None:
    graph.failing.add(check)
    graph.land("bad")
    assert graph.settle() == [] and graph.tick() == set()
    graph.code["cleaned_notes"] = "revision 2"
    assert graph.tick() == set()
    graph.failing.clear()
    graph.land("good")
    assert once(graph.settle(), WITHOUT_TRAINING)


def test_a_blocking_check_in_the_middle_holds_what_is_below_it(graph: ModelGraph) -> None:
    graph.failing.add("tuned_embeddings_are_unit_vectors")
    graph.land("bad")
    made = graph.settle()
    assert set(made) == WITHOUT_TRAINING - EVALUATED
    graph.failing.clear()
    graph.run("tuned_embeddings")
    assert once(graph.settle(), EVALUATED)


def test_a_warning_of_a_check_that_does_not_block_holds_nothing(graph: ModelGraph) -> None:
    graph.failing.add(WARNING)
    graph.land("worse")
    assert once(graph.settle(), WITHOUT_TRAINING)


def test_an_edited_source_that_is_not_loaded_yet_is_not_made_for_ever(graph: ModelGraph) -> None:
    made_by = graph.edited_source = {"projections": "newer on disk"}
    graph.code["projections"] = "new"
    assert graph.settle() == ["projections"]
    assert [graph.tick() for _ in range(3)] == [set()] * 3
    graph.code.update(made_by)
    assert once(graph.settle(), {"report", "served_snapshot"})
    graph.land("new")
    assert graph.settle().count("projections") == 1


def test_what_a_run_is_reading_is_not_changed_under_it(graph: ModelGraph) -> None:
    requests: list[set[str]] = []

    def meanwhile() -> None:
        graph.land("and more")
        requests.append(graph.tick())

    graph.while_running["similarity_evidence"] = meanwhile
    graph.land("more")
    graph.settle()
    assert requests == [set()], "the notes that landed meanwhile wait for the run that measures"
    assert graph.tick() == set(), "and were taken in after it"
    assert graph.held["cleaned_notes"] != graph.held["raw_transcriptions"]


def test_a_new_checkpoint_waits_for_the_measuring_of_the_one_before(graph: ModelGraph) -> None:
    requests: list[set[str]] = []

    def meanwhile() -> None:
        graph.code["finetuned_checkpoint"] = "more epochs"
        graph.run("finetuned_checkpoint")
        requests.append(graph.tick())

    graph.while_running["embedding_diagnostics"] = meanwhile
    graph.land("more")
    made = graph.settle()
    assert requests == [set()]
    assert made.count("tuned_embeddings") == 2 and graph.tick() == set()
