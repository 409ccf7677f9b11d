"""`resnet18` and `r2plus1d18`: torchvision's names and sizes, what they see, how they start."""

import pytest
import torch
import yaml
from pydantic import ValidationError
from torch import Tensor, nn

from brl.clips.layouts import NTU25
from brl.config.params import networks_that_see, read_params
from brl.models.common.batch_norm import counting
from brl.models.common.build import build
from brl.models.common.network import Network
from brl.models.common.pictures import PlaneNorm
from brl.models.common.seen import SeenShape
from brl.models.r2plus1d18 import OverTime
from brl.support.errors import UserError
from tests.project import HERE
from tests.test_networks import model_params, parameters_of

NAMES = ("resnet18", "r2plus1d18")
EVERY = pytest.mark.parametrize("name", NAMES)
SIDE = 32


def network_of(
    name: str, width: int = 8, side: int = SIDE, blocks: list[int] | None = None, classes: int = 5
) -> Network:
    torch.manual_seed(0)
    params = model_params(name, base_channels=width, blocks=blocks)
    return build(params, NTU25, 3, classes, 1, SeenShape(0, (side, side))).eval()


def clips_of(number: int = 2, frames: int = 8, side: int = SIDE) -> tuple[Tensor, Tensor]:
    clips = torch.rand(
        number, 1, frames, side * side, 3, generator=torch.Generator().manual_seed(1)
    )
    return clips, torch.ones(number, 1, dtype=torch.bool)


def norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    """The entries of a batch norm."""
    of_channels = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{each}": (width,) for each in of_channels} | {
        f"{name}.num_batches_tracked": ()
    }


def resnet18_state(width: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of torchvision's `resnet18` at a width, without `fc`."""
    shapes = {"conv1.weight": (width, 3, 7, 7)} | norm("bn1", width)
    inside = width
    for stage in range(4):
        outside = width * 2**stage
        for block in range(2):
            prefix = f"layer{stage + 1}.{block}"
            shapes[f"{prefix}.conv1.weight"] = (outside, inside, 3, 3)
            shapes[f"{prefix}.conv2.weight"] = (outside, outside, 3, 3)
            shapes |= norm(f"{prefix}.bn1", outside) | norm(f"{prefix}.bn2", outside)
            if inside != outside:
                shapes[f"{prefix}.downsample.0.weight"] = (outside, inside, 1, 1)
                shapes |= norm(f"{prefix}.downsample.1", outside)
            inside = outside
    return shapes


def r2plus1d18_state(width: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of torchvision's `video.r2plus1d_18` at a width, without `fc`."""
    between = width * 45 // 64
    shapes = {"stem.0.weight": (between, 3, 1, 7, 7), "stem.3.weight": (width, between, 3, 1, 1)}
    shapes |= norm("stem.1", between) | norm("stem.4", width)
    inside = width
    for stage in range(4):
        outside = width * 2**stage
        for block in range(2):
            prefix = f"layer{stage + 1}.{block}"
            between = (inside * outside * 3 * 3 * 3) // (inside * 3 * 3 + 3 * outside)
            for conv, channels in (("conv1", inside), ("conv2", outside)):
                shapes[f"{prefix}.{conv}.0.0.weight"] = (between, channels, 1, 3, 3)
                shapes[f"{prefix}.{conv}.0.3.weight"] = (outside, between, 3, 1, 1)
                shapes |= norm(f"{prefix}.{conv}.0.1", between)
                shapes |= norm(f"{prefix}.{conv}.1", outside)
            if inside != outside:
                shapes[f"{prefix}.downsample.0.weight"] = (outside, inside, 1, 1, 1)
                shapes |= norm(f"{prefix}.downsample.1", outside)
            inside = outside
    return shapes


STATES = {"resnet18": resnet18_state, "r2plus1d18": r2plus1d18_state}


@EVERY
@pytest.mark.parametrize("width", [16, 64])
def test_names_and_shapes_are_those_of_torchvision(name, width):
    state = network_of(name, width).backbone.state_dict()
    assert {key: tuple(value.shape) for key, value in state.items()} == STATES[name](width)


@pytest.mark.parametrize(
    ("name", "classes", "number"), [("resnet18", 1000, 11_689_512), ("r2plus1d18", 400, 31_505_325)]
)
def test_as_many_parameters_as_published(name, classes, number):
    assert parameters_of(network_of(name, 64, classes=classes)) == number


@EVERY
@pytest.mark.parametrize(
    ("width", "blocks", "times"), [(8, None, 8), (12, [1, 2], 2), (9, [1], 1), (8, [1] * 5, 16)]
)
def test_other_widths_and_depths(name, width, blocks, times):
    network = network_of(name, width, blocks=blocks).train()
    clips, present = clips_of()
    logits = network(clips, present)
    assert logits.shape == (2, 5)
    assert network.features(clips, present).shape == (2, 1, times * width)
    logits.square().sum().backward()
    assert all(each.grad.isfinite().all() for each in network.parameters())


@pytest.mark.parametrize(
    ("name", "shape"), [("resnet18", (2, 8, 4, 64)), ("r2plus1d18", (2, 1, 16, 64))]
)
def test_features_of_cells(name, shape):
    """Of a side of 64, halved five times by `resnet18`, four times by `r2plus1d18`; time thrice."""
    network = network_of(name, side=64)
    clips, present = clips_of(side=64)
    bodies = network.backbone.data_bn.normalise(clips, present)
    found = network.backbone(bodies)
    assert found.shape == shape
    torch.testing.assert_close(
        network.features(clips, present)[:, 0], found.mean(dim=(1, 2)), rtol=1e-4, atol=1e-5
    )


def test_resnet18_sees_single_frames_and_r2plus1d18_their_order():
    clips, present = clips_of()
    reordered = clips[:, :, [3, 1, 0, 2, 7, 6, 5, 4]]
    single, moving = network_of("resnet18"), network_of("r2plus1d18")
    torch.testing.assert_close(
        single(clips, present), single(reordered, present), rtol=1e-4, atol=1e-5
    )
    assert not torch.allclose(moving(clips, present), moving(reordered, present), rtol=1e-3)
    bodies = single.backbone.data_bn.normalise(clips, present)
    torch.testing.assert_close(single.backbone(bodies)[:, 3:4], single.backbone(bodies[:, 3:4]))


@EVERY
def test_rows_and_columns_are_not_mixed_up(name):
    """The first convolution sees the pixels in their places, channel by channel."""
    backbone = network_of(name).backbone
    frames = torch.rand(1, 4, SIDE * SIDE, 3)
    planes = backbone.planes(frames)
    assert planes.shape == (1, 4, 3, SIDE, SIDE) and planes.is_contiguous()
    assert torch.equal(planes[0, 2, 1, 5, 7], frames[0, 2, 5 * SIDE + 7, 1])


@EVERY
def test_gradients_are_those_of_finite_differences(name):
    network = network_of(name, blocks=[1, 1], side=16).double().train()
    clips, present = clips_of(frames=4, side=16)
    clips, direction = clips.double(), torch.randn(2, 5, dtype=torch.float64)

    def loss() -> Tensor:
        return (network(clips, present) * direction).sum()

    loss().backward()
    for key, parameter in network.named_parameters():
        along = torch.randn_like(parameter)
        along /= along.norm()
        values = []
        for step in (1e-7, -2e-7):
            with torch.no_grad():
                parameter.add_(step * along)
            values.append(float(loss().detach()))
        with torch.no_grad():
            parameter.add_(1e-7 * along)
        measured = (values[0] - values[1]) / 2e-7
        found = float((parameter.grad * along).sum())
        assert found == pytest.approx(measured, rel=1e-3, abs=1e-6), key


@EVERY
def test_the_start_is_hes_by_outputs(name):
    for module in network_of(name, 32).backbone.modules():
        if isinstance(module, (nn.Conv2d, nn.Conv3d)) and module.weight.numel() > 5000:
            outputs = module.out_channels * module.kernel_size[-1] ** 2
            outputs *= module.kernel_size[0] if isinstance(module, nn.Conv3d) else 1
            assert float(module.weight.detach().std()) == pytest.approx(
                (2 / outputs) ** 0.5, rel=0.1
            )


def test_frames_of_bodies_that_do_not_count_change_no_norm():
    plain, filled = PlaneNorm(5), PlaneNorm(5)
    frames = torch.randn(3 * 4, 5, 6, 6)  # of three bodies
    others = 100 * torch.randn(2 * 4, 5, 6, 6)
    expected = plain(frames)
    with counting(torch.arange(5) < 3):
        found = filled(torch.cat([frames, others]))[: len(frames)]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(filled.running_var, plain.running_var)


# What they are refused for


@EVERY
def test_they_are_refused_for_streams_of_joints(name, tmp_path):
    content = yaml.safe_load((HERE / "params.yaml").read_text(encoding="utf-8"))
    content["model"] |= {"name": name, "settings": {}}
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    with pytest.raises(UserError) as refused:
        read_params(file)
    message = str(refused.value)
    assert (
        f"model.name {name} sees pictures; the stream joint shows joints: must be one of" in message
    )
    assert "stgcnpp" in message and "\n" not in message
    content["model"]["name"] = "stgcnpp"
    content["streams"]["bone"]["model"] = {"name": name}
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    with pytest.raises(UserError, match=f"{name} sees pictures; the stream bone shows joints"):
        read_params(file)


def test_networks_by_what_they_see():
    assert networks_that_see({"pictures"}) == ["deformable3d", *NAMES]
    assert set(networks_that_see({"joints"})).isdisjoint(NAMES)
    assert "deformable3d" in networks_that_see({"joints"})


@EVERY
def test_a_width_below_eight_is_refused(name):
    with pytest.raises(ValidationError, match=f"{name} takes 8 or more"):
        model_params(name, base_channels=7)


@EVERY
@pytest.mark.parametrize("seen", [None, SeenShape(25), SeenShape(25, (32, 32))])
def test_joints_do_not_fit(name, seen):
    with pytest.raises(ValueError, match="sees pictures, and nothing else"):
        build(model_params(name), NTU25, 3, 5, 1, seen)


@pytest.mark.parametrize("frames", [1, 2, 3, 4])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_convolution_over_time_is_one_of_three_dimensions(frames, stride):
    conv = OverTime(5, 7, stride)
    pictures = torch.randn(2, 5, frames, 3, 4)
    expected = torch.nn.Conv3d.forward(conv, pictures)
    torch.testing.assert_close(conv(pictures), expected)


def test_gradients_in_bfloat16_hold_no_memory_that_was_never_written():
    """Those of a plain convolution over two frames do: mostly NaN, where memory was NaN."""
    conv = OverTime(28, 16)
    for _ in range(20):
        used = [torch.full((size,), torch.nan) for size in (10, 100, 1000, 10000, 100000)]
        del used
        with torch.autocast("cpu", torch.bfloat16):
            out = conv(torch.randn(8, 28, 2, 4, 4))
        (gradient,) = torch.autograd.grad(out.float().pow(2).sum(), conv.weight)
        assert torch.isfinite(gradient).all()
