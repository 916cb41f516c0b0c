"""A study as a room declares it in its `study.py`, and all that the rooms have declared.

A room that wants something searched has a `study.py` with a `Study`: its name, its space, and a function that makes the
objective of the asset's inputs. The asset `<name>_study`, its place in the lineage, its pictures, its part of the page
and `medembed study` follow. `training/study.py` is the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from medembed_pipeline.rooms import modules_of_rooms
from medembed_pipeline.study.errors import StudyError
from medembed_pipeline.study.settings import StudySettings
from medembed_pipeline.study.space import Space, Values
from medembed_pipeline.study.trial import Objective

if TYPE_CHECKING:
    from medembed_pipeline.lake.publishing import AssetIO


@dataclass(frozen=True)
class Prepared:
    """A study that is about to run.

    Attributes
    ----------
    objective
        see `Objective`. What it needs it holds; of test notes it holds none.
    start
        values of the first trial: the defaults that the others are compared with.
    facts
        kept beside the table: numbers and short names, never text of notes.
    also
        values of the trials after the first, such as those that others have published.
    """

    objective: Objective
    start: Values
    facts: Mapping[str, Any] = field(default_factory=dict)
    also: Sequence[Values] = ()


@dataclass(frozen=True)
class Study:
    """What a room wants searched.

    Attributes
    ----------
    name
        in small letters; the asset is `<name>_study`.
    about
        a sentence for the UI.
    space
        what is searched.
    parameters
        what each parameter is, by name.
    figures
        what each figure is that the objective notes (`Trial.figure`), by name.
    inputs
        assets that `prepare` reads.
    prepare
        reads them (through `AssetIO.input`, or `note_input` where only a part of a table matters) and makes the
        objective. Only called where there are trials to make.
    score
        what the score is, in a few words.
    block
        the values as a part of `medembed.toml`.
    version
        hash of the code and settings, other than `[study]`, that reach the result. The values in force of what is
        searched are no part of it: taking over what won does not start the study anew.
    resources
        of Dagster's, that `prepare` needs.
    """

    name: str
    about: str
    space: Space
    parameters: Mapping[str, str]
    figures: Mapping[str, str]
    inputs: tuple[str, ...]
    prepare: Callable[[AssetIO], Prepared]
    score: str
    block: Callable[[Values], str]
    version: str
    resources: tuple[str, ...] = ()

    @property
    def asset(self) -> str:
        """The asset's name."""
        return f"{self.name}_study"


def declared_studies() -> dict[str, Study]:
    """The studies of all rooms, by name, in the order of the rooms.

    Raises
    ------
    StudyError
        two have one name.
    """
    found: dict[str, Study] = {}
    for module in modules_of_rooms("study"):
        for value in vars(module).values():
            if not isinstance(value, Study):
                continue
            if value.name in found and found[value.name] is not value:
                raise StudyError(f"{module.__name__}: there is a study named {value.name!r} already.")
            found[value.name] = value
    return found


def check_names(settings: StudySettings, studies: Mapping[str, Study]) -> None:
    """Refuse names that no room has declared.

    Raises
    ------
    StudyError
        naming them, and those there are.
    """
    unknown = [name for name in settings.which if name not in studies]
    if unknown:
        raise StudyError(
            f"study.which = {list(settings.which)}: there is no study {', '.join(unknown)}; expected some of "
            f"{list(studies)}."
        )
