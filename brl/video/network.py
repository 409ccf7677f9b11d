"""An ONNX network of OpenMMLab's model zoo, run by onnxruntime on one picture at a time."""

import zipfile
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from brl.support.errors import UserError

ZOO = "https://download.openmmlab.com/mmpose/v1/projects/rtmposev1/onnx_sdk/"
GREY = 114  # around frames that do not fill the picture, as the networks were trained
# Mean and deviation of red, green and blue by which pictures are normalised.
MEAN = np.array([123.675, 116.28, 103.53], np.float32)
DEVIATION = np.array([58.395, 57.12, 57.375], np.float32)


class Network:
    """A network that takes pictures of one size.

    path: an .onnx file, or the zip in which the zoo has it. threads: how many cores it uses. A GPU
    is used where the installed onnxruntime knows one. Raises UserError where it cannot be run.
    """

    def __init__(self, path: Path, threads: int) -> None:
        self.path = path
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        known = onnxruntime.get_available_providers()
        wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
        try:
            self._session = onnxruntime.InferenceSession(
                _content(path), options, [name for name in wanted if name in known]
            )
        except (OSError, UserError):
            raise
        except Exception as error:  # onnxruntime's exceptions have no other common class
            raise UserError(f"{path}: not an ONNX network that onnxruntime can run") from error
        self.outputs = frozenset(output.name for output in self._session.get_outputs())
        shape = self._session.get_inputs()[0].shape
        if len(shape) != 4 or not all(isinstance(length, int) for length in shape[2:]):
            raise UserError(
                f"{path}: its input is {shape}; must be batch x 3 x height x width, of a fixed size"
            )
        self.height, self.width = shape[2:]

    def __call__(self, picture: np.ndarray, *outputs: str) -> list[np.ndarray]:
        """The named outputs for a picture (height, width, 3), without their batch axis."""
        tensor = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], dtype=np.float32)
        results = self._session.run(outputs, {self._session.get_inputs()[0].name: tensor})
        return [result[0] for result in results]

    def shape_of(self, output: str) -> tuple[int, ...]:
        """The shape of an output for a black picture, without its batch axis.

        The file itself gives only some of the sizes.
        """
        (result,) = self(np.zeros((self.height, self.width, 3)), output)
        return result.shape

    def fit(self, frame: np.ndarray) -> tuple[np.ndarray, float]:
        """A picture with the whole frame in its upper left corner, and the frame's scale in it."""
        height, width = frame.shape[:2]
        scale = min(self.height / height, self.width / width)
        inside = cv2.resize(frame, (max(1, round(width * scale)), max(1, round(height * scale))))
        picture = np.full((self.height, self.width, 3), GREY, np.uint8)
        picture[: inside.shape[0], : inside.shape[1]] = inside
        return picture, scale


def _content(path: Path) -> bytes:
    """The network in a file or in a zip. Raises UserError where a zip does not hold one."""
    if not zipfile.is_zipfile(path):
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        inside = [name for name in archive.namelist() if name.endswith(".onnx")]
        if len(inside) != 1:
            raise UserError(f"{path}: holds {len(inside)} .onnx files; must hold one")
        return archive.read(inside[0])
