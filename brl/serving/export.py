"""Exports the recognizer as one graph, in ONNX or as a torch.export program.

Inputs: `clip` (M, L, V, K) float32, a recording as in the clip store (`Recognizer.prepared`), with
absent bodies zero, in any place; `frames` (I, T) int64, the frames of its I test views
(`evaluation_frames`).
Output: `probabilities` (C,) float32 of the ensemble. L and I are dynamic dimensions.
"""

import json
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from brl.clips.presence import presence
from brl.clips.store import ClipStore
from brl.config.params import read_params
from brl.mixer.features import every_body_frame_features
from brl.mixer.network import Mixer
from brl.models.common.network import Network
from brl.prediction import mean_of_views
from brl.scores.fusion import BIAS, SMALLEST, shares, weights_of
from brl.serving.recognizer import Recognizer
from brl.streams.augment import rescale
from brl.streams.frames import evaluation_frames
from brl.streams.inputs import limits
from brl.streams.weights import Recipe
from brl.support.errors import UserError
from brl.support.files import written_whole
from brl.support.paths import STORE

LARGEST_DIFFERENCE = 1e-4
CHECKED_LENGTHS = (1, 37, 150)
SEED = 0
FORMATS = (".onnx", ".pt2")


class RecognizerGraph(nn.Module):
    """All streams of a recognizer and their ensemble, applied to one recording.

    Bodies are present as in the recognizer: if any of the clip's L frames shows them, whether or
    not the views do; a clip without any body has its first. Absent ones are computed too, since
    the number of present bodies is not a fixed shape.
    """

    def __init__(self, recognizer: Recognizer) -> None:
        super().__init__()
        trained = recognizer.streams
        self.networks = nn.ModuleDict({name: stream.model for name, stream in trained.items()})
        self.recipes = {name: stream.recipe for name, stream in trained.items()}
        self.kind = recognizer.ensemble.kind
        self.shares = shares(trained, recognizer.ensemble)
        self.fitted = {name: torch.from_numpy(each) for name, each in recognizer.fitted.items()}
        if self.kind == "mixer":
            self.mixer = Mixer.of_arrays(recognizer.fitted, trained)

    def forward(self, clip: Tensor, frames: Tensor) -> Tensor:
        """Class probabilities (C,) of a clip (M, L, V, K) from its views' frames (I, T)."""
        clip, present = present_first(clip)
        if self.kind == "mixer":
            features = {
                name: stream_features(network, self.recipes[name], clip, frames, present)
                for name, network in self.networks.items()
            }
            logits = self.mixer(features)
            return mean_of_views(logits, 1, logits.shape[1])[0]
        of_streams = {
            name: stream_probabilities(network, self.recipes[name], clip, frames, present)
            for name, network in self.networks.items()
        }
        if self.kind == "weighted":
            return self._mean(of_streams)
        logs = {name: each.clamp(min=SMALLEST).log() for name, each in of_streams.items()}
        if self.kind == "logits":
            return self._mean(logs).softmax(dim=0)
        own = [self.fitted[weights_of(name)] @ each for name, each in logs.items()]
        return (torch.stack(own).sum(dim=0) + self.fitted[BIAS]).softmax(dim=0)

    def _mean(self, of_streams: dict[str, Tensor]) -> Tensor:
        """The weighted mean of the streams' values (C,)."""
        return torch.stack([self.shares[name] * each for name, each in of_streams.items()]).sum(0)


def present_first(clip: Tensor) -> tuple[Tensor, Tensor]:
    """The clip (M, L, V, K) with absent bodies last, and which bodies are present, (M,) bool.

    Some networks normalise the input of each body by statistics of its place, so present bodies
    take the first places, as in `present_bodies`.
    """
    seen = presence(clip).any(dim=1)
    places = torch.arange(len(clip), device=clip.device)
    order = (seen * len(clip) - places).topk(len(clip)).indices
    return clip[order], seen[order] | (places == 0)


def stream_probabilities(
    network: nn.Module, recipe: Recipe, clip: Tensor, frames: Tensor, present: Tensor
) -> Tensor:
    """A stream's class probabilities (C,), the mean over its views; present (M,) bool."""
    assert isinstance(network, Network)
    views = views_of(recipe, clip, frames, present)
    features = network.every_body_features(views)
    if not network.pads:
        features = features * present[None, :, None]
    logits = network.cls_head(network.mean_over_bodies(features, present[None]))
    return mean_of_views(logits, 1, len(recipe.classes))[0]


def stream_features(
    network: nn.Module, recipe: Recipe, clip: Tensor, frames: Tensor, present: Tensor
) -> Tensor:
    """A stream's frame features (I, T', C') of its views; present (M,) bool."""
    assert isinstance(network, Network)
    views = views_of(recipe, clip, frames, present)
    return every_body_frame_features(network, views, present[None])


def views_of(recipe: Recipe, clip: Tensor, frames: Tensor, present: Tensor) -> Tensor:
    """Network inputs (I, M, T, V, K) from a clip (M, L, V, K) and its views' frames (I, T)."""
    layout = recipe.layout
    if recipe.train.rescale:
        # Absent bodies count as a second clip, whose limits are not used.
        owner = (~present).long()[:, None].expand(clip.shape[:2]).flatten()
        low, high = limits(clip.flatten(0, 1), owner, 2, layout)
        clip = rescale(clip[None], low[:1], high[:1])[0]
    last = torch.ones_like(frames[:, :1]) * (clip.shape[1] - 1)
    shown = recipe.stream.show(layout, lambda at: clip[:, at].transpose(0, 1), frames, last)
    return shown * present[None, :, None, None, None]


def export(recognizer: Recognizer, path: Path, clips: Sequence[np.ndarray]) -> float:
    """Writes the graph, and returns the largest difference between its and our probabilities.

    The difference is measured on `clips`, prepared recordings (M, L, V, K) float32, and on random
    ones of several lengths and numbers of bodies. Raises UserError, and writes nothing, if it is
    above LARGEST_DIFFERENCE.
    """
    recipe = recognizer.recipe
    graph = RecognizerGraph(recognizer).eval()
    clip, frames = graph_inputs(recognizer, noise(recipe, CHECKED_LENGTHS[-1], recipe.max_bodies))
    if len(frames) == 1:  # torch.export would make a dimension of size 1 constant
        frames = frames.repeat(2, 1)
    dynamic = {"clip": {1: torch.export.Dim("length")}, "frames": {0: torch.export.Dim("views")}}
    with written_whole(path) as unfinished, without_warnings():
        tell(f"{path.name}: tracing {len(recognizer.streams)} streams")
        program = torch.export.export(graph, (clip, frames), dynamic_shapes=dynamic)
        if path.suffix == ".onnx":
            tell(f"{path.name}: converting them to ONNX, the longest step")
            write_onnx(program, unfinished, description(recognizer))
        else:
            content = BytesIO()  # a file of torch's own would not say why it cannot be written
            torch.export.save(program, content, extra_files=description(recognizer))
            unfinished.write_bytes(content.getbuffer())
        tell(f"{path.name}: comparing it with the networks")
        difference = largest_difference(recognizer, unfinished, clips)
        if not difference <= LARGEST_DIFFERENCE:
            raise UserError(
                f"{path}: differs by {difference:.1e} from the networks; nothing was written"
            )
    return difference


def tell(step: str) -> None:
    """Says on stderr what is done now: each step may take a minute."""
    print(step, file=sys.stderr, flush=True)


def description(recognizer: Recognizer) -> dict[str, str]:
    """Metadata of the graph: what a program needs to prepare its inputs, as JSON."""
    recipe = recognizer.recipe
    settings = {
        "classes": recipe.classes,
        "layout": recipe.layout.written(),
        "normalization": asdict(recipe.normalization),
        "max_bodies": recipe.max_bodies,
        "clip_len": recipe.train.clip_len,
        "sampling": recipe.train.sampling,
        "num_clips": recognizer.predict.num_clips,
    }
    return {"brl": json.dumps(settings)}


def write_onnx(program: torch.export.ExportedProgram, path: Path, metadata: dict[str, str]) -> None:
    """Writes an ONNX file that includes weights and metadata."""
    from onnxscript.optimizer import fold_constants, remove_unused_nodes

    onnx = torch.onnx.export(
        program,
        dynamo=True,
        verbose=False,
        input_names=["clip", "frames"],
        output_names=["probabilities"],
        optimize=False,
    )
    assert onnx is not None
    # The full optimisation takes time that grows with the square of the number of nodes. This part
    # of it takes a second, and onnxruntime does the rest when it loads the graph.
    fold_constants(onnx.model)
    remove_unused_nodes(onnx.model)
    # Each node holds the lines of code that it comes from, with their paths on this machine.
    for node in onnx.model.graph:
        node.metadata_props.clear()
    onnx.model.metadata_props.update(metadata)
    onnx.save(path, external_data=False)


def graph_inputs(recognizer: Recognizer, prepared: np.ndarray) -> tuple[Tensor, Tensor]:
    """The inputs clip (M, L, V, K) and frames (I, T) of a prepared recording (M', L, V, K)."""
    recipe = recognizer.recipe
    bodies, length = prepared.shape[:2]
    absent = ((0, recipe.max_bodies - bodies), (0, 0), (0, 0), (0, 0))
    train = recipe.train
    frames = evaluation_frames(train.sampling, length, train.clip_len, recognizer.predict.num_clips)
    return torch.from_numpy(np.pad(prepared, absent)), torch.from_numpy(frames)


def noise(recipe: Recipe, length: int, bodies: int) -> np.ndarray:
    """A prepared recording (M', L, V, K) of random joints."""
    shape = (bodies, length, recipe.layout.num_joints, recipe.channels)
    return np.random.default_rng(SEED).normal(size=shape).astype(np.float32)


def extreme_clips(store: ClipStore) -> list[np.ndarray]:
    """The shortest and the longest of the clips of fewest, and of those of most bodies."""
    chosen = []
    for bodies in {store.bodies.min(), store.bodies.max()}:
        clips = np.flatnonzero(store.bodies == bodies)
        frames = store.frames[clips]
        chosen += [clips[frames.argmin()], clips[frames.argmax()]]
    return [store.joints(clip) for clip in chosen]


def largest_difference(recognizer: Recognizer, path: Path, clips: Sequence[np.ndarray]) -> float:
    """Largest difference between the probabilities of a written graph and of the recognizer.

    clips: prepared recordings to compare them on, beside random ones.
    """
    float32 = recognizer.predict.model_copy(update={"precision": "float32"})
    reference = replace(recognizer, predict=float32)
    run = load_graph(path)
    random = [
        noise(recognizer.recipe, length, bodies)
        for length in CHECKED_LENGTHS
        for bodies in {1, recognizer.recipe.max_bodies}
    ]
    differences = []
    for recording in (*clips, *random):
        (expected,) = reference.prepared_probabilities([recording])
        exported = run(*graph_inputs(recognizer, recording))
        differences.append(float(np.abs(exported - expected).max()))
    return max(differences)


def load_graph(path: Path) -> Callable[[Tensor, Tensor], np.ndarray]:
    """A written graph, as a function from clip and frames to probabilities."""
    if path.suffix == ".onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return lambda clip, frames: session.run(
            None, {"clip": clip.numpy(), "frames": frames.numpy()}
        )[0]
    program = torch.export.load(path).module()
    return lambda clip, frames: program(clip, frames).detach().numpy()


@contextmanager
def without_warnings() -> Iterator[None]:
    """Hides the exporters' warnings about their own internals."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def store_of(recipe: Recipe) -> ClipStore:
    """The project's clips; raises UserError if they are missing or not those of the recipe."""
    if not STORE.exists():
        raise UserError(f"{STORE} is missing; first: make repro")
    store = ClipStore.open(STORE)
    if Recipe.on(store, stream=recipe.stream, model=recipe.model, train=recipe.train) != recipe:
        raise UserError(f"{STORE}: not the clips that the streams were trained on; make repro")
    return store


def export_project(path: Path) -> None:
    """Exports the trained streams to an .onnx or .pt2 file; prints the largest difference.

    Raises UserError for another suffix, a folder of that name, missing weights or clips, or a graph
    that differs.
    """
    if path.suffix not in FORMATS:
        raise UserError(f"{path}: ends in {path.suffix or 'nothing'}; must be .onnx or .pt2")
    if path.is_dir():  # told before the minutes that an export takes
        raise UserError(f"{path}: it is a folder and stays; give another name, or remove it")
    recognizer = Recognizer.of_project(read_params())
    clips = extreme_clips(store_of(recognizer.recipe))
    difference = export(recognizer, path, clips)
    print(f"{path}: agrees with the networks within {difference:.0e}")
