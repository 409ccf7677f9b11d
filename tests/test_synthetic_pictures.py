"""Pictures of the built-in dataset: of the bodies that its joints show. They change no joint."""

import hashlib
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from brl.clips.presence import presence
from brl.datasets.synthetic import scenes
from brl.datasets.synthetic.film import film as filming
from brl.datasets.synthetic.film.film import Film, films
from brl.datasets.synthetic.film.kinds import KINDS
from brl.datasets.synthetic.film.people import dressed
from brl.datasets.synthetic.film.render import HEIGHT, WIDTH
from brl.datasets.synthetic.film.room import room_of
from brl.datasets.synthetic.film.things import PAIRS, things_of
from brl.datasets.synthetic.sensor import seen_from
from brl.datasets.synthetic.source import FILMS, generate
from brl.datasets.synthetic.subjects import generator
from brl.support.errors import UserError

SHAPES = {"rgb": (3, np.uint8), "depth": (1, np.uint16), "infrared": (1, np.uint8)}
# Of every 25th clip, before the built-in dataset had pictures.
JOINTS = "7b1e640702dd3dca740313ed3c099628ecb029beb59c2f00fb3e3a79742547dc"
SPINE = [0, 1, 20]
CLIPS_OF_CLASS = scenes.TRAIN_CLIPS + scenes.TEST_CLIPS

DIGEST = """
import hashlib
from brl.datasets.synthetic.film.film import films
found = hashlib.sha256()
for kind in ("rgb", "depth", "infrared"):
    film = list(films(kind).values())[409]  # somebody drinks
    for picture in film.pictures(range(0, film.count, 7)):
        found.update(picture.tobytes())
print(found.hexdigest())
"""


def _film(kind: str, name: str, index: int) -> Film:
    label = scenes.CLASSES.index(name)
    return films(kind)[scenes.name_of(label, index)]


def _pixels(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows of points (..., 3) in the camera frame, whose x points to the left."""
    left, up, ahead = np.moveaxis(points, -1, 0)
    return 47.5 - 100.0 * left / ahead, 35.5 - 100.0 * up / ahead


def _all(film: Film) -> np.ndarray:
    return np.stack(list(film.pictures(range(film.count))))


def _digest_of_joints(step: int, pictures: bool) -> str:
    found = hashlib.sha256()
    for number in range(0, CLIPS_OF_CLASS * len(scenes.CLASSES), step):
        label, index = divmod(number, CLIPS_OF_CLASS)
        if pictures:
            film = films("infrared")[scenes.name_of(label, index)]
            assert film.box() and next(film.pictures([0])).any()
        clip = scenes.clip(label, index)
        found.update(clip.name.encode() + str(clip.joints.shape).encode() + clip.joints.tobytes())
    return found.hexdigest()


def test_the_joints_are_those_of_before():
    assert _digest_of_joints(25, pictures=False) == JOINTS


def test_the_joints_are_the_same_with_pictures():
    assert _digest_of_joints(175, pictures=True) == _digest_of_joints(175, pictures=False)


def test_every_clip_has_a_film_with_a_picture_for_each_frame_of_its_joints():
    found = films("rgb")
    assert list(found) == [
        scenes.name_of(label, index)
        for label in range(len(scenes.CLASSES))
        for index in range(CLIPS_OF_CLASS)
    ]
    for number in range(0, len(found), 131):
        label, index = divmod(number, CLIPS_OF_CLASS)
        clip = scenes.clip(label, index)
        film = found[clip.name]
        assert (film.name, film.rate, film.offset) == (clip.name, 1.0, 0.0)
        assert film.count == clip.joints.shape[1]


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_have_the_size_and_type_of_their_kind(kind):
    channels, dtype = SHAPES[kind]
    film = _film(kind, "kick", 5)
    pictures = list(film.pictures([0, 3, film.count - 1]))
    assert len(pictures) == 3
    for picture in pictures:
        assert picture.shape == (HEIGHT, WIDTH, channels) and picture.dtype == dtype
        assert picture.std() > 5


def test_the_dataset_gives_the_film_of_a_clip_by_its_name():
    (clip,) = generate((3, 44))
    frames = clip.joints.shape[1]
    assert FILMS.of(Path(), "depth")(clip.name, frames) == films("depth")[clip.name]
    assert FILMS.of(Path(), "depth")("S001C001P001R001A001", frames) is None


def test_an_unknown_kind_is_one_line_that_lists_the_kinds():
    with pytest.raises(UserError, match=r"thermal: .*known: rgb, depth, infrared"):
        films("thermal")


def test_pictures_are_the_same_in_another_process():
    first, second = (
        subprocess.run([sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True)
        for _ in range(2)
    )
    assert first.stdout == second.stdout and len(first.stdout) == 65


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_does_not_depend_on_the_others_asked_for(kind):
    film = _film(kind, "walk apart", 40)
    everything = _all(film)
    sent = pickle.loads(pickle.dumps(film))
    for numbers in ([7], [0, film.count - 1], list(range(1, film.count, 5))):
        np.testing.assert_array_equal(np.stack(list(sent.pictures(numbers))), everything[numbers])


@pytest.mark.parametrize("index", range(0, CLIPS_OF_CLASS, 17))
def test_the_depth_of_the_trunk_is_that_of_the_joints(index):
    film = _film("depth", "wave", index)
    take = scenes.take(film.label, film.index)
    body = seen_from(take.scene.joints[0][take.kept], take.view)
    chest = body[:, SPINE].mean(axis=1)
    columns, rows = (places.round().astype(int) for places in _pixels(chest))
    measured = np.array(
        [
            np.median(picture[row - 1 : row + 2, column - 1 : column + 2])
            for picture, row, column in zip(_all(film), rows, columns, strict=True)
        ]
    )
    # The surface is nearer than the spine: from the side, a shoulder is. An arm may be before it
    # in some frames.
    behind = np.median(chest[:, 2] - measured / 1000)
    assert 0.05 < behind < 0.26


def test_joints_lie_on_the_bodies():
    """Where depth shows something much nearer than the empty room does, there a body is."""
    film = _film("depth", "wave both hands", 4)
    take = scenes.take(film.label, film.index)
    joints = seen_from(take.scene.joints[0][take.kept], take.view)
    columns, rows = (places.round().astype(int) for places in _pixels(joints))
    room = room_of(*scenes.cast(film.index), take.view)
    empty = room.empty(np.array([0.0, 0.0, -1.0])).depth[0]
    pictures = _all(film)[..., 0] / 1000
    frames = np.arange(film.count)[:, None]
    nearest = np.minimum(empty[rows, columns], joints[..., 2])
    seen = pictures[frames, rows, columns]
    assert np.mean(np.abs(nearest - seen) < 0.25) > 0.85


@pytest.mark.parametrize("name", ["wave", "hand over"])
def test_the_box_holds_the_joints(name):
    film = _film("depth", name, 8)
    left, top, right, bottom = film.box()
    assert 0 <= left < right <= WIDTH and 0 <= top < bottom <= HEIGHT
    take = scenes.take(film.label, film.index)
    present = presence(take.scene.joints) & take.kept
    columns, rows = _pixels(seen_from(take.scene.joints[present], take.view))
    columns, rows = columns + 0.5, rows + 0.5  # from the first pixel's edge
    inside = (columns >= left) & (columns <= right) & (rows >= top) & (rows <= bottom)
    outside_picture = (columns < 0) | (columns > WIDTH) | (rows < 0) | (rows > HEIGHT)
    assert (inside | outside_picture).all()
    assert (right - left) * (bottom - top) < 0.6 * WIDTH * HEIGHT


def _empty_depth(subject: int, number: int) -> np.ndarray:
    views = {**scenes.VIEWS["train"], **scenes.VIEWS["test"]}
    return room_of(subject, number, views[number]).empty(np.array([0.0, 0.0, -1.0])).depth[0]


def test_rooms_differ_by_camera_and_subject_and_not_by_class():
    one = _empty_depth(1, 1)
    for other in (_empty_depth(1, 2), _empty_depth(2, 1)):
        assert np.mean(np.abs(one - other) > 0.2) > 0.2
    first, second = (
        next(_film("rgb", name, 0).pictures([0]))[:, :8].astype(int) for name in ("nod", "bow")
    )
    assert np.abs(first - second).max() <= 32  # noise alone, at the side, where nobody is


def test_something_hides_the_legs_of_some_subjects():
    """A pixel above the floor, nearer than the bodies are, in about the share that is meant."""
    hidden = [
        (_empty_depth(subject, number)[-24:, 24:72] < 2.2).mean() > 0.05
        for subject in range(1, 23)
        for number in scenes.VIEWS["train"]
    ]
    assert 0.2 < np.mean(hidden) < 0.9


def test_clothes_belong_to_the_subject():
    joints = scenes.staged(0, 0)[0]
    shirts = {
        subject: dressed(joints, subject)[0].material.colour
        for subjects in scenes.SUBJECTS.values()
        for subject in subjects
    }
    assert len(set(shirts.values())) == len(shirts)
    assert dressed(joints, 3)[0].material.colour == shirts[3]


WITH_THINGS = [
    name
    for name in scenes.CLASSES
    if things_of(name, scenes.take(scenes.CLASSES.index(name), 0).scene, generator(99))
]


def test_pairs_are_of_partners_and_cover_all_classes():
    named = [name for pair in PAIRS for name in pair.classes]
    assert sorted(named) == sorted(scenes.CLASSES)
    assert {pair.easier for pair in PAIRS} == {"pictures", "joints", "either"}
    for pair in PAIRS:
        things = [name in WITH_THINGS for name in pair.classes]
        assert any(things) or pair.easier != "pictures"
        assert not any(things) or pair.easier != "joints"


def _cropped(film: Film) -> np.ndarray:
    """Every fourth picture, in a square around the bodies with a tenth of its side around it."""
    left, top, right, bottom = film.box()
    half = 0.6 * max(right - left, bottom - top)
    column, row = (left + right) / 2, (top + bottom) / 2
    pictures = np.stack(list(film.pictures(range(0, film.count, 4)))).astype(int)
    return pictures[
        :,
        max(round(row - half), 0) : round(row + half),
        max(round(column - half), 0) : round(column + half),
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", WITH_THINGS)
def test_things_are_seen(name, kind, monkeypatch):
    """In most clips a thing changes a dozen pixels or more of those around the bodies."""
    clips = range(0, CLIPS_OF_CLASS, 19)
    with_thing = [_cropped(_film(kind, name, index)) for index in clips]
    monkeypatch.setattr(filming, "things_of", lambda *_: [])
    least = {"rgb": 20, "depth": 50, "infrared": 20}[kind]
    changed = []
    for index, pictures in zip(clips, with_thing, strict=True):
        difference = np.abs(pictures - _cropped(_film(kind, name, index))).max(axis=-1)
        changed.append((difference > least).sum(axis=(1, 2)).mean())
    assert np.median(changed) >= 12, changed


def test_a_body_is_40_pixels_high_or_more():
    """What is drawn must be seen: smaller bodies would hide what they hold."""
    heights = []
    for index in range(0, CLIPS_OF_CLASS, 11):
        film = _film("rgb", "clap", index)
        _, top, _, bottom = film.box()
        heights.append(bottom - top)
    assert np.median(heights) >= 40


def test_the_documentation_has_the_table_of_pairs():
    page = Path("docs/datasets.md").read_text(encoding="utf-8")
    for pair in PAIRS:
        assert f"| {', '.join(pair.classes)} | {pair.easier} | {pair.why} |" in page
