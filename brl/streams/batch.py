"""Batches out of a clip store: one vectorised gather, no Python per clip."""

import numpy as np
import torch
from torch import Tensor

from brl.clips.store import ClipStore
from brl.streams.device import resident


class Clips:
    """The n chosen clips of a store, ready to be gathered onto a device.

    labels, lengths: (n,) int64 on the device; max_bodies: M of every batch, by default the store's.
    """

    def __init__(
        self,
        store: ClipStore,
        chosen: np.ndarray,
        device: torch.device,
        max_bodies: int | None = None,
    ) -> None:
        self.device = device
        self.layout = store.layout
        self.max_bodies = max_bodies or store.max_bodies
        self.labels = torch.from_numpy(store.labels[chosen]).to(device)
        self.lengths = torch.from_numpy(store.frames[chosen]).to(device)
        # On the CPU it shares the mapped file's memory: nothing is read before it is gathered.
        self._rows = resident(torch.from_numpy(store.rows), device)
        self._starts = torch.from_numpy(store.starts[chosen]).to(device)
        self._bodies = torch.from_numpy(store.bodies[chosen]).to(device)

    def __len__(self) -> int:
        return len(self.labels)

    def present(self, which: Tensor) -> Tensor:
        """The bodies that clips `which` (N,) have, (N, M) bool."""
        slots = torch.arange(self.max_bodies, device=self.device)
        return slots < self._bodies[which, None]

    def joints(self, which: Tensor, frames: Tensor) -> Tensor:
        """The given frames (N, T) of clips `which` (N,), (N, M, T, V, K); absent bodies zero."""
        present = self.present(which)
        body = torch.arange(self.max_bodies, device=self.device) * present
        first_rows = self._starts[which, None] + body * self.lengths[which, None]
        joints = self._gather(first_rows[:, :, None] + frames[:, None, :])
        return joints * present[:, :, None, None, None]

    def all_rows(self, which: Tensor) -> tuple[Tensor, Tensor]:
        """All body frames of clips `which` (N,), end to end, (R, V, K), and whose they are, (R,)
        places in `which`."""
        sizes = (self._bodies * self.lengths)[which]
        owner = torch.repeat_interleave(torch.arange(len(which), device=self.device), sizes)
        first = sizes.cumsum(0) - sizes
        place = torch.arange(len(owner), device=self.device) - first[owner]
        return self._gather(self._starts[which][owner] + place), owner

    def _gather(self, rows: Tensor) -> Tensor:
        return self._rows[rows.to(self._rows.device)].to(self.device)
