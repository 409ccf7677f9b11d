"""What a camera of each kind makes of the surfaces that it sees: colour, depth or infrared."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from brl.datasets.synthetic.film.render import Canvas
from brl.datasets.synthetic.film.room import Light

FARTHEST = 8.0  # metres: the depth sensor measures nothing behind
COLOUR_NOISE = 8  # largest error, of 255; all are equally likely
INFRARED_NOISE = 7
DEPTH_NOISE = 0.0015  # metres at 1 m; it grows with the square of the depth
BLIND = 0.003  # probability that the depth sensor misses a pixel
BLIND_EDGE = 0.5  # the same beside an edge
_EDGE = 0.15  # metres between neighbours of different materials: a floor has no edge far away
_INFRARED_POWER = 1600.0  # of 255: of a surface at 1 m that sends all back


def rgb(canvas: Canvas, light: Light, noise: list[np.random.Generator]) -> np.ndarray:
    """Colours (T, H, W, 3) uint8; `noise` has a generator for each picture."""
    colours = np.array([material.colour for material in canvas.materials], dtype=np.float32)
    colours *= (255 * light.colour).astype(np.float32)
    lit = np.float32(light.ambient) + np.float32(1 - light.ambient) * canvas.shade
    seen = colours[canvas.material] * lit[..., None]
    seen += _even(noise, COLOUR_NOISE, seen.shape[1:])
    return np.clip(seen, 0, 255).astype(np.uint8)


def depth(canvas: Canvas, _light: Light, noise: list[np.random.Generator]) -> np.ndarray:
    """Depths (T, H, W, 1) uint16, in millimetres; 0 where the sensor measures none."""
    z = canvas.depth
    normal = np.stack([rng.standard_normal(z.shape[1:], dtype=np.float32) for rng in noise])
    measured = z + DEPTH_NOISE * z**2 * normal
    edge = np.zeros(z.shape, dtype=bool)
    edge[:, :, 1:] = _edges(canvas, axis=2)
    edge[:, 1:] |= _edges(canvas, axis=1)
    drawn = np.stack([rng.random(z.shape[1:], dtype=np.float32) for rng in noise])
    missed = (drawn < np.where(edge, BLIND_EDGE, BLIND)) | (z > FARTHEST)
    return np.where(missed, 0, 1000 * measured).astype(np.uint16)[..., None]


def _edges(canvas: Canvas, axis: int) -> np.ndarray:
    """Whether a pixel and the one before it along an axis show two surfaces, far apart."""
    apart = np.abs(np.diff(canvas.depth, axis=axis)) > _EDGE
    return apart & (np.diff(canvas.material, axis=axis) != 0)


def infrared(canvas: Canvas, _light: Light, noise: list[np.random.Generator]) -> np.ndarray:
    """Infrared light (T, H, W, 1) uint8 that comes back from a lamp at the camera."""
    sent_back = np.array([material.infrared for material in canvas.materials], dtype=np.float32)
    facing = np.float32(0.3) + np.float32(0.7) * canvas.shade
    seen = _INFRARED_POWER * sent_back[canvas.material] * facing / canvas.depth**2
    seen += _even(noise, INFRARED_NOISE, seen.shape[1:])
    return np.clip(seen, 0, 255).astype(np.uint8)[..., None]


def _even(noise: list[np.random.Generator], most: int, shape: tuple[int, ...]) -> np.ndarray:
    """Whole numbers (T, *shape) from -most to most."""
    return np.stack([rng.integers(-most, most + 1, shape, dtype=np.int8) for rng in noise])


@dataclass(frozen=True)
class Kind:
    """A kind of picture.

    number        of its random generators
    developed     makes pictures out of what a camera sees
    lit_by_camera whether the light comes from the camera and not from the room
    """

    number: int
    developed: Callable[[Canvas, Light, list[np.random.Generator]], np.ndarray]
    lit_by_camera: bool = False


KINDS = {
    "rgb": Kind(0, rgb),
    "depth": Kind(1, depth),
    "infrared": Kind(2, infrared, lit_by_camera=True),
}
AT_CAMERA = np.array([0.0, 0.0, -1.0])
