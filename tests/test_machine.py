"""What is recorded of machine, software and arithmetic."""

import os
import platform
import subprocess

import mlflow
import numpy as np
import pytest
import torch

from brl.streams.device import arithmetic, best_device, used_precision
from brl.tracking.machine import surroundings


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


def with_units(monkeypatch, *present: str) -> None:
    """A processor that has these units for bfloat16 only."""
    for unit in ("avx512_bf16", "amx_tile"):
        monkeypatch.setattr(torch.cpu, f"_is_{unit}_supported", lambda unit=unit: unit in present)


@pytest.mark.parametrize(
    ("units", "named", "precision"),
    [
        ((), "AVX512", "float32"),
        (("avx512_bf16",), "AVX512, avx512_bf16", "bfloat16"),
        (("avx512_bf16", "amx_tile"), "AVX512, avx512_bf16, amx_tile", "bfloat16"),
    ],
)
def test_the_same_avx_level_with_and_without_bfloat16_is_told_apart(
    monkeypatch, units, named, precision
):
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "AVX512")
    with_units(monkeypatch, *units)
    facts = surroundings(train="bfloat16", predict="float32")
    assert facts["device.features"] == named
    assert facts["precision.train"] == precision and facts["precision.predict"] == "float32"
    assert "precision.train" not in surroundings()


@pytest.mark.parametrize("asked", ["bfloat16", "float32"])
@pytest.mark.parametrize("units", [(), ("avx512_bf16",)])
def test_the_precision_is_that_of_the_networks_arithmetic(monkeypatch, asked, units):
    with_units(monkeypatch, *units)
    with arithmetic(asked, torch.device("cpu")):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert used_precision(asked, torch.device("cpu")) == str(product.dtype).removeprefix("torch.")


def test_threads_processes_and_versions(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    facts = surroundings()
    assert (facts["threads"], facts["processes"]) == ("3", "1")
    assert facts["python"] == platform.python_version()
    assert torch.__version__.startswith(facts["torch"])  # `+cu124` may follow
    assert (facts["numpy"], facts["mlflow"]) == (np.__version__, mlflow.__version__)
    assert facts["device"] and "git.commit" not in facts
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 4)
    assert surroundings()["processes"] == "4"


def test_a_gpu_is_named_with_what_it_can(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.current_device", lambda: 0)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda _: "H100")
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda **_: True)
    monkeypatch.setattr("torch.version.cuda", "12.8")
    assert best_device().type == "cuda"
    facts = surroundings(predict="bfloat16")
    assert facts["device"] == "H100" and facts["precision.predict"] == "bfloat16"
    assert facts["device.features"] == "compute capability 9.0, CUDA 12.8"


def test_the_commit_says_whether_files_differ_from_it(project, monkeypatch):
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "a")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "a@b")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=project, capture_output=True, check=True)
        return done.stdout.decode().strip()

    git("init")
    (project / "file").write_text("1")
    git("add", "file")
    git("commit", "-m", "first")
    git("tag", "-a", "v1", "-m", "v1")
    commit = git("rev-parse", "HEAD")
    assert surroundings()["git.commit"] == commit
    (project / "file").write_text("2")
    assert surroundings()["git.commit"] == f"{commit}-dirty"
