"""A small copy of the project in which tests run the pipeline."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from tests.own_data import write_stick_figures

HERE = Path(__file__).resolve().parents[1]
COPIED = (
    "brl",
    "stages",
    "presets",
    "lists",
    "own",
    "dvc.yaml",
    "params.yaml",
    ".dvcignore",
    ".gitignore",
)
# One short epoch of a narrow network on few clips: what runs is tested here, not how well.
SMALL = {
    "subsample.max_per_class": 8,
    "subsample.imbalance_factor": 2,
    "model.base_channels": 6,
    "train.epochs": 1,
    "train.passes": 1,
    "train.warmup": 0.0,  # begins at a rate of zero: a training of one step would change nothing
    "train.clip_len": 8,
    "predict.num_clips": 1,
    "predict.precision": "float32",
    "train.precision": "float32",
}


# The console script, which is installed for another checkout.
BRL = (sys.executable, "-c", "from brl.commands.main import main; main()")


class Project:
    """A project folder under DVC, without git."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in COPIED:
            source = HERE / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, folder / name, ignore=ignored)
            else:
                shutil.copy(source, folder / name)
        programs = str(Path(sys.executable).parent)
        if programs not in os.environ["PATH"].split(os.pathsep):
            os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
        Repo.init(str(folder), no_scm=True).close()

    def edit(self, changes: dict[str, Any]) -> None:
        """Sets dotted parameters, new ones too; the value `...` takes a key out."""
        yaml = YAML()
        content = yaml.load(self.folder / "params.yaml")
        for name, value in changes.items():
            *sections, key = name.split(".")
            section = content
            for part in sections:
                section = section[part]
            if value is ...:
                del section[key]
            else:
                section[key] = value
        yaml.dump(content, self.folder / "params.yaml")

    def keep_streams(self, *names: str) -> None:
        """Takes all other streams out."""
        content = YAML().load(self.folder / "params.yaml")
        self.edit({f"streams.{name}": ... for name in content["streams"] if name not in names})

    def use_stick_figures(self, clips: int) -> None:
        """Own clips as the dataset: a hundred times fewer than the built-in one generates."""
        write_stick_figures(self.folder / "own", clips)
        self.edit({"dataset.name": "custom", "dataset.split": "default"})

    def reproduce(self, *targets: str) -> set[str]:
        """Runs `dvc repro` and gives the stages that DVC ran or restored."""
        with pytest.MonkeyPatch.context() as patch, Repo(str(self.folder)) as repo:
            patch.chdir(self.folder)
            patch.setenv("DVC_ROOT", str(self.folder))
            return {stage.addressing for stage in repo.reproduce(list(targets) or None)}

    def affected(self) -> set[str]:
        """The stages that have something else to read than when they ran."""
        with pytest.MonkeyPatch.context() as patch, Repo(str(self.folder)) as repo:
            patch.chdir(self.folder)
            return set(repo.status())

    def brl(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs `brl ...` in the folder."""
        return self._run(BRL[1:], arguments, environment)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs `python -m ...` in the folder."""
        return self._run(("-m",), arguments, environment)

    def _run(
        self, program: tuple[str, ...], arguments: tuple[str, ...], environment: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        # The `python3` of the path, as for stages: see `tests.warm`.
        return subprocess.run(
            [shutil.which("python3") or "", *program, *arguments],
            cwd=self.folder,
            env=os.environ | {"DVC_ROOT": str(self.folder)} | environment,
            capture_output=True,
            text=True,
            check=False,
        )
