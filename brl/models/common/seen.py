"""What a network sees in a frame: a picture, joints, or both."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from brl.models.common.batch_norm import DataNorm, places

# Of pictures whose values lie between 0 and 1, as published encoders presume: torchvision's models.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class SeenShape:
    """The V = H W + N tokens of a frame: the pixels of a picture, row by row, then N joints.

    A picture is seen once for all bodies, so such a clip has one body (M = 1): its joints are those
    of all bodies, one after the other.

    joints   N; 0: none
    picture  (H, W); None: no picture
    """

    joints: int
    picture: tuple[int, int] | None = None

    def pixels(self) -> int:
        """H W; 0 without a picture."""
        return 0 if self.picture is None else self.picture[0] * self.picture[1]

    def pictures_of(self, frames: Tensor) -> Tensor:
        """The pictures (B, T, H, W, K) of frames (B, T, V, K)."""
        assert self.picture is not None
        return frames[:, :, : self.pixels()].unflatten(2, self.picture)

    def joints_of(self, frames: Tensor) -> Tensor:
        """The joints (B, T, N, K) of frames (B, T, V, K)."""
        return frames[:, :, self.pixels() :]


class PictureNorm(nn.Module):
    """The norm of an input with pictures: fixed for pixels, of the batch for joints.

    Pixels have values between 0 and 1. With three channels the norm is that of the published
    encoders; with another number all channels get the mean of it, which is our reading.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, seen: SeenShape, channels: int) -> None:
        super().__init__()
        self.seen = seen
        for name, values in (("mean", MEAN), ("deviation", DEVIATION)):
            of_all = torch.full((channels,), sum(values) / len(values))
            constant = torch.tensor(values) if channels == len(values) else of_all
            self.register_buffer(name, constant, persistent=False)
        self.joints = DataNorm(seen.joints, channels, bodies=1) if seen.joints else None

    def normalise(self, clips: Tensor, present: Tensor) -> Tensor:
        """The present (N, 1) bodies of clips (N, 1, T, V, K), normalised: (B, T, V, K)."""
        only = clips.shape[1] == 1
        return self._normalised(clips[:, 0] if only else clips[places(present, clips.device)])

    def normalise_every(self, clips: Tensor) -> Tensor:
        """All bodies of clips (N, M, T, V, K), normalised: (N M, T, V, K)."""
        return self._normalised(clips.flatten(0, 1))

    def _normalised(self, frames: Tensor) -> Tensor:
        pixels = (frames[:, :, : self.seen.pixels()] - self.mean) / self.deviation
        if self.joints is None:
            return pixels
        joints = self.joints.normalise_every(self.seen.joints_of(frames)[:, None])
        return torch.cat([pixels, joints], dim=2)
