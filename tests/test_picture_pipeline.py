"""A pipeline with a stream of pictures, from videos to the report, with DVC."""

import pytest

from tests.films import write_video
from tests.project import Project
from tests.test_own_pictures import RGB, numbered, table

pytestmark = pytest.mark.slow
OF_CAMERA = {"train@camera", "folds@camera", "classify@camera", "unseen@camera", "predict@camera"}
STREAMS = {
    "joint": {"inputs": "joint"},
    "camera": {"inputs": "rgb", "model": {"name": "resnet18", "base_channels": 8}},
}


@pytest.fixture
def project(tmp_path) -> Project:
    project = Project(tmp_path)
    project.use_stick_figures(clips=36)
    write_video(tmp_path / "own/0.mkv", numbered(9))
    table(str(tmp_path / "own"), rgb=["0.mkv"] * 36)
    project.edit(
        {
            "pictures": {"rgb": RGB | {"side": 16}},
            "streams": STREAMS,
            "ensemble.weights": {"joint": 2, "camera": 1},
            "method.mix": "none",
            "train.epochs": 2,
        }
    )
    return project


def test_a_stream_of_pictures_runs_to_the_report_and_only_it_depends_on_them(project):
    ran = project.reproduce()
    assert {"pictures", *OF_CAMERA, "train@joint", "ensemble", "evaluate"} <= ran
    page = (project.folder / "reports/index.html").read_text(encoding="utf-8")
    assert "camera" in page
    assert project.reproduce() == set()
    project.edit({"pictures.rgb.side": 24})
    ran = project.reproduce()
    assert {"pictures", "networks", "train@camera", "ensemble"} <= ran
    assert not {stage for stage in ran if stage.endswith("@joint")}


def test_predictions_without_pictures_are_refused_in_one_line(project):
    project.reproduce()
    recording = next((project.folder / "own").glob("*.npy"))
    run = project.brl("predict", str(recording))
    assert run.returncode == 1
    (line,) = run.stderr.splitlines()
    assert line.startswith("error: the stream camera sees pictures, and only joints can be")
