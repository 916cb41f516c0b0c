"""A model of the lake that is asked beside the released checkpoint: which one, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from medembed_pipeline.errors import MedembedError


@dataclass(frozen=True)
class OtherModel:
    """Which model answers one kind of question.

    Attributes
    ----------
    version
        names it with all that its answers follow from; "" where there is none.
    reason
        why there is none, fit to be answered to anybody.
    problem
        the same for the service's own output, where it says more.
    """

    version: str = ""
    reason: str = ""
    problem: str = ""

    @classmethod
    def unusable(cls, what: str, error: MedembedError) -> OtherModel:
        """One that cannot be loaded here; the error may name a folder of this machine."""
        return cls("", f"{what} can't be loaded here; the service's own output says why", str(error))
