"""Pictures are made small and kept beside the joints; what shows a joint frame is found again."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brl.clips.store import ClipStore
from brl.commands import damage
from brl.pictures import prepare as preparing
from brl.pictures.form import Form
from brl.pictures.prepare import kept, prepare, spread
from brl.pictures.small import small
from brl.pictures.store import Kept, PictureStore, write_pictures
from brl.support.errors import Damaged, UserError
from brl.support.paths import PICTURES
from tests.films import numbered
from tests.tiny import stored, swinging_arms

COLOR = Form(8, 4, "color", "none")
DEPTH = Form(8, 4, "depth", "none")


def some(form: Form, counts: list[int], seed: int) -> list[Kept | None]:
    """Random pictures of clips; 0: a clip has none."""
    draws = np.random.default_rng(seed)
    most = np.iinfo(form.type).max
    return [
        Kept(
            draws.integers(0, most, (count, *form.shape), form.type),
            float(draws.uniform(0.05, 3)),
            float(draws.uniform(-5, 5)),
        )
        if count
        else None
        for count in counts
    ]


def written(folder: Path, inputs: dict[str, tuple[Form, list[Kept | None]]]) -> PictureStore:
    write_pictures(folder, inputs, "clips")
    return PictureStore.open(folder)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6), st.integers(0, 2**31), st.booleans())
def test_a_gather_equals_a_loop(tmp_path_factory, counts, seed, deep):
    form = DEPTH if deep else COLOR
    clips = some(form, counts, seed)
    folder = tmp_path_factory.mktemp("p") / "pictures"
    pictures = written(folder, {"a": (COLOR, some(COLOR, [2], 0)), "b": (form, clips)}).pictures(
        "b"
    )
    assert pictures.present.tolist() == [count > 0 for count in counts]
    draws = np.random.default_rng(seed)
    chosen = draws.integers(0, len(counts), 7)
    frames = draws.integers(-3, 40, (7, 3))
    shown = pictures.of(chosen, frames)
    assert shown.dtype == form.type and shown.shape == (7, 3, *form.shape)
    for row, clip in enumerate(chosen):
        for column, frame in enumerate(frames[row]):
            of_clip = clips[clip]
            expected = np.zeros(form.shape)
            if of_clip is not None:
                number = round((frame - of_clip.offset) * of_clip.rate)
                expected = of_clip.pictures[min(max(number, 0), len(of_clip.pictures) - 1)]
            assert np.array_equal(shown[row, column], expected)


def test_a_store_without_inputs_and_one_without_pictures(tmp_path):
    store = written(tmp_path / "a", {})
    assert store.inputs == {}
    store.check()
    with pytest.raises(UserError, match=r"pictures has no input 'rgb'; known: none"):
        store.pictures("rgb")
    empty = written(tmp_path / "b", {"rgb": (COLOR, [None, None])}).pictures("rgb")
    assert not empty.present.any() and not empty.of(np.array([1]), np.array([[0, 3]])).any()
    assert written(tmp_path / "c", {"rgb": (COLOR, [])}).pictures("rgb").present.shape == (0,)


def test_equal_pictures_give_equal_bytes_and_a_failed_write_leaves_the_old_store(tmp_path):
    inputs = {"rgb": (COLOR, some(COLOR, [2, 0, 3], 1))}
    for name in ("a", "b"):
        written(tmp_path / name, inputs)
    for file in ("rgb.rows", "index.npz", "meta.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()

    def breaking() -> Iterator[Kept | None]:
        yield some(COLOR, [2], 3)[0]
        raise UserError("broken")

    with pytest.raises(UserError, match="broken"):
        write_pictures(tmp_path / "a", {"rgb": (COLOR, breaking())}, "clips")
    assert PictureStore.open(tmp_path / "a").pictures("rgb").counts.tolist() == [2, 0, 3]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_opening_maps_the_rows_later_and_not_into_memory(tmp_path):
    store = written(tmp_path / "a", {"rgb": (COLOR, some(COLOR, [2], 1))})
    (tmp_path / "a/rgb.rows").rename(tmp_path / "rows")
    assert PictureStore.open(tmp_path / "a").pictures("rgb").present.all()
    (tmp_path / "rows").rename(tmp_path / "a/rgb.rows")
    assert isinstance(store.pictures("rgb").rows, np.memmap)


def flipped(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 16
    path.write_bytes(content)


@pytest.mark.parametrize("file", ["meta.json", "index.npz"])
def test_a_damaged_index_is_found_when_the_store_is_opened(tmp_path, file):
    written(tmp_path / "a", {"rgb": (COLOR, some(COLOR, [2, 3], 1))})
    flipped(tmp_path / "a" / file, (tmp_path / "a" / file).stat().st_size // 2)
    with pytest.raises(Damaged, match=f"{file}: damaged"):
        PictureStore.open(tmp_path / "a")


def test_damaged_rows_are_found(tmp_path, monkeypatch):
    form = Form(256, 16, "color", "none")
    count = 11  # blocks of a MiB and a little: two
    clips = [Kept(np.ones((count, *form.shape), np.uint8), 1.0, 0.0)]
    monkeypatch.chdir(tmp_path)
    written(PICTURES, {"rgb": (form, clips)})
    assert not damage.has_wrong_checksum(PICTURES / "rgb.rows")
    flipped(PICTURES / "rgb.rows", count * 256 * 256 * 3 - 9)
    assert damage.has_wrong_checksum(PICTURES / "rgb.rows")
    with pytest.raises(Damaged, match=r"rgb\.rows: damaged: block 3 of 3 does not match"):
        PictureStore.open(PICTURES).check()
    with (PICTURES / "rgb.rows").open("ab") as file:
        file.write(b"x")
    with pytest.raises(Damaged, match=r"2,162,689 bytes, which must be 2,162,688"):
        PictureStore.open(PICTURES).pictures("rgb").of(np.array([0]), np.array([[0]]))


@dataclass
class Drawn:
    """A film of frames in memory."""

    frames: np.ndarray
    rate: float = 1.0
    offset: float = 0.0
    place: tuple[float, float, float, float] | None = None
    name: str = "drawn"
    asked: list[int] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.frames)

    def pictures(self, numbers):
        for number in numbers:
            self.asked.append(number)
            yield self.frames[number]

    def box(self):
        return self.place


@given(
    count=st.integers(1, 60),
    frames=st.integers(1, 60),
    most=st.integers(2, 20),
    rate=st.floats(0.1, 4),
    offset=st.floats(-10, 10),
)
def test_kept_pictures_show_a_joint_frame_as_well_as_their_spacing_allows(
    count, frames, most, rate, offset
):
    film = Drawn(np.zeros((count, 8, 8, 3), np.uint8), rate, offset)
    result = kept(film, frames, Form(8, most, "color", "none"))
    numbers = np.array(film.asked)
    assert len(numbers) == len(result.pictures) <= most and (np.diff(numbers) > 0).all()

    def clamped(number: float, last: int) -> int:
        return int(np.clip(np.rint(number), 0, last))

    first, last = (clamped((frame - offset) * rate, count - 1) for frame in (0, frames - 1))
    assert (numbers[0], numbers[-1]) == (first, last)
    assert len(numbers) == min(most, last - first + 1)
    step = np.diff(numbers).max() if len(numbers) > 1 else 1
    for frame in range(frames):
        wanted = clamped((frame - offset) * rate, count - 1)
        number = clamped((frame - result.offset) * result.rate, len(numbers) - 1)
        assert abs(numbers[number] - wanted) <= step / 2 + 1


@pytest.mark.parametrize(
    ("first", "last", "most", "expected"),
    [(3, 5, 9, [3, 4, 5]), (0, 9, 4, [0, 3, 6, 9]), (0, 9, 1, [4]), (7, 7, 1, [7])],
)
def test_spread(first, last, most, expected):
    assert spread(first, last, most) == expected


def test_the_middle_square_is_taken_without_a_box():
    picture = numbered(1, height=40, width=80)[0]
    small_one = small(picture, Form(20, 1, "color", "none"), None, "f")
    assert small_one.shape == (20, 20, 3)
    assert small_one[0, :, 1].tolist() == [x + 1 for x in range(20, 60, 2)]  # means of x and x + 1


def test_a_square_around_the_bodies_with_a_margin_is_black_outside_the_picture():
    picture = np.full((100, 100, 3), 200, np.uint8)
    form = Form(12, 1, "color", "bodies")
    shown = small(picture, form, (0, 40, 100, 60), "f")  # 120 x 120 from (-10, -10)
    assert (shown[1:11, 1:11] == 200).all() and not shown[0].any() and not shown[:, 11].any()
    assert np.array_equal(shown, small(picture, form, (-900, 40, 100, 60), "f"))
    with pytest.raises(UserError, match="f: the bodies lie outside its 100 x 100 pixels"):
        small(picture, form, (200, 0, 300, 50), "f")


def test_depth_is_the_mean_of_what_is_known():
    deep = np.array([[0, 4000], [0, 5000]], np.uint16).repeat(8, 0).repeat(8, 1)[..., None]
    deep[:8, :8] = 60000
    shown = small(deep, Form(8, 1, "depth", "none"), None, "f")[..., 0]
    assert shown.dtype == "<u2"
    assert np.array_equal(shown, np.array([[60000, 4000], [0, 5000]]).repeat(4, 0).repeat(4, 1))
    deep[8::2] = 0  # every second row unknown
    assert (small(deep, Form(8, 1, "depth", "none"), None, "f")[4:, 4:] == 5000).all()
    large = small(deep, Form(32, 1, "depth", "none"), None, "f")
    assert np.array_equal(large[::2, ::2], deep)


def test_formats_are_not_guessed():
    color, gray = numbered(1)[0], np.full((48, 64, 1), 9, np.uint8)
    deep = gray.astype(np.uint16)
    with pytest.raises(UserError, match="f: pictures in colours; format: depth needs one channel"):
        small(color, DEPTH, None, "f")
    with pytest.raises(UserError, match=r"f: pictures of 16 bits; .* format: depth"):
        small(deep, COLOR, None, "f")
    assert (small(gray, COLOR, None, "f") == 9).all()
    assert (small(gray, DEPTH, None, "f") == 9).all()
    shown = small(
        np.full((9, 9, 3), (100, 50, 200), np.uint8), Form(8, 1, "gray", "none"), None, "f"
    )
    assert shown.shape == (8, 8, 1) and (shown == 82).all()  # 0.299 R + 0.587 G + 0.114 B


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> ClipStore:
    return stored(tmp_path_factory.mktemp("clips") / "s", swinging_arms())


def film_of(clip: str, frames: int) -> Drawn | None:
    """Twice as many pictures as joint frames; c03 has none."""
    return None if clip == "c03" else Drawn(numbered(25)[: 2 * frames], rate=2.0)


def test_films_of_a_store_are_kept_by_several_processes_as_by_one(tmp_path, clips, monkeypatch):
    prepare(tmp_path / "a", clips, {"rgb": COLOR}, {"rgb": film_of})
    monkeypatch.setattr("brl.support.parallel.FEWEST", 10**6)
    prepare(tmp_path / "b", clips, {"rgb": COLOR}, {"rgb": film_of})
    for file in ("rgb.rows", "index.npz", "meta.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    pictures = PictureStore.open(tmp_path / "a").pictures("rgb")
    assert np.flatnonzero(~pictures.present).tolist() == [3] and pictures.counts[0] == 4
    assert json.loads((tmp_path / "a/meta.json").read_text())["clips"] == clips.digest


def test_broken_films_are_named_together(tmp_path, clips):
    def broken(clip: str, frames: int) -> Drawn:
        frames_of = (
            numbered(2)
            if clip in ("c00", "c35")
            else numbered(2)[..., 0].astype(np.uint16)[..., None]
        )
        return Drawn(frames_of, name=f"{clip}.mp4")

    with pytest.raises(UserError) as caught:
        prepare(tmp_path / "a", clips, {"rgb": COLOR}, {"rgb": broken})
    message = str(caught.value)
    assert message.startswith(
        "pictures.rgb: 34 of 36 films cannot be kept: c01.mp4: pictures of 16"
    )
    assert message.count(".mp4") == preparing.MOST_NAMED and message.endswith("; and 26 more")
    assert not (tmp_path / "a").exists()


def test_a_crop_around_bodies_that_nobody_knows_is_refused():
    with pytest.raises(
        UserError, match="drawn: where the bodies are in it is not known: crop: none"
    ):
        kept(Drawn(numbered(3)), 3, Form(8, 4, "color", "bodies"))
