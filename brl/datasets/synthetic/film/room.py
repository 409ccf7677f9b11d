"""The room behind and before the bodies: two walls, a floor, clutter, and what hides the legs.

All of it depends on the camera's view and on the subject, and never on the class.
"""

from dataclasses import dataclass

import numpy as np

from brl.datasets.synthetic.body import about_vertical
from brl.datasets.synthetic.film.render import FOCAL, HEIGHT, WIDTH, Canvas, Material
from brl.datasets.synthetic.sensor import View, standing
from brl.datasets.synthetic.subjects import generator

OCCLUDED = 0.6  # probability that something stands between the camera and the bodies
FEWEST_THINGS, MOST_THINGS = 3, 7  # along the walls
_KEY = 2  # of the random generators; those of the joints have 0 and 1
_TILE = 0.5  # metres
_FLOOR = 2  # number of the floor among the surfaces
_OUTSIDE = 20.0  # metres: the depth where a pixel shows no wall


@dataclass(frozen=True)
class Box:
    """A box with sides parallel to the walls; its corners (3,) are in the frame of the room."""

    low: np.ndarray
    high: np.ndarray
    material: Material


@dataclass(frozen=True)
class Light:
    """The light in a room.

    towards  (3,), direction to it in the camera frame
    colour   (3,), of the light
    ambient  share of light that comes from all sides
    """

    towards: np.ndarray
    colour: np.ndarray
    ambient: float


@dataclass(frozen=True)
class Room:
    """What a camera sees where nobody is; the room's axes are turned about the vertical.

    turn      degrees from the axes of the bodies' room to those of the walls
    walls     how far the back and the side wall are from the middle, metres
    surfaces  of the back wall, the side wall and the floor
    boxes     furniture, pictures on the walls, and what stands before the bodies
    """

    view: View
    turn: float
    walls: tuple[float, float]
    surfaces: tuple[Material, Material, Material]
    boxes: tuple[Box, ...]
    light: Light

    def empty(self, light: np.ndarray) -> Canvas:
        """A picture of the room without anybody; `light` (3,) points towards the light."""
        camera, axes = standing(self.view)
        to_walls = about_vertical(self.turn)
        origin = to_walls @ camera
        right, down = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
        rays = np.stack(
            [
                ((WIDTH - 1) / 2 - right) / FOCAL,
                ((HEIGHT - 1) / 2 - down) / FOCAL,
                np.ones((HEIGHT, WIDTH)),
            ],
            axis=-1,
        )
        rays = rays @ axes @ to_walls.T
        depth = np.full((HEIGHT, WIDTH), _OUTSIDE)
        material = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
        normal = np.zeros((HEIGHT, WIDTH, 3))
        planes = ((2, -self.walls[0], 1.0), (0, self.walls[1], -1.0), (1, 0.0, 1.0))
        for number, (axis, place, sign) in enumerate(planes):
            with np.errstate(divide="ignore"):
                distance = (place - origin[axis]) / rays[..., axis]
            nearer = (distance > 0) & (distance < depth)
            depth[nearer], material[nearer] = distance[nearer], number
            normal[nearer] = sign * np.eye(3)[axis]
        hits = origin + depth[..., None] * rays
        tiles = (np.floor(hits[..., 0] / _TILE) + np.floor(hits[..., 2] / _TILE)) % 2
        for number, box in enumerate(self.boxes, start=len(self.surfaces)):
            distance, faces = _entered(origin, rays, box)
            nearer = (distance > 0) & (distance < depth)
            depth[nearer], material[nearer], normal[nearer] = (
                distance[nearer],
                number,
                faces[nearer],
            )
        shade = np.maximum(normal @ to_walls @ axes.T @ light, 0.0)
        shade = np.where(material == _FLOOR, shade * (0.75 + 0.25 * tiles), shade)
        materials = [*self.surfaces, *(box.material for box in self.boxes)]
        return Canvas(
            depth=depth.astype(np.float32)[None],
            material=material[None],
            shade=shade.astype(np.float32)[None],
            materials=materials,
            light=light,
        )


def _entered(origin: np.ndarray, rays: np.ndarray, box: Box) -> tuple[np.ndarray, np.ndarray]:
    """Where rays (H, W, 3) enter a box: depth (H, W), -1 beside it, and normal (H, W, 3)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = (box.low - origin) / rays, (box.high - origin) / rays
    enters, leaves = np.minimum(one, other), np.maximum(one, other).min(axis=-1)
    axis = enters.argmax(axis=-1)
    depth = enters.max(axis=-1)
    normal = -np.eye(3)[axis] * np.sign(rays)
    return np.where(depth < leaves, depth, -1.0), normal


def _material(rng: np.random.Generator, darkest: float, brightest: float) -> Material:
    grey, tint = rng.uniform(darkest, brightest), rng.uniform(0.85, 1.1, 3)
    red, green, blue = np.clip(grey * tint, 0.02, 0.98).tolist()
    return Material((red, green, blue), float(rng.uniform(0.2, 0.9)))


def _clutter(rng: np.random.Generator, back: float, side: float) -> list[Box]:
    """Cupboards, shelves and pictures along both walls."""
    boxes = []
    for _ in range(int(rng.integers(FEWEST_THINGS, MOST_THINGS + 1))):
        width, height, deep = rng.uniform((0.3, 0.4, 0.1), (1.0, 1.9, 0.45))
        bottom = 0.0 if rng.random() < 0.7 else rng.uniform(0.9, 1.5)
        place = rng.uniform(-1.8, 1.8)
        if rng.random() < 0.65:
            low = np.array([place - width / 2, bottom, -back])
            high = np.array([place + width / 2, bottom + height, deep - back])
        else:
            low = np.array([side - deep, bottom, place - width / 2])
            high = np.array([side, bottom + height, place + width / 2])
        boxes.append(Box(low, high, _material(rng, 0.08, 0.9)))
    return boxes


def _occluder(rng: np.random.Generator, middle: np.ndarray) -> list[Box]:
    """A box or a table around a place (3,) on the floor."""
    width, height, deep = rng.uniform((0.4, 0.3, 0.25), (1.1, 0.75, 0.4))
    half = np.array([width / 2, 0.0, deep / 2])
    material = _material(rng, 0.1, 0.8)
    top = np.array([0.0, height, 0.0])
    if rng.random() < 0.5:
        return [Box(middle - half, middle + half + top, material)]
    board, leg = np.array([0.0, 0.06, 0.0]), np.array([0.06, 0.0, 0.06])
    table = [Box(middle - half + top - board, middle + half + top, material)]
    for across in (-1, 1):
        foot = middle + np.array([across * (width / 2 - 0.05), 0.0, 0.0])
        table.append(Box(foot - leg / 2, foot + leg / 2 + top - board, material))
    return table


def room_of(subject: int, number: int, view: View) -> Room:
    """The room in which a subject is seen from a view, given with its number."""
    rng = generator(_KEY, subject, number)
    off = rng.uniform(-25.0, 25.0)
    # The camera looks along -z of the walls' frame, up to `off`.
    turn = -view.azimuth + off
    back, side = rng.uniform((1.9, 2.0), (3.0, 3.2))
    surfaces = (_material(rng, 0.3, 0.9), _material(rng, 0.3, 0.9), _material(rng, 0.15, 0.7))
    boxes = _clutter(rng, back, side)
    if rng.random() < OCCLUDED:
        before = np.array([rng.uniform(-0.7, 0.7), 0.0, rng.uniform(1.1, 1.4)])
        boxes += _occluder(rng, about_vertical(off) @ before)
    towards = rng.normal((0.0, 0.7, -0.7), (0.6, 0.2, 0.3))
    light = Light(
        towards=towards / np.linalg.norm(towards),
        colour=rng.uniform(0.85, 1.3) * rng.uniform(0.9, 1.1, 3),
        ambient=float(rng.uniform(0.4, 0.6)),
    )
    return Room(view, turn, (float(back), float(side)), surfaces, tuple(boxes), light)
