"""Whatever ends a training before it is done."""

from collections.abc import Callable


class Pulled(BaseException):
    """Stands for KeyboardInterrupt, or an orchestrator's own interruption."""


def stop_at(step: int) -> Callable[[int, int, float, float], None]:
    """An `on_step` that ends the training after a step."""

    def on_step(done: int, total: int, loss: float, rate: float) -> None:
        if done == step:
            raise Pulled

    return on_step
