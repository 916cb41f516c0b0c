"""The lowest layers of a transformer, which need to read a text only once where they stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from medembed_pipeline.errors import MedembedError

MOST_STATE_BYTES = 2 * 1024**3
"""Of what is kept in memory of some texts: 10,000 notes of 128 tokens at a width of 384."""


class LowerLayers:
    """The transformer cut in two: what its lowest layers make of tokens, and the others going on from there.

    Parameters
    ----------
    transformer
        a transformers model; it stays whole, its weights and their names as they are.
    layers
        how many are below the cut, 1 to all but one.

    Raises
    ------
    MedembedError
        it has no layers that can be told apart, or too few.
    """

    def __init__(self, transformer: nn.Module, layers: int) -> None:
        found = layer_stack(transformer)
        most = len(found[1]) - 1 if found is not None else 0
        if found is None or not 0 < layers <= most:
            raise MedembedError(f"layers: {layers} cannot be cut off; expected 1 to {most}.")
        parent, _, self._name = found[0].rpartition(".")
        self._parent = transformer.get_submodule(parent)
        self._layers = layers

    def states(self, forward: Callable[[], object]) -> torch.Tensor:
        """What the layers below the cut make of the input that `forward` calls the transformer with.

        Parameters
        ----------
        forward
            calls the transformer; the layers above the cut are not reached.

        Returns
        -------
        torch.Tensor
            float32 [batch, tokens, hidden], without a gradient.
        """

        def stop(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            raise _ReachedError(args[0] if args else kwargs["hidden_states"])

        hook = self._stack[self._layers].register_forward_pre_hook(stop, with_kwargs=True)
        try:
            with torch.no_grad():
                forward()
        except _ReachedError as reached:
            return reached.states.float()
        finally:
            hook.remove()
        raise MedembedError("layers: this base model does not call its layers one after the other.")

    @contextmanager
    def skipped(self, states: torch.Tensor) -> Iterator[None]:
        """While entered, the transformer goes on from what `states` returned, whatever tokens it is called with."""

        def go_on(
            _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
        ) -> tuple[tuple[Any, ...], dict[str, Any]]:
            if args:
                return (states.to(args[0].dtype), *args[1:]), kwargs
            return args, {**kwargs, "hidden_states": states.to(kwargs["hidden_states"].dtype)}

        whole = self._stack
        above = nn.ModuleList(list(whole)[self._layers :])
        hook = above[0].register_forward_pre_hook(go_on, with_kwargs=True)
        setattr(self._parent, self._name, above)
        try:
            yield
        finally:
            setattr(self._parent, self._name, whole)
            hook.remove()

    @property
    def _stack(self) -> nn.ModuleList:
        stack: nn.ModuleList = getattr(self._parent, self._name)
        return stack


def layer_stack(transformer: Any) -> tuple[str, nn.ModuleList] | None:
    """Name and content of the list of a transformer's layers; None where there is none that can be recognised."""
    depth = int(getattr(transformer.config, "num_hidden_layers", 0))
    for name, module in transformer.named_modules():
        if depth and isinstance(module, nn.ModuleList) and len(module) == depth:
            return name, module
    return None


class _ReachedError(Exception):
    def __init__(self, states: torch.Tensor) -> None:
        super().__init__()
        self.states = states
