"""What encoders of moving pictures have in common. Activations are channels first, (B, C, ...).

They stay in PyTorch's default memory format. In channels last, a strided 1x1 convolution of fewer
than eight channels writes beyond its memory in the backward pass on CPUs (oneDNN).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from brl.models.common import network
from brl.models.common.batch_norm import BatchNorm, batch_norm
from brl.models.common.seen import PictureNorm

BLOCKS = (2, 2, 2, 2)  # of both published encoders


class Width(NamedTuple):
    """Widths of a block, and its stride over rows and columns."""

    in_channels: int
    out_channels: int
    stride: int


class PlaneNorm(BatchNorm):
    """Batch norm of channels-first activations (B, C, ...)."""

    def forward(self, x: Tensor) -> Tensor:
        """The normalised activations (B, C, ...)."""
        return batch_norm(x.movedim(1, -1), [self]).movedim(-1, 1)


class Block(nn.Module, ABC):
    """ReLU(second(first(x)) + shortcut(x)); the parts have the published names."""

    downsample: nn.Module | None

    @abstractmethod
    def main(self, x: Tensor) -> Tensor:
        """What is added to the shortcut: (B, C', ...) of x (B, C, ...)."""

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, ...) to (B, C', ...)."""
        return F.relu(self.main(x) + (x if self.downsample is None else self.downsample(x)))


class PictureBackbone(network.Backbone):
    """Base class of encoders that see nothing but pictures.

    Raises ValueError where a stream shows something else.
    """

    data_bn: PictureNorm

    def __init__(self, shape: network.Shape) -> None:
        super().__init__()
        if shape.seen is None or shape.seen.picture is None or shape.seen.joints:
            raise ValueError("this network sees pictures, and nothing else")
        self.data_bn = PictureNorm(shape.seen, shape.in_channels)

    def planes(self, bodies: Tensor) -> Tensor:
        """Pictures (B, T, K, H, W) of normalised bodies (B, T, V, K), in one piece of memory."""
        pictures = self.data_bn.seen.pictures_of(bodies)
        return pictures.permute(0, 1, 4, 2, 3).contiguous()

    def add_stages(self, shape: network.Shape, block: Callable[[Width], nn.Module]) -> None:
        """Adds the layers of all stages, under their published names."""
        self.layers = []
        for number, widths in enumerate(stages(shape), start=1):
            self.layers.append(f"layer{number}")
            self.add_module(self.layers[-1], nn.Sequential(*map(block, widths)))
            self.out_channels = widths[-1].out_channels

    def through_stages(self, x: Tensor) -> Tensor:
        """What the last stage gives for x, the input of the first one."""
        for layer in self.layers:
            x = self.get_submodule(layer)(x)
        return x

    def start(self) -> None:
        """The published initial weights of convolutions: He's, by outputs."""
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Conv3d)):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


def stages(shape: network.Shape) -> Iterator[list[Width]]:
    """The widths of the blocks of each stage; each but the first doubles them, and halves sizes."""
    channels = shape.base_channels
    for stage, count in enumerate(shape.blocks or BLOCKS):
        width = shape.base_channels * 2**stage
        widths = []
        for block in range(count):
            widths.append(Width(channels, width, 2 if stage and not block else 1))
            channels = width
        yield widths


def cells(x: Tensor) -> Tensor:
    """Features (B, T, H W, C) of the cells of maps (B, C, T, H, W)."""
    return x.flatten(3).permute(0, 2, 3, 1)


def shortcut(conv: nn.Module, channels: int) -> nn.Sequential:
    """A convolution that changes the shape, and its norm."""
    return nn.Sequential(conv, PlaneNorm(channels))
