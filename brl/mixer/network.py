"""The mixer's network, which fuses the frame features of several streams.

It takes the form of M-Mixer (Lee et al., WACV 2023, arXiv 2208.11314; extended in arXiv
2311.12344), with streams in place of cameras. Known to us are the idea of a recurrent unit that
encodes one modality together with the content of the others, and that of learnable queries which
extract this content. Its equations, widths and recipe are not; those here are our reading.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from brl.scores.fusion import Fitted, not_learned_for

WIDTH, HEADS, DROPOUT = 256, 8, 0.5


class Mixer(nn.Module):
    """Class logits from the frame features of S streams; all but `StreamPart` is shared by them.

    channels: C' of each stream's features, by its name; steps: the largest T' of a stream.
    """

    def __init__(self, channels: Mapping[str, int], steps: int, num_classes: int) -> None:
        super().__init__()
        # A stream may have the name of an attribute of ModuleDict, such as `keys`.
        parts = {key_of(name): StreamPart(width) for name, width in sorted(channels.items())}
        self.parts = nn.ModuleDict(parts)
        self.time = nn.Parameter(0.02 * torch.randn(steps, WIDTH))
        self.content = Content()
        self.unit = ContextUnit()
        self.dropout = nn.Dropout(DROPOUT)
        self.head = nn.Linear(len(channels) * WIDTH, num_classes)

    @classmethod
    def of_arrays(cls, arrays: Fitted, streams: Iterable[str]) -> "Mixer":
        """The mixer of these streams that gave the `arrays`, in eval mode.

        Raises UserError where they are not of such a mixer.
        """
        state = {name: torch.from_numpy(array) for name, array in arrays.items()}
        try:
            channels = {
                name: state[f"parts.{key_of(name)}.project.weight"].shape[1] for name in streams
            }
            mixer = cls(channels, len(state["time"]), len(state["head.bias"]))
            mixer.load_state_dict(state)
        except (KeyError, RuntimeError) as error:
            raise not_learned_for(streams) from error
        return mixer.eval()

    def arrays(self) -> Fitted:
        """All parameters, by name."""
        return {name: tensor.cpu().numpy() for name, tensor in self.state_dict().items()}

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Logits (N, C) of clips, from each stream's frame features (N, T', C')."""
        frames = {key: part(features[key.removeprefix("of_")]) for key, part in self.parts.items()}
        contents = self.contents(frames)
        last = [self.unit(frames[key], contents[key]) for key in frames]
        return self.head(self.dropout(torch.cat(last, dim=1)))

    def contents(self, frames: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """For each stream the content of the others, (N, d), from all frames (N, T', d)."""
        tokens = {
            key: each + self.part(key).embedding + self.time[: each.shape[1]]
            for key, each in frames.items()
        }
        contents = {}
        for key in frames:
            bank = torch.cat([each for other, each in tokens.items() if other != key], dim=1)
            contents[key] = self.content(self.part(key).query, bank)
        return contents

    def part(self, key: str) -> "StreamPart":
        """What belongs to a stream."""
        part = self.parts[key]
        assert isinstance(part, StreamPart)
        return part


def key_of(stream: str) -> str:
    """The name under which a mixer keeps what belongs to a stream."""
    return f"of_{stream}"


class StreamPart(nn.Module):
    """What belongs to one stream: the way into the mixer, its embedding and its query."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.project = nn.Linear(channels, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        self.embedding = nn.Parameter(0.02 * torch.randn(WIDTH))
        self.query = nn.Parameter(0.02 * torch.randn(WIDTH))

    def forward(self, features: Tensor) -> Tensor:
        """Frame features (N, T', C') at the mixer's width, (N, T', d)."""
        return self.norm(self.project(features))


class Content(nn.Module):
    """What a query finds in a bank of tokens: attention, then an MLP, each with a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.attended = nn.LayerNorm(WIDTH)
        self.mlp = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH)
        )
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, query: Tensor, bank: Tensor) -> Tensor:
        """The content (N, d) of a bank (N, L, d) for a query (d,)."""
        queries = query.expand(bank.shape[0], 1, WIDTH)  # len() would fix the size in exports
        found, _ = self.attention(queries, bank, bank, need_weights=False)
        content = self.attended(queries + found)[:, 0]
        return self.norm(content + self.mlp(content))


class ContextUnit(nn.Module):
    """A recurrent unit over the frames f of a stream, in the context of a content c of the others.

    m = sigmoid(W_m f + U_m c); x = m tanh(W_x f) + (1 - m) tanh(U_x c). A GRU, which starts from
    zero, runs over x: its reset, update and new gates are those of torch.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gate_of_frame = nn.Linear(WIDTH, WIDTH)
        self.gate_of_content = nn.Linear(WIDTH, WIDTH, bias=False)
        self.frame = nn.Linear(WIDTH, WIDTH)
        self.content = nn.Linear(WIDTH, WIDTH)
        self.recurrent = nn.GRU(WIDTH, WIDTH, batch_first=True)

    def forward(self, frames: Tensor, content: Tensor) -> Tensor:
        """The last state (N, d) of frames (N, T', d) with a content (N, d)."""
        _, last = self.recurrent(self.mixed(frames, content[:, None]))
        return last[0]

    def mixed(self, frames: Tensor, content: Tensor) -> Tensor:
        """The input x (N, T', d) of the GRU; content (N, 1, d)."""
        gate = torch.sigmoid(self.gate_of_frame(frames) + self.gate_of_content(content))
        return gate * self.frame(frames).tanh() + (1 - gate) * self.content(content).tanh()
