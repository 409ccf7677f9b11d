"""Every format that is read goes from the user's files to a report, and from a file to a class."""

import json
from importlib import import_module
from pathlib import Path
from typing import TextIO

import pandas as pd
import pytest
import yaml
from matplotlib.figure import Figure

from brl.config.params import read_params
from brl.support.paths import CONFUSION, PAGE
from tests.command import brl
from tests.own_formats import ACTORS, CLASSES, FORMATS
from tests.project import HERE

pytestmark = pytest.mark.slow
# Enough for actions that differ clearly.
SETTINGS = {
    "model": {"base_channels": 8, "blocks": [1]},
    "train": {"epochs": 1, "passes": 40, "lr": 0.1, "clip_len": 8, "precision": "float32"},
    "predict": {"num_clips": 1, "precision": "float32"},
}


def no_picture(_figure: Figure, file: Path | TextIO, **_how: object) -> None:
    """Stands in for `savefig`: pictures know no format, and take longer than all else."""
    if isinstance(file, Path):
        file.touch()
    else:
        file.write("<svg></svg>")


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A project for own data, without any; the current folder."""
    for name in ("brl", "stages", "presets", "dvc.yaml"):
        (tmp_path / name).symlink_to(HERE / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("BRL_TRACKING", "off")
    monkeypatch.setattr(Figure, "savefig", no_picture)
    Path("params.yaml").write_bytes((HERE / "params.yaml").read_bytes())
    brl("preset", "custom", "--method", "cross_entropy")
    content = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    content["streams"] = {"joint": content["streams"]["joint"]}
    for section, settings in SETTINGS.items():
        content[section] |= settings
    Path("params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return tmp_path


def run_pipeline() -> None:
    """Runs all stages of dvc.yaml in this process."""
    stages = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for name, stage in stages.items():
        main = import_module(f"stages.{name}").main
        if "foreach" in stage:
            for stream in read_params().streams:
                main(stream)
        else:
            main()


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_goes_to_a_report_and_to_a_class(project, name):
    own = FORMATS[name]
    own.write_to(project / "own")
    run_pipeline()
    tested = pd.read_csv(CONFUSION)
    assert len(tested) == len(ACTORS["test"]) * len(CLASSES)
    assert (tested["predicted"] == tested["actual"]).all()
    assert f"{len(tested)} test clips of {len(CLASSES)} classes" in PAGE.read_text(encoding="utf-8")
    unknown = project / "unknown"
    unknown.mkdir()
    files = [
        own.write(unknown / action, own.clip(label, 9)) for label, action in enumerate(CLASSES)
    ]
    size = ["--image-size", "x".join(map(str, own.size))] if own.in_image else []
    recognised = brl("predict", *map(str, files), "--json", *size)
    assert recognised.exit_code == 0 and recognised.stderr == ""
    found = [each["classes"][0]["class"] for each in json.loads(recognised.stdout)]
    assert found == list(CLASSES)
