"""Films of the user's own clips: `clips.csv` names them, and the stage `pictures` keeps them."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from brl.clips.layouts import COCO17
from brl.clips.store import ClipStore
from brl.config.check import check
from brl.config.params import read_params
from brl.datasets.own import source as own
from brl.datasets.own.films import InImage, OwnFilm
from brl.films import films_of
from brl.pictures.files import PictureFile
from brl.pictures.form import Form
from brl.pictures.store import Pictures, PictureStore
from brl.support.errors import UserError
from brl.support.paths import OWN_LIST, PICTURES, RAW
from stages import download, prepare
from stages import own as list_own
from stages import pictures as stage
from tests.films import numbered, write_images, write_video
from tests.own_data import STICK, write_description, write_stick_figures
from tests.project import HERE, Project

RGB = {"side": 8, "frames": 4, "format": "color", "crop": "none"}


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """Own data of six clips: five videos, one folder of images; clip05 has no pictures."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    write_stick_figures(Path("own"), clips=6)
    for number in range(4):
        write_video(Path(f"own/films/{number}.mkv"), numbered(10 + number))
    write_images(Path("own/films/4"), numbered(16))
    films = [*(f"films/{number}.mkv" for number in range(4)), "films/4", ""]
    table("own", rgb=films)
    params(rgb=RGB)
    return tmp_path


def table(folder: str, **columns: list[str]) -> None:
    """Adds columns to the list of clips."""
    path = Path(folder, "clips.csv")
    pd.read_csv(path).assign(**columns).to_csv(path, index=False)


def params(mirror: str | None = None, **pictures: dict) -> None:
    content = yaml.safe_load((HERE / "params.yaml").read_text(encoding="utf-8"))
    content["dataset"] |= {"name": "custom", "split": "default", "mirror": mirror}
    content["method"]["mix"] = "none"
    Path("params.yaml").write_text(yaml.safe_dump(content | {"pictures": pictures}))


def run() -> PictureStore:
    """The stages up to `pictures`."""
    for each in (download, list_own, prepare, stage):
        each.main()
    return PictureStore.open(PICTURES)


def reds(pictures: Pictures, clip: int, frames: list[int]) -> list[int]:
    """The numbers of the pictures that show joint frames of a clip; the red tells them."""
    return (pictures.of(np.array([clip]), np.array([frames]))[0, :, 0, 0, 0] // 10).tolist()


def test_films_are_spread_over_their_clips(project, capsys):
    pictures = run().pictures("rgb")
    assert pictures.present.tolist() == [True] * 5 + [False]
    assert pictures.counts.tolist() == [4] * 5 + [0]
    lengths = ClipStore.open(Path("data/store")).frames
    assert lengths[1] == 5  # joint frames, shown by 11 pictures: 2.2 a frame
    assert reds(pictures, 1, [0, 1, 2, 3, 4]) == [0, 3, 3, 6, 9]
    assert reds(pictures, 4, [0, int(lengths[4]) - 1]) == [0, 14]
    assert "rgb: 20 pictures of 5 clips" in capsys.readouterr().out
    params()
    stage.main()
    assert PictureStore.open(PICTURES).inputs == {}
    assert sorted(path.name for path in PICTURES.iterdir()) == ["index.npz", "meta.json"]


def test_a_mirror_is_copied_with_its_films(project):
    expected = run().pictures("rgb")
    Path("own").rename("elsewhere")
    Path("elsewhere/films/unused.mkv").write_bytes(b"x")
    params("elsewhere", rgb=RGB)
    pictures = run().pictures("rgb")
    assert np.array_equal(pictures.rows, expected.rows)
    assert {path.name for path in (RAW / "films").iterdir()} == {
        "0.mkv", "1.mkv", "2.mkv", "3.mkv", "4",
    }  # fmt: skip


def test_a_changed_film_is_noticed(project):
    list_own.main()
    before = OWN_LIST.read_bytes()
    write_video(Path("own/films/0.mkv"), numbered(9))
    list_own.main()
    assert OWN_LIST.read_bytes() != before
    stages = yaml.safe_load((HERE / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert {"data/raw", str(OWN_LIST)} <= set(stages["pictures"]["deps"])
    readers = {
        name
        for name, content in stages.items()
        if str(PICTURES) in content.get("do", content).get("deps", [])
    }
    assert not readers


def test_the_column_video_is_that_of_rgb(project):
    path = Path("own/clips.csv")
    path.write_text(path.read_text().replace("rgb", "video"))
    check(read_params(Path("params.yaml")))
    assert films_of("custom", "rgb").of(RAW, "rgb")("clip00", 4).count == 10


def test_joints_in_the_image_tell_where_the_bodies_are(project):
    """In an image of 640 x 480, of which the film is a tenth."""
    write_description(
        Path("own"), {"classes": STICK["classes"], "layout": "coco17", "normalize": "image"}
    )
    table("own", width=[640] * 6, height=[480] * 6)
    joints = np.zeros((4, 17, 3))
    joints[1:, 3], joints[2:, 4], joints[2, 5] = (200, 100, 1), (260, 130, 1), (np.nan, 1, 1)
    for number in range(6):
        np.save(f"own/clip{number:02d}.npy", joints)
    params(rgb=RGB | {"crop": "bodies"})
    film = films_of("custom", "rgb").of(RAW, "rgb")("clip00", 4)
    assert film.box() == pytest.approx((20, 10, 26, 13))
    pictures = run().pictures("rgb")
    # A square of 7.2 pixels around (23, 11.5): from column 20 to 26. Green tells the column.
    green = pictures.of(np.array([0]), np.array([[0]]))[0, 0, 0, :, 1]
    assert green.min() >= 19 and green.max() <= 27


def test_a_clip_that_shows_no_joint_has_its_whole_picture(project):
    np.save("own/clip00.npy", np.zeros((4, 17, 3)))
    joints = InImage(Path("own/clip00.npy"), COCO17, 640, 480)
    assert OwnFilm(PictureFile(Path("own/films/0.mkv")), 4, joints).box() == (0, 0, 64, 48)


MISTAKES = {
    "no column": ({"depth": RGB}, {}, "pictures.depth: clips.csv has no column 'depth'"),
    "missing film": ({}, {"rgb": ["films/9.mkv"] * 6}, "there is no file films/9.mkv in own"),
    "outside": ({}, {"rgb": ["../9.mkv"] * 6}, "rgb '../9.mkv'; must be a path inside the folder"),
    "empty": ({}, {"rgb": [""] * 6}, "the column 'rgb' is empty: no clip has pictures"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_are_found_before_any_stage(project, case):
    pictures, columns, says = MISTAKES[case]
    table("own", **columns)
    params(**(pictures or {"rgb": RGB}))
    with pytest.raises(UserError) as caught:
        check(read_params(Path("params.yaml")))
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_a_crop_around_bodies_needs_joints_in_the_image(project):
    params(rgb=RGB | {"crop": "bodies"})
    for attempt in (partial(check, read_params(Path("params.yaml"))), run):
        with pytest.raises(UserError) as caught:
            attempt()
        assert str(caught.value) == (
            "params.yaml: pictures.rgb.crop: bodies needs joints in the image, with normalize: "
            "image; dataset.yaml has center: must be none"
        )


def test_broken_films_are_named(project):
    Path("own/films/1.mkv").write_bytes(b"no video")
    with pytest.raises(UserError, match=r"1 of 5 films .*films/1\.mkv: not a video"):
        run()
    assert not PICTURES.exists()


def test_a_dataset_without_pictures_and_one_without_a_list_are_refused(project):
    content = yaml.safe_load(Path("params.yaml").read_text())
    content["dataset"] |= {"name": "msr_action3d", "split": "cross_subject"}
    Path("params.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError) as caught:
        films_of("msr_action3d", "rgb")
    assert str(caught.value) == (
        "params.yaml: pictures.rgb: msr_action3d has no pictures; take the block out, or choose a "
        "dataset that has: custom, synthetic"
    )
    Path("own/clips.csv").unlink()
    Path("own/a.pkl").write_bytes(b"x")
    with pytest.raises(UserError, match=r"pictures\.rgb: own holds no clips\.csv"):
        own.check_pictures(None, "rgb", Form(**RGB))


def test_a_file_from_before_pictures_reads_and_is_told_what_to_add(project):
    content = yaml.safe_load(Path("params.yaml").read_text())
    del content["pictures"]
    Path("params.yaml").write_text(yaml.safe_dump(content))
    old = read_params(Path("params.yaml"))
    assert old.pictures == {} and "pictures" not in old.in_use()
    with pytest.raises(UserError, match=r"pictures: missing; .* add the line `pictures: \{\}`"):
        check(old)


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("rgb", {"side": 7}, "pictures.rgb.side: must be greater than or equal to 8, not 7"),
        ("rgb", {"side": 513}, "pictures.rgb.side: must be less than or equal to 512, not 513"),
        ("rgb", {"frames": 0}, "pictures.rgb.frames: must be greater than or equal to 1, not 0"),
        ("rgb", {"format": "red"}, "pictures.rgb.format: must be 'color', 'gray' or 'depth'"),
        ("rgb", {"crop": "hand"}, "pictures.rgb.crop: must be 'none' or 'bodies', not 'hand'"),
        ("rgb", {"fps": 3}, "pictures.rgb.fps: unknown key; known here: side, frames, format"),
        ("RGB", {}, "pictures.RGB: must be lower case letters, digits and _"),
    ],
)
def test_the_section_is_checked(project, name, change, says):
    params(**{name: RGB | change})
    with pytest.raises(UserError) as caught:
        read_params(Path("params.yaml"))
    assert says in str(caught.value)


@pytest.mark.slow
def test_dvc_runs_what_an_edit_touches(tmp_path):
    project = Project(tmp_path)
    project.use_stick_figures(clips=12)
    write_video(tmp_path / "own/0.mkv", numbered(9))
    table(str(tmp_path / "own"), rgb=["0.mkv"] * 11 + [""])
    targets = ("pictures", "subsample", "networks")
    assert "pictures" in project.reproduce(*targets)
    assert project.reproduce(*targets) == set()
    project.edit({"pictures": {"rgb": RGB}})
    assert project.reproduce(*targets) == {"pictures", "networks"}
    assert PictureStore.open(tmp_path / PICTURES).pictures("rgb").counts.sum() == 44
    project.edit({"train.epochs": 7, "prepare.max_bodies": 2})
    assert project.reproduce(*targets) == set()
    write_video(tmp_path / "own/0.mkv", numbered(3))
    assert project.reproduce(*targets) == {"own", "prepare", "pictures", "networks"}
    assert PictureStore.open(tmp_path / PICTURES).pictures("rgb").counts.sum() == 33
    project.edit({"pictures": {}})
    assert project.reproduce(*targets) == {"pictures", "networks"}
