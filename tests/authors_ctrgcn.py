"""The network of CTR-GCN's authors, written from the paper and their state dict, for evaluation."""

import torch
from torch import Tensor
from torch.nn import functional as F

STRIDED = (5, 8)  # these blocks halve the frames
Arrays = dict[str, Tensor]


def logits(state: Arrays, clips: Tensor, blocks: int = 10) -> Tensor:
    """Logits (N, C) of clips (N, M, T, V, K), by running statistics."""
    num_clips, bodies, frames, joints, channels = clips.shape
    x = clips.permute(0, 1, 3, 4, 2).reshape(num_clips, -1, frames)
    x = norm(state, "data_bn", x).view(-1, joints, channels, frames).permute(0, 2, 3, 1)
    for number in range(1, blocks + 1):
        x = block(state, f"l{number}", x, stride=2 if number in STRIDED else 1)
    features = x.mean((2, 3)).view(num_clips, bodies, -1).mean(1)
    return F.linear(features, state["fc.weight"], state["fc.bias"])


def block(state: Arrays, name: str, x: Tensor, stride: int) -> Tensor:
    """(B, C, T, V) to (B, C', T / stride, V)."""
    y = branches(state, f"{name}.tcn1.branches", graph_conv(state, f"{name}.gcn1", x), stride)
    if f"{name}.residual.conv.weight" in state:
        y = y + norm(state, f"{name}.residual.bn", conv(state, f"{name}.residual.conv", x, stride))
    elif name != "l1":
        y = y + x
    return F.relu(y)


def graph_conv(state: Arrays, name: str, x: Tensor) -> Tensor:
    """The sum over three graphs, each refined for every channel; [receiver, source]."""
    total = torch.zeros(())
    for subset, shared in enumerate(state[f"{name}.PA"]):
        of = f"{name}.convs.{subset}"
        receiver, source = (conv(state, f"{of}.conv{number}", x).mean(2) for number in (1, 2))
        difference = torch.tanh(receiver[..., :, None] - source[..., None, :])
        graphs = shared + state[f"{name}.alpha"] * conv(state, f"{of}.conv4", difference)
        total = total + torch.einsum("bcrs,bcts->bctr", graphs, conv(state, f"{of}.conv3", x))
    y = norm(state, f"{name}.bn", total)
    if f"{name}.down.0.weight" in state:
        x = norm(state, f"{name}.down.1", conv(state, f"{name}.down.0", x))
    return F.relu(y + x)


def branches(state: Arrays, name: str, x: Tensor, stride: int) -> Tensor:
    """Two dilated convolutions, max-pooling and a 1x1 convolution; no ReLU after them."""
    reduced = [
        F.relu(norm(state, f"{name}.{n}.1", conv(state, f"{name}.{n}.0", x))) for n in range(3)
    ]
    outputs = [
        norm(
            state, f"{name}.{n}.3.bn", conv(state, f"{name}.{n}.3.conv", reduced[n], stride, n + 1)
        )
        for n in range(2)
    ]
    pooled = F.max_pool2d(reduced[2], (3, 1), (stride, 1), (1, 0))
    outputs.append(norm(state, f"{name}.2.4", pooled))
    outputs.append(norm(state, f"{name}.3.1", conv(state, f"{name}.3.0", x, stride)))
    return torch.cat(outputs, dim=1)


def conv(state: Arrays, name: str, x: Tensor, stride: int = 1, dilation: int = 1) -> Tensor:
    """A convolution over time or of one frame; x may lack the axis of joints."""
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    padding = dilation * (weight.shape[2] - 1) // 2
    return F.conv2d(x, weight, bias, (stride, 1), (padding, 0), (dilation, 1))


def norm(state: Arrays, name: str, x: Tensor) -> Tensor:
    """Batch norm by running statistics."""
    mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    return F.batch_norm(x, mean, variance, state[f"{name}.weight"], state[f"{name}.bias"])


def random_state(shapes: Arrays, seed: int = 0) -> Arrays:
    """A state dict in their names with random values. shapes: one in this project's names."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for key, tensor in shapes.items():
        if tensor.is_floating_point():
            tensor = 0.3 * torch.randn(tensor.shape, generator=generator)
        # A variance is positive.
        state[authors_name(key)] = tensor.abs() + 0.5 if "running_var" in key else tensor
    return state


def authors_name(key: str) -> str:
    """Their name of an entry that this project's networks have."""
    key = (
        key.replace("cls_head.fc_cls.", "fc.")
        .removeprefix("backbone.")
        .replace("gcn1.A", "gcn1.PA")
    )
    if not key.startswith("net."):
        return key
    _, number, rest = key.split(".", 2)
    return f"l{int(number) + 1}.{rest}"
