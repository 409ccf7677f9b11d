"""Measures size and speed of the networks: `make bench-networks`.

They have their published widths, and the joints and classes of NTU RGB+D 60. Clips have 64 frames,
batches 16 clips. Prints a table and writes it to reports/benchmarks/networks.md.
"""

import statistics
import sys

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.generated import CLASSES, PUBLISHED_WIDTHS
from benchmarks.pairs import Turns
from benchmarks.report import mb, report
from benchmarks.training_steps import STEPS, TEST_CLIPS
from brl.clips.layouts import NTU25
from brl.config.params import ModelParams, networks_that_see
from brl.models.common.build import build
from brl.support.paths import BENCHMARK_REPORTS

REPORT = BENCHMARK_REPORTS / "networks.md"
COLUMNS = (
    "model.name", "parameters, M", "GFLOP a clip", "trained, clips/s", "tested, views/s", "memory"
)  # fmt: skip
TURNS, BATCH, VIEWS, FRAMES, BODIES = 7, 16, 10, 64, 2


def main() -> None:
    """Measures all networks and reports the figures."""
    rows = []
    for name in networks_that_see({"joints"}):
        print(f"... {name}", file=sys.stderr)
        with Turns(["benchmarks.training_steps", f"train-1-{name}"]) as turns:
            step = statistics.median(turns.take() for _ in range(TURNS))
            memory = turns.peak_memory()
        with Turns(["benchmarks.training_steps", f"predict-1-{name}"]) as turns:
            test = statistics.median(turns.take() for _ in range(TURNS))
        parameters, operations = size(name)
        rows.append(
            (
                name,
                f"{parameters / 1e6:.2f}",
                f"{operations / 1e9:.2f}",
                f"{STEPS * BATCH / step:.1f}",
                f"{TEST_CLIPS * VIEWS / test:.1f}",
                mb(memory),
            )
        )
    report("make bench-networks", REPORT, COLUMNS, rows)


def size(name: str) -> tuple[int, int]:
    """Number of parameters, and of operations for a clip of two bodies.

    A multiply-add counts as two operations.
    """
    width = PUBLISHED_WIDTHS.get(name, 64)
    content = {"name": name, "base_channels": width, "blocks": None}
    model = ModelParams.model_validate(content | {"absent_bodies": "skip", "head": "linear"})
    network = build(model, NTU25, 3, len(CLASSES), BODIES).eval()
    clip = torch.zeros(1, BODIES, FRAMES, NTU25.num_joints, 3)
    # Of attentions, only those computed by plain products are counted.
    plain = sdpa_kernel(SDPBackend.MATH)
    with torch.no_grad(), plain, FlopCounterMode(display=False) as counter:
        network(clip, torch.ones(1, BODIES, dtype=torch.bool))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return parameters, counter.get_total_flops()


if __name__ == "__main__":
    main()
