"""The films of the built-in dataset: for each clip the pictures that go with its joints.

A film holds no picture: it draws them when it is asked for them. Pictures show the scene that the
joints were measured in. Their random generators are their own, so that the joints are the same with
and without them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from brl.clips.presence import presence
from brl.datasets.synthetic import scenes
from brl.datasets.synthetic.film.kinds import AT_CAMERA, KINDS
from brl.datasets.synthetic.film.people import dressed
from brl.datasets.synthetic.film.render import HEIGHT, WIDTH, Capsule, extent
from brl.datasets.synthetic.film.room import room_of
from brl.datasets.synthetic.film.things import things_of
from brl.datasets.synthetic.sensor import seen_from
from brl.datasets.synthetic.subjects import generator
from brl.support.errors import UserError

_THINGS_KEY, _NOISE_KEY = 3, 5  # of the random generators; those of the joints have 0 and 1
_AT_ONCE = 32  # pictures that are drawn together


@lru_cache(maxsize=2)
def _take(label: int, index: int) -> scenes.Take:
    return scenes.take(label, index)


@dataclass(frozen=True)
class _Shown:
    """A capsule in the camera frame, and in which frames (T,) of the joints it is there."""

    capsule: Capsule
    present: np.ndarray


def _bodies(take: scenes.Take) -> list[_Shown]:
    present = presence(take.scene.joints)[:, take.kept]
    return [
        _Shown(_recorded(capsule, take), present[body])
        for body, subject in enumerate(take.scene.subjects)
        for capsule in dressed(take.scene.joints[body], subject)
    ]


def _recorded(capsule: Capsule, take: scenes.Take) -> Capsule:
    """A capsule of the scene in the frames that the sensor recorded, in the camera frame."""
    start, end = (
        seen_from(points[take.kept], take.view) for points in (capsule.start, capsule.end)
    )
    return replace(capsule, start=start, end=end)


@dataclass(frozen=True)
class Film:
    """The pictures of one kind that go with a clip: one for each frame of its joints.

    They are HEIGHT rows by WIDTH columns. Where the sensor shows no joints, because it lost a body
    or the whole frame, the pictures still show everybody.

    name           of the clip
    label, index   the clip's number: see `scenes.clip`
    kind           rgb, depth or infrared
    rate           pictures per frame of the joints
    offset         the frame of the joints at which picture 0 is taken
    """

    name: str
    label: int
    index: int
    kind: str
    rate: float = 1.0
    offset: float = 0.0

    @property
    def count(self) -> int:
        """Number of pictures."""
        return int(_take(self.label, self.index).kept.sum())

    def pictures(self, numbers: Sequence[int]) -> Iterator[np.ndarray]:
        """Draws the pictures with these numbers, from 0 to count - 1, in their order.

        Each is (H, W, 3) uint8 for rgb, (H, W, 1) uint16 in millimetres for depth (0 where
        unknown), and (H, W, 1) uint8 for infrared.
        """
        take, kind = _take(self.label, self.index), KINDS[self.kind]
        room = room_of(*scenes.cast(self.index), take.view)
        empty = room.empty(AT_CAMERA if kind.lit_by_camera else room.light.towards)
        shown = _bodies(take) + self._things(take)
        for start in range(0, len(numbers), _AT_ONCE):
            drawn = np.asarray(numbers[start : start + _AT_ONCE])
            canvas = empty.repeated(len(drawn))
            for one in shown:
                canvas.draw(one.capsule.at(drawn), one.present[drawn])
            yield from kind.developed(canvas, room.light, [self._noise(n) for n in drawn.tolist()])

    def box(self) -> tuple[float, float, float, float]:
        """The box that holds the bodies in all pictures; somebody is always seen.

        Left, top, right and bottom, in pixels, within the picture: from 0 to its width or height.
        """
        bodies = _bodies(_take(self.label, self.index))
        corners = np.concatenate([extent(one.capsule)[one.present] for one in bodies])
        corners += 0.5  # from the centre of the first pixel to its edge
        left, top = np.maximum(corners[:, :2].min(axis=0), 0.0).tolist()
        right, bottom = np.minimum(corners[:, 2:].max(axis=0), (WIDTH, HEIGHT)).tolist()
        return left, top, right, bottom

    def _things(self, take: scenes.Take) -> list[_Shown]:
        rng = generator(_THINGS_KEY, self.label, self.index)
        always = np.ones(self.count, dtype=bool)
        return [
            _Shown(_recorded(thing, take), always)
            for thing in things_of(scenes.CLASSES[self.label], take.scene, rng)
        ]

    def _noise(self, number: int) -> np.random.Generator:
        """The generator of a picture's noise: it depends on no other picture."""
        return generator(_NOISE_KEY, self.label, self.index, KINDS[self.kind].number, number)


def check_kind(kind: str) -> None:
    """Raises `UserError` for an unknown kind of pictures."""
    if kind not in KINDS:
        raise UserError(
            f"params.yaml: pictures.{kind}: no such pictures in the built-in dataset; known: "
            f"{', '.join(KINDS)}"
        )


def films(kind: str) -> dict[str, Film]:
    """A film of each clip of the dataset, by the clip's name.

    kind: rgb, depth or infrared. Raises `UserError` for another one.
    """
    check_kind(kind)
    return {
        name: Film(name, label, index, kind)
        for label in range(len(scenes.CLASSES))
        for index in range(scenes.TRAIN_CLIPS + scenes.TEST_CLIPS)
        for name in [scenes.name_of(label, index)]
    }
