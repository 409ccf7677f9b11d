"""Inputs of streams that see pictures, alone or together with joints.

A batch has the shape of one of joints, so that trainings and predictions need not know:
(N, 1, T, V, K) with the pixels of a picture, row by row, and then the joints of all bodies as the V
tokens of a frame, which are one body. This is our reading, as are the values of pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from brl.clips.store import ClipStore
from brl.pictures.store import Pictures, PictureStore
from brl.streams.device import resident
from brl.streams.inputs import JointInputs
from brl.streams.stream import Stream
from brl.support.errors import UserError
from brl.support.paths import PICTURES

BRIGHTEST = 255.0
DEEPEST = 8192.0  # depth in millimetres that becomes 1: about as far as depth cameras see


class Shown:
    """The pictures of n clips, of which every clip has some.

    The rows are on the device if they fit there; what describes clips is on the CPU, as in `Clips`.
    """

    def __init__(self, pictures: Pictures, clips: np.ndarray, device: torch.device) -> None:
        self.device = device
        self.size, self.channels = pictures.shape[1], pictures.shape[-1]
        self._deep = pictures.type.itemsize == 2
        # Torch hardly computes with unsigned numbers of two bytes.
        rows = pictures.rows.view(np.int16) if self._deep else pictures.rows
        self._rows = resident(torch.from_numpy(rows), device)
        columns = pictures.starts, pictures.counts, pictures.rates, pictures.offsets
        self._starts, self._counts, self._rates, self._offsets = (
            torch.from_numpy(column[clips]) for column in columns
        )

    @classmethod
    def of_store(
        cls, stream: Stream, clips: ClipStore, indices: np.ndarray, device: torch.device
    ) -> "Shown":
        """The pictures that a stream sees of the clips of a store with these indices (n,).

        Raises UserError where a clip has none, and where those that are there are of other clips.
        """
        assert stream.camera is not None
        name, store = stream.camera.name, picture_store()
        pictures = store.pictures(name)
        if store.meta["clips"] != clips.digest:
            raise UserError(f"{PICTURES} shows other clips; first: dvc repro pictures")
        without = indices[~pictures.present[indices]]
        if len(without):
            raise UserError(
                f"params.yaml: streams.{stream.name} sees pictures, but {len(without)} of "
                f"{len(indices)} clips have no {name}, such as {clips.names[without[0]]}; add "
                "pictures, or leave the clips out (subsample.list_file, or their rows in clips.csv)"
            )
        return cls(pictures, indices, device)

    def at(self, indices: Tensor, frames: Tensor) -> Tensor:
        """What shows joint frames (N, T) of clips (N,): (N, T, H W, K), values from 0 to about 1.

        The frames are on the device.
        """
        starts, counts, rates, offsets = (
            column[indices, None].to(self.device, non_blocking=True)
            for column in (self._starts, self._counts, self._rates, self._offsets)
        )
        numbers = ((frames - offsets) * rates).round().long()
        rows = starts + numbers.clamp_min(0).minimum(counts - 1)
        if self._rows.device == self.device:
            pictures = self._rows[rows]
        else:  # they take too much of the GPU's memory
            pictures = self._rows[rows.cpu()].to(self.device)
        if not self._deep:
            return pictures.flatten(2, 3) / BRIGHTEST
        return (pictures.flatten(2, 3).int() & 0xFFFF) / DEEPEST


@dataclass(frozen=True)
class PictureInputs(JointInputs):
    """The inputs of a stream that sees pictures, alone or beside the joints that it sees.

    shown        the clips' pictures
    batch_shape  M = 1, T, V and K of a clip in a batch

    A clip that is flipped in a training is flipped in both. No other augmentation changes pictures.
    """

    shown: Shown
    batch_shape: tuple[int, int, int, int]

    @property
    def clip_len(self) -> int:
        """Frames T of a clip in a batch."""
        return self.batch_shape[1]

    def batch(
        self,
        indices: Tensor,
        frames: Tensor,
        matrices: Tensor | None = None,
        flipped: Tensor | None = None,
        backwards: Tensor | None = None,
        change: Callable[[Tensor], Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The pictures at frames (N, T), flipped, and the joints; see JointInputs."""
        channels = self.batch_shape[-1]
        tokens = [with_channels(self._pixels(indices, frames, flipped, backwards), channels)]
        if self.stream.inputs:
            joints, _ = super().batch(indices, frames, matrices, flipped, backwards, change)
            joints = joints.transpose(1, 2).flatten(2, 3)  # N T (M V) K'
            tokens.append(functional.pad(joints, (0, channels - joints.shape[-1])))
        clips = torch.cat(tokens, dim=2)[:, None]
        return clips, torch.ones(len(indices), 1, dtype=torch.bool)

    def _pixels(
        self, indices: Tensor, frames: Tensor, flipped: Tensor | None, backwards: Tensor | None
    ) -> Tensor:
        """Pixels (N, T, H W, K) of clips (N,) at frames (N, T)."""
        if backwards is not None:
            last = (self.lengths[indices, None] - 1).to(self.device, non_blocking=True)
            frames = torch.where(backwards[:, None], last - frames, frames)
        pixels = self.shown.at(indices, frames)
        if flipped is None:
            return pixels
        mirrored = pixels.unflatten(2, (-1, self.shown.size)).flip(3).flatten(2, 3)
        return torch.where(flipped[:, None, None, None], mirrored, pixels)


def with_channels(pixels: Tensor, channels: int) -> Tensor:
    """Pixels (..., K) with K channels: a single one is repeated, others are followed by zeros."""
    if pixels.shape[-1] == 1:
        return pixels.expand(*pixels.shape[:-1], channels)
    return functional.pad(pixels, (0, channels - pixels.shape[-1]))


def picture_store() -> PictureStore:
    """The store of pictures of this project. Raises UserError if it was not made."""
    try:
        return PictureStore.open(PICTURES)
    except FileNotFoundError as error:
        raise UserError(f"{PICTURES} is missing; first: dvc repro pictures") from error


def digest_of(stream: Stream) -> list[str]:
    """The digest of the pictures that a stream sees, for what depends on them; empty for none."""
    if stream.camera is None:
        return []
    return [picture_store().digest(stream.camera.name)]
