"""Published weights of `resnet18` and `r2plus1d18`: files like torchvision's, and others."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from brl.published.start import load_start
from brl.support.errors import UserError
from tests.test_picture_networks import EVERY, STATES, network_of, resnet18_state


def published(name: str, path: Path, **changes: Tensor | None) -> dict[str, Tensor]:
    """Writes a file like torchvision's; changes: entries that differ, None: missing ones."""
    torch.manual_seed(5)
    state: dict[str, Tensor | None] = {
        key: torch.rand(shape) if shape else torch.tensor(7)
        for key, shape in STATES[name](64).items()
    }
    state |= {"fc.weight": torch.rand(1000, 512), "fc.bias": torch.rand(1000)} | changes
    kept = {key: value for key, value in state.items() if value is not None}
    torch.save(kept, path)
    return kept


@EVERY
def test_a_published_file_is_loaded_without_its_last_layer(name, tmp_path):
    file = tmp_path / "weights.pth"
    state = published(name, file)
    network = network_of(name, 64)
    head = network.cls_head.fc_cls.weight.clone()
    load_start(file, network.backbone)
    for key, value in network.backbone.state_dict().items():
        assert torch.equal(value, state[key]), key
    assert torch.equal(network.cls_head.fc_cls.weight, head)


def test_older_files_lack_counters(tmp_path):
    file = tmp_path / "weights.pth"
    counters = [key for key in resnet18_state(64) if key.endswith("num_batches_tracked")]
    published("resnet18", file, **dict.fromkeys(counters))
    load_start(file, network_of("resnet18", 64).backbone)


@pytest.mark.parametrize(
    ("width", "changes", "message"),
    [
        (32, {}, r"conv1\.weight: must be \(32, 3, 7, 7\), is \(64, 3, 7, 7\) \(and \d+ more\)"),
        (
            64,
            {"layer2.0.conv1.weight": torch.rand(128, 64, 1, 1)},
            r"layer2\.0\.conv1\.weight: must",
        ),
        (64, {"bn1.bias": None}, r"bn1\.bias: must be \(64,\), is absent$"),
        (64, {"layer9.weight": torch.rand(2)}, r"layer9\.weight: must be absent, is \(2,\)$"),
        (64, {"bn1.bias": torch.full((64,), torch.nan)}, r"bn1\.bias: holds NaN"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_one_line(width, changes, message, tmp_path):
    file = tmp_path / "weights.pth"
    published("resnet18", file, **changes)
    backbone = network_of("resnet18", width).backbone
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    with pytest.raises(UserError, match=message) as refused:
        load_start(file, backbone)
    assert "\n" not in str(refused.value) and str(file) in str(refused.value)
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())


def test_a_file_of_another_kind_is_refused(tmp_path):
    backbone = network_of("resnet18", 64).backbone
    (tmp_path / "text.pth").write_text("no weights", encoding="utf-8")
    with pytest.raises(UserError, match=r"text\.pth: not a complete checkpoint"):
        load_start(tmp_path / "text.pth", backbone)
    with pytest.raises(UserError, match=r"none\.pth: cannot be read"):
        load_start(tmp_path / "none.pth", backbone)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(UserError, match=r"list\.pth: holds no state dict"):
        load_start(tmp_path / "list.pth", backbone)
