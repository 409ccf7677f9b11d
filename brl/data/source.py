"""What a dataset must offer to enter the pipeline."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brl.data.clip import Clip
from brl.skeleton import Layout


@dataclass(frozen=True)
class Source:
    """A dataset.

    fetch      puts the raw files into a folder: (folder, mirror or None)
    clips      reads them, clip by clip, in the split's own order
    normalize  brings a clip's joints (M, T, V, K) into its own frame of reference
    """

    layout: Layout
    classes: tuple[str, ...]
    splits: tuple[str, ...]
    fetch: Callable[[Path, str | None], None]
    clips: Callable[[Path], Iterator[Clip]]
    normalize: Callable[[np.ndarray], np.ndarray]
