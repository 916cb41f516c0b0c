"""Which tasks are measured, by how much each may fall, and which of them decide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.settings import TaskSettings
from medembed_pipeline.tasks.clinical_terms import clinical_term_task, read_terms
from medembed_pipeline.tasks.everyday import everyday_tasks
from medembed_pipeline.tasks.kinds import RankingTask, Task
from medembed_pipeline.tasks.own import own_task_names, read_own_task


@dataclass(frozen=True)
class PlannedTask:
    """A task, or why there is none.

    Attributes:
        name: of the task.
        family: passages, clinical_terms, everyday_language or own.
        tolerance: by how much its main figure may fall.
        decides: whether the verdict goes by it, or it only informs.
        task: None where it cannot be measured.
        problem: why; empty where it can be.
        known_words: texts, besides its own, that word matching counts words in.
    """

    name: str
    family: str
    tolerance: float
    decides: bool
    task: Task | None
    problem: str = ""
    known_words: Sequence[str] = ()


def built_in_tasks(settings: TaskSettings) -> list[PlannedTask]:
    """The tasks that come with the project and need no notes, of the families that are wanted."""
    found = []
    if "clinical_terms" in settings.families:
        task = clinical_term_task(read_terms(), terms=settings.clinical_terms, seed=settings.seed)
        found.append(
            PlannedTask(task.name, task.family, settings.clinical_terms_tolerance, decides=True, task=task)
        )
    if "everyday_language" in settings.families:
        found += [
            PlannedTask(one.name, one.family, settings.everyday_language_tolerance, decides=True, task=one)
            for one in everyday_tasks()
        ]
    return found


def passages_planned(
    settings: TaskSettings, read: Callable[[], RankingTask], known_words: Sequence[str]
) -> PlannedTask:
    """The passages. Where too few notes are long, nobody can make them more: then the task does not decide."""
    task, problem = _read(read)
    return PlannedTask(
        "passages", "passages", settings.passages_tolerance, not problem, task, problem, known_words
    )


def own_tasks(settings: TaskSettings, lake: Lake, taken: Sequence[str]) -> list[PlannedTask]:
    """The tasks of the lake. One that cannot be read decides as told, so that a mistake in it lets no model pass.

    Args:
        settings: which of them only inform.
        lake: with a folder `tasks`.
        taken: names of other tasks.
    """
    found = []
    for name in own_task_names(lake):
        if name in taken:
            task, shown = None, f"own_{name}"
            problem = f"tasks/{name}: the project has a task of this name; rename the folder"
        else:
            task, problem = _read(lambda name=name: read_own_task(lake, name))
            shown = name
        decides = name not in settings.own_tasks_inform
        found.append(PlannedTask(shown, "own", settings.own_tolerance, decides, task, problem))
    return found


def _read(read: Callable[[], Task]) -> tuple[Task | None, str]:
    try:
        return read(), ""
    except MedembedError as error:
        return None, str(error)
