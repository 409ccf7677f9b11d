"""The benchmark of GPUs, as far as a machine without one can try it out."""

import ast
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import gpu, gpu_budget
from benchmarks.gpu_budget import NEEDS_GPU, NOT_MEASURED, Budget, need_gpu
from benchmarks.gpu_parts import PARTS
from benchmarks.gpu_sizes import TINY

# Parts that take seconds: compilation, and training of six streams.
SLOW = {"in_three_ways", "end_to_end"}


@pytest.fixture
def no_gpu(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def written(folder: Path, monkeypatch, *, slow: bool) -> str:
    """The report of the fast parts, or of the slow ones, at a tiny size."""
    parts = [part for part in PARTS if (part.rows.__name__ in SLOW) is slow]
    monkeypatch.setattr("benchmarks.gpu_parts.PARTS", parts)
    gpu.measure(replace(TINY, seconds=0.001), folder / "gpu.md")
    return (folder / "gpu.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("no_gpu")
def test_a_cpu_computes_what_it_computes_and_has_no_kernels_to_measure(tmp_path, monkeypatch):
    report = written(tmp_path, monkeypatch, slow=False)
    assert report.startswith("# `make bench-gpu`\n\nno GPU, PyTorch ")
    assert "| stgcnpp | float32 | 0.0e+00 | 0.0e+00 |" in report
    assert f"| {NEEDS_GPU} | {NEEDS_GPU} | {NEEDS_GPU} |" in report
    assert report.count("\n## ") == len(PARTS) - len(SLOW)
    assert "failed" not in report and NOT_MEASURED not in report


@pytest.mark.slow
@pytest.mark.usefixtures("no_gpu")
def test_steps_are_compiled_and_streams_are_trained(tmp_path, monkeypatch):
    report = written(tmp_path, monkeypatch, slow=True)
    assert "skip_motion" in report and NEEDS_GPU in report
    assert "failed" not in report and NOT_MEASURED not in report


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_there_is_one_line():
    with pytest.raises(SystemExit, match=r"^no GPU: nothing was measured$"):
        gpu.main(tiny=False)


def test_missing_packages_are_named_with_the_command_that_installs_them(monkeypatch):
    monkeypatch.setattr(gpu, "find_spec", lambda name: None if name in ("yaml", "tqdm") else name)
    with pytest.raises(SystemExit, match=r"missing: pip install tqdm pyyaml$"):
        gpu.main(tiny=False)


def imported_at_start(*modules: str) -> set[str]:
    """The packages that modules of this project import when they are, and what these import."""
    seen, waiting, packages = (
        set(),
        {Path(f"{module.replace('.', '/')}.py") for module in modules},
        set(),
    )
    while waiting:
        seen.add(path := waiting.pop())
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
            if isinstance(node, ast.ImportFrom) and node.module:
                names = {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            for place in (Path(*name.split(".")) for name in names):
                if place.parts[0] in ("brl", "benchmarks"):
                    files = {place.with_suffix(".py"), place / "__init__.py"}
                    waiting |= {file for file in files if file.exists()} - seen
                else:
                    packages.add(place.parts[0])
    return packages - sys.stdlib_module_names


def test_it_asks_for_the_packages_that_it_imports():
    modules = [f"benchmarks.{name}" for name in ("generated", "gpu_parts", "machine", "report")]
    assert imported_at_start(*modules) == gpu.NEEDED.keys()


def test_a_measurement_ends_with_its_part(monkeypatch):
    monkeypatch.setattr(gpu_budget, "SHORTEST", 0.0)
    budget = Budget(60)
    budget.begin_part(0.05)
    assert budget.measured("sleep", time.sleep, 60) == NOT_MEASURED
    assert budget.measured("after the end of the part", lambda: "value") == NOT_MEASURED
    budget.begin_part(60)
    assert budget.measured("in the next part", lambda: "value") == "value"


def test_no_part_outlasts_the_whole(monkeypatch):
    budget = Budget(0.5)
    budget.begin_part(60)
    assert budget.measured("less than a second is left", lambda: "value") == NOT_MEASURED
    assert sum(part.seconds for part in PARTS) == gpu.SECONDS


@pytest.mark.usefixtures("no_gpu")
def test_a_measurement_that_fails_leaves_the_others(capsys):
    budget = Budget(60)
    budget.begin_part(60)
    assert budget.measured("none", need_gpu) == NEEDS_GPU
    assert budget.measured("division", lambda: 1 / 0) == "failed: ZeroDivisionError"
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert budget.measured("next", lambda: "value") == "value"
