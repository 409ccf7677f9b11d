"""The recipes of docs/architecture.md, followed to the letter in a copy of the project."""

import json
import re
from pathlib import Path

import pytest

from tests.project import HERE, SMALL, Project

BLOCK = re.compile(r"^```(python|yaml|diff)\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def follow(recipe: str, folder: Path) -> list[str]:
    """Writes and edits what a recipe shows; returns the files."""
    page = (HERE / "docs/architecture.md").read_text(encoding="utf-8")
    (section,) = re.findall(rf"^### {recipe}\n(.*?)(?=^### )", page, re.MULTILINE | re.DOTALL)
    touched = []
    for kind, name, content in BLOCK.findall(section):
        file = folder / name
        if kind == "diff":
            lines = content.splitlines()
            old = "\n".join(line[1:] for line in lines if line[0] == "-")
            new = "\n".join(line[1:] for line in lines if line[0] == "+")
            text = file.read_text(encoding="utf-8")
            assert text.count(old) == 1, f"{name}: the page's line is not there: {old}"
            file.write_text(text.replace(old, new), encoding="utf-8")
        else:
            assert not file.exists()
            file.write_text(content, encoding="utf-8")
        touched.append(name)
    return touched


@pytest.mark.slow
def test_a_dataset_a_network_and_a_loss_are_what_the_recipes_touch(tmp_path, monkeypatch, warm):
    monkeypatch.setenv("BRL_TRACKING", "off")
    project = Project(tmp_path / "project")
    touched = [
        *follow("A dataset", project.folder),
        *follow("A network", project.folder),
        *follow("A loss", project.folder),
    ]
    assert set(touched) == {
        "brl/datasets/toy.py",
        "brl/datasets/table.py",
        "brl/models/toynet.py",
        "brl/config/params.py",
        "brl/training/losses.py",
        "presets/methods/hinge.yaml",
    }
    assert project.brl("preset", "--method", "hinge").returncode == 0
    project.keep_streams("joint")
    project.edit(
        SMALL
        | {
            "dataset.name": "toy",
            "dataset.split": "halves",
            "subsample.profile": "natural",
            "model.name": "toynet",
            "train.epochs": 20,
            "train.batch_size": 4,
            "train.lr": 0.05,
        }
    )
    assert "evaluate" in project.reproduce()
    numbers = json.loads((project.folder / "reports/metrics.json").read_text(encoding="utf-8"))
    assert numbers["top1"] > 60  # of two classes
