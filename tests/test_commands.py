"""The console script: its help, its exit codes, what it imports, what it completes."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.config import Config

from brl.commands import pipeline, why
from brl.commands.main import SECTIONS, commands
from brl.config.check import check
from brl.config.params import read_params
from brl.config.presets import DATASETS, METHODS
from brl.support.errors import UserError
from tests.command import brl, refused
from tests.project import BRL, HERE
from tests.test_jobs import until

NAMES = sorted(commands.commands)


def test_every_command_is_listed_once_with_one_line():
    assert sorted(name for names in SECTIONS.values() for name in names) == NAMES
    lines = brl("--help").stdout.splitlines()
    for name in NAMES:
        (line,) = (line for line in lines if line.startswith(f"  {name} "))
        assert line.endswith(".") and not line.endswith("...") and len(line) <= 80
    assert [line.split()[0] for line in lines[-4:]] == ["0", "1", "2", "130"]


@pytest.mark.parametrize("name", NAMES)
def test_every_commands_help_has_an_example_that_is_valid(name):
    said = brl(name, "--help").stdout
    assert said.startswith(f"Usage: brl {name} ")
    examples = said.partition("Example")[2].partition("Options:")[0]
    calls = [call.split() for call in re.findall(r"\bbrl ([^)>&\n]+)", examples)]
    assert name in [called for called, *_ in calls]
    for called, *arguments in calls:
        commands.commands[called].make_context(called, arguments)  # raises for wrong usage


def test_examples_name_what_there_is():
    """Presets and comparisons that are renamed take their examples along."""
    for name in ("nw_ucla", "ntu60_xsub"):
        assert name in brl("preset", "--help").stdout and name in DATASETS.names
    assert "--method brl" in brl("preset", "--help").stdout and "brl" in METHODS.names
    assert "brl compare nw_ucla" in brl("compare", "--help").stdout
    assert Path("comparisons/nw_ucla.yaml").exists()


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from brl.commands.main import main\n"
        "try: main()\n"
        "finally: print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    for arguments in (["--help"], ["repro", "--help"], ["completion", "zsh"]):
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        loaded = set(done.stderr.split())
        heavy = {"torch", "mlflow", "pandas", "numpy", "dvc", "rich", "pydantic", "yaml", "joblib"}
        assert "click" in loaded and not heavy & loaded


def test_the_check_of_settings_imports_only_what_it_needs():
    """`brl repro` with nothing to do, and `brl why`, begin with it."""
    code = "import sys, brl.commands.pipeline; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "mlflow", "pandas", "sklearn", "requests", "dvc.repo", "scipy.optimize"}
    assert not heavy & set(done.stdout.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["chekc"],
        [],
        ["repro", "joint"],
        ["weights", "joint"],
        ["predict"],
        ["predict", "x.npy", "--top", "0"],
        ["export"],
        ["completion", "csh"],
        ["results", "--nope"],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2(arguments):
    done = brl(*arguments)
    assert done.exit_code == 2 and done.stdout == "" and done.stderr.startswith("Usage: brl ")


def test_an_unknown_command_is_one_line_with_a_suggestion():
    line = brl("reprro").stderr.splitlines()[-1]
    assert line == "Error: No such command 'reprro'. Did you mean 'repro'?"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A project without data: params.yaml, presets and comparisons."""
    for name in ("presets", "comparisons"):
        shutil.copytree(HERE / name, tmp_path / name)
    shutil.copy(HERE / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


@pytest.fixture
def asked(monkeypatch) -> list[tuple[str, ...]]:
    """What DVC was asked to reproduce; it does nothing."""
    found: list[tuple[str, ...]] = []
    monkeypatch.setattr(pipeline, "run_dvc", lambda *arguments: found.append(arguments))
    monkeypatch.setattr(pipeline, "changed_stages", lambda: ["evaluate"])
    return found


def test_check(folder):
    done = brl("check")
    assert (done.exit_code, done.stdout) == (0, "params.yaml: no mistakes found\n")
    check(read_params())
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("name: synthetic", "name: x"))
    with pytest.raises(UserError) as expected:
        check(read_params())
    assert refused("check") == str(expected.value)
    Path("params.yaml").unlink()
    assert refused("check").startswith("params.yaml: cannot be read")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["results"], "reports/results.csv: not there yet; make repro writes it"),
        (["results", "x.csv"], "x.csv: not there yet"),
        (["weights", "jont", "j.pth"], "stream 'jont': params.yaml has no such stream; it has "),
        (["weights", "joint", "j.pth"], "j.pth: no such file; give a checkpoint, or none"),
        (["export", "r.txt"], "r.txt: ends in .txt; must be .onnx or .pt2"),
        (["export", "r.pt2"], "classifiers/joint.safetensors is missing; first: make repro"),
        (["model"], "classifiers/joint.safetensors is missing; first: make repro"),
        (["data"], "reports/data.csv: not there; brl data makes it"),
        (["repro"], "reports/results.csv: not there yet"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_ends_with_1_and_one_line(folder, asked, arguments, said):
    assert refused(*arguments).startswith(said)


def test_ctrl_c_ends_with_130(folder, monkeypatch):
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(why, "show", interrupted)
    done = brl("why")
    assert done.exit_code == 130
    assert done.stderr == "interrupted; run the same command again to resume\n"


def test_what_a_command_asks_of_dvc(folder, asked):
    for command in (["repro"], ["data"], ["compare"], ["data", "--again"]):
        brl(*command)
    assert asked == [
        (),
        ("--quiet", "prepare"),
        ("--quiet", "subsample"),
        ("--quiet", "--force", "download"),
        ("--quiet", "prepare"),
    ]


def test_dvc_is_not_asked_where_nothing_has_changed(folder, asked, monkeypatch):
    monkeypatch.setattr(pipeline, "changed_stages", list)
    assert brl("repro").stdout.startswith("Nothing has changed")
    assert asked == []


def test_the_pipeline_is_not_begun_with_a_mistake_in_params(folder, monkeypatch):
    monkeypatch.setattr(pipeline, "run_program", None)
    Path("params.yaml").write_text("seed: x")
    for command in (["repro"], ["repro", "--jobs", "2"], ["data"], ["compare"]):
        assert refused(*command).startswith("params.yaml: ")


PIPELINE = "stages:\n  only:\n    cmd: {command}\n    outs: [out.txt]\n"


@pytest.fixture
def dvc(folder) -> Path:
    """A pipeline of one stage, in a folder without git that nobody told DVC about."""
    shutil.copytree(HERE / ".dvc", folder / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp"))
    (folder / ".dvc/config.local").write_text("[core]\n    autostage = false\n")
    return folder


def write_pipeline(command: str) -> None:
    Path("dvc.yaml").write_text(PIPELINE.format(command=command))


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    everything = os.environ | {"PYTHONPATH": str(HERE)} | environment
    return subprocess.run([*BRL, *arguments], env=everything, capture_output=True, text=True)


def test_dvc_works_without_git_and_with_this_python(dvc):
    write_pipeline("python -c 'import sys; print(sys.executable)' > out.txt")
    assert "it never ran here" in brl("why").stdout
    done = run("repro", PATH="/usr/bin:/bin")
    assert Path("out.txt").read_text() == f"{sys.executable}\n"
    # DVC is through; that stage writes no results.
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: reports/results.csv: not there yet")
    settings = Config(".dvc").load_one("local")["core"]
    assert settings == {"no_scm": "True", "autostage": "false"}
    assert brl("why").stdout.startswith("Nothing would run")


def test_a_stage_that_fails_ends_the_command_and_says_why(dvc):
    write_pipeline("echo 'the disk is full' >&2; exit 1")
    done = run("repro")
    assert done.returncode == 1
    assert "the disk is full" in done.stderr and "Traceback" not in done.stderr
    assert "not there yet" not in done.stderr, (
        "a table of an earlier run would look like this one's"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_the_stage_that_runs(dvc, number):
    write_pipeline("echo $$ > pid; exec sleep 60")
    command = [*BRL, "repro"]
    environment = os.environ | {"PYTHONPATH": str(HERE)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    until(lambda: Path("pid").exists() and Path("pid").read_text().endswith("\n"))
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert said.splitlines()[-1] == "interrupted; run the same command again to resume"
    with pytest.raises(ProcessLookupError):
        os.kill(int(Path("pid").read_text()), 0)


def test_a_folder_with_git_is_left_to_dvc(dvc):
    before = Path(".dvc/config.local").read_text()
    Path(".git").mkdir()
    pipeline.work_without_git()
    assert Path(".dvc/config.local").read_text() == before
    Path(".git").rmdir()
    shutil.rmtree(".dvc")
    pipeline.work_without_git()
    assert not Path(".dvc").exists()


# Completion


def completed(*words: str) -> list[str]:
    """What bash is offered for the last word."""
    environment = {
        "PYTHONPATH": str(HERE),
        "_BRL_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(("brl", *words)),
        "COMP_CWORD": str(len(words)),
    }
    done = subprocess.run(BRL, env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["re"], ["repro", "record", "results", "release"]),
        (["preset", "nw_ucla_v"], ["nw_ucla_view_1_to_2", "nw_ucla_view_2_to_1"]),
        (["preset", "--method", "brl_"], ["brl_aware", "brl_published", "brl_same"]),
        (["compare", "synth"], ["synthetic"]),
        (["weights", "bone"], ["bone", "bone_motion"]),
        (["completion", "z"], ["zsh"]),
        (["repro", "--j"], ["--jobs"]),
    ],
    ids=" ".join,
)
def test_names_are_completed(folder, words, offered):
    assert completed(*words) == offered


def test_streams_are_those_of_params_and_without_it_none(folder):
    brl("weights", "bone", "none")
    text = Path("params.yaml").read_text()
    assert "bone_motion" in completed("weights", "")
    Path("params.yaml").write_text(text.replace("  bone_motion:\n", "  bone_motoin:\n", 1))
    assert completed("weights", "") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_the_shells_own(shell):
    script = brl("completion", shell).stdout
    assert f"_BRL_COMPLETE={shell}_complete" in script and "brl" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)
