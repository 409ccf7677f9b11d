"""ResNet-18 (He et al., arXiv 1512.03385) on single pictures.

Nothing looks along time but the mean over frames in the end, before the classes. Names and shapes
of its state dict are those of torchvision's `resnet18`, without its last layer. Other widths than
64 and other numbers of blocks are ours.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from brl.models.common import network, pictures
from brl.models.common.pictures import PlaneNorm, Width


def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size, but for its stride."""
    return nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)


class Block(pictures.Block):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, width: Width) -> None:
        super().__init__()
        self.conv1 = conv3x3(*width)
        self.bn1 = PlaneNorm(width.out_channels)
        self.conv2 = conv3x3(width.out_channels, width.out_channels)
        self.bn2 = PlaneNorm(width.out_channels)
        self.downsample = None
        if width.stride > 1 or width.in_channels != width.out_channels:
            across = nn.Conv2d(width.in_channels, width.out_channels, 1, width.stride, bias=False)
            self.downsample = pictures.shortcut(across, width.out_channels)

    def main(self, x: Tensor) -> Tensor:
        """Maps (B, C, H, W) to (B, C', H / stride, W / stride)."""
        return self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))


class Backbone(pictures.PictureBackbone):
    """Four stages of two blocks, as published, of width C0, 2 C0, 4 C0 and 8 C0.

    Raises ValueError where a stream shows something else than pictures.
    """

    def __init__(self, shape: network.Shape) -> None:
        super().__init__(shape)
        width = shape.base_channels
        self.conv1 = nn.Conv2d(shape.in_channels, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = PlaneNorm(width)
        self.add_stages(shape, Block)
        self.start()

    def forward(self, bodies: Tensor) -> Tensor:
        """Maps pictures (B, T, H W, K) to features (B, T, H / 32 W / 32, C'), frame by frame."""
        planes = self.planes(bodies)
        x = F.relu(self.bn1(self.conv1(planes.flatten(0, 1))))
        x = self.through_stages(F.max_pool2d(x, 3, stride=2, padding=1))
        return pictures.cells(x.unflatten(0, planes.shape[:2]).transpose(1, 2))
