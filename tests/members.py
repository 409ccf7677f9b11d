"""Members of a group: clones of one repository, with a DVC remote and a store of runs in common."""

import shutil
import subprocess
from pathlib import Path

import pytest
from mlflow.entities import Run

from brl.config.params import read_params
from brl.tracking.present import find_pipeline
from brl.tracking.runs import Runs
from tests.own_data import write_stick_figures
from tests.project import HERE, SMALL, Project
from tests.remotes import Remote

STREAMS = ("joint", "skip")


class Member(Project):
    """A member's clone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def first(cls, folder: Path) -> "Member":
        """The one who has the clips, and whose small pipeline ran; the results are committed."""
        folder.mkdir()
        project = Project(folder)
        project.edit(SMALL)
        project.keep_streams(*STREAMS)
        clips = folder.with_name("clips")
        write_stick_figures(clips, 36)
        project.edit({"dataset.name": "custom", "dataset.split": "default"})
        project.edit({"dataset.mirror": str(clips)})
        shutil.copy(HERE / ".dvc/config", folder / ".dvc")
        member = cls(folder)
        member.git("init", "-q")
        done = member.brl("repro")
        assert done.returncode == 0, done.stderr
        clips.rename(clips.with_name("elsewhere"))  # no colleague has this folder
        member.git("add", ".")
        member.git("commit", "-qm", "Results")
        return member

    def clone(self, folder: Path) -> "Member":
        """A colleague's fresh clone."""
        self.git("clone", "-q", ".", str(folder))
        return Member(folder)

    def git(self, *arguments: str) -> str:
        command = ["git", *arguments]
        done = subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True)
        return done.stdout

    def dvc(self, *arguments: str) -> str:
        """Runs DVC, which must succeed; returns what it prints."""
        done = self.run("dvc", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def name_remote(self, remote: Remote) -> None:
        """Commits what all members must know of a remote."""
        (self.folder / ".dvc/config.local").unlink(missing_ok=True)  # the keys of another one
        self.dvc("remote", "add", "--force", "--default", "shared", remote.url)
        for name, value in remote.common.items():
            self.dvc("remote", "modify", "shared", name, value)
        self.git("commit", "-qam", "A remote")

    def add_keys(self, remote: Remote) -> None:
        """Keeps the keys of this member, which git ignores."""
        for name, value in remote.private.items():
            self.dvc("remote", "modify", "--local", "shared", name, value)

    def changes(self) -> str:
        """What git sees as changed."""
        return self.git("status", "--porcelain")

    def result(self) -> tuple[Run, dict[str, Run]]:
        """The run of the pipeline that is in the clone, and the runs of streams that it links."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            patch.setenv("DVC_ROOT", str(self.folder))
            run = Runs().client.get_run
            pipeline = run(find_pipeline(read_params()))
        return pipeline, {name: run(pipeline.data.tags[f"run.{name}"]) for name in STREAMS}
