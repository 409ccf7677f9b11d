"""docs/layouts.md shows all known layouts as the code has them."""

import json
import xml.etree.ElementTree as xml
from pathlib import Path

import numpy as np
import pytest

from benchmarks.layouts import FOLDER, draw, picture_of
from brl.clips.layouts import LAYOUTS, SHORT_NAMES
from brl.inspection.guess import Channels
from brl.inspection.poses import rest_pose

DESCRIPTION = "{http://purl.org/dc/elements/1.1/}description"
NUMBERS = "{http://www.w3.org/2000/svg}text"


def shown(path: Path) -> dict:
    """What is drawn in a picture, as its file says."""
    (description,) = xml.parse(path).iter(DESCRIPTION)
    assert description.text is not None
    return json.loads(description.text)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_the_pictures_are_those_of_the_code(layout):
    """If not: python -m benchmarks.layouts."""
    path = FOLDER / f"{layout.name}.svg"
    assert shown(path) == picture_of(layout)
    texts = [text.text for text in xml.parse(path).iter(NUMBERS)]
    joints = range(layout.num_joints)
    assert sorted(texts) == sorted(
        [*map(str, joints), *(f"{joint} {layout.names[joint]}" for joint in joints)]
    )


def test_there_is_no_other_picture_and_all_are_small():
    files = list(FOLDER.iterdir())
    assert {file.stem for file in files} == set(LAYOUTS)
    assert sum(file.stat().st_size for file in files) < 400_000


def test_equal_pictures_are_equal_files(tmp_path):
    first, second = tmp_path / "first.svg", tmp_path / "second.svg"
    for path in (first, second):
        draw(LAYOUTS["ntu25"], path)
    assert first.read_bytes() == second.read_bytes()


def test_the_page_says_which_channels_a_layout_has():
    page = Path("docs/layouts.md").read_text(encoding="utf-8")
    short = {layout.name: name for name, layout in SHORT_NAMES.items()}
    for name, layout in LAYOUTS.items():
        (row,) = (line for line in page.splitlines() if line.startswith(f"| [`{name}`](#{name})"))
        assert row.endswith(f"| {Channels(layout.dimensions, layout.scored)} |")
        assert name not in short or f"short `{short[name]}`" in row
        assert f"(layouts/{name}.svg)" in page


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_a_body_at_rest_is_symmetric_and_upright(layout):
    rest = rest_pose(layout)
    if layout.mirror_pairs:
        np.testing.assert_allclose(rest[layout.mirrored()], rest * (-1, 1, 1), atol=1e-12)
        lower = layout.lower_body()
        assert rest[~lower, 1].mean() > rest[lower, 1].mean()
    lengths = np.linalg.norm(rest - rest[list(layout.parents)], axis=-1)
    assert np.count_nonzero(lengths == 0) == 1  # that of the centre
