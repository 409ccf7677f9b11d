"""Stand-ins for pose estimation networks: tiny graphs that find the brightest spot of each colour.

Their inputs and outputs are named and shaped as those of OpenMMLab's model zoo.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

BOX = 8  # half of a box's side, in the network's pixels
JOINTS = 17


class Graph:
    """A graph that is built node by node; a node's value is called after it."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: object, dtype: type = np.int64) -> str:
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def node(self, kind: str, *inputs: str, name: str = "", **attributes: object) -> str:
        name = name or f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def save(self, path: Path, size: tuple[int, int], outputs: dict[str, list[int]]) -> Path:
        """Writes the network. size: width and height of its pictures. outputs: their shapes."""
        width, height = size
        types = {"labels": TensorProto.INT64}
        graph = helper.make_graph(
            self.nodes,
            "stand-in",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, height, width])],
            [
                helper.make_tensor_value_info(name, types.get(name, TensorProto.FLOAT), shape)
                for name, shape in outputs.items()
            ],
            self.constants,
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        opset = [helper.make_opsetid("", 17)]
        onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
        return path


def detector(
    path: Path, size: tuple[int, int] = (64, 64), labels: Sequence[int] = (0, 0, 0)
) -> Path:
    """Writes a detector: a box around the brightest spot of each colour, brighter than grey."""
    graph = Graph()
    _boxes(graph)
    graph.node("Identity", graph.constant([list(labels)]), name="labels")
    return graph.save(path, size, {"dets": [1, 3, 5], "labels": [1, 3]})


def rtmpose(path: Path, size: tuple[int, int] = (24, 32), joints: int = JOINTS) -> Path:
    """Writes an RTMPose: joint v is v / 2 right and below of the spot of colour v modulo 3."""
    graph = Graph()
    colour = graph.constant([joint % 3 for joint in range(joints)])
    for name, axis, length in (("simcc_x", 2, size[0]), ("simcc_y", 3, size[1])):
        profile = graph.node("ReduceMax", "input", axes=[axis], keepdims=0)
        of_joints = graph.node("Gather", profile, colour, axis=1)
        row = graph.node("Unsqueeze", of_joints, graph.constant([2]))
        # Two bins a pixel: pixel p of joint v goes to bin 2 p + v.
        moves = [np.eye(2 * length, k=joint)[::2] for joint in range(joints)]
        bins = graph.node("MatMul", row, graph.constant(moves, np.float32))
        graph.node("Squeeze", bins, graph.constant([2]), name=name)
    shapes = {"simcc_x": [1, joints, 2 * size[0]], "simcc_y": [1, joints, 2 * size[1]]}
    return graph.save(path, size, shapes)


def rtmo(path: Path, size: tuple[int, int] = (64, 64), joints: int = JOINTS) -> Path:
    """Writes an RTMO: a person of each colour; joint v is v / 2 right and below of the spot."""
    graph = Graph()
    place, score = _boxes(graph)
    person = graph.node("Concat", place, score, axis=2)
    steps = [[[[joint / 2, joint / 2, 0] for joint in range(joints)]]]
    each = graph.node("Unsqueeze", person, graph.constant([2]))
    graph.node("Add", each, graph.constant(steps, np.float32), name="keypoints")
    return graph.save(path, size, {"dets": [1, 3, 5], "keypoints": [1, 3, joints, 3]})


def _boxes(graph: Graph) -> tuple[str, str]:
    """Adds `dets`, a box of each colour. Returns the spots (1, 3, 2) and scores (1, 3, 1)."""
    columns, rows = (graph.node("ReduceMax", "input", axes=[axis], keepdims=0) for axis in (2, 3))
    spots = [
        graph.node("Cast", graph.node("ArgMax", profile, axis=2), to=TensorProto.FLOAT)
        for profile in (columns, rows)
    ]
    place = graph.node("Concat", *spots, axis=2)
    half = graph.constant([BOX, BOX], np.float32)
    brightest = graph.node("ReduceMax", columns, axes=[2], keepdims=1)
    above_grey = graph.node("Sub", brightest, graph.constant([128], np.float32))
    score = graph.node("Div", above_grey, graph.constant([127], np.float32))
    low, high = graph.node("Sub", place, half), graph.node("Add", place, half)
    graph.node("Concat", low, high, score, axis=2, name="dets")
    return place, score
