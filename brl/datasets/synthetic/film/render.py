"""Drawing of capsules into pictures, with a depth buffer.

Coordinates are those of the camera frame of `brl.datasets.synthetic.sensor`: x to the camera's
left, y up, z ahead, metres. In a picture, columns run to the right and rows down.
"""

from dataclasses import dataclass, replace

import numpy as np

WIDTH, HEIGHT = 96, 72  # pixels
FOCAL = 100.0  # pixels: the pictures show 51 by 40 degrees
_NEAREST = 0.3  # metres: whatever is nearer is drawn as if it were there


@dataclass(frozen=True)
class Material:
    """What a surface looks like.

    colour    share of red, green and blue light that it sends back, from 0 to 1
    infrared  share of infrared light that it sends back
    """

    colour: tuple[float, float, float]
    infrared: float


@dataclass(frozen=True)
class Capsule:
    """A rod with round ends in T frames; a ball where both ends are the same.

    start, end  (T, 3), metres
    radius      metres
    """

    start: np.ndarray
    end: np.ndarray
    radius: float
    material: Material

    def at(self, frames: np.ndarray) -> "Capsule":
        """The capsule in some frames, given by number."""
        return replace(self, start=self.start[frames], end=self.end[frames])


def projected(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows (...) at which points (..., 3) of the camera frame are seen, in pixels.

    The centre of the pixel in the upper left corner is at (0, 0).
    """
    depth = np.maximum(points[..., 2], _NEAREST)
    columns = (WIDTH - 1) / 2 - FOCAL * points[..., 0] / depth
    rows = (HEIGHT - 1) / 2 - FOCAL * points[..., 1] / depth
    return columns, rows


def extent(capsule: Capsule) -> np.ndarray:
    """What part of the pictures a capsule covers: (T, 4), its left, top, right and bottom."""
    ends = np.stack([capsule.start, capsule.end])
    columns, rows = projected(ends)
    radius = FOCAL * capsule.radius / np.maximum(ends[..., 2], _NEAREST)
    return np.stack(
        [
            (columns - radius).min(axis=0),
            (rows - radius).min(axis=0),
            (columns + radius).max(axis=0),
            (rows + radius).max(axis=0),
        ],
        axis=-1,
    )


@dataclass(frozen=True)
class Canvas:
    """The surface that each pixel of T pictures shows.

    depth     (T, H, W) float32, distance along the camera's axis, metres
    material  (T, H, W) uint8, index into `materials`
    shade     (T, H, W) float32, how squarely light falls on the surface, from 0 to 1
    light     (3,), direction towards the light
    """

    depth: np.ndarray
    material: np.ndarray
    shade: np.ndarray
    materials: list[Material]
    light: np.ndarray

    def repeated(self, frames: int) -> "Canvas":
        """A canvas of as many pictures, each a copy of this one's only picture."""
        layers = (self.depth, self.material, self.shade)
        depth, material, shade = (np.repeat(layer, frames, axis=0) for layer in layers)
        return Canvas(depth, material, shade, list(self.materials), self.light)

    def draw(self, capsule: Capsule, present: np.ndarray) -> None:
        """Draws a capsule into the pictures in which it is present, (T,) bool.

        The capsule's outline is taken as the hull of two discs, and its depth and shade between its
        ends as linear in the picture: close enough at this size, and quick.
        """
        frames = np.flatnonzero(present)
        if not len(frames):
            return
        if capsule.material not in self.materials:
            self.materials.append(capsule.material)
        corners = extent(capsule)[frames]
        first, size = _windows(corners)
        columns = (first[:, 0, None] + np.arange(size[0]))[:, None]
        rows = (first[:, 1, None] + np.arange(size[1]))[..., None]
        cells = (frames[:, None, None] * HEIGHT + rows) * WIDTH + columns
        right, down, rise, depth = _surface(capsule, frames, columns, rows)
        nearer = (rise > 0) & (depth < self.depth.reshape(-1)[cells])
        seen = cells[nearer]
        self.depth.reshape(-1)[seen] = depth[nearer]
        self.material.reshape(-1)[seen] = self.materials.index(capsule.material)
        left, up, ahead = self.light.astype(np.float32)
        lit = -left * right - up * down - ahead * rise
        self.shade.reshape(-1)[seen] = np.maximum(lit[nearer], 0.0)


def _windows(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First column and row (T, 2) of a window around corners (T, 4), and its common size (2,)."""
    limits = np.array([WIDTH, HEIGHT])
    first = np.floor(corners[:, :2]).astype(int)
    last = np.ceil(corners[:, 2:]).astype(int)
    size = np.minimum((last - first).max(axis=0) + 1, limits)
    return np.clip(first, 0, limits - size), size


def _surface(
    capsule: Capsule, frames: np.ndarray, columns: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The capsule's surface at pixels (T, h, w): its normal (right, down, nearer) and depth.

    Where the normal's part towards the camera is 0, the pixel is beside the capsule.
    """
    start, end = capsule.start[frames], capsule.end[frames]
    # A rod along the line of sight shows its nearer end.
    near_first = (start[:, 2] <= end[:, 2])[:, None]
    start, end = np.where(near_first, start, end), np.where(near_first, end, start)

    def per_frame(values: np.ndarray) -> np.ndarray:
        return values.astype(np.float32)[:, None, None]

    (column, row), (far_column, far_row) = projected(start), projected(end)
    width, height = per_frame(far_column - column), per_frame(far_row - row)
    z, far_z = (np.maximum(end_[:, 2], _NEAREST) for end_ in (start, end))
    radius, far_radius = FOCAL * capsule.radius / z, FOCAL * capsule.radius / far_z
    right, down = columns - per_frame(column), rows - per_frame(row)
    along = (right * width + down * height) / np.maximum(width**2 + height**2, np.float32(1e-6))
    along = np.clip(along, 0.0, 1.0)
    reach = per_frame(radius) + along * per_frame(far_radius - radius)
    right = (right - along * width) / reach
    down = (down - along * height) / reach
    rise = np.sqrt(np.maximum(1.0 - right**2 - down**2, 0.0))
    depth = per_frame(z) + along * per_frame(far_z - z) - np.float32(capsule.radius) * rise
    return right, down, rise, depth
