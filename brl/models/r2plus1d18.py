"""R(2+1)D-18 (Tran et al., arXiv 1711.11248): convolutions over a picture, then over time.

Names and shapes of its state dict are those of torchvision's `video.r2plus1d_18`, without its last
layer. Other widths than 64 and other numbers of blocks are ours.
"""

from torch import Tensor, nn
from torch.nn import functional

from brl.models.common import network, pictures
from brl.models.common.pictures import PlaneNorm, Width

STEM = 45 / 64  # width between the first two convolutions, of C0


class OverTime(nn.Conv3d):
    """A convolution of 3 frames.

    It is computed as one of pictures whose rows are frames: in bfloat16, oneDNN leaves parts of the
    other's gradient unwritten where there are two frames.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__(
            in_channels, out_channels, (3, 1, 1), (stride, 1, 1), (1, 0, 0), bias=False
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, T, H, W) to (B, C', T / stride, H, W)."""
        kernel, stride = self.weight.squeeze(-1), self.stride[:2]
        rows = functional.conv2d(x.flatten(3), kernel, stride=stride, padding=(1, 0))
        return rows.unflatten(3, x.shape[3:])


def split_conv(in_channels: int, between: int, out_channels: int, stride: int) -> nn.Sequential:
    """A 3x3 convolution over pictures and one of 3 frames, with a norm and ReLU between them."""
    return nn.Sequential(
        nn.Conv3d(in_channels, between, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False),
        PlaneNorm(between),
        nn.ReLU(),
        OverTime(between, out_channels, stride),
    )


class Block(pictures.Block):
    """Two split convolutions and a shortcut.

    Between the halves of the first one the width is such that it has as many weights as a
    convolution of 3x3x3; the second one has the same width there, as published.
    """

    def __init__(self, width: Width) -> None:
        super().__init__()
        inside, outside, stride = width
        between = inside * outside * 27 // (inside * 9 + outside * 3)
        first = split_conv(inside, between, outside, stride)
        second = split_conv(outside, between, outside, 1)
        self.conv1 = nn.Sequential(first, PlaneNorm(outside), nn.ReLU())
        self.conv2 = nn.Sequential(second, PlaneNorm(outside))
        self.downsample = None
        if stride > 1 or inside != outside:
            across = nn.Conv3d(inside, outside, 1, stride, bias=False)
            self.downsample = pictures.shortcut(across, outside)

    def main(self, x: Tensor) -> Tensor:
        """Maps (B, C, T, H, W) to (B, C', T / stride, H / stride, W / stride)."""
        return self.conv2(self.conv1(x))


class Backbone(pictures.PictureBackbone):
    """Four stages of two blocks, as published, of width C0, 2 C0, 4 C0 and 8 C0.

    Raises ValueError where a stream shows something else than pictures.
    """

    def __init__(self, shape: network.Shape) -> None:
        super().__init__(shape)
        width = shape.base_channels
        between = round(STEM * width)
        self.stem = nn.Sequential(
            nn.Conv3d(shape.in_channels, between, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False),
            PlaneNorm(between),
            nn.ReLU(),
            OverTime(between, width),
            PlaneNorm(width),
            nn.ReLU(),
        )
        self.add_stages(shape, Block)
        self.start()

    def forward(self, bodies: Tensor) -> Tensor:
        """Maps pictures (B, T, H W, K) to features (B, T / 8, H / 16 W / 16, C')."""
        x = self.stem(self.planes(bodies).transpose(1, 2).contiguous())
        return pictures.cells(self.through_stages(x))
