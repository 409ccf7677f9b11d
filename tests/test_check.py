"""Streams and mixing that do not fit the layout are refused before any training."""

from pathlib import Path

import pytest

from brl.clips.layouts import COCO17, NTU25
from brl.config.check import check, check_streams
from brl.config.params import Params, read_params
from brl.config.streams import CheckpointParams, StreamParams
from brl.support.errors import UserError
from tests.own_data import STICK, write_description, write_stick_figures

PARAMS = read_params(Path("params.yaml"))


def mixing(mix: str, **stream: object) -> Params:
    """Parameters of one stream."""
    joint = StreamParams.model_validate({"inputs": "joint", **stream})
    method = PARAMS.method.model_copy(update={"mix": mix})
    return PARAMS.model_copy(update={"method": method, "streams": {"joint": joint}})


@pytest.mark.parametrize("mix", ["partial", "partial_published"])
def test_partial_mixing_needs_both_halves_of_what_a_stream_sees(mix):
    check_streams(mixing(mix), COCO17)
    check_streams(mixing(mix, part="leg"), COCO17)  # with the nose, its centre
    with pytest.raises(UserError, match=f"mix: {mix} .* 7 joints that streams.joint sees, 7 are"):
        check_streams(mixing(mix, part="hand"), COCO17)
    with pytest.raises(UserError, match=r"of the 9 joints that streams\.joint sees, 0 are of"):
        check_streams(mixing(mix, part="leg"), NTU25)
    check_streams(mixing("mixup", part="hand"), COCO17)
    with pytest.raises(UserError, match=r"streams\.joint\.part: no part 'arm'"):
        check_streams(mixing("mixup", part="arm"), COCO17)


def test_a_stream_that_is_not_trained_mixes_nothing():
    ready = CheckpointParams(file="j.pth", sha256="0")
    check_streams(mixing("partial", part="hand", weights=ready), COCO17)


@pytest.mark.parametrize("upper", [STICK["joints"], None], ids=["all", "not given"])
def test_own_data_without_halves_are_refused_before_any_stage(tmp_path, monkeypatch, upper):
    write_stick_figures(tmp_path / "hands", clips=3)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    halves = {"upper_body": upper, "lower_body": None}
    hand = {key: value for key, value in (STICK | halves).items() if value is not None}
    write_description(tmp_path / "hands", hand)
    dataset = PARAMS.dataset.model_copy(update={"name": "custom", "mirror": "hands"})
    with pytest.raises(UserError, match=r"of the 5 joints that streams\.joint sees, [05] are of"):
        check(mixing("partial").model_copy(update={"dataset": dataset}))
    check(mixing("remix").model_copy(update={"dataset": dataset}))
