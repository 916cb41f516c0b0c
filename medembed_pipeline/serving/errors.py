"""What can go wrong between a lake and an answer."""

from medembed_pipeline.errors import MedembedError


class ServingError(MedembedError):
    """The service cannot start, or cannot make a snapshot."""


class NothingReleasedError(ServingError):
    """No checkpoint has been released in this lake yet."""


class RequestError(ServingError):
    """A request that cannot be answered; its message holds nothing of what was asked.

    Attributes
    ----------
    status
        of the answer.
    kind
        a word that a program can act on.
    """

    def __init__(self, message: str, *, status: int = 422, kind: str = "invalid") -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


class BusyError(RequestError):
    """More texts wait than the service holds."""

    def __init__(self) -> None:
        super().__init__(
            "Too many texts are waiting; ask again in a second.", status=503, kind="too_many_waiting"
        )
