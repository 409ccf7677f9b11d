"""A training in a few fixed numbers of bodies is that without them, except for rounding."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from brl.clips.store import ClipStore
from brl.config.params import networks_that_see
from brl.models.common.batch_norm import BatchNorm, counting
from brl.models.common.fixed_sizes import Compute, FixedSizes, MeanFeatures, as_cuda_graph
from brl.streams.device import uses_cuda_graphs
from brl.support.errors import UserError
from brl.training import objective
from brl.training.job import Job
from brl.training.loop import Training, train_stream
from tests.methods import method
from tests.tiny import job, stored, swinging_arms, training_part

NETWORKS = networks_that_see({"joints"})


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> ClipStore:
    return stored(tmp_path_factory.mktemp("clips") / "store", swinging_arms())


@pytest.fixture
def captured(monkeypatch) -> list[torch.Size]:
    """The shapes that a training captures. What is captured computes as usual: there is no GPU."""
    shapes = []

    def capture(compute: MeanFeatures, bodies: Tensor, _counted: Tensor) -> Compute:
        shapes.append(bodies.shape)
        return compute

    monkeypatch.setattr(objective, "uses_cuda_graphs", lambda: True)
    monkeypatch.setattr(objective, "FixedSizes", lambda multiple: FixedSizes(multiple, capture))
    return shapes


@pytest.mark.parametrize("shape", [(7, 6, 5), (7, 4, 3, 5)])
def test_rows_that_do_not_count_change_nothing(shape):
    torch.manual_seed(0)
    x = torch.randn(shape, requires_grad=True)
    others = 100 * torch.randn(3, *shape[1:])
    weights = torch.randn(shape)

    def results(norm: BatchNorm, y: Tensor) -> list[Tensor]:
        gradients = torch.autograd.grad((weights * y).sum(), [x, *norm.parameters()])
        return [y, *gradients, *norm.buffers()]

    plain, filled = BatchNorm(5), BatchNorm(5)
    expected = results(plain, plain(x))
    with counting(torch.arange(10) < 7):
        found = results(filled, filled(torch.cat([x, others]))[:7])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def one_step(settings: Job, store: ClipStore) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What a step measures, and the state of the network after it."""
    training = Training(settings, store, training_part(store))
    training.model.train()
    return training._step(torch.arange(7)), training.model.state_dict()


@pytest.mark.parametrize("absent_bodies", ["skip", "pad"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_learns_the_same(store, name, absent_bodies, request):
    settings = job(blocks=[1, 1], method=method(mix="partial"))
    model = settings.model.model_copy(update={"name": name, "absent_bodies": absent_bodies})
    settings = replace(settings, model=model)
    expected = one_step(settings, store)
    shapes = request.getfixturevalue("captured")
    found = one_step(settings, store)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    assert len(shapes) == 1
    assert shapes[0][0] % 2 == 0


def test_few_sizes_are_captured(store, captured, tmp_path):
    """Batches of eight clips, of one or two bodies, in multiples of two."""
    settings = job(blocks=[1], epochs=8)
    trained, _ = train_stream(settings, store, training_part(store), tmp_path / "joint.pt")
    sizes = [shape[0] for shape in captured]
    assert len(set(sizes)) == len(sizes)
    assert set(sizes) <= {8, 10, 12, 14, 16}
    assert trained.model.fixed_sizes is None


def test_a_captured_pass_leaves_running_statistics_alone(store, monkeypatch):
    """The passes that warm up a graph move them."""
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", warmed_up)
    training = Training(job(blocks=[1]), store, training_part(store))
    compute = MeanFeatures(training.model.backbone.train())
    before = {name: buffer.clone() for name, buffer in compute.named_buffers()}
    as_cuda_graph(compute, torch.randn(4, 8, 20, 3), torch.ones(4, dtype=torch.bool))
    torch.testing.assert_close(dict(compute.named_buffers()), before, rtol=0, atol=0)
    assert torch.is_autocast_cache_enabled()


def warmed_up(
    compute: MeanFeatures, arguments: tuple[Tensor, Tensor], *, allow_unused_input: bool
) -> MeanFeatures:
    """Stands for PyTorch's function, which some parameters without a gradient need to be told."""
    assert allow_unused_input
    assert not torch.is_autocast_cache_enabled()
    before = [buffer.clone() for buffer in compute.buffers()]
    compute(*arguments)
    assert any((a != b).any() for a, b in zip(before, compute.buffers(), strict=True))
    return compute


@pytest.mark.parametrize(
    ("asked", "gpu", "message"),
    [("1", False, "this machine has no GPU"), ("yes", True, "yes is neither 0 nor 1")],
)
def test_a_wrong_request(monkeypatch, asked, gpu, message):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setenv("BRL_CUDA_GRAPHS", asked)
    with pytest.raises(UserError, match=f"^BRL_CUDA_GRAPHS: {message}"):
        uses_cuda_graphs()


def test_without_a_request_nothing_is_captured(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for asked in ("", "0"):
        monkeypatch.setenv("BRL_CUDA_GRAPHS", asked)
        assert not uses_cuda_graphs()
    monkeypatch.delenv("BRL_CUDA_GRAPHS")
    assert not uses_cuda_graphs()


@pytest.mark.usefixtures("captured")
def test_several_processes_cannot_train_with_graphs(store, monkeypatch):
    monkeypatch.setattr(objective, "num_processes", lambda: 2)
    with pytest.raises(UserError, match="works only if one process trains"):
        Training(job(), store, training_part(store))
