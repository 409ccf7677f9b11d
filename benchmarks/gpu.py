"""Measures how busy a GPU is kept, in eight minutes: `make bench-gpu`.

Needs PyTorch, NumPy and what `NEEDED` lists; neither DVC nor MLflow. Prints tables and writes them
to reports/benchmarks/gpu.md after each part, so that an interrupted measurement keeps what it has.
`--tiny` measures next to nothing, also on a CPU, and writes no file: it tries this program out.
"""

import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.gpu_sizes import Sizes

SECONDS = 450  # with the start of the program, less than eight minutes
# Modules that the measured code imports, and the packages that have them.
NEEDED = {
    "numpy": "numpy",
    "pandas": "pandas",
    "psutil": "psutil",
    "pydantic": "pydantic",
    "rich": "rich",
    "safetensors": "safetensors",
    "torch": "torch",
    "tqdm": "tqdm",
    "yaml": "pyyaml",
}


def main(*, tiny: bool) -> None:
    """Measures all parts and reports the figures."""
    missing = [package for module, package in NEEDED.items() if find_spec(module) is None]
    if missing:
        sys.exit(f"error: packages are missing: pip install {' '.join(missing)}")
    import torch

    from benchmarks.gpu_sizes import FULL, TINY
    from brl.support.paths import BENCHMARK_REPORTS

    if tiny:
        measure(TINY, None)
    elif torch.cuda.is_available():
        measure(FULL, BENCHMARK_REPORTS / "gpu.md")
    else:
        sys.exit("no GPU: nothing was measured")


def measure(sizes: "Sizes", report: Path | None) -> None:
    """Measures all parts, and writes them to a file; the packages are there."""
    from benchmarks.generated import store_in
    from benchmarks.gpu_budget import Budget
    from benchmarks.gpu_parts import PARTS
    from benchmarks.machine import described_gpu, described_machine
    from benchmarks.report import markdown, show, write

    budget, machine = Budget(SECONDS), f"{described_gpu()}; {described_machine()}"
    sections: list[list[str]] = []
    with tempfile.TemporaryDirectory() as folder:
        store = store_in(Path(folder))
        for part in PARTS:
            budget.begin_part(part.seconds)
            rows = list(part.rows(budget, sizes, store))
            print(part.title)
            show(part.columns, rows)
            sections += [[f"## {part.title}"], markdown(part.columns, rows)]
            if report is not None:
                write("make bench-gpu", report, machine, sections)


if __name__ == "__main__":
    main(tiny="--tiny" in sys.argv[1:])
