"""All tasks of the chosen families, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from medembed_pipeline.tasks.clinical_terms import clinical_terms_task, coded_terms
from medembed_pipeline.tasks.everyday import everyday_tasks
from medembed_pipeline.tasks.own import OwnFolder, own_tasks
from medembed_pipeline.tasks.settings import TaskSettings
from medembed_pipeline.tasks.task import NotAsked, Task


def all_tasks(
    settings: TaskSettings,
    passages: Callable[[], Task | NotAsked] | None = None,
    folders: Sequence[OwnFolder] = (),
) -> list[Task | NotAsked]:
    """The tasks that the settings ask for.

    Parameters
    ----------
    settings
        families, sizes and seed.
    passages
        makes the task of that family; called only where it is wanted; without it there are none.
    folders
        a person's own tasks, as `own_folders` found them.
    """
    tasks: list[Task | NotAsked] = []
    if "passages" in settings.families and passages is not None:
        tasks.append(passages())
    if "clinical_terms" in settings.families:
        tasks.append(clinical_terms_task(coded_terms(), codes=settings.clinical_codes, seed=settings.seed))
    if "everyday_language" in settings.families:
        tasks += everyday_tasks()
    if "own" in settings.families:
        tasks += own_tasks(
            folders, rows_at_most=settings.own_rows_at_most, expected=settings.own_tasks_decide
        )
    return tasks
