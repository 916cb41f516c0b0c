"""The layers after pooling: those that the base model has before unit length, a projection to be learned, a head."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from medembed_pipeline.encoder.modules import DenseLayer, dense_weights, read_modules
from medembed_pipeline.encoder.spec import EncoderSpec, own_projection
from medembed_pipeline.errors import MedembedError


class Dense(nn.Module):
    """A matrix and an activation: float32 [batch, inputs] to float32 [batch, dimensions]."""

    def __init__(self, linear: nn.Linear, activation: str) -> None:
        super().__init__()
        self.linear = linear
        self.activation: nn.Module = getattr(nn, activation)()

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """See the class."""
        found: torch.Tensor = self.activation(self.linear(vectors))
        return found


def load_dense(spec: EncoderSpec, folder: Path, inputs: int) -> nn.ModuleList:
    """The Dense layers of a spec, with the weights of the base model's folder.

    Parameters
    ----------
    spec
        names the layers in their order.
    folder
        the base model's.
    inputs
        dimensions of the pooled vectors.

    Raises
    ------
    MedembedError
        the folder has other layers, or their weights are missing or damaged.
    """
    if not spec.dense:
        return nn.ModuleList()
    modules = read_modules(folder)
    where = f"{folder}: has the Dense layers"
    return _load_layers(spec.dense, modules.dense, modules.dense_folders, inputs, where)


def load_head(spec: EncoderSpec, folder: Path, inputs: int) -> nn.ModuleList:
    """The layers of a spec after unit length, as `load_dense` gives those before it.

    Parameters
    ----------
    spec
        names the layers in their order.
    folder
        the base model's.
    inputs
        dimensions of the unit vectors that they take.

    Raises
    ------
    MedembedError
        see `load_dense`.
    """
    if not spec.head:
        return nn.ModuleList()
    modules = read_modules(folder)
    where = f"{folder}: has after unit length the Dense layers"
    return _load_layers(spec.head, modules.head, modules.head_folders, inputs, where)


def through_head(head: nn.ModuleList, vectors: torch.Tensor) -> torch.Tensor:
    """Unit vectors float32 [n, d] through a head, to unit vectors; the same ones where it has no layer."""
    for layer in head:
        vectors = layer(vectors)
    return nn.functional.normalize(vectors, dim=-1) if len(head) else vectors


def load_projection(spec: EncoderSpec, folder: Path, inputs: int, seed: int) -> nn.Linear | None:
    """The projection of a spec: that of the base model's folder where it has one of this size, else a new one.

    Parameters
    ----------
    spec
        tells its size; None is returned where that is 0.
    folder
        the base model's.
    inputs
        dimensions of what comes before it.
    seed
        of a new one, which keeps angles (or, in fewer dimensions, keeps them on average).

    Raises
    ------
    MedembedError
        its weights are missing or damaged.
    """
    if not spec.projection_dimensions:
        return None
    own = own_projection(spec, folder)
    if own is not None:
        return _load_linear(own, inputs, spec.projection_dimensions)
    projection = nn.Linear(inputs, spec.projection_dimensions)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        # Orthogonal: tuning starts from what the base model knows.
        if projection.in_features == projection.out_features:
            nn.init.eye_(projection.weight)
        else:
            nn.init.orthogonal_(projection.weight)
        projection.bias.zero_()
    return projection


def _load_layers(
    wanted: tuple[DenseLayer, ...],
    found: tuple[DenseLayer, ...],
    places: tuple[Path, ...],
    inputs: int,
    where: str,
) -> nn.ModuleList:
    if found[: len(wanted)] != wanted:
        raise MedembedError(
            f"{where} {_shown(found)}, but {_shown(wanted)} are expected; read its spec anew with read_spec or "
            "spec_of_base."
        )
    layers = nn.ModuleList()
    for layer, place in zip(wanted, places, strict=False):
        layers.append(Dense(_load_linear(place, inputs, layer.dimensions), layer.activation))
        inputs = layer.dimensions
    return layers


def _load_linear(place: Path, inputs: int, outputs: int) -> nn.Linear:
    weights = {name.removeprefix("linear."): value for name, value in _read_weights(place).items()}
    expected = [(outputs, inputs), (outputs,)]
    found = [tuple(weights[name].shape) for name in ("weight", "bias") if name in weights]
    if set(weights) - {"weight", "bias"} or found not in (expected, expected[:1]):
        raise MedembedError(
            f"{place}: the Dense module's weights are {sorted(weights)} of shapes {found}; expected linear.weight of "
            f"{expected[0]} and linear.bias, or none. The model folder is damaged: fetch it anew."
        )
    linear = nn.Linear(inputs, outputs, bias="bias" in weights)
    linear.load_state_dict(weights)
    return linear


def _read_weights(place: Path) -> dict[str, Any]:
    file = dense_weights(place)
    try:
        if file.suffix == ".bin":
            read: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
            return read
        from safetensors.torch import load_file

        return dict(load_file(file))
    except Exception as error:
        # Both readers raise errors of several kinds for a file that is cut off or none of theirs.
        raise MedembedError(
            f"{file}: can't be read as weights ({type(error).__name__}); the model folder is damaged: fetch it anew."
        ) from error


def _shown(layers: tuple[DenseLayer, ...]) -> str:
    return ", ".join(f"{layer.dimensions} {layer.activation}" for layer in layers) or "none"
