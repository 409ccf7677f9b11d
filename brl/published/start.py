"""Published weights that a training of an encoder of pictures starts from: files of torchvision.

Only tensors, plain values and NumPy's numbers are read (`brl.published.checkpoint`).
"""

from pathlib import Path

from brl.models.common.pictures import PictureBackbone
from brl.published.checkpoint import read_state
from brl.published.identify import check_fits

LAST_LAYER = "fc."  # its classes are those of another dataset
COUNTER = ".num_batches_tracked"  # older files lack it


def load_start(path: Path, backbone: PictureBackbone) -> None:
    """Puts the weights of a file of torchvision's `resnet18` or `r2plus1d_18` into an encoder.

    Its last layer stays out. The encoder has the published width, 64, and depth.

    Raises UserError, in one line, if the file holds no state dict, or one of another network, whose
    first key that differs it names.
    """
    wanted = backbone.state_dict()
    state = {key: each for key, each in read_state(path).items() if not key.startswith(LAST_LAYER)}
    state = {key: each for key, each in wanted.items() if key.endswith(COUNTER)} | state
    check_fits(state, wanted, str(path))
    backbone.load_state_dict(state)
