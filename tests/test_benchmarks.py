"""The benchmarks measure what they claim. Speed itself is not tested."""

import pytest
import torch
from torch.nn import functional as F

from benchmarks import report as reports
from benchmarks.baseline import PlainSTGCNpp
from benchmarks.networks import size
from benchmarks.pairs import compared
from brl.clips.layouts import NTU25
from brl.models.common.build import build
from brl.models.common.network import Shape
from tests.test_networks import model_params


def ours(absent_bodies: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return build(model_params("stgcnpp", absent_bodies=absent_bodies), NTU25, 3, 5, max_bodies=2)


def clips_of(bodies: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Clips (N, 2, T, V, K) with so many bodies each, and the mask of present ones."""
    present = torch.arange(2) < torch.tensor(bodies)[:, None]
    return torch.randn(len(bodies), 2, 16, 25, 3) * present[:, :, None, None, None], present


@pytest.mark.parametrize("training", [False, True])
def test_the_baseline_computes_the_same_function(training):
    network = ours("pad").train(training)
    plain = PlainSTGCNpp(Shape(NTU25, 3, 2, 12), 5).train(training)
    plain.load_state_dict(network.state_dict())
    clips, present = clips_of([1, 2, 1, 2])
    labels = torch.tensor([0, 1, 2, 3])
    logits, expected = network(clips, present), plain(clips, present)
    torch.testing.assert_close(logits, expected, rtol=1e-3, atol=1e-5)
    F.cross_entropy(logits, labels).backward()
    F.cross_entropy(expected, labels).backward()
    torch.testing.assert_close(
        network.cls_head.fc_cls.weight.grad, plain.cls_head.fc_cls.weight.grad, rtol=1e-3, atol=1e-5
    )
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(network.get_buffer(name), buffer, rtol=1e-3, atol=1e-5)


def test_where_no_body_is_absent_skipping_and_padding_are_one():
    clips, present = clips_of([2, 2, 2])
    logits = [ours(absent_bodies).train()(clips, present) for absent_bodies in ("skip", "pad")]
    assert torch.equal(*logits)


def test_a_pair_is_measured_in_processes_of_their_own():
    result = compared(
        ["benchmarks.training_steps", "batch-2-ours"],
        ["benchmarks.training_steps", "batch-1-ours"],
        pairs=2,
    )
    assert result.seconds > 0 and result.baseline_seconds > 0 and result.ratio > 0
    assert min(result.memory, result.baseline_memory) > 50e6  # torch alone takes more


def test_a_failed_measurement_ends_the_benchmark():
    with pytest.raises(SystemExit, match="no-1-path failed"):
        compared(
            ["benchmarks.training_steps", "no-1-path"],
            ["benchmarks.training_steps", "batch-1-ours"],
            pairs=1,
        )


# Multiply-adds of a clip of 64 frames and two bodies, in G: half of the operations.
PUBLISHED = {
    "stgcn": 3.65, "stgcnpp": 1.87, "aagcn": 4.14, "msg3d": 6.99, "ctrgcn": 1.94, "dgstgcn": 1.61,
    "psumnet": 1.94,
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_operations_are_about_those_published(name):
    """This project may need fewer: it sums CTR-GCN's subsets in one product, for example."""
    _, operations = size(name)
    assert 0.9 * PUBLISHED[name] < operations / 2e9 < 1.02 * PUBLISHED[name]


def test_the_operations_of_attentions_are_counted():
    """Of two blocks and bodies: pairs of a query and a key, times two products of 64 numbers."""
    frames, joints, cross = 64, 25, 2
    searched = (frames * joints + cross) * (frames // 2 * 13 + cross)
    by_joints = frames * sum((g + cross) * (g + cross + joints) for g in (12, 13))
    by_time = 2 * (frames // 2 * 2 * joints + cross) ** 2
    _, operations = size("deformable3d")
    attention = 2 * 2 * (searched + by_joints + by_time) * 2 * 64 * 2
    assert attention < operations < 1.6 * attention


def test_a_report_names_its_command_and_its_machine(tmp_path, capsys):
    path = tmp_path / "new" / "table.md"
    reports.report("make bench-x", path, ("what", "ratio"), [("a", "2.0"), ("b", "3.0")])
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# `make bench-x`"
    assert "cores" in lines[2] and "Python" in lines[2]
    assert lines[4:] == ["| what | ratio |", "|---|---:|", "| a | 2.0 |", "| b | 3.0 |"]
    assert "2.0" in capsys.readouterr().out
